"""What an annotator is given and what it must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from PIL import Image

from dataset_builder.sections import Media


@dataclass(frozen=True)
class MediaView:
    """One checked media item: its frames (picture, or one keyframe per scene) and its file.

    `limits` bound any further decoding of the file, which happens in the limited child process.
    """

    sha256: str
    kind: str
    duration: float | None
    has_audio: bool
    path: Path
    load_frames: Callable[[], list[Image.Image]]
    limits: Media


class Annotator(Protocol):
    """`annotate` returns one JSON value per view; None means that this annotator could not tell.

    `field` is what it fills; `title(argument)` and `version` are recorded in every sample, and
    results are kept under all three, so a new version annotates anew. `why_not(argument)` says what
    is missing to run it here. `argument` is its value in settings `annotate.*`.
    """

    field: str
    version: str

    @classmethod
    def title(cls, argument: str) -> str: ...

    @classmethod
    def why_not(cls, argument: str) -> str | None: ...

    @classmethod
    def load(cls, argument: str) -> Self: ...

    def annotate(self, views: Sequence[MediaView]) -> list[Any]: ...
