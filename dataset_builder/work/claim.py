"""Whose is the output folder, and who is working in it?"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dataset_builder.errors import BuildError, UsageError
from dataset_builder.work.layout import Layout

OWN = ("work", "release", "ledger", "quarantine")  # folders whose files a build replaces
BUILD, HYDRATE = "build.lock", "hydrate.lock"


def check_out(out: Path, mark: str, inputs: Sequence[Path] = ()) -> None:
    """Raises UsageError where `out` holds files of another making, or lies in an input folder.

    `mark` is the file in work/ that says which command made the folder; nothing is written.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: a file; give a folder, or a name that is free")
    here = out.resolve()
    for folder in inputs:
        if folder.is_dir() and here.is_relative_to(folder.resolve()):
            raise UsageError(
                f"--out {out}: lies in the input folder {folder}, so that the next run would read "
                "its files as inputs; give a folder elsewhere"
            )
    taken = [name for name in OWN if (out / name).exists()]
    if taken and not (out / "work" / mark).is_file():
        raise UsageError(
            f"--out {out}: holds {', '.join(f'{name}/' for name in taken)}, which this command "
            "did not make and would replace; give a new folder, or move them away"
        )


def claim(out: Path, mark: str) -> None:
    """`check_out`, then make the folder ours."""
    check_out(out, mark)
    (out / "work").mkdir(parents=True, exist_ok=True)
    (out / "work" / mark).touch()


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Hold the build folder: one build at a time, and no worker left over from a killed one.

    Raises BuildError when another build is running in the folder.
    """
    layout.work.mkdir(parents=True, exist_ok=True)
    with (layout.work / "build.lock").open("a") as main:
        try:
            fcntl.flock(main, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(
                f"{layout.root}: another build is running in this folder; wait for it, or give "
                "another --out"
            ) from None
        with (layout.work / "tasks.lock").open("a") as tasks:
            fcntl.flock(tasks, fcntl.LOCK_EX)
        yield
