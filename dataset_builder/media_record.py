"""What is known of one media file, kept on disk under its sha256 so that no file is decoded twice.

A record is one tar: `meta.json` plus the frames the annotators look at (`picture.jpg`, or one
keyframe per scene `k00.jpg`…). Records are written under a temporary name and renamed.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from PIL import Image

from dataset_builder.atomic import atomic_file
from dataset_builder.phash import Looks, Signature

COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class MediaRecord:
    """`scenes` are [start, end] seconds (none for a picture); `reason` is set where it was refused.

    `rewritten`: the publishable MP4 lies beside the record, as `<sha256>.mp4`.
    """

    sha256: str
    bytes: int
    reason: str | None
    value: str | None
    kind: str | None
    width: int | None
    height: int | None
    duration: float | None
    has_audio: bool
    scenes: tuple[tuple[float, float], ...]
    signatures: tuple[tuple[str, str] | None, ...]
    rewritten: bool
    bad_packets: int

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        scenes = tuple((start, end) for start, end in data["scenes"])
        signatures = tuple(None if s is None else (s[0], s[1]) for s in data["signatures"])
        return cls(**{**data, "scenes": scenes, "signatures": signatures})

    def looks(self) -> Looks:
        """What the search for duplicates compares."""
        found = tuple(None if s is None else Signature(*s) for s in self.signatures)
        return Looks(self.sha256, self.kind or "", self.duration, found)


class RecordStore:
    """Records of one build under `folder`, two levels deep by hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.tar"

    def video_path(self, sha256: str) -> Path:
        """Where a rewritten MP4 lies."""
        return self.folder / sha256[:2] / f"{sha256}.mp4"

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def read(self, sha256: str) -> MediaRecord:
        with tarfile.open(self.path(sha256)) as tar:
            return MediaRecord.from_json(json.loads(_member(tar, "meta.json")))

    def frames(self, sha256: str) -> list[bytes]:
        """JPEG bytes of the picture or of the keyframes, in order."""
        with tarfile.open(self.path(sha256)) as tar:
            names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))
            return [_member(tar, name) for name in names]

    def pictures(self, sha256: str) -> list[Image.Image]:
        """The frames decoded to RGB."""
        return [Image.open(io.BytesIO(data)).convert("RGB") for data in self.frames(sha256)]

    def write(self, record: MediaRecord, made: Path | None) -> None:
        """Store `record` with the frames and MP4 that the decoder left in `made`."""
        target = self.path(record.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        if record.rewritten and made is not None:
            _publish(made / "video.mp4", self.video_path(record.sha256))
        meta = json.dumps(record.__dict__, sort_keys=True).encode()
        frames = sorted(made.glob("*.jpg")) if made is not None and record.reason is None else []
        with (
            atomic_file(target) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, data in [("meta.json", meta), *((f.name, f.read_bytes()) for f in frames)]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    def remove(self, sha256: str) -> int:
        """Delete everything stored of one media item; returns how many files that were."""
        gone = [p for p in (self.path(sha256), self.video_path(sha256)) if p.is_file()]
        for path in gone:
            path.unlink()
        return len(gone)


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{tar.name!r}: member {name} is no file; delete the record and rerun")
    return file.read()


def _publish(source: Path, target: Path) -> None:
    """Copy a finished file to its final name; `source` may lie on another file system."""
    with source.open("rb") as read, atomic_file(target) as write:
        shutil.copyfileobj(read, write, COPY_BYTES)
