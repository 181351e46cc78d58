"""The measurements of the model benchmark: prefill, memory, shared vision pass, decoding, tower."""

import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from model_sizes import Size, built, ids_around, inputs_of, llava_vid, peer, pixels_of, text_config
from transformers import LlamaForCausalLM, StoppingCriteria, StoppingCriteriaList

FRAMES = (8, 32, 128)
NEW_TOKENS = 128  # a short answer: scenes and comments take several hundred


def say(row: dict[str, Any]) -> None:
    shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
    print(shown, file=sys.stderr, flush=True)


def synchronised(device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


@torch.no_grad()
def timed_prefill(model: Any, inputs: Any, device: str) -> tuple[float, float]:
    """Seconds of the whole prefill, and of the language model inside it."""
    marks: list[float] = []
    language = model.model.language_model

    def mark(*_: Any) -> None:
        marks.append(synchronised(device))

    handles = [language.register_forward_pre_hook(mark), language.register_forward_hook(mark)]
    start = synchronised(device)
    model(**inputs, logits_to_keep=1)
    end = synchronised(device)
    for handle in handles:
        handle.remove()
    return end - start, marks[1] - marks[0]


def paired(first: Callable[[], Any], second: Callable[[], Any], runs: int) -> list[tuple[Any, Any]]:
    """Results of both, `runs` times after one warm-up, each pair back to back in turning order."""
    results = []
    for number in range(runs + 1):
        if number % 2:
            b, a = second(), first()
        else:
            a, b = first(), second()
        if number:
            results.append((a, b))
    return results


def median_ratio(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(b / a for a, b in pairs)


def bench_prefill(size: Size, device: str, dtype: torch.dtype, runs: int) -> list[dict[str, Any]]:
    """(a) per number of frames: tokens, seconds (whole prefill, language model only), ratios."""
    ours, theirs = llava_vid(size, device, dtype), peer(size, device, dtype)
    rows = []
    for frames in FRAMES:
        inputs = [inputs_of(m, frames, size, device, dtype) for m in (ours, theirs)]
        pairs = paired(
            lambda i=inputs: timed_prefill(ours, i[0], device),  # type: ignore[misc]
            lambda i=inputs: timed_prefill(theirs, i[1], device),  # type: ignore[misc]
            runs,
        )
        rows.append(
            {
                "frames": frames,
                "tokens": inputs[0]["input_ids"].shape[1],
                "peer_tokens": inputs[1]["input_ids"].shape[1],
                "language_s": statistics.median(a[1] for a, _ in pairs),
                "peer_language_s": statistics.median(b[1] for _, b in pairs),
                "language_ratio": median_ratio([(a[1], b[1]) for a, b in pairs]),
                "prefill_s": statistics.median(a[0] for a, _ in pairs),
                "peer_prefill_s": statistics.median(b[0] for _, b in pairs),
                "prefill_ratio": median_ratio([(a[0], b[0]) for a, b in pairs]),
            }
        )
        say(rows[-1])
    return rows


def measure_memory(job: str, size: Size, device: str, dtype: torch.dtype) -> float:
    """MB that one prefill takes at its peak, above what the process held before."""
    kind, frames = job.split(":")
    model = (llava_vid if kind == "llava_vid" else peer)(size, device, dtype)
    inputs = inputs_of(model, int(frames), size, device, dtype)
    small = inputs_of(model, 1, size, device, dtype)
    with torch.no_grad():
        model(**small, logits_to_keep=1)
        before = reset_peak(device)
        model(**inputs, logits_to_keep=1)
    return peak_mb(device) - before


def reset_peak(device: str) -> float:
    """Starts a new peak and returns the memory held now, in MB (on the CPU: Linux)."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 1e6
    Path("/proc/self/clear_refs").write_text("5")
    return status_mb("VmRSS")


def peak_mb(device: str) -> float:
    """The peak since `reset_peak`, in MB."""
    return torch.cuda.max_memory_allocated() / 1e6 if device != "cpu" else status_mb("VmHWM")


def status_mb(name: str) -> float:
    """A memory line of /proc/self/status (given in kB there), in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(x.split()[1]) for x in lines if x.startswith(name)) * 1024 / 1e6


def bench_shared_vision(size: Size, device: str, dtype: torch.dtype, runs: int) -> dict[str, Any]:
    """(b) ten answers on one 32-frame video (encoded once) against one such and nine without."""
    model = llava_vid(size, device, dtype)
    video = inputs_of(model, 32, size, device, dtype)
    text = {"input_ids": ids_around([], size.vocab, device)}
    options = {"max_new_tokens": NEW_TOKENS, "do_sample": False}

    def ten_questions() -> float:
        start = synchronised(device)
        features = model.encode_frames(video["pixel_values_videos"])
        inputs = {k: v for k, v in video.items() if k != "pixel_values_videos"}
        for _ in range(10):
            model.generate(**inputs, video_features=features, **options)
        return synchronised(device) - start

    def one_and_nine() -> float:
        start = synchronised(device)
        model.generate(**video, **options)
        for _ in range(9):
            model.generate(**text, **options)
        return synchronised(device) - start

    pairs = paired(one_and_nine, ten_questions, runs)
    result = {
        "frames": 32,
        "new_tokens": options["max_new_tokens"],
        "ten_questions_s": statistics.median(b for _, b in pairs),
        "one_and_nine_text_s": statistics.median(a for a, _ in pairs),
        "ratio": median_ratio(pairs),
    }
    say(result)
    return result


class _Clock(StoppingCriteria):
    """Notes when each token is done; never stops. On the CPU it reads the process's own processor
    time: two per cent cannot be seen in wall time while other processes come and go."""

    def __init__(self, device: str) -> None:
        self.device, self.times = device, []  # type: tuple[str, list[float]]

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        cpu = self.device == "cpu"
        self.times.append(time.process_time() if cpu else synchronised(self.device))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def decoding_rate(model: Any, inputs: Any, device: str, count: int) -> float:
    """Tokens per second after the first token, one over the median step."""
    clock = _Clock(device)
    model.generate(
        **inputs,
        max_new_tokens=count,
        do_sample=False,
        stopping_criteria=StoppingCriteriaList([clock]),
    )
    steps = [b - a for a, b in pairwise(clock.times)]
    return 1 / statistics.median(steps)


def bench_decoding(size: Size, device: str, dtype: torch.dtype, runs: int) -> dict[str, Any]:
    """(c) decoding rate after a 32-frame prompt, against the bare model after as many tokens."""
    model = llava_vid(size, device, dtype)
    bare = built(LlamaForCausalLM, text_config(size), device, dtype)
    inputs = inputs_of(model, 32, size, device, dtype)
    plain = {"input_ids": inputs["input_ids"].remainder(size.vocab - 10)}
    count = 64
    pairs = paired(
        lambda: decoding_rate(bare, plain, device, count),
        lambda: decoding_rate(model, inputs, device, count),
        8 * runs,
    )
    result = {
        "tokens_per_s": statistics.median(b for _, b in pairs),
        "bare_tokens_per_s": statistics.median(a for a, _ in pairs),
        "ratio": median_ratio(pairs),
    }
    say(result)
    return result


def ceilings(device: str, dtype: torch.dtype) -> dict[str, float]:
    """Measured matmul (TFLOP/s) and copy (GB/s) of this machine, best of five."""
    side = 8192 if device != "cpu" else 1024
    a = torch.randn(side, side, device=device).to(dtype)
    big = torch.empty(1 << (30 if device != "cpu" else 26), dtype=torch.uint8, device=device)
    target = torch.empty_like(big)

    def best(work: Callable[[], Any]) -> float:
        durations = []
        for _ in range(6):
            start = synchronised(device)
            work()
            durations.append(synchronised(device) - start)
        return min(durations[1:])

    return {
        "matmul_tflops": 2 * side**3 / best(lambda: a @ a) / 1e12,
        "copy_gb_s": 2 * big.numel() / best(lambda: target.copy_(big)) / 1e9,
    }


@torch.no_grad()
def bench_tower(size: Size, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Frames per second of the tower and the fraction of the matmul ceiling it reaches."""
    model = llava_vid(size, device, dtype)
    pixels = pixels_of(64, size, device, dtype)
    durations = []
    for _ in range(4):
        start = synchronised(device)
        model.encode_frames(pixels)
        durations.append(synchronised(device) - start)
    tokens = (size.image // size.patch) ** 2
    weights = sum(p.numel() for p in model.model.vision_tower.encoder.parameters())
    attention = 4 * tokens * size.vision_width * size.vision_layers
    flops = 64 * tokens * (2 * weights + attention)
    measured = ceilings(device, dtype)
    rate = 64 / statistics.median(durations[1:])
    reached = flops / 64 * rate / 1e12
    return {"frames_per_s": rate, "tower_tflops": reached, **measured} | {
        "fraction_of_matmul": reached / measured["matmul_tflops"]
    }
