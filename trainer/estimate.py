"""Tokens, steps, hours, memory and disk of a recipe, before anything runs.

python -m trainer.estimate --config trainer/recipes/blift.yaml
"""

import argparse
import json
import math
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainer.arguments import BliftArguments, Run
from trainer.callbacks import PEAKS, flops_per_token
from trainer.planning.shapes import Shape, activation_bytes, read_shape, trained_parts

EXAMPLE = """example:
  python -m trainer.estimate --config trainer/recipes/blift.yaml \\
      --accelerate trainer/recipes/accelerate/fsdp.yaml --dataset build/blift/release
"""
# the share of its peak that a training step of this size reaches: an assumption, said in the output
UTILISATION = 0.4
DEVICES = {**PEAKS, "CPU": 1.25e11}  # of a laptop's cores, in float32
SAMPLED = 32  # samples whose tokens are counted
WORDS_TO_TOKENS = 1.35  # where there is no tokenizer here: English in LLaMA's vocabulary
GIB = 2**30
# samples of the published data and of the original mix (paper sections 2.1 and 2.2)
PAPER_SAMPLES, PAPER_MIX = 730_000, 763_000
PAPER_TOKENS = 620  # of a sample without data at hand: Listing 1 and ten scenes


@dataclass(frozen=True)
class Engine:
    """How many processes share a run, and what they shard (0 nothing, 2 states, 3 all)."""

    processes: int
    stage: int


def parser() -> argparse.ArgumentParser:
    """Return the command line; further words are read as sft.py would."""
    made = argparse.ArgumentParser(
        prog="python -m trainer.estimate",
        description="Tokens, steps, hours, memory per rank and disk of a recipe.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--config", required=True, type=Path, help="recipe")
    made.add_argument("--dataset", help="release folder or Hub id (default: the recipe's)")
    made.add_argument("--model", help="model folder, or a config.json of its shape")
    made.add_argument("--accelerate", type=Path, help="accelerate config: processes, sharding")
    made.add_argument("--device", choices=sorted(DEVICES), default="H100", help="what trains")
    made.add_argument(
        "--tokens-per-second", type=float, help="measured speed of one process, in place of a guess"
    )
    made.add_argument("--json", action="store_true", help="print JSON, not a table")
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the estimate; 0 done, 1 failed with one message, 2 wrong usage, 130 interrupted."""
    options, more = parser().parse_known_args(arguments)
    try:
        found = estimate(options, more)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, TypeError) as error:
        if options.debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found) if options.json else text(found))
    return 0


def estimate(options: argparse.Namespace, more: Sequence[str] = ()) -> dict[str, Any]:
    """Return everything estimated, and under `assumed` what was not measured or read."""
    run = read_run(options.config, options.dataset, more)
    engine = read_engine(options.accelerate)
    shape, source = read_shape(options.model or str(run.model.model_name_or_path))
    data = data_facts(run)
    training = run.training
    micro, accumulation = (
        training.per_device_train_batch_size,
        training.gradient_accumulation_steps,
    )
    step = micro * accumulation * engine.processes
    epoch_steps = -(-data["samples"] // step)
    steps = training.max_steps
    if steps <= 0:
        steps = math.ceil(training.num_train_epochs * epoch_steps)
    tokens = steps * step * data["tokens_per_sample"]
    table = trained_parts(shape, run)
    flops = flops_per_token(table)
    speed = options.tokens_per_second or UTILISATION * DEVICES[options.device] / flops
    memory = memory_of(run, shape, table, engine, data["longest"])
    if options.device == "CPU":  # there the libraries' own memory counts: as much as here, now
        memory["libraries"] = round(resident() / GIB, 3)
        memory["total"] = round(memory["total"] + memory["libraries"], 3)
    return {
        "recipe": str(options.config),
        "shape": source,
        "parameters": sum(row["total"] for row in table.values()),
        "parameters_trained": sum(row["trained"] for row in table.values()),
        "parts": table,
        **data,
        "processes": engine.processes,
        "step_samples": step,
        "steps": steps,
        "epochs": round(steps / epoch_steps, 4),
        "tokens": round(tokens),
        "hours": round(tokens / (speed * engine.processes) / 3600, 2),
        "device_hours": round(tokens / speed / 3600, 2),
        "memory_per_rank": memory,
        "disk": disk_of(run, table),
        "assumed": assumptions(options, data),
    }


def read_run(recipe: Path, dataset: str | None, more: Sequence[str]) -> Run:
    """Return a recipe as a run would read it; nothing is loaded."""
    from trl import ModelConfig, ScriptArguments, SFTConfig, TrlParser

    words = ["--config", str(recipe), *more, *(["--dataset", dataset] if dataset else [])]
    # settings for a machine that this one may not be: they change no estimate
    here = ["--bf16", "false", "--tf32", "false", "--use_cpu", "true"]
    classes = (ScriptArguments, SFTConfig, ModelConfig, BliftArguments)
    wanted = yaml.safe_load(recipe.read_text(encoding="utf-8")) or {}
    run = Run(*TrlParser(classes, allow_abbrev=False).parse_args_and_config([*words, *here]))
    run.training.bf16 = bool(wanted.get("bf16", False))
    return run


def read_engine(path: Path | None) -> Engine:
    """Return the processes and the sharding of an accelerate config; one process without."""
    if path is None:
        return Engine(int(os.environ.get("WORLD_SIZE", "1")), 0)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    stage = 0
    if config["distributed_type"] == "FSDP":
        stage = 3
    elif config["distributed_type"] == "DEEPSPEED":
        named = Path(config["deepspeed_config"]["deepspeed_config_file"])
        file = named if named.is_file() else path.parent / named.name
        stage = json.loads(file.read_text(encoding="utf-8"))["zero_optimization"]["stage"]
    return Engine(int(config["num_processes"]), stage)


def data_facts(run: Run) -> dict[str, Any]:
    """Return samples, tokens per sample and the longest, counted where the data are here."""
    name = run.blift.dataset or run.script.dataset_name or ""
    mix_here = all(Path(path).exists() for path in run.blift.mix_data or [])
    here = mix_here and (run.mix_alone or Path(name).is_dir())
    if not here:
        count = PAPER_SAMPLES * (not run.mix_alone) + PAPER_MIX * bool(run.blift.mix_data)
        longest = run.blift.max_tokens or 2 * PAPER_TOKENS
        return {"samples": count, "tokens_per_sample": PAPER_TOKENS, "longest": longest,
                "counted": False}  # fmt: skip
    from trainer.data.prepare import load_run_mix, training_data

    mix, _ = load_run_mix(run)
    data = training_data(run, mix)
    draws = data.mixture.draws(0, 0, SAMPLED)
    lengths = token_lengths(run, [data.rows[draw] for draw in draws])
    longest = min(max(lengths), run.blift.max_tokens or max(lengths))
    return {
        "samples": sum(data.samples),
        "tokens_per_sample": round(sum(lengths) / len(lengths), 1),
        "longest": longest,
        "counted": True,
    }


def token_lengths(run: Run, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Return the tokens of rows: by the model's processor, or from words where it is not here."""
    from trainer.data.collator import Collator
    from trainer.data.prepare import turn_mix

    folder = Path(str(run.model.model_name_or_path))
    if (folder / "processor_config.json").is_file():
        from transformers import AutoProcessor

        processor = AutoProcessor.from_pretrained(str(folder), trust_remote_code=True)
        collator = Collator(processor, turn_mix(run), run.data_seed, None, "error")
        return [int(collator([row])["attention_mask"].sum()) for row in rows]
    counts = []
    for row in rows:
        told = row["messages"] if "messages" in row else row["json"]["turns"]
        counts.append(round(len(json.dumps(told).split()) * WORDS_TO_TOKENS))
    return counts


