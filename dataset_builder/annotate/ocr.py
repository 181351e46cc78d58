"""The text in every frame, by RapidOCR (PP-OCR on onnxruntime)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
from PIL import Image

from dataset_builder.annotate.base import MediaView

AUTO = "auto"
MIN_SCORE = 0.8
LINE_SHARE = 0.6  # boxes whose middles are nearer than this share of their height are one line


class FrameText:
    """Fills `scenes.text`: the words of every frame in reading order."""

    field = "scenes.text"
    version = "1"

    def __init__(self) -> None:
        from rapidocr_onnxruntime import RapidOCR  # an optional extra

        self._engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)

    @classmethod
    def title(cls, argument: str) -> str:
        return "RapidOCR, PP-OCRv4"

    @classmethod
    def why_not(cls, argument: str) -> str | None:
        if argument != AUTO:
            return f"annotate.ocr={argument!r}: expected {AUTO!r} or null"
        missing = find_spec("rapidocr_onnxruntime") is None
        return "not installed: rapidocr_onnxruntime" if missing else None

    @classmethod
    def load(cls, argument: str) -> Self:
        return cls()

    def annotate(self, views: Sequence[MediaView]) -> list[Any]:
        return [[self._words(frame) for frame in view.load_frames()] for view in views]

    def _words(self, frame: Image.Image) -> list[str]:
        lines, _ = self._engine(np.asarray(frame)[:, :, ::-1])  # it expects BGR
        boxes = [
            (np.asarray(box), text.strip())
            for box, text, score in lines or []
            if float(score) >= MIN_SCORE and sum(c.isalnum() for c in text) >= 2
        ]
        return reading_order(boxes)


def reading_order(boxes: Sequence[tuple[np.ndarray, str]]) -> list[str]:
    """Texts line by line, left to right; `boxes` are (4, 2) corners with their text."""
    left = sorted(boxes, key=lambda item: float(item[0][:, 1].mean()))
    ordered: list[str] = []
    while left:
        top = left[0][0]
        middle, height = float(top[:, 1].mean()), float(np.ptp(top[:, 1]))
        line = [b for b in left if abs(float(b[0][:, 1].mean()) - middle) < LINE_SHARE * height]
        line = line or left[:1]
        ordered += [text for _, text in sorted(line, key=lambda b: float(b[0][:, 0].min()))]
        left = left[len(line) :]
    return ordered
