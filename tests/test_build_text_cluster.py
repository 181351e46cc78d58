"""The same build through a cluster executor: same bytes (needs Ray, which is no dependency)."""

import importlib.util
import json

import pytest

from dataset_builder.cli import main
from dataset_builder.synthetic import generate
from tests.test_build_text import build, release_digests


@pytest.mark.slow
def test_ray_gives_the_same_bytes(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
    generate(150, 2000, 8, tmp_path / "dumps")
    build(tmp_path / "dumps", tmp_path / "here", "--workers", "1")
    build(tmp_path / "dumps", tmp_path / "ray", "--workers", "2", "--executor", "ray")
    assert release_digests(tmp_path / "ray") == release_digests(tmp_path / "here")


def test_without_ray_the_message_says_what_to_do(tmp_path, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "ray" else find(n))
    (tmp_path / "v.jsonl").write_text(json.dumps({"id": "AAAAAAAAAAA", "title": "x"}) + "\n")
    code = main(
        ["build", "--youtube", str(tmp_path / "v.jsonl"), "--media", "none", "--executor", "ray",
         "--out", str(tmp_path / "out"), "--workers", "1"]
    )  # fmt: skip
    assert code == 1
    assert "pip install 'ray" in capsys.readouterr().err
