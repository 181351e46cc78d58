"""Frames of a video file as pictures."""

from pathlib import Path
from typing import Any

VIDEOS = {".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v"}


def sample_frames(path: Path, count: int) -> list[Any]:
    """`count` frames at the middles of equal parts of a video; ValueError without a frame."""
    import av

    with av.open(str(path)) as container:
        total = sum(1 for _ in container.decode(video=0))
    if not total:
        raise ValueError(f"{path} holds no video frame")
    places = [int((index + 0.5) * total / count) for index in range(count)]
    found = {}
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in places:
                found[number] = frame.to_image()
    return [found[place] for place in places]
