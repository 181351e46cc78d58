"""What a gate reads and what it says: a folder in, refusals out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from release.errors import ReleaseError

KINDS = ("dataset", "model", "space")
SHOWN = 40  # refusals printed; all are counted


@dataclass(frozen=True)
class Refusal:
    """Why one file must not leave: where (path, with a line or member), what, and the remedy."""

    path: str
    cause: str
    remedy: str
    line: int | str | None = None

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.cause}; {self.remedy}"


@dataclass(frozen=True)
class Subject:
    """A folder as the gates see it; `canaries` are planted texts that must not be found."""

    folder: Path
    kind: str
    files: tuple[str, ...]
    canaries: tuple[str, ...] = field(default=())

    def having(self, *suffixes: str) -> list[str]:
        return [path for path in self.files if path.lower().endswith(suffixes)]

    def text(self, path: str) -> str:
        return (self.folder / path).read_text("utf-8", "replace")


Gate = Callable[[Subject], Iterator[Refusal]]


class Refused(ReleaseError):
    """A folder is not fit to leave; `refusals` says why, file by file."""

    def __init__(self, kind: str, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        more = [f"… and {len(refusals) - SHOWN} more"] if len(refusals) > SHOWN else []
        lines = "\n  ".join([*map(str, refusals[:SHOWN]), *more])
        super().__init__(f"this {kind} is not fit to leave ({len(refusals)}):\n  {lines}")
