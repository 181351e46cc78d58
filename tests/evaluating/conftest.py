"""The tiny model folder, assembled by the model room's own command."""

import sys
from pathlib import Path

import pytest

from places import ROOT
from training.fixtures import run


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    script = str(ROOT / "model_card" / "assemble.py")
    done = run([sys.executable, script, "--size", "tiny", "--out", str(folder / "m")], folder)
    assert done.returncode == 0, done.stderr
    return folder / "m"
