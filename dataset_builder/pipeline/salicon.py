"""Add a Salicon config (object or region) to a release, from pictures and eye tracking."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.errors import BuildError
from dataset_builder.media.examine import media_tasks, read_verdicts, record_folder, run_media_task
from dataset_builder.media.record import MediaRecord, RecordStore
from dataset_builder.run.dispatch import run_tasks
from dataset_builder.samples import saliency
from dataset_builder.samples.fields import CHECK_FEATURES, JSON_FEATURES
from dataset_builder.samples.gaze import Gaze, Instances, gaze_density, map_density, read_gaze
from dataset_builder.settings import Settings
from dataset_builder.shards.card import CardFacts
from dataset_builder.shards.close import close_release, release_facts, write_shards
from dataset_builder.shards.manifest import MADE_LAST, NAME, read_manifest
from dataset_builder.shards.writer import PACKED, config_of, packed_row, shard_order
from dataset_builder.work.blob import EMPTY
from dataset_builder.work.whole_files import whole_file

TASKS = ("object", "region")
SPLIT = "train"
NO_CHECKS = dict.fromkeys(CHECK_FEATURES)


@dataclasses.dataclass(frozen=True)
class SaliconRequest:
    """`images` are folders; `gaze` are fixation files or folders of maps named as the pictures."""

    images: tuple[Path, ...]
    gaze: tuple[Path, ...]
    instances: Path | None
    task: str
    form: str


def add_salicon(
    build_dir: Path, request: SaliconRequest, settings: Settings, workers: int
) -> dict[str, Any]:
    """Write config `salicon_<task>` into `build_dir`/release; returns counts and the new root.

    Pictures without gaze, without a named object or that do not decode are counted, not used.
    """
    if request.task == "object" and request.instances is None:
        raise BuildError("the object task needs --instances (COCO instances JSON); or use region")
    config = f"salicon_{request.task}"
    rows, skipped = _rows(build_dir, request, settings, workers)
    if not rows:
        names = ", ".join(str(folder) for folder in request.images)
        raise BuildError(f"no picture of {names} can be used: {skipped}")
    packed = build_dir / "work" / "samples" / f"{config}-{SPLIT}.parquet"
    packed.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(packed) as file:
        ordered = sorted(rows, key=lambda row: shard_order(row["key"]))
        pq.write_table(pa.Table.from_pylist(ordered, schema=PACKED), file)
    release = build_dir / "release"
    files, facts, inputs, used = _existing(release, config, settings)
    (release / NAME).unlink(missing_ok=True)
    files += write_shards({SPLIT: packed}, config, build_dir, settings, workers)
    root = close_release(files, release, facts, inputs, used)
    return {"config": config, "samples": len(rows), "skipped": skipped, "root": root}


def _rows(
    build_dir: Path, request: SaliconRequest, settings: Settings, workers: int
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Packed rows, and how many pictures were left out for which reason."""
    records = record_folder(build_dir / "work", settings)
    every = sorted(path for folder in request.images for path in folder.iterdir())
    wanted: dict[Path, float | None] = {path: None for path in every if path.is_file()}
    tasks = media_tasks(wanted, records, settings)
    run_tasks(run_media_task, tasks, workers, settings, build_dir, "pictures")
    rows: list[dict[str, Any]] = []
    skipped: dict[str, int] = {}
    for path, record, turn, url in _turns(request, read_verdicts(tasks)):
        if isinstance(turn, str):
            skipped[turn] = skipped.get(turn, 0) + 1
            continue
        sample = _sample(path, record, turn, url)
        media = {"jpg": RecordStore(records).frame_blob(record, 0), "mp4": EMPTY}
        rows.append(packed_row(sample, dict(NO_CHECKS), media))
    return rows, skipped


def _turns(
    request: SaliconRequest, records: Iterable[tuple[Path, MediaRecord]]
) -> Iterator[tuple[Path, MediaRecord, Any, str | None]]:
    """Per picture: its turn, or the reason why it has none."""
    gaze: dict[str, Gaze] = {}
    for path in request.gaze:
        gaze |= read_gaze(path) if path.is_file() else {}
    instances = Instances(request.instances) if request.instances else None
    for path, record in records:
        url = gaze[path.name].url if path.name in gaze else None
        if record.reason is not None or record.kind != "image":
            yield path, record, record.reason or "wrong_media_type", url
            continue
        density = _density(request, gaze, path, record)
        if density is None:
            yield path, record, "no_gaze", url
        elif request.task == "region":
            shares = saliency.tile_shares(density)
            yield path, record, saliency.region_turn(shares, request.form), url
        else:
            assert instances is not None
            masks = instances.masks(path.name, density.shape[1], density.shape[0])
            scores = saliency.object_scores(density, masks)
            # one object alone has no order
            turn = saliency.object_turn(scores, request.form) if len(scores) > 1 else "few_objects"
            yield path, record, turn, url


def _density(
    request: SaliconRequest, gaze: dict[str, Gaze], path: Path, record: MediaRecord
) -> np.ndarray | None:
    assert record.width is not None
    assert record.height is not None
    try:
        if path.name in gaze:
            return gaze_density(gaze[path.name], record.width, record.height)
        maps = sorted(file for folder in request.gaze for file in folder.glob(f"{path.stem}.*"))
        return map_density(maps[0], record.width, record.height) if maps else None
    except ValueError:
        return None  # nobody looked inside the picture: no saliency to ask for


def _sample(path: Path, record: MediaRecord, turn: Any, url: str | None) -> dict[str, Any]:
    """A sample with the same keys as any other; what eye tracking has not is null or empty."""
    empty: dict[str, Any] = {
        key: [] if isinstance(kind, list) else None for key, kind in JSON_FEATURES.items()
    }
    name = re.sub(r"[^0-9A-Za-z_-]", "_", path.stem)
    return {
        **empty,
        "id": f"salicon-{name}",
        "source": "salicon",
        "media_type": "image",
        "url": url,
        "width": record.width,
        "height": record.height,
        "media_sha256": record.sha256,
        "replay": None,
        "system": saliency.SYSTEM,
        "intro": "",
        "turns": [turn],
    }


def _existing(
    release: Path, config: str, settings: Settings
) -> tuple[list[Any], CardFacts, list[Any], dict[str, Any]]:
    """Files of the other configs, and what the card and manifest said; a new release has none."""
    if not (release / NAME).is_file():
        return [], CardFacts("full", [], {}, 0, 0, 0, {}, {}), [], settings.as_dict()
    manifest = read_manifest(release)
    files = [
        f for f in manifest["files"] if f.path not in MADE_LAST and config_of(f.path) != config
    ]
    return files, release_facts(manifest), manifest["inputs"], manifest["settings"]
