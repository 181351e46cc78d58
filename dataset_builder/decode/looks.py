"""Perceptual signatures of pictures and frames, and the groups of media that look the same.

Signature of one picture: 64 bits of a 32x32 DCT (which low frequencies lie above their median) and
an 8x8 colour thumbnail. Both must agree: the bits alone join pictures of the same layout, the
thumbnail alone joins pictures of the same mood.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from PIL import Image

from dataset_builder.work.groups import Groups

SIDE = 32
LOW = 8
THUMB = 8
BITS = 64
# a picture whose low frequencies carry less than this (of 255) is one flat colour: no signature
MIN_CONTRAST = 2.0
MAX_THUMB_DIFFERENCE = 12.0
VIDEO_MATCHES = 0.75
VIDEO_SECONDS = 1.0
VIDEO_SHARE = 0.02


@dataclass(frozen=True)
class Signature:
    """`bits` as 16 hex digits, `thumb` as 384 hex digits (8x8 RGB)."""

    bits: str
    thumb: str


@dataclass(frozen=True)
class Looks:
    """What is compared between media: one signature of a picture, up to eight of a video."""

    sha256: str
    media_type: str
    duration: float | None
    signatures: tuple[Signature | None, ...]


def signature(image: Image.Image) -> Signature | None:
    """The signature of an RGB picture, or None where it is flat (all black frames look alike)."""
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    basis = _dct_basis()
    low = (basis @ grey @ basis.T)[:LOW, :LOW].ravel()
    if float(np.abs(low[1:]).max()) / SIDE < MIN_CONTRAST:
        return None
    flags = low > np.median(low[1:])
    bits = int("".join("1" if flag else "0" for flag in flags), 2)
    thumb = np.asarray(image.resize((THUMB, THUMB), Image.Resampling.BOX), np.uint8)
    return Signature(f"{bits:016x}", thumb.tobytes().hex())


def alike(a: Signature, b: Signature, max_distance: int) -> bool:
    """Whether two pictures are the same picture, re-encoded, resized or lightly edited."""
    if (int(a.bits, 16) ^ int(b.bits, 16)).bit_count() > max_distance:
        return False
    left = np.frombuffer(bytes.fromhex(a.thumb), np.uint8).astype(np.int16)
    right = np.frombuffer(bytes.fromhex(b.thumb), np.uint8).astype(np.int16)
    return float(np.abs(left - right).mean()) <= MAX_THUMB_DIFFERENCE


def same_media(a: Looks, b: Looks, max_distance: int) -> bool:
    """Whether two media items show the same thing; videos need near-equal lengths as well."""
    if a.sha256 == b.sha256:
        return True
    if a.media_type != b.media_type:
        return False
    if a.media_type == "video" and not _lengths_agree(a.duration, b.duration):
        return False
    pairs = [(x, y) for x, y in zip(a.signatures, b.signatures, strict=False) if x and y]
    if not pairs or len(pairs) < len(a.signatures) / 2:
        return False
    return sum(alike(x, y, max_distance) for x, y in pairs) >= VIDEO_MATCHES * len(pairs)


def duplicate_groups(
    hashes: Iterable[tuple[str, str, Sequence[int | None]]],
    looks_of: Callable[[str], Looks],
    max_distance: int,
) -> list[list[str]]:
    """Groups (of two or more sha256) of media that look the same, by union of similar pairs.

    `hashes` are (sha256, media type, 64-bit hash of each signature) and all that is held of every
    item; `looks_of` is asked for the few that may be alike.
    """
    names, pairs = _candidates(hashes, max_distance)
    known = lru_cache(maxsize=1024)(looks_of)
    shas = sorted({names[at] for pair in pairs for at in pair})
    place = {sha: at for at, sha in enumerate(shas)}
    groups = Groups(len(shas))
    for a, b in sorted(sorted((place[names[low]], place[names[high]])) for low, high in pairs):
        one, other = shas[a], shas[b]
        if groups.root(a) != groups.root(b) and same_media(known(one), known(other), max_distance):
            groups.join(a, b)
    return [[shas[at] for at in members] for members in groups.several()]


def _candidates(
    hashes: Iterable[tuple[str, str, Sequence[int | None]]], max_distance: int
) -> tuple[list[str], set[tuple[int, int]]]:
    """The items' names, and pairs of them with one signature, at one place, within the distance.

    The 64 bits are cut into max_distance + 1 bands: two signatures within the distance agree on at
    least one whole band, so only equal bands are compared and no pair is missed.
    """
    if not 0 <= max_distance < 16:
        raise ValueError(f"max_distance is {max_distance}, expected 0 to 15 of {BITS} bits")
    names: list[str] = []
    places: dict[tuple[str, int], tuple[array[int], array[int]]] = {}
    for sha, media_type, signatures in hashes:
        for place, one in enumerate(signatures):
            if one is not None:
                items, values = places.setdefault((media_type, place), (array("I"), array("Q")))
                items.append(len(names))
                values.append(one)
        names.append(sha)
    edges = np.linspace(0, BITS, max_distance + 2).astype(int)
    pairs: set[tuple[int, int]] = set()
    for items, values in places.values():
        owners, bits = np.asarray(items), np.asarray(values)
        for low, high in pairwise(edges):
            mask = np.uint64((1 << int(high - low)) - 1)
            band = (bits >> np.uint64(low)) & mask
            order = np.argsort(band, kind="stable")
            for run in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
                pairs.update(_close_pairs(run, bits, owners, max_distance))
    return names, pairs


def _close_pairs(
    run: np.ndarray, bits: np.ndarray, owners: np.ndarray, max_distance: int
) -> Iterator[tuple[int, int]]:
    """Pairs of owners in one bucket `run` (indices) that differ in at most `max_distance` bits."""
    for at in range(len(run) - 1):
        distance = np.bitwise_count(bits[run[at + 1 :]] ^ bits[run[at]])
        for other in np.flatnonzero(distance <= max_distance):
            a, b = int(owners[run[at]]), int(owners[run[at + 1 + other]])
            yield (a, b) if a < b else (b, a)


def _lengths_agree(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return False
    return abs(a - b) <= max(VIDEO_SECONDS, VIDEO_SHARE * max(a, b))


def _dct_basis() -> np.ndarray:
    """The orthonormal DCT-II matrix, (SIDE, SIDE)."""
    n = np.arange(SIDE)
    basis = np.cos(np.pi * (2 * n[None, :] + 1) * n[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    basis[0] /= np.sqrt(2)
    return basis
