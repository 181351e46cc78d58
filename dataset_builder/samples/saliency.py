"""Salicon turns (Listings 2 and 3): which object or tile of a picture draws the eye first.

Saliency is the density of all observers' fixations, blurred as SALICON's own tools do. A tile's
value is its share of the density; an object's is the mean density inside its best instance, so
that a large dull object does not win by size. Ranking is the paper's form; it prints no listing for
predicting, so the words of that one are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from dataset_builder.samples.turns import Turn

SYSTEM = "You are an AI visual assistant. Answer all questions as you are seeing the media"
TASK = "saliency"
TILES = tuple(
    f"{row}-{column}"
    for row in ("upper", "middle", "bottom")
    for column in ("left", "center", "right")
)
OBJECT_RANKING = (
    "The objects in this image in no particular order are {names} . Give me the order of saliency "
    "of these objects , start with the most salient object and end with the least salient object , "
    "each in a separate line . Give me the objects only and nothing else ."
)
OBJECT_PREDICTING = (
    "The objects in this image in no particular order are {names} . Give me the saliency of these "
    "objects as percentages that sum to 100 , each object with its percentage in a separate line . "
    "Give me the objects and percentages only and nothing else ."
)
# the comma missing after the first name is missing in the listing
GRID = (
    'Assume the given image is broken into a 3X3 grid the regions or tiles being named "upper-left"'
    ' "upper-center", "upper-right", "middle-left", "middle-center", "middle-right", "bottom-left",'
    ' "bottom-center", "bottom-right". '
)
REGION_RANKING = GRID + (
    "Rank these regions or tiles based on their saliency, give me the line separated ranking of "
    "all regions in decreasing order."
)
REGION_PREDICTING = GRID + (
    "Predict the saliency of these regions or tiles as percentages that sum to 100, give me all "
    "regions line separated, each with its percentage."
)
FORMS = ("ranking", "predicting")
SIGMA_SHARE = 0.03  # of the picture's diagonal: 24 pixels at 640x480, as in SALICON's tools


def density(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Blurred fixation density (height, width), summing to 1; `points` are (N, 2) x, y pixels.

    Raises ValueError where no fixation lies inside the picture.
    """
    counts = np.zeros((height, width), np.float64)
    x, y = np.floor(points[:, 0]).astype(int), np.floor(points[:, 1]).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    np.add.at(counts, (y[inside], x[inside]), 1.0)
    if counts.sum() == 0:
        raise ValueError(f"none of {len(points)} fixations lies inside {width}x{height} pixels")
    sigma = SIGMA_SHARE * float(np.hypot(width, height))
    blurred = cv2.GaussianBlur(counts, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return blurred / blurred.sum()


def tile_shares(saliency: np.ndarray) -> dict[str, float]:
    """Share of the density in each of the nine tiles, by name."""
    rows = np.array_split(saliency, 3, axis=0)
    tiles = [tile for row in rows for tile in np.array_split(row, 3, axis=1)]
    return {name: float(tile.sum()) for name, tile in zip(TILES, tiles, strict=True)}


def object_scores(
    saliency: np.ndarray, instances: Sequence[tuple[str, np.ndarray]]
) -> dict[str, float]:
    """Mean density inside the most salient instance of each name; masks (height, width) bool."""
    scores: dict[str, float] = {}
    for name, mask in instances:
        if mask.any():
            scores[name] = max(scores.get(name, 0.0), float(saliency[mask].mean()))
    return scores


def region_turn(shares: Mapping[str, float], form: str) -> Turn:
    """The turn of Listing 3, or its predicting form."""
    question = REGION_RANKING if form == "ranking" else REGION_PREDICTING
    return {"task": TASK, "question": question, "answer": _answer(shares, form)}


def object_turn(scores: Mapping[str, float], form: str) -> Turn:
    """The turn of Listing 2, or its predicting form; the question names objects alphabetically."""
    template = OBJECT_RANKING if form == "ranking" else OBJECT_PREDICTING
    question = template.format(names=", ".join(sorted(scores)))
    return {"task": TASK, "question": question, "answer": _answer(scores, form)}


def _answer(values: Mapping[str, float], form: str) -> str:
    """Names by falling value, or names in the question's order with percentages."""
    if form not in FORMS:
        raise ValueError(f"form {form!r}: expected one of {', '.join(FORMS)}")
    names = [name for name in TILES if name in values] or sorted(values)
    if form == "ranking":
        return "\n".join(sorted(names, key=lambda name: -values[name]))
    shares = whole_percentages([values[name] for name in names])
    return "\n".join(f"{name}: {share}%" for name, share in zip(names, shares, strict=True))


def whole_percentages(values: Sequence[float]) -> list[int]:
    """Whole percentages that sum to 100: the largest remainders are rounded up."""
    total = sum(values)
    exact = [100.0 * value / total if total else 100.0 / len(values) for value in values]
    whole = [int(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda i: (whole[i] - exact[i], i))
    for index in order[: 100 - sum(whole)]:
        whole[index] += 1
    return whole
