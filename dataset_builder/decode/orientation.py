"""The display matrix of a video: phones store frames lying and say how players must turn them.

FFmpeg's programs turn frames by themselves, its libraries (and PyAV) do not. The model's processor
holds the same few lines; a test keeps what both see equal.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from PIL import Image

Turn = Image.Transpose | None
# where the matrix sends the x and the y axis -> what Pillow calls that; other angles: as stored
TURNS: dict[tuple[int, int, int, int], Turn] = {
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}


def turn_of(frame: VideoFrame) -> Turn:
    """How a decoded frame must be turned to stand upright; None where it does."""
    matrix = display_matrix(frame)
    if matrix is None:
        return None
    a, b, _, c, d, *_ = matrix
    size = math.hypot(a, b) or 1.0
    x, y = (round(a / size), round(b / size)), (round(c / size), round(d / size))
    return TURNS.get((*x, *y))


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers of the matrix, or None where the video has none."""
    every: Any = frame.side_data  # typed as a mapping, iterates over its values
    data = next((bytes(one) for one in every if one.type == Type.DISPLAYMATRIX), None)
    return None if data is None else struct.unpack("9i", data[:36])


def upright(image: Image.Image, turn: Turn) -> Image.Image:
    """The picture as it is to be seen."""
    return image if turn is None else image.transpose(turn)
