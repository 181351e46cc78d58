"""Every option of the library's classes is honoured or refused: none changes nothing in silence."""

import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import yaml
from trl import SFTConfig

from trainer.arguments import Run
from trainer.data.collator import OVER_BUDGET
from trainer.data.selections import selection
from trainer.freezing import trainable

OURS = "our collator and batches take their place"
EVALUATION = "the held-out posts are measured by generation and token, not by the library's loop"
HUB = "publishing is `python -m release model`, after the model was checked"
# name -> (the values that mean what happens anyway, why no other one is taken)
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "packing": ((False,), "TRL's packing holds no video: leave it out"),
    "padding_free": ((False,), "TRL's padding-free batches hold no video: leave it out"),
    "eval_packing": ((None, False), "TRL's packing holds no video: leave it out"),
    "packing_strategy": ((), "nothing is packed: leave it out"),
    "max_length": ((None,), "nothing is cut, a cut would part frames from their places: give a "
                            "budget with max_tokens and over_budget"),
    "truncation_mode": ((), "nothing is cut: see max_tokens and over_budget"),
    "completion_only_loss": ((True, None), "the loss is on the answers only"),
    "assistant_only_loss": ((False,), "the loss is on the answers already: leave it out"),
    "pad_token": ((None,), "the model's processor pads, and padding is never a label"),
    "pad_to_multiple_of": ((None, "auto"), "batches are padded to their longest row"),
    "dataset_text_field": (("text",), "rows are samples with turns, not texts"),
    "dataset_num_proc": ((None,), "rows are not prepared beforehand"),
    "shuffle_dataset": ((False,), "the order is train_sampling_strategy's, drawn from the seed"),
    "ignore_bias_buffers": ((False,), "LlavaVid has no boolean buffers to ignore"),
    "lora_task_type": (("CAUSAL_LM",), "the adapter must load with the model's own class"),
    "auto_find_batch_size": ((False,), "the order of samples depends on the batch size"),
    "dataloader_drop_last": ((False,), "no batch is ragged: a new pass begins inside one"),
    "dataloader_in_order": ((True,), "a run could not be repeated or resumed"),
    "remove_unused_columns": ((False,), "rows reach the collator whole"),
    "length_column_name": ((), "lengths are counted in words when grouping asks for them"),
    "ignore_data_skip": ((False,), "a resumed run computes its place in the order"),
    "save_only_model": ((False,), "such a checkpoint cannot be resumed: use save_strategy no"),
    "save_on_each_node": ((False,), "one shared output folder is renamed into place"),
    "enable_jit_checkpoint": ((False,), "SIGTERM already saves and ends with 143"),
    "parallelism_config": ((None,), "every process takes batches of its own"),
    "do_train": ((True,), "this command trains"),
    "do_eval": ((), "eval_strategy says whether held-out posts are measured"),
    "do_predict": ((False,), "use `python -m trainer.evaluation`"),
    "label_names": ((None,), OURS),
    "prediction_loss_only": ((True,), EVALUATION),
    "eval_do_concat_batches": ((True,), EVALUATION),
    "eval_use_gather_object": ((False,), EVALUATION),
    "eval_accumulation_steps": ((None,), EVALUATION),
    "batch_eval_metrics": ((False,), EVALUATION),
    "include_for_metrics": (([],), EVALUATION),
    "bf16_full_eval": ((False,), EVALUATION),
    "fp16_full_eval": ((False,), EVALUATION),
    "push_to_hub": ((False,), HUB),
    "hub_model_id": ((None,), HUB),
    "hub_token": ((None,), HUB),
    "hub_private_repo": ((None,), HUB),
    "hub_revision": ((None,), HUB),
    "hub_strategy": ((), HUB),
    "hub_always_push": ((False,), HUB),
}  # fmt: skip
LOADER_KEYS = {"split_batches", "dispatch_batches", "even_batches", "use_seedable_sampler"}
ADAPTER = ("lora_", "use_rslora", "use_dora")
QUANTISED = ("bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage")


class OptionProblem(ValueError):
    """An option that was given cannot have an effect, or contradicts another one."""


def split_debug(words: Sequence[str]) -> tuple[list[str], bool]:
    """Take a bare `--debug` out; with a value it is the library's own option of that name."""
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else "--"
        if word == "--debug" and following.startswith("--"):
            return [*words[:place], *words[place + 1 :]], True
    return list(words), False


