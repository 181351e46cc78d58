"""`contaminate`: training items that are benchmark items, by id, title, text and picture.

overlap.json names for each hit: training id, benchmark, item, signal, value. `score --clean` and
training leave the named items out.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trainer.evaluation.contamination.benchmarks import Index, build_index
from trainer.evaluation.contamination.keys import long_title, title_key, word_runs, youtube_id
from trainer.evaluation.inputs.predictions import json_lines
from trainer.evaluation.results import write_json

COLUMNS = ("id", "url", "permalink", "title", "asr", "comments")
EXAMPLE = """example:
  python -m trainer.evaluation contaminate build/blift/release --annotations annotations \\
      --media media --out overlap.json
"""
Hit = dict[str, Any]


def add_command(commands: Any) -> None:
    """Add `contaminate` to the evaluation's commands."""
    parser = commands.add_parser(
        "contaminate",
        help="training items that are benchmark items",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shards", help="release folder, Hub id, or a JSONL of {id, url, title, …}")
    parser.add_argument("--annotations", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path, help="overlap.json to write")
    parser.add_argument("--media", type=Path, help="benchmark media: compare pictures too")
    parser.add_argument("--split", default="train")
    parser.add_argument("--revision", help="commit of a Hub dataset")
    parser.add_argument("--json", action="store_true", help="print overlap.json")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write overlap.json and print how many items each benchmark shares."""
    index = build_index(options.annotations)
    rows, hits, count = training_rows(options), [], 0
    hashes = benchmark_hashes(options.media) if options.media else None
    for row in rows:
        count += 1
        hits += overlaps(row, index, hashes)
    result = {
        "rows": count,
        "benchmarks": index.read,
        "not_at_hand": index.missing,
        "pictures_compared": hashes is not None,
        "hits": hits,
    }
    write_json(options.out, result)
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    pairs = {(h["benchmark"], h["item"], h["signal"]) for h in hits}
    for (benchmark, signal), number in sorted(Counter((b, s) for b, _, s in pairs).items()):
        print(f"{benchmark:<26}{signal:<10}{number} items")
    print(f"{count} training items, {len({h['training'] for h in hits})} of them shared")
    if index.missing:
        print(f"not compared (no annotation files): {', '.join(index.missing)}", file=sys.stderr)


def training_rows(options: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    """Rows of a JSONL, of a release's metadata (and pictures), or of a Hub dataset."""
    path = Path(options.shards)
    if path.is_file():
        yield from (row for _, row in json_lines(path))
        return
    if path.is_dir() and not options.media:
        yield from metadata_rows(path, options.split)
        return
    from trainer.rows import load_rows

    for row in load_rows(options.shards, None, options.split, options.revision, streaming=True):
        yield {**row["json"], "picture": row.get("jpg")}


def metadata_rows(release: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Rows of metadata/<split>-*.parquet; ValueError without one."""
    import pyarrow.parquet as pq

    paths = sorted((release / "metadata").glob(f"{split}-*.parquet"))
    if not paths:
        raise ValueError(f"{release}/metadata has no {split}-*.parquet: expected a release folder")
    for path in paths:
        file = pq.ParquetFile(path)
        names = [name for name in COLUMNS if name in file.schema_arrow.names]
        for batch in file.iter_batches(columns=names):
            yield from batch.to_pylist()


def overlaps(row: Mapping[str, Any], index: Index, hashes: Any = None) -> list[Hit]:
    """Every hit of one training row; a short title counts only beside another signal."""
    found: dict[tuple[str, str, str], Hit] = {}

    def add(entry: tuple[str, str, str], signal: str, value: Any) -> None:
        benchmark, item, split = entry
        hit = {
            "training": row.get("id"),
            "benchmark": benchmark,
            "item": item,
            "split": split,
            "signal": signal,
            "value": value,
        }
        found.setdefault((benchmark, item, signal), hit)

    for name in ("url", "permalink"):
        video = youtube_id(str(row.get(name) or ""))
        for entry in index.ids.get(video or "", ()):
            add(entry, "id", video)
    key = title_key(row.get("title"))
    if long_title(key):
        for entry in index.titles.get(key, ()):
            add(entry, "title", key)
    for signal, text in texts(row):
        for run_of_words in word_runs(text):
            for entry in index.runs.get(run_of_words, ()):
                add(entry, signal, run_of_words)
    if hashes is not None:
        for entry, bits in hashes.near(row_hashes(row)):
            add(entry, "picture", f"{bits} of 64 bits differ")
    return list(found.values())


def texts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(signal, text) of a row: title, speech, comments, scene captions."""
    yield "text", str(row.get("title") or "")
    yield "asr", str(row.get("asr") or "")
    for comment in row.get("comments") or ():
        yield "comment", comment["text"] if isinstance(comment, Mapping) else str(comment)
    for scene in row.get("scenes") or ():
        yield "caption", str(scene.get("caption") or "")


def row_hashes(row: Mapping[str, Any]) -> list[int]:
    """Hashes of a row's picture, decoded or as bytes."""
    from trainer.evaluation.contamination.pictures import bytes_hashes, picture_hash

    picture = row.get("picture")
    if picture is None:
        return []
    if isinstance(picture, Mapping):
        return bytes_hashes(picture.get("bytes") or b"")
    value = picture_hash(picture)
    return [] if value is None else [value]


def benchmark_hashes(media: Path) -> Any:
    """Hashes of every picture and keyframe below the media folder: item = path from there."""
    from tqdm import tqdm

    from trainer.evaluation.contamination.pictures import Hashes, file_hashes

    found = Hashes()
    paths: Iterable[Path] = sorted(p for p in media.rglob("*") if p.is_file())
    for path in tqdm(paths, desc="hash media", unit="file", file=sys.stderr):
        relative = path.relative_to(media)
        for value in file_hashes(path):
            found.add(value, (relative.parts[0], path.stem, "media"))
    return found
