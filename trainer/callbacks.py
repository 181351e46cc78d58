"""TRL's trainer, and what happens between its steps."""

from dataclasses import replace
from typing import Any

from transformers import TrainerCallback
from trl import SFTTrainer

from trainer.data.collator import Collator


class EpochDraws(TrainerCallback):
    """Tells the collator which epoch it is, so that each epoch draws its turns anew.

    It is set before the epoch's loader starts its workers; a resumed run begins inside its epoch.
    """

    def __init__(self, collator: Collator) -> None:
        self.collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the collator's epoch; the sum guards against 0.9999999 at a boundary."""
        self.collator.epoch = int((state.epoch or 0.0) + 1e-6)


class Trainer(SFTTrainer):
    """TRL's trainer without its card, which would publish claims that nobody measured.

    Counts in `dropped` the samples that this process' steps found too long.
    """

    dropped = 0
    data_collator: Any

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Nothing: the model's card is made from measured results, elsewhere."""

    def get_eval_dataloader(self, *arguments: Any) -> Any:
        """The evaluation's batches, always with the turns of epoch 0: its points compare."""
        drawing = self.data_collator
        self.data_collator = replace(drawing, epoch=0)
        try:
            return super().get_eval_dataloader(*arguments)
        finally:
            self.data_collator = drawing

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
        """One step; the collator's count is ours, not the model's."""
        self.dropped += int(inputs.pop("dropped", 0))
        return super().training_step(model, inputs, *rest)

    def prediction_step(self, model: Any, inputs: dict[str, Any], *rest: Any, **more: Any) -> Any:
        """One evaluation step, likewise."""
        inputs.pop("dropped", None)
        return super().prediction_step(model, inputs, *rest, **more)
