"""The demo's three repositories pass every gate and the whole loop, on a Hub and on a folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT, needs_shared
from publishing.hubs import LoopbackHub

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny demo, built once; or the one that DEMO names."""
    if os.environ.get("DEMO"):
        return Path(os.environ["DEMO"])
    folder = tmp_path_factory.mktemp("demo")
    words = [sys.executable, "demo/run.py", "--size", "tiny", "--out", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    return folder


def release(demo: Path, out: Path, environment: dict[str, str]) -> str:
    words = [sys.executable, "demo/publish.py", "--from", str(demo), "--out", str(out)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stdout


def check(said: str) -> None:
    for kind in ("dataset", "model", "space"):
        assert f"  {kind}" in said
    for config in ("default", "reddit", "youtube", "metadata"):
        assert f"load_dataset {config}: train" in said
    assert "AutoModel answered: " in said


@pytest.mark.timeout(3600)
@needs_shared("tools/hubserver")
def test_the_whole_loop_on_a_hub(hub: LoopbackHub, demo: Path, tmp_path: Path):
    check(release(demo, tmp_path, hub.environment()))


@pytest.mark.timeout(3600)
def test_the_whole_loop_on_a_folder(demo: Path, tmp_path: Path):
    environment = {n: v for n, v in os.environ.items() if n not in ("HF_ENDPOINT", "HF_HOME")}
    environment["PYTHONPATH"] = str(ROOT)
    check(release(demo, tmp_path, environment))
    assert list((tmp_path / "hub").glob("*/snapshots/*/manifest.json"))
