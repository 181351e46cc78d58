"""Session fixtures of the trainer's tests: a release, the tiny base model, a trained folder."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from training.fixtures import ROOT, launch, run, write_release


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with pictures, videos and hostile comments."""
    return write_release(tmp_path_factory.mktemp("data") / "release", {"train": 8, "test": 6})


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random tiny model, assembled by the model room's own command."""
    folder = tmp_path_factory.mktemp("base")
    script = str(ROOT / "model_card" / "assemble.py")
    done = run([sys.executable, script, "--size", "tiny", "--out", str(folder / "m")], folder)
    assert done.returncode == 0, done.stderr
    return folder / "m"


@pytest.fixture(scope="session")
def still(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base without dropout, whose draws differ between one process and two."""
    folder = tmp_path_factory.mktemp("still") / "m"
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    for name in ("attention_probs_dropout_prob", "hidden_dropout_prob"):
        config["qformer_config"][name] = 0.0
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def trained(release: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the tiny recipe writes."""
    cwd = tmp_path_factory.mktemp("trained")
    out = cwd / "model"
    paths = ["--dataset", str(release), "--model_name_or_path", str(base), "--output_dir", str(out)]
    done = launch(cwd, *paths)
    assert done.returncode == 0, done.stderr
    return out
