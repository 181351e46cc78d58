"""A training step against a plain loop and against TRL's video path: `make bench-train`.

    python benchmarks/bench_train.py                                   # CPU size, minutes
    python benchmarks/bench_train.py --size 13b --device cuda --dtype bfloat16
    python benchmarks/bench_train.py --model build/demo/base --dataset build/demo/blift/release

(a) a step of trainer/sft.py's trainer against a plain PyTorch loop on the same model, batch, loss
    and optimizer (overhead at most 5 %); (b) samples/s against TRL's trainer on an in-library video
    model of equal size at 32 frames (at least 3 times); (c) the data loader alone against what the
    step takes (at least 5 times; needs --model and --dataset). Paired: both sides take turns, the
    order alternates, medians of the ratios. Weights are random in (a) and (b).
Writes benchmarks/train.json and train.md; exit code 1 where a target is missed.
"""

import argparse
import itertools
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from model_sizes import QUESTION_TOKENS, SIZES, Size, llava_vid, peer

from trainer.callbacks import flops_per_token, peak_flops
from trainer.data.collator import ABOUT
from trainer.freezing import freeze, parameter_table
from trainer.loop.steps import Trainer
from trainer.provenance import write_json

HERE = Path(__file__).resolve().parent
OVERHEAD, SPEEDUP, LOADER = 1.05, 3.0, 5.0
FRAMES, ROWS = 32, 2
SETTINGS: dict[str, Any] = {
    "per_device_train_batch_size": ROWS,
    "learning_rate": 1e-5,
    "report_to": "none",
    "logging_strategy": "no",
    "save_strategy": "no",
    "remove_unused_columns": False,
    "dataset_kwargs": {"skip_prepare_dataset": True},
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}


