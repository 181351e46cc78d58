"""Staging refuses what must not be published, and copies the rest unchanged."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT
from release.stage import AUTO_CLASSES, StageError, stage_dataset, stage_model, stage_space


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A release folder with one shard and its manifest."""
    folder = tmp_path / "release"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train-00000.tar").write_bytes(b"shard")
    (folder / "README.md").write_text("card")
    files = [
        {"path": path, "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest()}
        for path in ("README.md", "data/train-00000.tar")
    ]
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder with the complete auto_map and one weight file."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"auto_map": dict.fromkeys(AUTO_CLASSES, "m.C")})
    )
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_sound_dataset_is_staged_whole(dataset: Path, tmp_path: Path):
    staged = stage_dataset(dataset, tmp_path / "out")
    assert staged == ["README.md", "data/train-00000.tar", "manifest.json"]
    assert (tmp_path / "out/data/train-00000.tar").read_bytes() == b"shard"


def test_a_damaged_shard_is_refused_by_name(dataset: Path, tmp_path: Path):
    (dataset / "data/train-00000.tar").write_bytes(b"shar")
    with pytest.raises(StageError, match=r"data/train-00000\.tar differs from manifest"):
        stage_dataset(dataset, tmp_path / "out")


def test_a_script_beside_the_shards_is_refused(dataset: Path, tmp_path: Path):
    (dataset / "blift.py").write_text("")
    with pytest.raises(StageError, match=r"blift\.py: a dataset repository with a script"):
        stage_dataset(dataset, tmp_path / "out")


def test_pickled_weights_are_refused(model: Path, tmp_path: Path):
    (model / "optimizer.pt").write_bytes(b"x")
    with pytest.raises(StageError, match=r"optimizer\.pt may hold a pickle"):
        stage_model(model, tmp_path / "out")


def test_an_incomplete_auto_map_is_refused(model: Path, tmp_path: Path):
    (model / "config.json").write_text(json.dumps({"auto_map": {"AutoConfig": "c.C"}}))
    with pytest.raises(StageError, match="lacks AutoModel, AutoModelForImageTextToText"):
        stage_model(model, tmp_path / "out")


def test_code_of_another_repository_is_refused(model: Path, tmp_path: Path):
    # `revision=` does not pin code that lives in another repository
    (model / "config.json").write_text(
        json.dumps({"auto_map": dict.fromkeys(AUTO_CLASSES, "someone/repo--m.C")})
    )
    with pytest.raises(StageError, match="not pinnable"):
        stage_model(model, tmp_path / "out")


def test_staging_never_mixes_with_what_is_there(model: Path, tmp_path: Path):
    stage_model(model, tmp_path / "out")
    with pytest.raises(StageError, match="is not empty"):
        stage_model(model, tmp_path / "out")


def test_space_needs_its_three_files(tmp_path: Path):
    (tmp_path / "app.py").write_text("")
    with pytest.raises(StageError, match=r"lacks README\.md, requirements\.txt"):
        stage_space(tmp_path, tmp_path / "out")


def test_command_line_exit_codes(dataset: Path, tmp_path: Path):
    command = [sys.executable, "-m", "release", "dataset", "stage", "--from", str(dataset)]
    good = subprocess.run(
        [*command, "--out", str(tmp_path / "a")], cwd=ROOT, capture_output=True, text=True
    )
    assert (good.returncode, good.stdout.split()[0]) == (0, "staged")
    (dataset / "README.md").unlink()
    bad = subprocess.run(
        [*command, "--out", str(tmp_path / "b")], cwd=ROOT, capture_output=True, text=True
    )
    assert bad.returncode == 1
    assert bad.stderr.startswith("release: README.md differs")
    assert len(bad.stderr.splitlines()) == 1
