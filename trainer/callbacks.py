"""TRL's trainer, and what happens between its steps."""

from typing import Any

from transformers import TrainerCallback
from trl import SFTTrainer

from trainer.collator import Collator


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
    """TRL's trainer without its card: it would publish claims that nobody measured."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Nothing: the model's card is made from measured results, elsewhere."""
