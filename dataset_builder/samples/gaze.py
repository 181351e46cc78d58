"""Readers of eye tracking: SALICON's JSON, OSIE's .mat, saliency map pictures; COCO instances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from dataset_builder.errors import BuildError
from dataset_builder.samples.saliency import density


@dataclass(frozen=True)
class Gaze:
    """Where observers of one picture looked: (N, 2) x, y in pixels of a picture of this size."""

    name: str
    points: np.ndarray
    width: int | None
    height: int | None
    url: str | None


def read_gaze(path: Path) -> dict[str, Gaze]:
    """Gaze by file name, from SALICON JSON or an OSIE .mat file."""
    if path.suffix == ".mat":
        return _read_osie(path)
    try:
        data = json.loads(path.read_bytes())
        return _read_salicon(data)
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(
            f"{path}: not a SALICON fixation file ({type(error).__name__}: {error}); expected JSON "
            "with images and annotations, or an OSIE .mat file"
        ) from error


def _read_salicon(data: Mapping[str, Any]) -> dict[str, Gaze]:
    """SALICON counts from 1 and gives [row, column]."""
    points: dict[str, list[list[int]]] = {}
    for record in data["annotations"]:
        points.setdefault(str(record["image_id"]), []).extend(record["fixations"])
    found = {}
    for image in data["images"]:
        rows = np.array(points.get(str(image["id"]), []), np.float64).reshape(-1, 2)
        found[image["file_name"]] = Gaze(
            name=image["file_name"],
            points=rows[:, ::-1] - 1,
            width=image["width"],
            height=image["height"],
            url=image.get("url"),
        )
    return found


def _read_osie(path: Path) -> dict[str, Gaze]:
    from scipy.io import loadmat  # needed for this one file only

    found = {}
    for entry in loadmat(path, squeeze_me=True, struct_as_record=False)["fixations"]:
        parts = [
            np.stack([np.atleast_1d(s.fix_x), np.atleast_1d(s.fix_y)], axis=-1)
            for s in np.atleast_1d(entry.subjects)
        ]
        points = np.concatenate(parts).astype(np.float64) - 1
        found[str(entry.img)] = Gaze(str(entry.img), points, None, None, None)
    return found


def gaze_density(gaze: Gaze, width: int, height: int) -> np.ndarray:
    """The fixation density over a picture of `width` x `height`, whatever its size when watched."""
    scale = np.array([width / (gaze.width or width), height / (gaze.height or height)])
    return density(gaze.points * scale, width, height)


def map_density(path: Path, width: int, height: int) -> np.ndarray:
    """The density of a grey saliency map picture, at the size of its picture."""
    with Image.open(path) as image:
        grey = image.convert("L").resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(grey, np.float64)
    if values.sum() == 0:
        raise ValueError(f"{path} is black: a saliency map needs some light")
    return values / values.sum()


class Instances:
    """COCO instances: names and masks by file name."""

    def __init__(self, path: Path) -> None:
        try:
            data = json.loads(path.read_bytes())
            self._names = {c["id"]: c["name"] for c in data["categories"]}
            self._images = {i["file_name"]: i for i in data["images"]}
            self._by_image: dict[int, list[dict[str, Any]]] = {}
            for record in data["annotations"]:
                self._by_image.setdefault(record["image_id"], []).append(record)
        except (ValueError, KeyError, TypeError) as error:
            raise BuildError(
                f"{path}: no COCO instances ({type(error).__name__}: {error}); expected JSON with "
                "images, annotations and categories"
            ) from error

    def masks(self, file_name: str, width: int, height: int) -> list[tuple[str, np.ndarray]]:
        """(name, (height, width) bool) of every instance in a picture; none if it is not listed."""
        image = self._images.get(file_name)
        if image is None:
            return []
        found = []
        for record in self._by_image.get(image["id"], []):
            mask = segment_mask(record["segmentation"], image["width"], image["height"])
            picture = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
            found.append((self._names[record["category_id"]], np.asarray(picture)))
        return found


def segment_mask(segmentation: Any, width: int, height: int) -> np.ndarray:
    """(height, width) bool of COCO polygons or of an uncompressed run-length code."""
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        if not isinstance(counts, list):
            raise ValueError("compressed run-length masks are not read; use polygons or counts")
        values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        return values.reshape(width, height).T  # runs go down the columns
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    for polygon in segmentation:
        draw.polygon([float(value) for value in polygon], fill=1)
    return np.asarray(canvas)
