"""Perceptual hashes of pictures and keyframes: 64 bits of a low-frequency cosine transform."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import dctn

SIDE, KEPT = 32, 8
# of 64 bits; re-encoded and resized copies differ in few, different pictures in about half
NEAR = 6
# a flat picture has no pattern to compare
LEAST_SPREAD = 4.0
KEYFRAMES = 5
BANDS = 7


def picture_hash(picture: Any) -> int | None:
    """64-bit hash of a PIL picture; None for a flat one."""
    gray = np.asarray(picture.convert("L").resize((SIDE, SIDE)), float)
    if gray.std() < LEAST_SPREAD:
        return None
    low = dctn(gray, norm="ortho")[:KEPT, :KEPT].ravel()
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def file_hashes(path: Path) -> list[int]:
    """Hashes of a picture, or of five keyframes of a video; [] where nothing opens."""
    from PIL import Image, UnidentifiedImageError

    from trainer.evaluation.protocols.frames import VIDEOS, sample_frames

    try:
        if path.suffix.lower() in VIDEOS:
            pictures = sample_frames(path, KEYFRAMES)
        else:
            pictures = [Image.open(path)]
        found = [picture_hash(picture) for picture in pictures]
    except (UnidentifiedImageError, OSError, ValueError):
        return []
    return [value for value in found if value is not None]


def bytes_hashes(content: bytes) -> list[int]:
    """`file_hashes` of a picture in memory."""
    from PIL import Image, UnidentifiedImageError

    try:
        value = picture_hash(Image.open(io.BytesIO(content)))
    except (UnidentifiedImageError, OSError, ValueError):
        return []
    return [] if value is None else [value]


class Hashes:
    """Near neighbours by bands: two hashes within 6 bits agree in one of seven bands."""

    def __init__(self) -> None:
        self.bands: list[dict[int, list[tuple[int, Any]]]] = [{} for _ in range(BANDS)]

    def add(self, value: int, item: Any) -> None:
        """Keep one hash with what it is the hash of."""
        for band, key in enumerate(_keys(value)):
            self.bands[band].setdefault(key, []).append((value, item))

    def near(self, values: Iterable[int]) -> list[tuple[Any, int]]:
        """(item, bits of difference) of every kept hash within 6 bits, each item once."""
        found: dict[Any, int] = {}
        for value in values:
            for band, key in enumerate(_keys(value)):
                for other, item in self.bands[band].get(key, ()):
                    bits = (value ^ other).bit_count()
                    if bits <= NEAR:
                        found[item] = min(bits, found.get(item, NEAR))
        return sorted(found.items(), key=lambda pair: (pair[1], str(pair[0])))


def _keys(value: int) -> list[int]:
    width = -(-64 // BANDS)
    return [(value >> (width * band)) & ((1 << width) - 1) for band in range(BANDS)]
