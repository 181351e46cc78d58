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

from dataset_builder.decode.looks import Looks, Signature
from dataset_builder.work.blob import COPY_BYTES, Blob
from dataset_builder.work.ustar import BLOCK, padding, write_tar
from dataset_builder.work.whole_files import file_sha256, whole_file

META = "meta.json"


@dataclass(frozen=True)
class StoredFile:
    """A file that a record holds or that lies beside it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class MediaRecord:
    """`scenes` are [start, end] seconds (none for a picture); `reason` is set where it was refused.

    `frames` are in the record; `video` is the MP4 that is published, beside the record as
    `<sha256>.mp4` (none for a picture, or where no scenes were wanted).
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
    bad_packets: int
    frames: tuple[StoredFile, ...]
    video: StoredFile | None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        scenes = tuple((start, end) for start, end in data["scenes"])
        signatures = tuple(None if s is None else (s[0], s[1]) for s in data["signatures"])
        frames = tuple(StoredFile(**frame) for frame in data["frames"])
        video = None if data["video"] is None else StoredFile(**data["video"])
        found = {"scenes": scenes, "signatures": signatures, "frames": frames, "video": video}
        return cls(**{**data, **found})

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
        """Where the MP4 to publish lies."""
        return self.folder / sha256[:2] / f"{sha256}.mp4"

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def read(self, sha256: str) -> MediaRecord:
        with tarfile.open(self.path(sha256)) as tar:
            return MediaRecord.from_json(json.loads(_member(tar, META)))

    def pictures(self, sha256: str) -> list[Image.Image]:
        """The picture or the keyframes, in order, decoded to RGB."""
        with tarfile.open(self.path(sha256)) as tar:
            data = [_member(tar, frame.name) for frame in self.read(sha256).frames]
        return [Image.open(io.BytesIO(one)).convert("RGB") for one in data]

    def frame_blob(self, record: MediaRecord, index: int) -> Blob:
        """Where frame `index` lies inside the record's tar."""
        before = record.frames[:index]
        offset = BLOCK + sum(BLOCK + f.bytes + len(padding(f.bytes)) for f in before)
        frame = record.frames[index]
        return Blob(frame.bytes, frame.sha256, str(self.path(record.sha256)), offset)

    def video_blob(self, record: MediaRecord) -> Blob:
        """The MP4 to publish, never the file itself."""
        if record.video is None:
            raise ValueError(f"{self.path(record.sha256)}: no MP4 beside it; delete it and rerun")
        path = str(self.video_path(record.sha256))
        return Blob(record.video.bytes, record.video.sha256, path, 0)

    def write(self, facts: dict[str, Any], made: Path) -> None:
        """Store a record of `facts` with the frames and MP4 that the decoder left in `made`.

        The frames stand first: their places follow from their sizes alone.
        """
        refused = facts["reason"] is not None
        names = [] if refused else sorted(path.name for path in made.glob("*.jpg"))
        frames = [(name, (made / name).read_bytes()) for name in names]
        stored = [StoredFile(n, len(data), hashlib.sha256(data).hexdigest()) for n, data in frames]
        target = self.path(facts["sha256"])
        target.parent.mkdir(parents=True, exist_ok=True)
        video = None if refused else self._keep_video(facts["sha256"], made / "video.mp4")
        meta = {**facts, "frames": [f.__dict__ for f in stored], "video": video}
        members = [*frames, (META, json.dumps(meta, sort_keys=True).encode())]
        write_tar(((name, len(data), iter([data])) for name, data in members), target)

    def _keep_video(self, sha256: str, made: Path) -> dict[str, Any] | None:
        if not made.is_file():
            return None
        target = self.video_path(sha256)
        with made.open("rb") as read, whole_file(target) as write:
            shutil.copyfileobj(read, write, COPY_BYTES)
        return StoredFile(target.name, target.stat().st_size, file_sha256(target)).__dict__

    def remove(self, sha256: str) -> int:
        """Delete everything stored of one media item; returns how many files that were."""
        gone = [p for p in (self.path(sha256), self.video_path(sha256)) if p.is_file()]
        for path in gone:
            path.unlink()
        return len(gone)


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{tar.name!r}: member {name} is no file; delete the record and rerun")
    return file.read()
