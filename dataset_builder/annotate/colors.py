"""Foreground and background colour names and the tone of every frame.

The paper takes colours and tone through U²-Net (Qin et al.). With `annotate.colors` naming its ONNX
file that mask is used; otherwise a stand-in: frequency-tuned saliency (Achanta et al. 2009: how far
the blurred CIELAB colour lies from the picture's mean) times a centre weight, cut at Otsu's level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from PIL import Image

from dataset_builder.annotate.base import MediaView
from dataset_builder.annotate.palette import NAMES, nearest, to_lab
from dataset_builder.work.whole_files import file_sha256

STAND_IN = "saliency"
SIDE = 128
MIN_SHARE = 0.06  # a colour below this share of its region is not named
MAX_FOREGROUND, MAX_BACKGROUND = 6, 5  # the most that occur in the authors' verbalisations
NEUTRAL_CHROMA = 18.0
WARM_HUES, COOL_HUES = (-50.0, 105.0), (165.0, 310.0)  # degrees in the a*b* plane
U2NET_SIDE = 320
U2NET_MEAN, U2NET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Mask = Callable[[Image.Image], np.ndarray]  # an RGB picture -> (SIDE, SIDE) bool


class Colors:
    """Fills `scenes.colors`: [{"foreground", "background" (names), "tone"}] per frame."""

    field = "scenes.colors"
    version = "1"

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    @classmethod
    def title(cls, argument: str) -> str:
        if argument == STAND_IN:
            return "40-name palette by CIELAB, saliency stand-in for U2-Net"
        # other weights see other foregrounds: their results must not be taken for these
        return f"40-name palette by CIELAB, U2-Net {file_sha256(Path(argument))[:12]}"

    @classmethod
    def why_not(cls, argument: str) -> str | None:
        if argument == STAND_IN:
            return None
        if Path(argument).is_file():
            return None if find_spec("onnxruntime") else "not installed: onnxruntime"
        return f"annotate.colors={argument!r} is no file; give a U2-Net ONNX file or {STAND_IN!r}"

    @classmethod
    def load(cls, argument: str) -> Self:
        return cls(salient_mask if argument == STAND_IN else u2net_mask(Path(argument)))

    def annotate(self, views: Sequence[MediaView]) -> list[Any]:
        return [[describe(frame, self._mask) for frame in v.load_frames()] for v in views]


def describe(image: Image.Image, mask: Mask) -> dict[str, Any]:
    """Colour names of the masked and the other part of an RGB picture, and its tone."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    lab = to_lab(np.asarray(small))  # (SIDE, SIDE, 3)
    names = nearest(lab)
    front = mask(image)
    return {
        "foreground": _main_names(names[front], MAX_FOREGROUND),
        "background": _main_names(names[~front], MAX_BACKGROUND),
        "tone": tone(lab),
    }


def tone(lab: np.ndarray) -> str:
    """`warm`, `cool` or `neutral`, by the hue of the mean colour where it has enough chroma."""
    a, b = lab[..., 1].mean(), lab[..., 2].mean()
    if np.hypot(a, b) < NEUTRAL_CHROMA:
        return "neutral"
    hue = float(np.degrees(np.arctan2(b, a)))
    for name, (low, high) in (("warm", WARM_HUES), ("cool", COOL_HUES)):
        if low <= hue <= high or low <= hue + 360 <= high:
            return name
    return "neutral"


def salient_mask(image: Image.Image) -> np.ndarray:
    """Stand-in foreground of an RGB picture: stands out in colour, not far from the centre."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    lab = to_lab(cv2.GaussianBlur(np.asarray(small), (5, 5), 0))
    away = np.linalg.norm(lab - lab.mean(axis=(0, 1)), axis=-1)
    height, width = away.shape
    y = np.linspace(-1, 1, height)[:, None]
    x = np.linspace(-1, 1, width)[None, :]
    weighted = away * np.exp(-(x**2 + y**2) / 1.0)
    top = weighted.max()
    if top < 1e-6:  # one flat colour: the middle stands for the foreground
        return (np.abs(x) < 0.5) & (np.abs(y) < 0.5)
    scaled = (weighted / top * 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return scaled > level


def u2net_mask(model: Path) -> Mask:
    """A mask function that runs the U²-Net ONNX file at `model` (needs onnxruntime)."""
    import onnxruntime  # an optional extra, needed only with a U2-Net file

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def mask(image: Image.Image) -> np.ndarray:
        side = (U2NET_SIDE, U2NET_SIDE)
        pixels = np.asarray(image.resize(side, Image.Resampling.BILINEAR), np.float32)
        pixels = (pixels / max(pixels.max(), 1.0) - U2NET_MEAN) / U2NET_STD
        batch = pixels.transpose(2, 0, 1)[None].astype(np.float32)
        out = session.run(None, {name: batch})[0][0, 0]
        scaled = (out - out.min()) / max(float(out.max() - out.min()), 1e-6)
        resized = cv2.resize(scaled, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return resized > 0.5

    return mask


def _main_names(indices: np.ndarray, most: int) -> list[str]:
    """Names by share, largest first; at least one where there is any pixel."""
    if indices.size == 0:
        return []
    counts = np.bincount(indices.ravel(), minlength=len(NAMES))
    order = sorted(range(len(NAMES)), key=lambda i: (-counts[i], i))
    named = [i for i in order if counts[i] >= MIN_SHARE * indices.size][:most]
    return [NAMES[i] for i in named or order[:1]]
