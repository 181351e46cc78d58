"""TRL's trainer, with our batches, checkpoints that are whole or not there, and no card of its own.

Overridden is what its documentation names for it: the batches (`get_batch_samples`), evaluation,
the training step; and the writing of checkpoints, which happens aside.
"""

import math
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from transformers import TrainerState
from trl import SFTTrainer

from trainer.callbacks import Speed
from trainer.checkpoint import copy_requirements
from trainer.data.collator import ABOUT, Collator
from trainer.data.llava import check_share
from trainer.data.loader import RunData
from trainer.data.mixture import SOURCES
from trainer.data.stream import Bookmark
from trainer.freezing import load_bare, parameter_table, save_bare
from trainer.loop.counts import Counts
from trainer.loop.heldout import HeldOut
from trainer.loop.resume import PREFIX, STATE, facts_of, rotate, seal, whole_or_nothing

LOADER = ("num_workers", "pin_memory", "prefetch_factor", "multiprocessing_context")


class Trainer(SFTTrainer):
    """A stock SFTTrainer whose steps take our batches.

    `give` it the run's data, and `heldout` what it is measured on, before `run`. Its own card
    would publish claims nobody measured.
    """

    data_collator: Any
    counts: Counts
    data: RunData
    heldout: HeldOut | None = None
    identity: dict[str, Any]
    control: Any
    most_broken: float
    staging: Path | None = None
    _batches: Iterator[dict[str, Any]] | None = None

    def give(self, data: RunData, identity: dict[str, Any], most_broken: float) -> None:
        """Set what this run trains on, what makes it this run, how much of a mix may be broken."""
        self.data, self.identity, self.most_broken = data, identity, most_broken
        self.counts = Counts()
        self.speed = Speed({row["part"]: row for row in parameter_table(self.model)})

    def resume(self, checkpoint: Path | None) -> None:
        """Take over what earlier launches counted; clear away what a killed one left half done."""
        if checkpoint is not None:
            self.counts.earlier = facts_of(checkpoint).get("counts", {})
        if self.is_world_process_zero():
            for name in (".saving", ".removing-*", ".finishing", ".merged"):
                for left in Path(self.args.output_dir).glob(name):
                    shutil.rmtree(left, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def run(self, checkpoint: Path | None) -> None:
        """Train, from a checkpoint if there is one; a finished run only takes its weights."""
        plugin = self.accelerator.state.deepspeed_plugin if self.is_deepspeed_enabled else None
        if plugin and plugin.zero_stage == 3 and self.args.per_device_train_batch_size > 1:
            raise ValueError(
                "DeepSpeed's third stage needs per_device_train_batch_size 1: with a picture and a "
                "video in one process' batch its modules run in another order than elsewhere, and "
                "the exchange of weights breaks; accumulate instead, or use ZeRO-2 or FSDP"
            )
        self.resume(checkpoint)
        if checkpoint is None or not self._finished(checkpoint):
            self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            self.check_broken(self.counts.total())
            return
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ValueError(
                f"training is finished in {checkpoint}: write the model with "
                f"`python -m trainer.merge {checkpoint} OUT`"
            )
        best = self.state.best_model_checkpoint if self.args.load_best_model_at_end else None
        self._load_from_checkpoint(best or str(checkpoint))

    def _finished(self, checkpoint: Path) -> bool:
        """Return whether a checkpoint is the end of the run, and take its state if so.

        The library would train one step more than it was asked to.
        """
        state = TrainerState.load_from_json(str(checkpoint / STATE))
        steps = self.args.max_steps
        if steps <= 0:
            steps = math.ceil(self.args.num_train_epochs * self.data.mixture.epoch_steps)
        if state.global_step >= steps:
            self.state = state
        return bool(state.global_step >= steps)

    def check_broken(self, counts: dict[str, Any]) -> None:
        """Raise MixProblem when too much of the mix cannot be decoded."""
        mix = self.data.rows.mix
        broken = Counter({"cannot be decoded": len(counts["broken"])})
        check_share(broken, len(mix or ()), self.most_broken, "mix_media")

    # -- batches -------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader:  # type: ignore[type-arg]
        """Return a stand-in that only has the epoch's length: `get_batch_samples` has the rows.

        The library skips through it on resume, which costs nothing; our batches start where they
        should.
        """
        mixture = self.data.mixture
        length = mixture.epoch_steps * self.args.gradient_accumulation_steps
        return DataLoader(range(length), batch_size=1, collate_fn=list)  # type: ignore[arg-type]

    def num_examples(self, dataloader: Any) -> int:
        """Return the draws of an epoch."""
        return self.data.mixture.epoch_steps * self.data.mixture.step

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """Return the next batches of this process, and the tokens to normalise their loss by."""
        started = time.monotonic()
        if self._batches is None:
            self._batches = self._from_step(self.state.global_step)
        found = super().get_batch_samples(self._batches, num_batches, device)
        self.counts.waited += time.monotonic() - started
        return found

    def _from_step(self, step: int) -> Iterator[dict[str, Any]]:
        args = self.args
        options: dict[str, Any] = {name: getattr(args, f"dataloader_{name}") for name in LOADER}
        options["persistent_workers"] = args.dataloader_num_workers > 0
        marks = self.counts.earlier.get("bookmarks", {})
        return self.data.batches(
            self._collator(),
            args.process_index,
            args.world_size,
            step,
            options,
            {int(lane): Bookmark(*mark) for lane, mark in marks.items()},
        )

    def _collator(self) -> Collator:
        return self.data_collator  # type: ignore[no-any-return]

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
        """One step; what became of the batch's rows is ours to count, not the model's."""
        self.counts.take(inputs.pop(ABOUT), self.args.per_device_train_batch_size)
        return super().training_step(model, inputs, *rest)

    # -- measures ------------------------------------------------------------------------------

    def log(self, logs: dict[str, float], *rest: Any) -> None:
        """Log, with the speed since the last time and how far each source has come."""
        if "loss" in logs:
            logs |= self.speed.since(self.counts, self.args.world_size)
            logs |= {f"{name}_epochs": value for name, value in self.source_epochs().items()}
        super().log(logs, *rest)

    def source_epochs(self) -> dict[str, float]:
        """Return how often each source has been gone through (paper: 2.2 epochs of both mixed)."""
        mixture, steps = self.data.mixture, self.state.global_step
        epoch, inside = divmod(steps, mixture.epoch_steps)
        origin = mixture.origin(epoch)[: inside * mixture.step]
        before = mixture.drawn_before(epoch)
        return {
            name: round((before[source] + int((origin == source).sum())) / size, 4)
            for source, (name, size) in enumerate(zip(SOURCES, self.data.samples, strict=False))
            if size
        }

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the held-out posts; collective."""
        if self.heldout is None:
            return {}
        metrics = {f"eval_{name}": value for name, value in self.heldout.measure(self).items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    # -- checkpoints ---------------------------------------------------------------------------

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Nothing: the model's card is made from measured results, elsewhere."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.staging or super()._get_output_dir(trial))

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        return bool(metrics) and super()._determine_best_metric(metrics, trial)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint aside and give it its name when it is whole; collective."""
        output, step = Path(self.args.output_dir), self.state.global_step
        counts = self.counts.total()
        self.check_broken(counts)
        if not self.is_world_process_zero():
            self._write_aside(output / ".saving", model, trial)
        else:
            with whole_or_nothing(output, step) as aside:
                self._write_aside(aside, model, trial)
                facts = {"run": self.identity, "counts": counts, "step": step}
                seal(aside / f"{PREFIX}{step}", facts)
            rotate(output, self.args.save_total_limit, self.state.best_model_checkpoint)
        self.accelerator.wait_for_everyone()

    def _write_aside(self, aside: Path, model: Any, trial: Any) -> None:
        self.staging = aside
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.staging = None
        best = self.state.best_global_step
        if best:  # by its final name: the library found it aside, or not at all
            named = Path(self.args.output_dir) / f"{PREFIX}{best}"
            self.state.best_model_checkpoint = str(named)
            if self.args.should_save:
                here = aside / f"{PREFIX}{self.state.global_step}" / STATE
                self.state.save_to_json(str(here))
        self.accelerator.wait_for_everyone()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            model, folder = self.accelerator.unwrap_model(self.model), Path(str(output_dir))
            save_bare(model, folder, state_dict)
            copy_requirements(model.config.name_or_path, folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        load_bare(self.accelerator.unwrap_model(self.model), Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        super()._load_best_model()
        load_bare(
            self.accelerator.unwrap_model(self.model), Path(str(self.state.best_model_checkpoint))
        )
