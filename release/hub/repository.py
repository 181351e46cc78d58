"""What publishing needs of a Hub, and the nouns both kinds of Hub speak in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Tree = dict[str, "RemoteFile"]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file as a Hub lists it: size, git blob id, and SHA-256 where it is a large one."""

    size: int
    blob: str
    sha256: str | None


@dataclass(frozen=True)
class Commit:
    """A commit as a Hub lists it; `message` is the description under the title."""

    sha: str
    title: str
    message: str
    author: str


@dataclass(frozen=True)
class Addition:
    """A file to be sent."""

    path: str
    source: Path


@dataclass(frozen=True)
class Refs:
    """What reaches revisions of a repository: name -> commit; `conversions` are the viewer's."""

    branches: dict[str, str]
    tags: dict[str, str]
    pull_requests: dict[str, str]
    conversions: dict[str, str]


class Hub(Protocol):
    """One repository of a Hub. Methods raise what `failures.judge` understands."""

    address: str

    def check(self) -> str:
        """Who we are, for messages. Raises ReleaseError when this Hub cannot be written to."""
        ...

    def head(self) -> str | None:
        """Commit of `main`; None where the repository does not exist."""
        ...

    def create(self, private: bool) -> None: ...

    def tree(self, revision: str) -> Tree: ...

    def commits(self, revision: str) -> list[Commit]: ...

    def send(self, files: Sequence[Addition], revision: str) -> None:
        """Store the content of large files; nothing is visible before a commit."""
        ...

    def commit(
        self, files: Sequence[Addition], deletions: Sequence[str], parent: str, title: str,
        message: str, branch: str,
    ) -> str:  # fmt: skip
        """One commit on `branch`, if its head still is `parent`; returns what the Hub calls it."""
        ...

    def refs(self) -> Refs: ...

    def tag(self, name: str, revision: str, message: str) -> None: ...

    def settle(self, private: bool | None, gated: bool | None) -> None:
        """Set who may read; None leaves a setting as it is."""
        ...

    def resolve(self, revision: str) -> str:
        """The commit that a branch, tag or hash names. Raises LookupError where it names none."""
        ...

    def read(self, path: str, revision: str) -> bytes:
        """The bytes of one small file at a revision. Raises LookupError where it has none."""
        ...

    def fetch(self, path: str, revision: str, folder: Path, route: int) -> Path:
        """Download a file into `folder`; route 0 is the client's usual one, 1 goes another way."""
        ...
