"""Writing and reading shards and cutting scenes, against what bounds each; results to shards.json.

    python benchmarks/bench_shards.py [--megabytes 1000] [--rounds 5]

Every comparison is paired: the sides take turns within each round on the same bytes, warm, and the
ratio reported is the median of the rounds' ratios. Scene cuts run in one process with one thread.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from dataset_builder.decode.content_type import MP4
from dataset_builder.decode.scenes import scan
from dataset_builder.decode.videos import open_video, video_stream
from dataset_builder.samples.fields import CHECK_FEATURES, JSON_FEATURES, shard_features
from dataset_builder.sections import Scenes
from dataset_builder.shards.reader import read_samples
from dataset_builder.shards.writer import PACKED, packed_row, plan_shards, run_shard_task
from dataset_builder.work.blob import EMPTY, Blob
from dataset_builder.work.whole_files import write_bytes

RESULTS = Path(__file__).with_name("shards.json")
RULES = Scenes(3.0, 20.0, 15, 10, 256)
PICTURE_BYTES = 150_000
Side = Callable[[], Any]


def paired(rounds: int, sides: dict[str, Side]) -> dict[str, list[float]]:
    """Wall seconds of each side in each round; the order turns round by round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for at in range(rounds):
        for name in names[at % len(names) :] + names[: at % len(names)]:
            os.sync()  # what one side left in the page cache is not the next one's to write
            begun = time.perf_counter()
            sides[name]()
            found[name].append(time.perf_counter() - begun)
    return found


def ratio(times: dict[str, list[float]], over: str, under: str) -> float:
    """Median over rounds of `over` / `under`."""
    pairs = zip(times[over], times[under], strict=True)
    return round(statistics.median(a / b for a, b in pairs), 3)


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


def make_samples(folder: Path, megabytes: int) -> Path:
    """Packed samples with JPEG-sized members of random bytes, and one valid JPEG each in front."""
    media = folder / "media.bin"
    count = megabytes * 1_000_000 // PICTURE_BYTES
    jpeg = _jpeg()
    digest = hashlib.sha256(jpeg).hexdigest()
    with media.open("wb") as file:
        for _ in range(count):
            file.write(jpeg)
    rows = []
    empty: dict[str, Any] = {
        k: [] if isinstance(v, list) else None for k, v in JSON_FEATURES.items()
    }
    text = {"text": "a comment of the usual length, about what is in the picture", "likes": 3}
    for at in range(count):
        sample = {**empty, "id": f"reddit-{at:07d}", "source": "reddit", "media_type": "image"}
        sample |= {"comments": [text] * 4, "system": "s" * 160, "intro": "i" * 60}
        blob = Blob(len(jpeg), digest, str(media), at * len(jpeg))
        rows.append(packed_row(sample, dict.fromkeys(CHECK_FEATURES), {"jpg": blob, "mp4": EMPTY}))
    path = folder / "train.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=PACKED), path, row_group_size=256)
    return path


def _jpeg() -> bytes:
    """A JPEG of about PICTURE_BYTES."""
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((960, 720), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    data = out.getvalue()
    return data + bytes(max(0, PICTURE_BYTES - len(data)))


def bench_write(folder: Path, samples: Path, rounds: int) -> dict[str, Any]:
    """Our shard writer against writing the same bytes plainly with fsync."""
    release, state = folder / "release", folder / "state"
    tasks = plan_shards("train", samples, release, state, 10**12, "default")

    def ours() -> None:
        for task in tasks:
            (release / task.path).unlink(missing_ok=True)
            run_shard_task(task)

    def raw() -> None:
        with (folder / "raw.bin").open("wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    ours()
    data = (release / tasks[0].path).read_bytes()
    blocks = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)]
    times = paired(rounds, {"shards": ours, "raw_fsync": raw})
    (folder / "raw.bin").unlink()
    return {
        "bytes": len(data),
        "seconds": medians(times),
        "shards_over_raw": ratio(times, "shards", "raw_fsync"),
        "target": "at most 1.5",
    }


