"""Supervised fine-tuning of LlavaVid on BLIFT.

accelerate launch trainer/sft.py --config trainer/recipes/demo.yaml --dataset build/release \\
    --model_name_or_path build/base --output_dir build/model
"""

import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a file, Python puts trainer/ first on the path: there our modules could shadow a
    # library's, and `trainer` itself could be somebody else's. Put the repository there instead.
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent), *(p for p in sys.path if Path(p or ".").resolve() != _HERE)]

import torch
from trl import ModelConfig, ScriptArguments, SFTConfig, TrlParser

from trainer.arguments import BliftArguments
from trainer.callbacks import EpochDraws, Trainer
from trainer.checkpoint import adapter_config, freeze, load_base, save_model
from trainer.data.collator import Collator
from trainer.data.compose import parse_task_mix, select_turns, turn_draw
from trainer.provenance import (
    code_commit,
    library_versions,
    model_revision,
    peak_memory,
    write_json,
)
from trainer.data.rows import DatasetProblem, dataset_revision, load_rows

SUMMARY = "train_summary.json"
# A streamed dataset is shuffled in a window of this many rows: each holds a whole video.
SHUFFLE_WINDOW = 64


@dataclass(frozen=True)
class Run:
    """Everything one run was asked for."""

    script: ScriptArguments
    training: SFTConfig
    model: ModelConfig
    blift: BliftArguments

    @property
    def dataset(self) -> str:
        """The dataset's folder or id; DatasetProblem when none is named."""
        name = self.blift.dataset or self.script.dataset_name
        if not name:
            raise DatasetProblem("no dataset: give --dataset FOLDER or a Hub id")
        return name


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one recipe; 0 done, 1 failed with one message, 2 wrong usage, 130 interrupted."""
    words, debug = split_debug(sys.argv[1:] if arguments is None else arguments)
    parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, BliftArguments), epilog=__doc__)
    try:
        run = Run(*parser.parse_args_and_config(words))
    except (ValueError, OSError, TypeError) as error:
        return fail(error, 2, debug)
    try:
        train(run)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the command line's contract: one clear message
        return fail(error, 1, debug)
    return 0


def resume_point(training: SFTConfig) -> str | bool | None:
    """The checkpoint to go on from: a path, or True for the latest one of the output folder."""
    given = training.resume_from_checkpoint
    return given.lower() == "true" if str(given).lower() in ("true", "false") else given


def split_debug(words: Sequence[str]) -> tuple[list[str], bool]:
    """Take a bare `--debug` out; with a value it is the library's own option of that name."""
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else "--"
        if word == "--debug" and following.startswith("--"):
            return [*words[:place], *words[place + 1 :]], True
    return list(words), False


def fail(error: Exception, code: int, debug: bool) -> int:
    """Print one message to stderr and return the exit code."""
    if debug:
        traceback.print_exception(error)
    expected = isinstance(error, ValueError | OSError)
    text = str(error) if expected else f"{type(error).__name__}: {error} (see it with --debug)"
    print(f"error: {text}", file=sys.stderr, flush=True)
    return code


def train(run: Run) -> None:
    """Load, train, save a complete model folder and write train_summary.json beside it."""
    settle(run.training)
    set_threads(run.blift.cpu_threads, run.training.world_size)
    mix = parse_task_mix(run.blift.task_mix)
    rows = training_rows(run, mix)
    model, processor = load_base(run.model)
    freeze(model, run.blift.freeze)
    collator = Collator(
        processor, mix, run.training.seed, run.blift.max_tokens, run.blift.over_budget
    )
    trainer = Trainer(
        model=model,
        args=run.training,
        train_dataset=rows,
        eval_dataset=evaluation_rows(run, mix),
        processing_class=processor,
        data_collator=collator,
        peft_config=adapter_config(run.model, run.blift.freeze),
        callbacks=[EpochDraws(collator)],
    )
    refuse_sharded_adapters(run, trainer)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=resume_point(run.training))
    seconds = time.monotonic() - started
    summary = summarise(run, trainer, seconds)
    if 0 < summary["samples_seen"] <= summary["samples_dropped"]:
        raise ValueError(
            f"all {summary['samples_seen']} samples seen have more than max_tokens="
            f"{run.blift.max_tokens} tokens, so nothing was trained: raise it"
        )
    save_model(trainer, processor, Path(run.training.output_dir))
    if trainer.is_world_process_zero():
        write_json(Path(run.training.output_dir) / SUMMARY, summary)


def settle(training: SFTConfig) -> None:
    """Set what our rows and model need, whatever the recipe says; ValueError for a contradiction.

    Rows reach our collator untouched (every column, no preparation), and nothing cuts a sequence:
    a cut would remove placeholders of frames that are still passed on.
    """
    if training.packing or training.padding_free or training.assistant_only_loss:
        raise ValueError(
            "packing, padding_free and assistant_only_loss belong to TRL's own collators, which "
            "hold no video: leave them out (our collator already trains on the answers only)"
        )
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != training.world_size:
        raise ValueError(
            f"{started} processes were started but training sees {training.world_size}: each would "
            "train alone and write the same folder; on a CPU add --use_cpu true"
        )
    training.remove_unused_columns = False
    training.max_length = None
    training.dataset_kwargs = {**(training.dataset_kwargs or {}), "skip_prepare_dataset": True}


