"""The parent's side of the limited decoding process: ask, wait so long and no longer, restart."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dataset_builder.errors import BuildError
from dataset_builder.ledger.reasons import LIMIT, RejectedMedia
from dataset_builder.run.interrupts import interrupts_held
from dataset_builder.sections import Media, Scenes

WALL_FACTOR = 6  # wall clock allowed per CPU second: machines are shared
LEAST_WALL = 20.0
START_SECONDS = 300.0  # a cold disk loads the libraries slowly
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class Decoder:
    """One limited child process, started when first asked and after it was ended by a file."""

    def __init__(self, limits: Media) -> None:
        self.limits = limits
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop()

    def inspect(self, path: Path, out: Path) -> dict[str, Any]:
        """Facts of a picture (and `out`/picture.jpg) or a video. Raises RejectedMedia."""
        return self._ask({"op": "inspect", "path": str(path), "out": str(out)}, 0.0)

    def scenes(
        self, path: Path, out: Path, facts: Mapping[str, Any], rules: Scenes
    ) -> dict[str, Any]:
        """Scenes, upright keyframes and the MP4 to publish. Raises RejectedMedia.

        `facts` are what `inspect` found.
        """
        duration = facts["duration"]
        request = {"op": "scenes", "path": str(path), "out": str(out), "duration": duration}
        size = [facts["width"], facts["height"]]
        return self._ask({**request, "size": size, "rules": asdict(rules)}, duration)

    def audio(self, path: Path, out: Path, duration: float) -> dict[str, Any]:
        """The sound track as `out`/audio.f32. Raises RejectedMedia."""
        return self._ask({"op": "audio", "path": str(path), "out": str(out)}, duration)

    def _ask(self, request: dict[str, Any], duration: float) -> dict[str, Any]:
        limits = asdict(self.limits)
        limits["cpu_seconds"] += self.limits.cpu_per_second * duration
        child = self._running()
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps({**request, "limits": limits}) + "\n")
            child.stdin.flush()
            line = self._read_line(child, _wall(limits["cpu_seconds"]))
        except BrokenPipeError:
            line = ""
        if not line:
            raise RejectedMedia(LIMIT, self._cause_of_death(limits["cpu_seconds"]))
        answer = json.loads(line)
        if "ok" in answer:
            return answer["ok"]
        if "machine" in answer:
            raise OSError(answer["errno"], f"decoding {request['path']}: {answer['machine']}")
        raise RejectedMedia(answer["reason"], answer["value"])

    def _read_line(self, child: subprocess.Popen[str], seconds: float) -> str:
        """The child's answer, or "" where it ended or took longer than `seconds`."""
        assert child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                child.kill()
                return ""
        return child.stdout.readline()

    def _cause_of_death(self, cpu_seconds: float) -> str:
        assert self._child is not None
        status = self._child.wait()
        self._stop()
        if status == -signal.SIGXCPU:
            return f"more than {cpu_seconds:.0f} s of CPU"
        if status == -signal.SIGKILL:
            return f"more than {_wall(cpu_seconds):.0f} s"
        if status in {1, 2}:  # Python's own exits: our bug or a broken installation, not the file
            raise BuildError(
                f"the decoding process ended with status {status}; "
                f"run `{sys.executable} -m dataset_builder.decode.child` to see why"
            )
        return f"the decoder ended with status {status}"

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._stop()
            with interrupts_held():
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "dataset_builder.decode.child"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **ENVIRONMENT},
                )
            if not self._read_line(self._child, START_SECONDS):
                self._cause_of_death(START_SECONDS)
                raise BuildError("the decoding process does not start; is the machine overloaded?")
        return self._child

    def _stop(self) -> None:
        if self._child is None:
            return
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        self._child.kill()
        self._child.wait()
        self._child = None


def _wall(cpu_seconds: float) -> float:
    return max(LEAST_WALL, WALL_FACTOR * cpu_seconds)
