"""Between the steps: ending on a signal, and how fast it goes."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

TERMINATED = 143
# bf16 dense peak of the accelerators this was written for, in FLOP/s (the makers' data sheets)
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}


class StopOnSignal(TrainerCallback):
    """SIGTERM ends a run after the step it is in, with a checkpoint; before any step, at once."""

    def __init__(self) -> None:
        self.requested = False
        self.training = False
        self.stopped = False

    def __enter__(self) -> "StopOnSignal":
        """Take SIGTERM; also when the launcher dies of it, which tells its child nothing."""
        self.before = signal.signal(signal.SIGTERM, self._note)
        parent = Path(f"/proc/{os.getppid()}/cmdline")
        with contextlib.suppress(OSError, AttributeError):
            if b"accelerate" in parent.read_bytes():
                import ctypes

                ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        return self

    def __exit__(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def _note(self, *_: Any) -> None:
        self.requested = True
        if not self.training:
            raise SystemExit(TERMINATED)

    def agreed(self) -> bool:
        """Return whether any process was asked to end; collective."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return self.requested
        device = torch.accelerator.current_accelerator()
        nccl = "nccl" in torch.distributed.get_backend()
        flag = torch.tensor(int(self.requested), device=device if nccl else "cpu")
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        return bool(flag)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """From here on there is something to save."""
        self.training = True

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for a checkpoint and the end."""
        if self.agreed():
            self.stopped = control.should_save = control.should_training_stop = True
            control.should_evaluate = False


class Speed:
    """Tokens and samples a second, the share of time spent waiting for data, use of the peak."""

    def __init__(self, parameters: dict[str, dict[str, Any]]) -> None:
        self.flops = flops_per_token(parameters)
        self.last = (time.monotonic(), 0, 0, 0.0)

    def since(self, counts: Any, processes: int) -> dict[str, float]:
        """Return the speeds since the last call, of all processes (each like this one)."""
        now = (time.monotonic(), counts.tokens, counts.samples, counts.waited)
        seconds, tokens, samples, waited = (b - a for a, b in zip(self.last, now, strict=True))
        self.last = now
        if seconds <= 0:
            return {}
        found = {
            "tokens_per_second": processes * tokens / seconds,
            "samples_per_second": processes * samples / seconds,
            "data_wait_share": waited / seconds,
        }
        peak = peak_flops()
        if peak:
            found["peak_fraction"] = tokens / seconds * self.flops / peak
        return {name: round(value, 4) for name, value in found.items()}


def flops_per_token(parameters: dict[str, dict[str, Any]]) -> float:
    """Return the FLOPs of one token's step: 2 forward, 2 back through, 2 per trained weight.

    Of the language model and its head alone; vision and attention scores are left out, so the
    stated fraction of the peak is a lower bound.
    """
    language = [parameters.get(part) for part in ("language model", "head", "adapters")]
    rows = [row for row in language if row]
    return float(sum(4 * row["total"] + 2 * row["trained"] for row in rows))


def peak_flops() -> float | None:
    """Return the accelerator's bf16 peak; None on a CPU and for cards not in the table."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((peak for card, peak in PEAKS.items() if card in name), None)
