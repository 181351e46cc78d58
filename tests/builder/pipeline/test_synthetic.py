"""The generator: same bytes for the same seed, the true key sets, several frames, every victim."""

import gzip
import json

import pytest

from builder.help.text_oracle import zst_lines
from dataset_builder.read.compressed import window_bytes
from dataset_builder.rules.order import COMMENT_MARKS, COMMENT_TEXT, comment_rules, describe
from dataset_builder.settings import load_settings
from dataset_builder.synthetic.dumps import generate, main
from places import SHARED, needs_shared

NAMES = ("reddit_submissions.zst", "reddit_comments.zst", "youtube.jsonl.gz", "planted.jsonl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthetic")
    generate(120, 900, 3, out)
    return out


def test_same_seed_same_bytes(folder, tmp_path):
    generate(120, 900, 3, tmp_path / "again")
    generate(120, 900, 4, tmp_path / "other")
    for name in NAMES:
        data = (folder / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == data
        # the ids of the victims do not depend on the seed
        assert (tmp_path / "other" / name).read_bytes() != data or name == "planted.jsonl"


def rows(path):
    found = []
    for line in zst_lines(path):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def test_counts(folder):
    planted = [json.loads(line) for line in (folder / "planted.jsonl").read_text().splitlines()]
    with gzip.open(folder / "youtube.jsonl.gz", "rt") as lines:
        videos = [json.loads(line) for line in lines]
    comments = rows(folder / "reddit_comments.zst")
    said = sum(len(video["comments"]) for video in videos) + len(comments)
    mine = sum(row["kind"] == "comment" and row["reason"] != "malformed" for row in planted)
    assert said == 900 + mine


def test_frames(folder):
    data = (folder / "reddit_comments.zst").read_bytes()
    assert window_bytes(folder / "reddit_comments.zst") == 2**31
    assert data.count(b"\x28\xb5\x2f\xfd") >= 2
    assert data.count(b"\x50\x2a\x4d\x18") == 1


SCHEMAS = SHARED / "data/arctic_shift_schemas"


@needs_shared("data/arctic_shift_schemas")
@pytest.mark.parametrize("kind", ["RS", "RC"])
def test_the_true_key_sets(folder, kind):
    name = {"RS": "reddit_submissions.zst", "RC": "reddit_comments.zst"}[kind]
    known = {
        month: set(json.loads((SCHEMAS / f"{kind}_{month}.json").read_text())[0]["schema"])
        for month in ("2018-01", "2021-12")
    }
    seen = dict.fromkeys(known, 0)
    for row in rows(folder / name):
        month = "2018-01" if int(float(row["created_utc"] or 0)) < 1_577_836_800 else "2021-12"
        added = {"_meta"} | ({"name", "subreddit_id"} if kind == "RC" else set())  # the archive's
        extra = set(row) - known[month] - added
        assert not extra, extra
        seen[month] += 1
        assert len(row) > (20 if kind == "RC" else 45)
    assert all(seen.values())


def test_every_rule_has_a_victim(folder):
    planted = [json.loads(line) for line in (folder / "planted.jsonl").read_text().splitlines()]
    settings = load_settings("seed", [])
    hit = {(row["kind"], row["reason"]) for row in planted}
    rules = {(row["kind"], row["reason"]) for row in describe(settings)}
    for source in ("reddit", "youtube"):
        chosen = comment_rules((*COMMENT_MARKS, *COMMENT_TEXT), settings, source)
        rules |= {("comment", rule.reason) for _, rule in chosen}
    # ids that are no file names and channels off the list need inputs of their own
    assert rules - hit == {("post", "bad_id"), ("post", "channel_not_listed")}
    others = {"duplicate", "repeated", "other_subreddit", "malformed"}
    assert others <= {reason for kind, reason in hit if kind == "post"}
    others = {
        "near_duplicate",
        "exact_duplicate",
        "beyond_candidates",
        "beyond_top",
        "no_post",
        "repeated",
    }
    assert others <= {reason for kind, reason in hit if kind == "comment"}


def test_command_line(tmp_path, capsys):
    assert main(["--posts", "5", "--comments", "10", "--out", str(tmp_path / "d")]) == 0
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == sorted(NAMES)
    with pytest.raises(SystemExit) as ended:
        main(["--posts", "-1", "--comments", "1", "--out", str(tmp_path)])
    assert ended.value.code == 2
