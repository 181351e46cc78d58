"""Media and text tables made on the spot for the tests of the media half; nothing is downloaded."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from dataset_builder.schema import COMMENTS, POSTS

SIZE = (96, 64)
# colours only: the other annotators have tests of their own, and take seconds per picture
FAST = ("annotate.tags=null", "annotate.ocr=null", "annotate.asr=null")


def picture(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A smooth random picture; different seeds look different."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def jpeg(seed: int, quality: int = 92, size: tuple[int, int] = SIZE) -> bytes:
    out = io.BytesIO()
    picture(seed, size).save(out, "JPEG", quality=quality)
    return out.getvalue()


def write_video(
    path: Path,
    seeds: Sequence[int],
    seconds_each: float = 1.0,
    rate: int = 24,
    size: tuple[int, int] = SIZE,
    sound: bool = False,
    **options: str,
) -> Path:
    """A video of one slowly panning picture per seed."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", **options}
        )
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for seed in seeds:
            still = np.asarray(picture(seed, (size[0] + 16, size[1])))
            for at in range(int(seconds_each * rate)):
                left = abs(at % 32 - 16)
                view = np.ascontiguousarray(still[:, left : left + size[0]])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode(None))
        if audio is not None:
            total = len(seeds) * seconds_each
            wave = np.sin(np.arange(int(total * 16_000)) / 8).astype(np.float32)[None] * 0.2
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def post(sample_id: str, media_type: str, **values: Any) -> dict[str, Any]:
    """A row of posts.parquet."""
    source, native = sample_id.split("-", 1)
    return {
        "id": sample_id,
        "source": source,
        "media_type": media_type,
        "native_id": native,
        "media_key": native,
        "title": f"Title of {native}",
        "url": f"https://example.org/{native}",
        "created": 1_600_000_000,
        "split": "train",
        "tags": [],
        **values,
    }


def write_text(
    build: Path, posts: Sequence[dict[str, Any]], comments: dict[str, list[str]]
) -> None:
    """work/text as the text stage leaves it; `comments` are texts by post id, best first."""
    folder = build / "work" / "text"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"post_id": key, "id": f"{key}-c{at}", "text": text, "likes": 100 - at, "rank": at}
        for key, texts in sorted(comments.items())
        for at, text in enumerate(texts, start=1)
    ]
    ordered = sorted(posts, key=lambda p: p["id"])
    pq.write_table(pa.Table.from_pylist(ordered, schema=POSTS), folder / "posts.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema=COMMENTS), folder / "comments.parquet")


def ledger(build: Path) -> list[dict[str, Any]]:
    return pq.read_table(build / "ledger").to_pylist()


def write_eye_tracking(folder: Path) -> None:
    """Three pictures: eyes upper left, eyes bottom right, and nobody looked."""
    (folder / "pictures").mkdir()
    images, records, instances = [], [], []
    square = [[0, 0, 40, 0, 40, 30, 0, 30]]
    other = [[60, 40, 95, 40, 95, 63, 60, 63]]
    for at, fixations in enumerate([[[5, 6], [8, 9]], [[60, 90], [58, 92], [3, 3]], []]):
        name = f"picture.{at}.jpg"
        (folder / "pictures" / name).write_bytes(jpeg(50 + at))
        images.append({"id": at, "file_name": name, "width": 96, "height": 64})
        records.append({"image_id": str(at), "fixations": fixations})
        for category, polygon in ((1, square), (2, other), (2, square)):
            instances.append({"image_id": at, "category_id": category, "segmentation": polygon})
    names = [{"id": 1, "name": "dog"}, {"id": 2, "name": "car"}]
    gaze = {"images": images, "annotations": records}
    coco = {"images": images, "annotations": instances, "categories": names}
    (folder / "gaze.json").write_text(json.dumps(gaze))
    (folder / "coco.json").write_text(json.dumps(coco))
