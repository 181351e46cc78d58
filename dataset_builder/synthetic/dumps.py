"""Synthetic dumps in the true formats, with planted victims for every rule.

    python -m dataset_builder.synthetic --posts 1000 --comments 20000 --seed 0 --out DIR

writes reddit_submissions.zst, reddit_comments.zst (2 GiB window, several frames, one skippable),
youtube.jsonl.gz and planted.jsonl (id, kind, expected reason; null = kept, where the settings are
the preset `seed` with media.required=false). Nothing in them was said by anyone.
"""

import argparse
import gzip
import itertools
import json
import random
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zstandard
from tqdm import tqdm

from dataset_builder.synthetic.reddit import END, START, Submission, base36, comment_line
from dataset_builder.synthetic.text import pool, sentence, trimmed
from dataset_builder.synthetic.victims import World, plant

YOUTUBE_SHARE = 0.15  # of the posts
YOUTUBE_COMMENTS = 8  # per video, mean
HOSTS = {
    "pics": (("https://i.redd.it/{}.jpg", 65), ("https://i.imgur.com/{}.jpg", 25)),
    "videos": (
        ("https://www.youtube.com/watch?v=s{:0>10}", 60),
        ("https://youtu.be/s{:0>10}", 14),
        ("https://vimeo.com/{}", 16),
    ),
}
SKIPPABLE = struct.pack("<II", 0x184D2A50, 12) + b"blift sample"


