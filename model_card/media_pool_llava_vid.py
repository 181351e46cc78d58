"""The media of a batch: every different item is decoded once, however often it is asked about."""

from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import torch

from .media_llava_vid import checked_sampling, is_features, load_image, load_video, pad_to_square

PAYLOAD_KEYS = ("image", "video", "features", "url", "path", "base64", "bytes")


def payload(block: dict[str, Any]) -> Any:
    """What a content block holds, None for a bare placeholder."""
    if block.get("base64") is not None:
        return "data:;base64," + block["base64"]
    return next((block[key] for key in PAYLOAD_KEYS if block.get(key) is not None), None)


def flat_list(items: Any) -> list[Any] | None:
    """A lone item, a list, or one list per row, as one list in reading order."""
    if items is None:
        return None
    if not isinstance(items, (list, tuple)):
        return [items]
    return [x for item in items for x in (item if isinstance(item, (list, tuple)) else [item])]


def video_list(items: Any) -> list[Any] | None:
    """Like `flat_list`; a list of frames is one video, so only lists of such lists are opened."""
    if items is None or not isinstance(items, (list, tuple)):
        return None if items is None else [items]
    if items and all(isinstance(i, (list, tuple)) for i in items):
        nested = [v for row in items for v in row]
        if nested and all(isinstance(v, (str, bytes, PathLike, list, tuple)) for v in nested):
            return nested
    return list(items)


def _one_line(name: str) -> str:
    """A path as it is; a text that is none shortened, without line breaks."""
    return (
        name
        if len(name) <= 200 and name.isprintable()
        else f"{name[:40]!r}…, {len(name)} characters"
    )


@dataclass
class MediaPool:
    """Loads and keeps media. spare: items for placeholders without payload, per kind (None = no
    such list); pad_mean: fill colour of the square padding of pictures, None = no padding.

    images holds pictures; videos holds lists of frames, or features [T, N, C].
    """

    spare: dict[str, list[Any] | None]
    pad_mean: list[float] | None
    video_fps: float
    max_frames: int | None
    allow_urls: bool
    num_patches: int
    images: list[Any] = field(default_factory=list)
    videos: list[Any] = field(default_factory=list)
    _known: dict[Any, int] = field(default_factory=dict)
    _sources: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        checked_sampling(self.video_fps, self.max_frames)

    def frames(self, kind: str, index: int) -> int:
        """Frames of an item (a picture has one)."""
        return 1 if kind == "image" else len(self.videos[index])

    def place(self, row: int, sources: list[tuple[str, Any]]) -> list[tuple[str, int]]:
        """(kind, index in this pool) of a row's placeholders. One without payload takes the next
        spare item, or, without a spare list, the row's latest item of its kind again."""
        placed: list[tuple[str, int]] = []
        for kind, given in sources:
            spare = self.spare.get(kind)
            source = given
            if source is None and spare is not None:
                if not spare:
                    raise ValueError(
                        f"row {row}: there are more {kind} placeholders than items in `{kind}s`: "
                        "give one item per placeholder"
                    )
                source = spare.pop(0)
            if source is not None:
                placed.append((kind, self._index(row, kind, source)))
                continue
            earlier = [entry for entry in placed if entry[0] == kind]
            if not earlier:
                raise ValueError(
                    f"row {row}: {len(sources)} placeholders but {kind} placeholder {len(placed)} "
                    f"has no media: put the {kind} into its content block or into `{kind}s`"
                )
            placed.append(earlier[-1])
        return placed

    def check_all_used(self) -> None:
        """Raises ValueError where `images` or `videos` held more items than placeholders."""
        for kind, spare in self.spare.items():
            if spare:
                raise ValueError(
                    f"`{kind}s` holds {len(spare)} more items than there are {kind} placeholders: "
                    "write one placeholder per item"
                )

    def tensors(self, image_processor: Any, joinable: bool) -> dict[str, torch.Tensor]:
        """pixel_values [images, 3, H, W]; pixel_values_videos [sum frames, 3, H, W] (joinable: one
        frame a line, [sum frames, 3 * H * W]) or video_features; video_num_frames [videos]."""

        def pixels(images: list[Any]) -> torch.Tensor:
            return image_processor(images=images, return_tensors="pt")["pixel_values"]

        data = {"pixel_values": pixels(self.images)} if self.images else {}
        if not self.videos:
            return data
        data["video_num_frames"] = torch.tensor([len(video) for video in self.videos])
        featured = sum(isinstance(video, torch.Tensor) for video in self.videos)
        if featured == len(self.videos):
            return {**data, "video_features": torch.cat(self.videos)}
        if featured:
            raise ValueError(
                f"{featured} of {len(self.videos)} videos are pre-extracted features and the "
                "others pixels: put them into separate batches"
            )
        frames = pixels([frame for video in self.videos for frame in video])
        return {**data, "pixel_values_videos": frames.flatten(1) if joinable else frames}

    def _index(self, row: int, kind: str, source: Any) -> int:
        by_name = isinstance(source, (str, PathLike))
        key = (kind, str(source)) if by_name else (kind, id(source))
        if key not in self._known:
            store = self.images if kind == "image" else self.videos
            name = _one_line(str(source)) if by_name else type(source).__name__
            try:
                loaded = self._load(kind, source)
            except ValueError as error:
                raise ValueError(f"row {row}: {kind} {len(store)} ({name}) {error}") from error
            self._known[key] = len(store)
            self._sources.append(source)  # an id is unique only while its object lives
            store.append(loaded)
        return self._known[key]

    def _load(self, kind: str, source: Any) -> Any:
        if kind == "image":
            image = load_image(source, self.allow_urls)
            return image if self.pad_mean is None else pad_to_square(image, self.pad_mean)
        if not is_features(source):
            return load_video(source, self.video_fps, self.max_frames, self.allow_urls)
        features = torch.as_tensor(source)
        if len(features) == 0:
            raise ValueError("has 0 frames: expected at least one")
        # Feature files keep CLS in row 0; the reference drops it when it reads them.
        return features[:, 1:] if features.shape[1] == self.num_patches + 1 else features


__all__ = ["MediaPool", "flat_list", "payload", "video_list"]
