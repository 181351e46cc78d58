"""The media subcommands, as a shell calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import FAST, jpeg, post, write_eye_tracking, write_text
from dataset_builder.cli import main
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings


@pytest.fixture
def build(tmp_path):
    """A build of four pictures; its media folder lies beside it."""
    media = tmp_path / "media"
    media.mkdir()
    for at in range(4):
        (media / f"p{at}.jpg").write_bytes(jpeg(at))
    posts = [post(f"reddit-p{at}", "image") for at in range(4)]
    write_text(tmp_path / "out", posts, {p["id"]: ["nice", "good"] for p in posts})
    media_stage(tmp_path / "out", media, load_settings("seed", [*FAST]), [], 1)
    return tmp_path / "out"


def run(capsys, *arguments: object) -> tuple[int, dict, str]:
    code = main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else {}, captured.err


def test_verify_and_forget(build, capsys, tmp_path):
    assert run(capsys, "verify", build / "release")[0] == 0
    (tmp_path / "list.txt").write_text("reddit-p1\n")
    code, result, _ = run(capsys, "forget", "--build", build, "--list", tmp_path / "list.txt")
    assert (code, result["samples"], "reddit-p1" in json.dumps(result)) == (0, 1, False)
    assert run(capsys, "verify", build / "release")[1]["samples"] == 3
    tar = next((build / "release" / "data").glob("*.tar"))
    tar.write_bytes(tar.read_bytes()[:-600])
    code, _, errors = run(capsys, "verify", build / "release")
    assert code == 1
    assert tar.name in errors


def test_salicon(build, capsys, tmp_path):
    write_eye_tracking(tmp_path)
    given = ("--images", tmp_path / "pictures", "--gaze", tmp_path / "gaze.json")
    code, result, _ = run(capsys, "salicon", "--build", build, *given, "--task", "region")
    assert (code, result["samples"], result["config"]) == (0, 2, "salicon_region")
    code, _, errors = run(capsys, "salicon", "--build", build, *given, "--task", "object")
    assert code == 1
    assert "--instances" in errors
    assert run(capsys, "verify", build / "release")[0] == 0


def test_annotate_in_parts_leaves_nothing_for_the_build(build, capsys, tmp_path):
    place = ("--build", build, "--media", tmp_path / "media", "--set", *FAST)
    code, result, _ = run(capsys, "annotate", *place, "--annotator", "colors", "--part", "1/1")
    assert (code, result["media"], result["annotated"]) == (0, 4, {"colors": 0})
    for path in (build / "work" / "annotations").glob("*/*.parquet"):
        path.unlink()
    assert run(capsys, "annotate", *place)[1]["annotated"]["colors"] == 4
    code, _, errors = run(capsys, "annotate", *place, "--part", "3/2")
    assert code == 2
    assert "1 <= I <= N" in errors
    assert run(capsys, "annotate", *place, "--annotator", "tags")[0] == 1
    assert run(capsys, "annotate", *place, "--annotator", "nothing")[0] == 2


def test_fetch_writes_down_why_nothing_came(build, capsys, tmp_path):
    store = tmp_path / "store"
    posts = build / "work" / "text" / "posts.parquet"
    rows = [{**row, "url": "http://127.0.0.1:9/x"} for row in pq.read_table(posts).to_pylist()]
    pq.write_table(pq.read_table(posts).from_pylist(rows, pq.read_schema(posts)), posts)
    quick = ("--set", "fetch.pause_seconds=0", "fetch.retries=0")
    code, result, _ = run(capsys, "fetch", "--build", build, "--out", store, *quick)
    assert (code, result) == (0, {"already": 0, "forbidden_address": 4})
    again = run(capsys, "fetch", "--release", build / "release", "--out", store, *quick)
    assert again[1]["already"] == 4


def test_wrong_usage_has_exit_code_2_and_help_has_an_example(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name in ("fetch", "annotate", "salicon", "forget", "hydrate"):
        command = [sys.executable, "-m", "dataset_builder", name, "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert shown.returncode == 0
        assert f"blift {name}" in shown.stdout
    with pytest.raises(SystemExit) as caught:
        main(["forget", "--build", str(tmp_path)])
    assert caught.value.code == 2


def test_hydrate_refuses_a_full_release(build, capsys, tmp_path):
    release = build / "release"
    arguments = ("--dumps", build, "--media", tmp_path / "media", "--out", tmp_path / "full")
    code, _, errors = run(capsys, "hydrate", release, *arguments)
    assert code == 1
    assert "only an ids release" in errors
    assert not (Path(tmp_path) / "full").exists()
