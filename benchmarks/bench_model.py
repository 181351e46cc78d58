"""LlavaVid against an in-library video model of equal size: `make bench-model`.

    python benchmarks/bench_model.py                          # CPU sizes, a few minutes
    python benchmarks/bench_model.py --size 13b --device cuda # the released shapes, random weights

(a) prefill of 8, 32, 128 frames against LlavaOnevisionForConditionalGeneration (same tower and
    text config, dtype and frames); (b) ten questions on one video against one question and nine
    answers without video; (c) decoding rate against the bare language model. Runs are paired (each
    pair back to back, order alternating); medians of the ratios are reported. Weights are random.
Writes benchmarks/bench_model.json and bench_model.md; exit code 1 where a target is missed.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from model_measures import (
    bench_decoding,
    bench_prefill,
    bench_shared_vision,
    bench_tower,
    measure_memory,
)
from model_sizes import SIZES

HERE = Path(__file__).resolve().parent
PREFILL_TARGET, SHARED_TARGET, RATE_TARGET = 5.0, 1.3, 0.95


def peak_memory(kind: str, frames: int, chosen: argparse.Namespace) -> float:
    """MB that one prefill adds to the peak of a fresh process (or of the GPU's allocator)."""
    command = [sys.executable, __file__, "--worker", f"{kind}:{frames}", "--size", chosen.size]
    command += ["--device", chosen.device, "--threads", str(chosen.threads)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(run.stdout.splitlines()[-1])


def machine(chosen: argparse.Namespace) -> dict[str, Any]:
    """What the numbers were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    device = torch.cuda.get_device_name() if chosen.device != "cpu" else cpu
    return {"device": device, "threads": torch.get_num_threads(), "torch": torch.__version__}


def prefill_line(row: dict[str, Any]) -> str:
    """One row of the prefill table."""
    cells = [
        *(row["frames"], row["tokens"], row["peer_tokens"]),
        *(f"{row['language_s']:.3f} s", f"{row['peer_language_s']:.3f} s"),
        f"**{row['language_ratio']:.1f}x**",
        *(f"{row['prefill_s']:.3f} s", f"{row['peer_prefill_s']:.3f} s"),
        f"{row['prefill_ratio']:.1f}x",
        *(f"{row['memory_mb']:.0f} MB", f"{row['peer_memory_mb']:.0f} MB"),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def report(result: dict[str, Any]) -> str:
    """The result as a Markdown page."""
    shared, rate, tower = result["shared_vision"], result["decoding"], result["tower"]
    made = result["machine"]
    return f"""# LlavaVid against an in-library video model

Random weights, equal tower and language model, same dtype and frames; paired runs, medians.
Machine: {made["device"]}, {made["threads"]} threads, torch {made["torch"]}, {result["dtype"]}.
Measured {result["date"]}.

## Prefill against LlavaOnevisionForConditionalGeneration

| frames | tokens | peer tokens | language model | peer | ratio | whole prefill | peer | ratio \
| extra peak memory | peer |
|---|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(prefill_line(row) for row in result["prefill"])}

Target: language-model prefill at least {PREFILL_TARGET:g}x faster at 128 frames.

## Ten questions on one video

{shared["ten_questions_s"]:.2f} s with the vision pass shared, against
{shared["one_and_nine_text_s"]:.2f} s for one question and nine answers without video
({shared["frames"]} frames, {shared["new_tokens"]} new tokens each): **{shared["ratio"]:.2f}x**
(target at most {SHARED_TARGET:g}x).

## Decoding

{rate["tokens_per_s"]:.1f} tokens/s, the bare language model {rate["bare_tokens_per_s"]:.1f}:
**{100 * rate["ratio"]:.1f} %** (target at least {100 * RATE_TARGET:g} %; on a CPU per second of
processor time).

## Tower

{tower["frames_per_s"]:.1f} frames/s, {100 * tower["fraction_of_matmul"]:.0f} % of the measured
matmul rate ({tower["matmul_tflops"]:.3f} TFLOP/s; copy {tower["copy_gb_s"]:.1f} GB/s).
""".replace(" \\\n", " ")


def run(chosen: argparse.Namespace, dtype: torch.dtype) -> dict[str, Any]:
    """All parts, with the targets met or missed."""
    size, device = SIZES[chosen.size], chosen.device
    prefill = bench_prefill(size, device, dtype, chosen.runs)
    for row in prefill:
        row["memory_mb"] = peak_memory("llava_vid", row["frames"], chosen)
        row["peer_memory_mb"] = peak_memory("peer", row["frames"], chosen)
    shared = bench_shared_vision(size, device, dtype, chosen.runs)
    decoding = bench_decoding(size, device, dtype, chosen.runs)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(chosen),
        "size": asdict(size),
        "dtype": str(dtype).removeprefix("torch."),
        "prefill": prefill,
        "shared_vision": shared,
        "decoding": decoding,
        "tower": bench_tower(size, device, dtype),
        "targets": {
            "prefill": prefill[-1]["language_ratio"] >= PREFILL_TARGET,
            "shared_vision": shared["ratio"] <= SHARED_TARGET,
            "decoding": decoding["ratio"] >= RATE_TARGET,
        },
    }


def main(given: list[str] | None = None) -> int:
    """0: every target met; 1: one was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=sorted(SIZES), default="cpu")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--runs", type=int, default=3, help="timed pairs per measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    parser.add_argument("--json", action="store_true", help="print the result on stdout")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    chosen = parser.parse_args(given)
    torch.set_num_threads(chosen.threads)
    dtype = torch.float32 if chosen.device == "cpu" else torch.bfloat16
    if chosen.worker:
        print(measure_memory(chosen.worker, SIZES[chosen.size], chosen.device, dtype))
        return 0
    result = run(chosen, dtype)
    name = "bench_model" if chosen.size == "cpu" else f"bench_model_{chosen.size}"
    (chosen.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (chosen.out / f"{name}.md").write_text(report(result), "utf-8")
    if chosen.json:
        print(json.dumps(result))
    print(report(result), file=sys.stderr)
    return 0 if all(result["targets"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
