"""Builds of synthetic dumps in a process of their own, and what they left."""

import collections
import json
import os
import subprocess
import sys

import duckdb

KEEP = ["media.required=false", "media.duration_unknown=keep"]


def command(dumps, out, *more, set_=()):
    return [
        sys.executable, "-m", "dataset_builder", "build",
        "--reddit-submissions", str(dumps / "reddit_submissions.zst"),
        "--reddit-comments", str(dumps / "reddit_comments.zst"),
        "--youtube", str(dumps / "youtube.jsonl.gz"),
        "--media", "none", "--out", str(out), "--set", *KEEP, *set_, "--json", *more,
    ]  # fmt: skip


def build(dumps, out, *more, set_=(), env=None):
    done = subprocess.run(
        command(dumps, out, *more, set_=set_),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ledger(out):
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT kind, id, kept, reason FROM read_parquet('{out}/ledger/*.parquet')"
        ).fetchall()
    ends = collections.defaultdict(list)
    for kind, id, kept, reason in rows:
        ends[kind, id].append(str(None if kept else reason))
    return ends


def release_digests(out):
    """Everything the manifest says, but for the digest of the code, which may be under edit."""
    manifest = json.loads((out / "release/manifest.json").read_text())
    return manifest["root"], {key: manifest[key] for key in manifest if key != "code"}
