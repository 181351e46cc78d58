"""Writes the sample dumps from their readable sources: the same bytes on every run.

    python demo/write_dumps.py [--out demo/dumps]

reddit_submissions.zst, reddit_comments.zst   one JSON object a line, zstd with a 2 GiB window
youtube.jsonl.gz                              one yt-dlp info.json a line
victims.jsonl                                 what the rules of the build should drop, and why
Every post, comment, author and id in them is invented.
"""

import argparse
import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path

import zstandard
from dump_rows import Row, comment_id, comment_row, orphan_row, submission_row
from dump_source import DROPPED, SourcePost, read_posts, read_strays
from dump_videos import video_row

HERE = Path(__file__).resolve().parent
LEVEL = 12
# the published dumps are written with `--long=31`: readers must allow 2 GiB windows
WINDOW_LOG = 31


def json_lines(rows: Iterable[Row], malformed: str) -> bytes:
    """Rows as compact JSON lines with one malformed line in the middle, as bad transfers leave."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    lines.insert(len(lines) // 2, malformed)
    return ("\n".join(lines) + "\n").encode()


def compress(data: bytes) -> bytes:
    """zstd with the window of the published dumps. No content size: they are written as streams."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, window_log=WINDOW_LOG, hash_log=17, chain_log=17, enable_ldm=False
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    out = io.BytesIO()
    with compressor.stream_writer(out, closefd=False) as writer:
        writer.write(data)
    return out.getvalue()


def reddit_posts() -> list[tuple[SourcePost, str]]:
    """Every Reddit post with the subreddit of its file, by creation time as in the dumps."""
    posts = [(post, "pics") for post in read_posts("pics")]
    posts += [(post, "videos") for post in read_posts("videos")]
    posts += [(post, "") for post in read_posts("reddit_victims")]
    return sorted(posts, key=lambda pair: (pair[0].fields["created"], pair[0].id))


def comment_rows(posts: list[tuple[SourcePost, str]]) -> list[Row]:
    """Every Reddit comment by creation time."""
    rows = [
        comment_row(post, subreddit, line)
        for post, subreddit in posts
        for line in range(1, len(post.comments) + 1)
    ]
    rows += [orphan_row(stray) for stray in read_strays()["orphans"]]
    return sorted(rows, key=lambda row: (row["created_utc"], row["id"]))


def victims(posts: list[tuple[SourcePost, str]], videos: list[SourcePost]) -> list[Row]:
    """What the build should drop: {kind, id, reason, why}, in the words of its ledger."""
    rows: list[Row] = []
    ids = {id(post): reddit_ids(post) for post, _ in posts}
    ids |= {id(video): [c["id"] for c in video_row(video)["comments"] or []] for video in videos}
    both = [("reddit", post) for post, _ in posts] + [("youtube", post) for post in videos]
    for source, post in both:
        name = f"{source}-{post.id}"
        if "victim" in post.fields:
            why = post.fields.get("why", "")
            rows.append({"kind": "post", "id": name, "reason": post.fields["victim"], "why": why})
        for line, comment in enumerate(post.comments, start=1):
            if comment.victim in DROPPED:
                own, why = ids[id(post)][line - 1], f"comment {line} of {name}"
                row = {"kind": "comment", "id": own, "reason": comment.victim, "why": why}
                rows.append(row)
    for stray in read_strays()["orphans"]:
        why = "its post is in no dump"
        rows.append({"kind": "comment", "id": stray["id"], "reason": "no_post", "why": why})
    return rows


def reddit_ids(post: SourcePost) -> list[str]:
    """Ids of a Reddit post's comments, in the order written."""
    return [comment_id(post.id, line) for line in range(1, len(post.comments) + 1)]


def build_files() -> dict[str, bytes]:
    """File name -> bytes of everything that this script writes."""
    posts = reddit_posts()
    videos = read_posts("youtube") + read_posts("youtube_victims")
    malformed = read_strays()["malformed"]
    submissions = [submission_row(post, subreddit) for post, subreddit in posts]
    video_lines = json_lines([video_row(video) for video in videos], malformed["youtube"])
    listed = [json.dumps(row, ensure_ascii=False) for row in victims(posts, videos)]
    return {
        "reddit_submissions.zst": compress(json_lines(submissions, malformed["submissions"])),
        "reddit_comments.zst": compress(json_lines(comment_rows(posts), malformed["comments"])),
        "youtube.jsonl.gz": gzip.compress(video_lines, 9, mtime=0),
        "victims.jsonl": ("\n".join(listed) + "\n").encode(),
    }


def main() -> None:
    """Command line: write the files and print their sizes."""
    parser = argparse.ArgumentParser(
        description="Write the synthetic sample dumps from demo/dumps/src.",
        epilog="example: python demo/write_dumps.py --out demo/dumps",
    )
    parser.add_argument("--out", type=Path, default=HERE / "dumps", help="folder to write into")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, data in build_files().items():
        (out / name).write_bytes(data)
        print(f"{out / name}  {len(data):,} bytes")


if __name__ == "__main__":
    main()