def given_options(words: Sequence[str]) -> set[str]:
    """Return the names that the command line and its recipe set."""
    names = {word[2:].split("=")[0] for word in words if word.startswith("--")}
    for place, word in enumerate(words):
        path = words[place + 1] if word == "--config" and place + 1 < len(words) else ""
        if word.startswith("--config="):
            path = word.removeprefix("--config=")
        if path and Path(path).is_file():
            names |= set(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
    return names


def settle(run: Run, given: Iterable[str]) -> None:
    """Refuse what cannot be honoured, then set what our rows and model need, and the defaults.

    Rows reach our collator untouched (every column, no preparation), and nothing cuts a sequence:
    a cut would remove placeholders of frames that are still passed on.
    """
    given = set(given)
    refuse_ignored(run, given)
    refuse_contradictions(run, given)
    training = run.training
    if "report_to" not in given and find_spec("trackio"):
        training.report_to = ["trackio"]
        os.environ.setdefault("TRACKIO_DIR", str(Path(training.output_dir or ".") / "trackio"))
    training.remove_unused_columns = False
    training.max_length = None
    training.dataset_kwargs = {"skip_prepare_dataset": True}
    if training.eval_strategy != "no" and training.metric_for_best_model is None:
        training.metric_for_best_model = "comment_perplexity"
        training.greater_is_better = False


def refuse_ignored(run: Run, given: set[str]) -> None:
    """Raise OptionProblem for a given option that this trainer would ignore."""
    values = vars(run.training) | vars(run.model) | vars(run.script)
    for name in sorted(given & set(REFUSED)):
        harmless, reason = REFUSED[name]
        if values[name] not in harmless:
            raise OptionProblem(f"{name} is {values[name]!r}, which is not taken: {reason}")
    kwargs = set(run.training.dataset_kwargs or {}) - {"skip_prepare_dataset"}
    if kwargs:
        raise OptionProblem(f"dataset_kwargs {sorted(kwargs)} are not taken: rows are not prepared")
    loader = run.training.accelerator_config
    asked = loader if isinstance(loader, dict) else {}
    if LOADER_KEYS & set(asked):
        raise OptionProblem(
            f"accelerator_config {sorted(LOADER_KEYS & set(asked))} are not taken: {OURS}"
        )
    template = run.training.chat_template_path
    if template and not (template.endswith((".jinja", ".j2")) and Path(template).is_file()):
        raise OptionProblem(
            f"chat_template_path {template!r}: expected a .jinja file; another model's template "
            "would add tokens that this model does not have"
        )


def refuse_contradictions(run: Run, given: set[str]) -> None:
    """Raise OptionProblem for options that need another one, or cannot stand together."""
    model, training = run.model, run.training
    adapters = sorted(name for name in given if name.startswith(ADAPTER))
    if adapters and not model.use_peft and "use_peft" not in given:
        raise OptionProblem(f"{', '.join(adapters)} need adapters: add use_peft: true")
    if (model.load_in_4bit or model.load_in_8bit) and not model.use_peft:
        raise OptionProblem("a quantised model cannot be trained whole: add use_peft: true")
    quantised = sorted(given & set(QUANTISED))
    if quantised and not model.load_in_4bit:
        raise OptionProblem(f"{', '.join(quantised)} need load_in_4bit: true")
    names = {run.blift.dataset, run.script.dataset_name} - {None}
    if len(names) > 1:
        raise OptionProblem(f"two datasets are named, {sorted(map(str, names))}: give one")
    if training.train_sampling_strategy not in ("random", "sequential", "group_by_length"):
        raise OptionProblem(
            f"train_sampling_strategy {training.train_sampling_strategy!r}: expected random, "
            "sequential or group_by_length"
        )
    if training.train_sampling_strategy == "group_by_length" and run.script.dataset_streaming:
        raise OptionProblem("a stream's lengths are not known: group_by_length needs a map-style "
                            "dataset, or set train_sampling_strategy to random")  # fmt: skip
    if training.load_best_model_at_end and training.save_total_limit == 1:
        raise OptionProblem(
            "save_total_limit 1 with load_best_model_at_end: the library would delete the newest "
            "checkpoint, from which the same line goes on: set save_total_limit to 2"
        )
    mixed = sorted(given & {"mix_media", "p_behavior", "mix_eval_samples", "max_missing_media"})
    if mixed and not run.blift.mix_data:
        raise OptionProblem(f"{', '.join(mixed)} speak of a mix: give mix_data, its JSON files")
    trainable(run.blift.freeze)
    turns = selection(run.blift.selection).task_mix
    if run.blift.selection != "behavior" and run.blift.task_mix not in (None, turns):
        raise OptionProblem(
            f"selection {run.blift.selection!r} asks for the turns {turns!r}, task_mix for "
            f"{run.blift.task_mix!r}: leave one out, or give --task_mix {turns}"
        )
    if run.blift.over_budget not in OVER_BUDGET:
        raise OptionProblem(f"over_budget {run.blift.over_budget!r}: expected one of {OVER_BUDGET}")
    refuse_launch(training)


def refuse_launch(training: SFTConfig) -> None:
    """Raise OptionProblem when the processes that were started are not those that would train."""
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != training.world_size:
        raise OptionProblem(
            f"{started} processes were started but training sees {training.world_size}: each would "
            "train alone and write the same folder; on a CPU add --use_cpu true"
        )
    sharded = os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true" or training.fsdp
    if sharded and (training.use_cpu or not torch.accelerator.is_available()):
        raise OptionProblem(
            "FSDP was asked for, on the CPU: accelerate would silently run DDP instead; use "
            "recipes/accelerate/cpu2.yaml, or an accelerator"
        )


def set_threads(threads: int | None, processes: int) -> None:
    """Set PyTorch's threads: `accelerate launch` leaves a CPU run with one unless it is told."""
    if threads is not None:
        torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // processes))
