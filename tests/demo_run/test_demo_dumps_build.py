"""The sample dumps through the real build: every victim falls to its rule, the rest is kept."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from builder.help.media_samples import FAST
from places import ROOT

DUMPS = ROOT / "demo" / "dumps"
COMMENT_REASONS = {"few_words", "many_words", "near_duplicate", "nsfw_words", "bot", "deleted"}


def build(out: Path, media: str | Path, *more: str) -> list[dict]:
    """Run `blift build` on the sample dumps; the rows of its ledger."""
    command = [
        *(sys.executable, "-m", "dataset_builder", "build", "--preset", "seed"),
        *("--reddit-submissions", DUMPS / "reddit_submissions.zst"),
        *("--reddit-comments", DUMPS / "reddit_comments.zst"),
        *("--youtube", DUMPS / "youtube.jsonl.gz"),
        *("--media", media, "--out", out, "--workers", "1", "--set", *FAST, *more),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return ds.dataset(out / "ledger", format="parquet").to_table().to_pylist()


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("media")
    command = [sys.executable, ROOT / "demo" / "media.py", "--out", out]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return out


@pytest.fixture(scope="module")
def ledger(media: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return build(tmp_path_factory.mktemp("build"), media)


def victims() -> list[dict]:
    text = (DUMPS / "victims.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_victim_falls_to_its_rule(ledger: list[dict]):
    reasons: dict[tuple[str, str], set] = {}
    for row in ledger:
        reasons.setdefault((row["kind"], row["id"]), set()).add(row["reason"])
    wrong = {
        (victim["id"], victim["why"]): reasons.get((victim["kind"], victim["id"]))
        for victim in victims()
        if victim["reason"] not in reasons.get((victim["kind"], victim["id"]), set())
    }
    assert wrong == {}


def test_nobody_else_falls(ledger: list[dict]):
    planned = {victim["id"] for victim in victims()}
    posts = [row for row in ledger if row["kind"] == "post"]
    fallen = {row["id"] for row in posts if not row["kept"] and row["reason"] != "malformed"}
    assert fallen - planned == set()
    assert Counter(row["source"] for row in posts if row["kept"]) == {"reddit": 19, "youtube": 15}
    innocent = [
        (row["id"], row["reason"], row["value"])
        for row in ledger
        if row["kind"] == "comment"
        and row["reason"] in COMMENT_REASONS
        and row["id"] not in planned
    ]
    assert innocent == []


def test_every_kept_post_keeps_its_five_best_comments(ledger: list[dict]):
    kept = Counter(row["source"] for row in ledger if row["kind"] == "comment" and row["kept"])
    assert kept == {"reddit": 19 * 5, "youtube": 15 * 5}


def test_without_media_an_unknown_length_is_the_reason(tmp_path: Path):
    ledger = build(tmp_path, "none", "--set", "media.required=false")
    reasons = {row["id"]: row["reason"] for row in ledger if row["kind"] == "post"}
    assert reasons["youtube-synYnolen01"] == "duration_unknown"
    assert reasons["reddit-zsynv01"] == "duration_unknown"
    assert reasons["reddit-zsynx22"] is None