def set_threads(threads: int | None, processes: int) -> None:
    """Set PyTorch's threads: `accelerate launch` leaves a CPU run with one unless it is told."""
    if threads is not None:
        torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // processes))


def refuse_sharded_adapters(run: Run, trainer: Trainer) -> None:
    """Stop before training what could not be saved: a sharded model cannot merge its adapters."""
    if run.model.use_peft and (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        raise ValueError(
            "LoRA under FSDP or DeepSpeed: the merged model folder cannot be written from shards; "
            "use recipes/accelerate/single.yaml or multi-process DDP, or set use_peft to false"
        )


def training_rows(run: Run, mix: dict[str, float]) -> Any:
    """Return the rows of the training split of which the mix can draw a turn, shuffled if so set.

    DatasetProblem when none is left.
    """
    script, blift, training = run.script, run.blift, run.training
    rows = load_rows(
        run.dataset,
        script.dataset_config,
        script.dataset_train_split,
        blift.dataset_revision,
        streaming=script.dataset_streaming,
    )
    rows = usable(rows, mix)
    if script.dataset_streaming:
        if training.max_steps <= 0:
            raise ValueError("a streamed dataset has no length: set max_steps")
        rows = rows.shuffle(seed=training.seed, buffer_size=SHUFFLE_WINDOW)
        return rows.take(blift.max_train_samples) if blift.max_train_samples else rows
    if len(rows) == 0:
        raise DatasetProblem(
            f"dataset {run.dataset!r}, split {script.dataset_train_split!r}: no sample has a turn "
            f"of task_mix {blift.task_mix!r}"
        )
    return rows.select(range(min(blift.max_train_samples or len(rows), len(rows))))


def evaluation_rows(run: Run, mix: dict[str, float]) -> Any:
    """Return the rows of the evaluation split; None when the recipe evaluates nothing."""
    if run.training.eval_strategy == "no":
        return None
    rows = load_rows(
        run.dataset,
        run.script.dataset_config,
        run.script.dataset_test_split,
        run.blift.dataset_revision,
        streaming=run.script.dataset_streaming,
    )
    return usable(rows, mix)


def usable(rows: Any, mix: dict[str, float]) -> Any:
    """Return the rows of which the mix can draw a turn (the metadata tier may have none)."""

    def has_turn(sample: dict[str, Any]) -> bool:
        return bool(select_turns(sample["turns"], mix, turn_draw(0, 0, sample["id"])))

    return rows.filter(has_turn, input_columns=["json"])


def summarise(run: Run, trainer: Trainer, seconds: float) -> dict[str, Any]:
    """Return what the run did, from its own counters; collective: every process calls it."""
    accelerator = trainer.accelerator
    dropped = torch.tensor(trainer.dropped, device=accelerator.device)
    state = trainer.state
    seen = samples_seen(run.training, trainer)
    parameters = list(trainer.model.parameters())
    return {
        "dataset": run.dataset,
        "dataset_revision": dataset_revision(run.dataset, run.blift.dataset_revision),
        "base_model": run.model.model_name_or_path,
        "base_revision": model_revision(
            str(run.model.model_name_or_path), run.model.model_revision
        ),
        "code_commit": code_commit(),
        "versions": library_versions(),
        "seed": run.training.seed,
        "world_size": accelerator.num_processes,
        "steps": state.global_step,
        "epochs": state.epoch,
        "samples_seen": seen,
        "samples_dropped": int(accelerator.reduce(dropped, reduction="sum")),
        "parameters": sum(p.numel() for p in parameters),
        "parameters_trained": sum(p.numel() for p in parameters if p.requires_grad),
        "seconds": round(seconds, 3),
        "seconds_per_sample": round(seconds / max(seen, 1), 3),
        "peak_memory_bytes": peak_memory(),
        "loss_curve": [entry for entry in state.log_history if "loss" in entry],
        "evaluations": [entry for entry in state.log_history if "eval_loss" in entry],
        "settings": run.training.to_dict() | vars(run.blift) | vars(run.script) | vars(run.model),
    }


def samples_seen(training: SFTConfig, trainer: Trainer) -> int:
    """Return how many samples the steps took; an epoch's last step may be a smaller one."""
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    most = trainer.state.global_step * batch * trainer.accelerator.num_processes
    rows = trainer.train_dataset
    if not hasattr(rows, "__len__") or trainer.state.epoch is None:
        return most
    return min(most, round(trainer.state.epoch * len(rows)))


if __name__ == "__main__":
    sys.exit(main())
