"""Real processes that start at once: forked from a server that has done the slow imports."""

import multiprocessing
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["trainer.sft", "training.fixtures"])


def run(*words: str, kill: tuple[str, int] | None = None) -> int:
    """The training command in a process of its own; its exit code, negative for a signal.

    `kill` ends it with SIGKILL: ("step", n) inside its n-th step, ("save", n) somewhere inside its
    n-th checkpoint. ("term", n) sends SIGTERM inside its n-th step instead.
    """
    process = CONTEXT.Process(target=_child, args=(words, kill))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def together(*words: str, processes: int = 2, env: dict[str, str] | None = None) -> list[int]:
    """The training command in processes that know of each other, as torchrun starts them."""
    port = free_port()
    shared = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), **(env or {})}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    children = [
        CONTEXT.Process(
            target=_ranked,
            args=(words, {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}),
        )
        for rank in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [int(child.exitcode or 0) for child in children]


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ranked(words: tuple[str, ...], env: dict[str, str]) -> None:
    os.environ |= env
    if "ACCELERATE_USE_DEEPSPEED" in env:
        import deepspeed.ops

        # a shared-memory kernel that it would compile for minutes, under a lock that a kill leaves
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    _child(words, None)


def _child(words: tuple[str, ...], kill: tuple[str, int] | None) -> None:
    from trainer.loop.steps import Trainer
    from trainer.sft import main

    # as in a process that was launched: workers are its children, and end when it is killed
    multiprocessing.set_start_method("fork", force=True)
    if kill is not None:
        place, number = kill
        if place == "save":
            out = Path(words[words.index("--output_dir") + 1])
            threading.Thread(target=_kill_inside_save, args=(out, number), daemon=True).start()
        else:
            which = signal.SIGTERM if place == "term" else signal.SIGKILL
            _signal_inside_step(Trainer, number, which)
    raise SystemExit(main(list(words)))


def _signal_inside_step(trainer: Any, number: int, which: signal.Signals) -> None:
    original, count = trainer.training_step, [0]

    def step(self: Any, *arguments: Any) -> Any:
        count[0] += 1
        if count[0] == number:
            os.kill(os.getpid(), which)
        return original(self, *arguments)

    trainer.training_step = step


def _kill_inside_save(out: Path, number: int) -> None:
    """Wait until checkpoints are being written for the n-th time, and a little longer."""
    wait = random.Random(number).uniform(0.0, 0.05)
    seen, before = 0, False
    while True:
        saving = (out / ".saving").exists()
        seen += saving and not before
        before = saving
        if seen == number:
            time.sleep(wait)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.0005)