class Repeated:
    """Run data that give one batch for ever: what is timed is the step."""

    def __init__(self, batch: dict[str, Any], steps: int) -> None:
        from trainer.data.loader import MixedRows
        from trainer.data.mixture import Mixture, Source

        self.batch, self.samples = batch, (steps * ROWS,)
        self.rows = MixedRows(None, None)
        self.mixture = Mixture((Source(steps * ROWS),), 1.0, 0, ROWS, "sequential", micro=ROWS)

    def batches(self, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        about = {"mix": 0, "dropped": 0, "tokens": 0, "broken": [], "bookmarks": []}
        return ({**self.batch, ABOUT: dict(about)} for _ in itertools.count())


def inputs(size: Size, kind: str, device: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """One batch of videos with a question and an answer, in a model's own inputs."""
    draws = torch.Generator().manual_seed(0)
    text = torch.randint(3, size.vocab - 4, (ROWS, 2 * QUESTION_TOKENS), generator=draws)
    pixels = torch.randn(ROWS * FRAMES, 3, size.image, size.image, generator=draws)
    side = size.image // size.patch
    if kind == "ours":
        marks = torch.full((ROWS, 2 * FRAMES), size.vocab + 1)
        extra = {
            "pixel_values_videos": pixels.to(dtype),
            "video_num_frames": torch.tensor([FRAMES] * ROWS),
            "qformer_input_ids": torch.randint(3, 1000, (ROWS, QUESTION_TOKENS), generator=draws),
            "qformer_attention_mask": torch.ones(ROWS, QUESTION_TOKENS, dtype=torch.long),
        }
    else:
        per_frame = (-(-side // 2)) ** 2
        marks = torch.full((ROWS, FRAMES * per_frame + 1), size.vocab - 1)
        shape = (ROWS, FRAMES, 3, size.image, size.image)
        extra = {"pixel_values_videos": pixels.view(shape).to(dtype)}
    ids = torch.cat([marks, text], dim=1)
    labels = ids.clone()
    labels[:, : marks.shape[1] + QUESTION_TOKENS] = -100
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels, **extra}
    return {name: value.to(device) for name, value in batch.items()}


def trained(model: Any) -> Any:
    """All but the tower trains, on both sides."""
    if hasattr(model.model, "vlm_att_query"):
        freeze(model, "paper")
        return model
    model.model.vision_tower.requires_grad_(False)
    return model


def stepper(
    model: Any, batch: dict[str, Any], cls: Any, steps: int, cpu: bool
) -> Callable[[], float]:
    """Return a function that trains a few steps with a TRL trainer: seconds a step."""
    import datasets
    from trl import SFTConfig

    def run() -> float:
        folder = tempfile.mkdtemp()
        half = next(model.parameters()).dtype == torch.bfloat16
        args = SFTConfig(folder, max_steps=steps, use_cpu=cpu, bf16=half,
                         activation_checkpointing=False, **SETTINGS)  # fmt: skip
        rows = datasets.Dataset.from_dict({"json": ["row"] * ROWS})
        marks: list[float] = []
        trainer = cls(model, args, lambda _: dict(batch), rows, processing_class=tokenizer(),
                      callbacks=[marker(marks)])  # fmt: skip
        if hasattr(trainer, "give"):
            trainer.give(Repeated(batch, steps), {}, 1.0)
        trainer.train()
        return statistics.median(b - a for a, b in itertools.pairwise(marks))

    return run


def tokenizer() -> Any:
    """The smallest tokenizer there is: the trainer saves and aligns it, nothing else."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 2}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", bos_token="</s>"
    )


def marker(marks: list[float]) -> Any:
    """A callback that notes when each step begins."""
    from transformers import TrainerCallback

    class Marker(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

    return Marker()


def plain_loop(model: Any, batch: dict[str, Any], steps: int) -> Callable[[], float]:
    """Return a function that trains the same steps in plain PyTorch: seconds a step."""

    def run() -> float:
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=True)
        model.train()
        marks = []
        for _ in range(steps):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            marks.append(time.perf_counter())
            out = model(**batch, fused_lm_head=True)
            (-out.log_probs.sum() / out.label_mask.sum()).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
        return statistics.median(b - a for a, b in itertools.pairwise(marks))

    return run


def paired(one: Callable[[], float], other: Callable[[], float], pairs: int) -> dict[str, Any]:
    """Return both medians and the median of the ratios one / other, taken in turns."""
    times: list[tuple[float, float]] = []
    for turn in range(pairs + 1):
        if turn % 2:
            second, first = other(), one()
        else:
            first, second = one(), other()
        if turn:  # the first pair warms up
            times.append((first, second))
    return {
        "seconds": statistics.median(a for a, _ in times),
        "peer_seconds": statistics.median(b for _, b in times),
        "ratio": statistics.median(a / b for a, b in times),
        "pairs": pairs,
    }


def loader_alone(chosen: argparse.Namespace) -> dict[str, float] | None:
    """Return samples/s of the loader and of the step on a real folder and dataset."""
    if not (chosen.model and chosen.dataset):
        return None
    from trainer.checkpoint import load_model
    from trainer.data.behavior import behavior_rows
    from trainer.data.collator import Collator
    from trainer.data.rows import load_rows
    from trainer.data.selections import Selection

    table = load_rows(chosen.dataset, None, "train", None, streaming=False)
    rows = behavior_rows(table, Selection("all"), {"all": 1.0}, 0, 1.0, 16)
    model, processor = load_model(chosen.model, None)
    collator = Collator(processor, {"all": 1.0}, 0, None, "error")
    started = time.perf_counter()
    batches = [collator([rows[i], rows[i + 1]]) for i in range(0, len(rows) - 1, 2)]
    loading = (time.perf_counter() - started) / (2 * len(batches))
    freeze(model, "paper")
    model.train()
    times = []
    for batch in batches[:6]:
        started = time.perf_counter()
        model(**{k: v.to(model.device) for k, v in batch.items()}).loss.backward()
        model.zero_grad()
        times.append((time.perf_counter() - started) / ROWS)
    return {"loader_samples_per_second": 1 / loading,
            "step_samples_per_second": 1 / statistics.median(times),
            "ratio": statistics.median(times) / loading}  # fmt: skip


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run all parts and return what they gave."""
    size, dtype = SIZES[chosen.size], getattr(torch, chosen.dtype)
    cpu = chosen.device == "cpu"
    ours = trained(llava_vid(size, chosen.device, dtype))
    batch = inputs(size, "ours", chosen.device, dtype)
    step = stepper(ours, batch, Trainer, chosen.steps, cpu)
    step()  # gives the model its fused head, which the plain loop uses as well
    overhead = paired(step, plain_loop(ours, batch, chosen.steps), chosen.pairs)
    from trl import SFTTrainer

    theirs = trained(peer(size, chosen.device, dtype))
    video = inputs(size, "peer", chosen.device, dtype)
    against = paired(stepper(theirs, video, SFTTrainer, chosen.steps, cpu), step, chosen.pairs)
    table = {row["part"]: row for row in parameter_table(ours)}
    tokens = int(batch["attention_mask"].sum())
    peak = peak_flops()
    speed = tokens / overhead["seconds"]
    return {
        "size": chosen.size, "device": torch.cuda.get_device_name() if not cpu else
        platform.processor() or platform.machine(), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "dtype": chosen.dtype, "frames": FRAMES, "rows": ROWS,
        "overhead": overhead, "against_trl": against, "loader": loader_alone(chosen),
        "samples_per_second": ROWS / overhead["seconds"], "tokens_per_second": speed,
        "peak_fraction": speed * flops_per_token(table) / peak if peak else None,
    }  # fmt: skip


def report(found: dict[str, Any]) -> tuple[str, bool]:
    """Return the measurements as Markdown, and whether every target is met."""
    loader = found["loader"]
    rows = [
        ("step / plain loop", found["overhead"]["ratio"], f"at most {OVERHEAD}",
         found["overhead"]["ratio"] <= OVERHEAD),
        (f"samples/s / TRL's video path, {FRAMES} frames", found["against_trl"]["ratio"],
         f"at least {SPEEDUP}", found["against_trl"]["ratio"] >= SPEEDUP),
        ("loader / step", loader and loader["ratio"], f"at least {LOADER}",
         loader is None or loader["ratio"] >= LOADER),
    ]  # fmt: skip
    head = f"{found['size']}, {found['device']}, {found['threads']} threads, {found['dtype']}"
    lines = [f"# Training step\n\n{head}\n", "| what | ratio | target |", "|---|---|---|"]
    lines += [f"| {what} | {'not measured' if value is None else f'{value:.2f}'} | {aim} |"
              for what, value, aim, _ in rows]  # fmt: skip
    return "\n".join(lines) + "\n", all(met for *_, met in rows)


def main() -> int:
    """Measure, print, write; 1 where a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=sorted(SIZES), default="cpu")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--steps", type=int, default=6, help="steps of one run of a pair")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--model", help="model folder for the loader part")
    parser.add_argument("--dataset", help="release folder for the loader part")
    parser.add_argument("--out", type=Path, default=HERE)
    found = measure(chosen := parser.parse_args())
    text, met = report(found)
    print(text)
    write_json(chosen.out / "train.json", found)
    (chosen.out / "train.md").write_text(text, encoding="utf-8")
    print(json.dumps({"targets_met": met}), file=sys.stderr)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