def bench_read(folder: Path, rounds: int) -> dict[str, Any]:
    """Our reader against webdataset's and `datasets` streaming, members as bytes."""
    import datasets
    import webdataset

    tars = sorted(str(p) for p in (folder / "release" / "data").glob("*.tar"))

    def ours() -> int:
        return sum(1 for tar in tars for _ in read_samples(Path(tar)))

    def web() -> int:
        return sum(1 for _ in webdataset.WebDataset(tars, shardshuffle=False))

    def streaming() -> int:
        features = shard_features(True)
        features["jpg"] = datasets.Image(decode=False)
        stream = datasets.load_dataset(
            "webdataset", data_files=tars, split="train", streaming=True, features=features
        )
        return sum(1 for _ in stream)

    datasets.disable_progress_bars()
    times = paired(rounds, {"ours": ours, "webdataset": web, "datasets_streaming": streaming})
    return {
        "seconds": medians(times),
        "webdataset_over_ours": ratio(times, "webdataset", "ours"),
        "streaming_over_ours": ratio(times, "datasets_streaming", "ours"),
        "targets": "at least 1 and at least 2",
    }


def make_video(folder: Path, seconds: int) -> Path:
    """A 720p film-like H.264 video: pans over smooth pictures with grain, a cut every 3 s."""
    path = folder / "film.mp4"
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "medium", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for at in range(seconds * 24):
            if at % 72 == 0:
                small = rng.integers(0, 255, (12, 20, 3), dtype=np.uint8)
                still = cv2.resize(small, (1400, 720), interpolation=cv2.INTER_CUBIC)
                grain = rng.integers(0, 24, (720, 1400, 1), dtype=np.uint8)
                still = np.minimum(still // 8 * 7 + grain, 255).astype(np.uint8)
            left = at % 72
            view = np.ascontiguousarray(still[:, left : left + 1280])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def bench_scenes(path: Path, rounds: int) -> dict[str, Any]:
    """Scene scan against decoding alone, CPU seconds of one thread."""
    cv2.setNumThreads(1)
    seconds: dict[str, list[float]] = {"scan": [], "decode": []}
    found: dict[str, float] = {}

    def decode() -> None:
        with open_video(path, MP4) as container:
            stream = video_stream(container)
            stream.thread_type = "NONE"
            for _ in container.decode(stream):
                pass

    def cut() -> None:
        with open_video(path, MP4) as container:
            stream = video_stream(container)
            stream.thread_type = "NONE"
            duration = float((stream.duration or 0) * (stream.time_base or 0))
            found["duration"] = duration
            scan(container, stream, duration, RULES)

    for _ in range(rounds):
        for name, side in (("decode", decode), ("scan", cut)):
            begun = time.process_time()
            side()
            seconds[name].append(time.process_time() - begun)
    return {
        "video_seconds": round(found["duration"], 2),
        "cpu_seconds": medians(seconds),
        "times_real_time_per_core": round(
            found["duration"] / statistics.median(seconds["scan"]), 1
        ),
        "scan_over_decode": ratio(seconds, "scan", "decode"),
        "targets": "at least 8 times real time, at most 1.2 times decoding",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--videos", nargs="*", type=Path, default=[], help="real 720p films as well"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = make_samples(folder, arguments.megabytes)
        results: dict[str, Any] = {"write": bench_write(folder, samples, arguments.rounds)}
        results["read"] = bench_read(folder, arguments.rounds)
        results["scenes"] = bench_scenes(make_video(folder, 30), arguments.rounds)
        for at, path in enumerate(arguments.videos):
            results[f"scenes_of_given_video_{at}"] = bench_scenes(path, arguments.rounds)
    versions = ("av", "datasets", "opencv-python-headless", "pyarrow", "webdataset")
    results["machine"] = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in versions},
        "load_before": [round(value, 1) for value in os.getloadavg()],
        "rounds": arguments.rounds,
    }
    write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