def generate(posts: int, comments: int, seed: int, out: Path) -> None:
    """Write the four files; the same arguments give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    world = World(random.Random(seed + 1))
    for _ in plant(world, 1 if posts < 2000 else 3):
        pass
    videos = round(posts * YOUTUBE_SHARE)
    crowd = [_submission(draw, number) for number in range(posts - videos)]
    _write_submissions(out / "reddit_submissions.zst", draw, crowd, world)
    spoken = min(comments, videos * YOUTUBE_COMMENTS)
    lines = _comments(draw, crowd, comments - spoken if videos else comments)
    planted = world.comments
    malformed = "reddit_comments.zst:1"
    world.plant("comment", malformed, "malformed")
    every = itertools.chain(['{"id": "broken'], planted, lines)
    total = 1 + len(planted) + comments - spoken
    bar = tqdm(every, total=total, desc="comments", unit="line", file=sys.stderr, disable=None)
    _write_zst(out / "reddit_comments.zst", bar, max(1, total // 3))
    rows = itertools.chain(world.videos, _videos(draw, videos, spoken))
    _write_gz(out / "youtube.jsonl.gz", rows)
    world.plant("post", "reddit_submissions.zst:1", "malformed")
    text = "".join(json.dumps(row) + "\n" for row in world.planted)
    (out / "planted.jsonl").write_text(text, encoding="utf-8")


def _submission(draw: random.Random, number: int) -> Submission:
    """One post of the crowd, with the faults real ones have."""
    id = base36(100_000_000 + number * 13)
    subreddit = "pics" if draw.random() < 0.6 else "videos"
    shapes = HOSTS[subreddit]
    url = draw.choices([s for s, _ in shapes], [w for _, w in shapes])[0].format(id)
    if draw.random() < 0.12:  # a repost, perhaps under another address of the same video
        earlier = base36(100_000_000 + 13 * draw.randrange(1 + number))
        url = draw.choice(shapes[:2])[0].format(earlier)
    gallery = subreddit == "pics" and draw.random() < 0.05
    is_self = draw.random() < 0.03
    return Submission(
        id=id,
        subreddit=subreddit,
        title=sentence(draw),
        url=f"https://www.reddit.com/gallery/{id}" if gallery else url,
        author=f"author{draw.randrange(1 + number // 2)}",
        created=draw.randrange(START - 30_000_000, END + 8_000_000),
        score=int(draw.paretovariate(0.7)),
        over_18=draw.random() < 0.06,
        is_self=is_self,
        removed_by=draw.choice(["moderator", "deleted", "reddit"])
        if draw.random() < 0.12
        else None,
        gallery=gallery,
    )


def _comments(draw: random.Random, crowd: Sequence[Submission], count: int) -> Iterator[str]:
    """Comments of the crowd; a few posts have most of them, as on Reddit."""
    weights = list(itertools.accumulate(draw.paretovariate(1.1) for _ in crowd))
    fragments = pool(draw, 20_000)
    serial = 2_000_000_000
    while count and crowd:
        size = min(count, 10_000)
        for post in draw.choices(crowd, cum_weights=weights, k=size):
            serial += 3
            body = _body(draw, fragments)
            author = f"user{int(draw.random() * 200_000)}"
            lot = draw.random()
            if lot < 0.05:
                body = "[removed]" if lot < 0.02 else "[deleted]"
            elif lot < 0.06:
                author = "AutoModerator"
            id = base36(serial)
            created = (post.created or START) + int(draw.random() * 200_000)
            score = int(1 / (draw.random() + 1e-4)) - 2
            parent = f"t1_{base36(serial - 3)}" if lot > 0.6 else None
            yield comment_line(
                id, post.id, post.subreddit, body, score, created, author, parent, lot > 0.99
            )
        count -= size


def _body(draw: random.Random, fragments: list[str]) -> str:
    lot = draw.random()
    if lot < 0.12:
        return fragments[int(lot * 100_000)].split(" ", 2)[0] + " yes"
    if lot < 0.16:  # what everybody says, in one of its versions
        return fragments[int(lot * 1000) % 7] + " " + fragments[7 + int(lot * 10_000) % 40]
    parts = [fragments[int(draw.random() * len(fragments))] for _ in range(1 + int(lot * 4))]
    text = ". ".join(parts)
    return trimmed(draw, text) if lot > 0.8 else text


def _videos(draw: random.Random, count: int, spoken: int) -> Iterator[dict[str, Any]]:
    categories = ["Music", "Gaming", "Education", "Comedy", "Howto & Style", "News & Politics"]
    for number in range(count):
        id = f"y{base36(50_000_000 + number):0>10}"
        views = int(10 ** draw.uniform(2.5, 7))
        size = spoken // count + (number < spoken % count)
        yield {
            "id": id,
            "extractor": "youtube",
            "title": sentence(draw),
            "description": sentence(draw, 10, 30),
            "channel": f"channel {number % 97}",
            "channel_id": f"UC{number % 97:022d}",
            "upload_date": f"{draw.randint(2016, 2024)}{draw.randint(1, 12):02d}15",
            "duration": draw.randint(5, 150),
            "view_count": views,
            "like_count": int(views * draw.uniform(0, 0.1)),
            "comment_count": size,
            "age_limit": 0,
            "language": draw.choice(["en", "en", "en-US", None, "de"]),
            "categories": [draw.choice(categories)],
            "tags": [draw.choice(["garden", "kitchen", "travel"])],
            "webpage_url": f"https://www.youtube.com/watch?v={id}",
            "heatmap": [{"start_time": 0.0, "end_time": 1.0, "value": round(draw.random(), 3)}],
            "comments": [
                {
                    "id": f"Uc{number}_{place}",
                    "text": trimmed(draw, sentence(draw, 2, 20)),
                    "like_count": int(1 / (draw.random() + 1e-3)),
                    "parent": "root" if draw.random() < 0.9 else "Uparent",
                }
                for place in range(size)
            ],
        }


def _write_submissions(
    path: Path, draw: random.Random, crowd: Sequence[Submission], world: World
) -> None:
    lines = ['{"id": "broken', *world.submissions]
    bar = tqdm(crowd, desc="submissions", unit="line", file=sys.stderr, disable=None)
    every = itertools.chain(lines, (post.line(draw) for post in bar))
    _write_zst(path, every, max(1, (len(lines) + len(crowd)) // 2))


def _write_zst(path: Path, lines: Iterable[str], frame: int) -> None:
    """Lines in frames of `frame` lines with a 2 GiB window, a skippable frame after the first."""
    rest = iter(lines)
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31)
    with path.open("wb") as file:
        first = True
        while batch := list(itertools.islice(rest, min(frame, 10_000))):
            compressor = zstandard.ZstdCompressor(compression_params=parameters)
            with compressor.stream_writer(file, closefd=False) as frame_file:
                written = 0
                while batch:
                    frame_file.write(("\n".join(batch) + "\n").encode())
                    written += len(batch)
                    size = min(10_000, frame - written)
                    batch = list(itertools.islice(rest, size)) if size > 0 else []
            if first:
                file.write(SKIPPABLE)
                first = False


def _write_gz(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,  # no name, no time: same bytes
    ):
        for row in rows:
            packed.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dataset_builder.synthetic",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write synthetic dumps with planted victims for every rule.",
        epilog="example:\n  python -m dataset_builder.synthetic --posts 1000 --comments 20000 "
        "--seed 0 --out dumps",
    )
    parser.add_argument("--posts", type=int, required=True, help="Reddit posts and YouTube videos")
    parser.add_argument("--comments", type=int, required=True, help="comments, victims not counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    if arguments.posts < 0 or arguments.comments < 0:
        parser.error("--posts and --comments must be 0 or more")
    generate(arguments.posts, arguments.comments, arguments.seed, arguments.out)
    print(f"wrote {arguments.out}")
    return 0