def memory_of(
    run: Run, shape: Shape, table: dict[str, dict[str, Any]], engine: Engine, longest: int
) -> dict[str, Any]:
    """Return GiB of one rank by what holds them: weights, gradients, optimizer, activations."""
    dtype = str(run.model.dtype)
    named = shape.dtype if dtype == "auto" else dtype
    width = {"float32": 4, "bfloat16": 2, "float16": 2}[named]
    total = sum(row["total"] for row in table.values())
    trained = sum(row["trained"] for row in table.values())
    language = table["language model"]["total"]
    packed = 0.5 if run.model.load_in_4bit else 1.0 if run.model.load_in_8bit else width
    share_all = engine.processes if engine.stage == 3 else 1
    share_states = engine.processes if engine.stage >= 2 else 1
    moments = 0 if "sgd" in str(run.training.optim) else 2
    found = {
        "weights": ((total - language) * width + language * packed) / share_all,
        "gradients": trained * width / share_states,
        "optimizer": moments * trained * width / share_states,
        "activations": activation_bytes(
            shape,
            run.training.per_device_train_batch_size,
            longest,
            2 if run.training.bf16 else width,
            checkpointed=bool(
                run.training.activation_checkpointing or run.training.gradient_checkpointing
            ),
        ),
    }
    gib = {name: round(value / GIB, 3) for name, value in found.items()}
    return {**gib, "total": round(sum(found.values()) / GIB, 3)}


def resident() -> int:
    """Return this process' resident memory in bytes; it has loaded what a run loads."""
    import trainer.sft  # noqa: F401
    from trainer.provenance import peak_memory

    status = Path("/proc/self/statm")
    if not status.is_file():
        return peak_memory()
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def disk_of(run: Run, table: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return GiB of one checkpoint, of the finished model and of all that is kept at once."""
    total = sum(row["total"] for row in table.values())
    trained = sum(row["trained"] for row in table.values())
    width = 4 if run.model.dtype in ("float32", "auto", None) else 2
    model = total * width / GIB
    kept = trained if run.model.use_peft else total
    checkpoint = (kept + 2 * trained) * width / GIB
    limit = run.training.save_total_limit or 1
    number = 0 if run.training.save_strategy == "no" else limit + 1
    everything = model + number * checkpoint
    return {
        "checkpoint": round(checkpoint, 3),
        "model": round(model, 3),
        "at_once": round(everything, 3),
    }


def assumptions(options: argparse.Namespace, data: dict[str, Any]) -> list[str]:
    """Return what the estimate rests on beyond the recipe."""
    found = ["hours leave out the vision tower, evaluation and loading"]
    if options.tokens_per_second is None:
        found.append(f"{options.device}: {UTILISATION:.0%} of its bf16 peak")
    if not data["counted"]:
        found.append(
            f"no data here: the paper's counts, {PAPER_TOKENS} tokens a sample; give --dataset"
        )
    return found


def text(found: dict[str, Any]) -> str:
    """Return the estimate for people."""
    lines = [f"{found['recipe']}  ({found['shape']})"]
    for name in ("parameters", "parameters_trained", "samples", "tokens_per_sample", "processes",
                 "step_samples", "steps", "epochs", "tokens", "hours", "device_hours"):  # fmt: skip
        lines.append(f"  {name:<20}{found[name]:>20,}")
    for group in ("memory_per_rank", "disk"):
        lines += [f"  {group} {name} (GiB)".ljust(36) + f"{value:>6,.2f}"
                  for name, value in found[group].items()]  # fmt: skip
    return "\n".join([*lines, *(f"  assumed: {line}" for line in found["assumed"])])


if __name__ == "__main__":
    sys.exit(main())
