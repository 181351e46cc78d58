"""`generate`: the same file from one process, two, and after a kill at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluating.support import FIXTURES
from places import ROOT
from trainer.evaluation.__main__ import main
from trainer.evaluation.inputs.journal import cut_half_line, whole_lines
from training.fixtures import clip, jpeg, offline

pytestmark = pytest.mark.slow
TASKS = "caer,memcat/rho,activitynet_qa,pitt/action"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures and clips for the six-item fixtures of TASKS."""
    from trainer.evaluation.tasks import find

    root = tmp_path_factory.mktemp("media")
    for task in find(TASKS):
        for number, example in enumerate(task.examples(FIXTURES)):
            path = root / task.media / str(example.media)
            if not path.suffix:
                path = path.with_name(path.name + ".mp4")
            path.parent.mkdir(parents=True, exist_ok=True)
            colour = (40 * number, 90, 250 - 40 * number)
            picture = path.suffix == ".jpg"
            path.write_bytes(jpeg(colour, number) if picture else clip(colour, seconds=1))
    return root


def command(model: Path, media: Path, out: Path, launch: list[str] | None = None) -> list[str]:
    words = ["-m", "trainer.evaluation", "generate", "--model", str(model), "--tasks", TASKS]
    words += ["--annotations", str(FIXTURES), "--media", str(media), "--out", str(out)]
    return [*(launch or [sys.executable]), *words]


def environment(cwd: Path) -> dict[str, str]:
    return offline(cwd) | {"PYTHONPATH": str(ROOT)}


def files(out: Path) -> dict[str, bytes]:
    return {
        p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()
    }


@pytest.fixture(scope="module")
def whole(base: Path, media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "preds"
    done = subprocess.run(
        command(base, media, out),
        env=environment(out.parent),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_every_item_has_a_prediction_that_scores(whole: Path, tmp_path: Path) -> None:
    for name, content in files(whole).items():
        rows = [json.loads(line) for line in content.splitlines()]
        assert len(rows) == 6, name
        assert all(row["model"].startswith("sha256:") and row["prompt"] for row in rows)
    out = str(tmp_path / "r.json")
    words = ["--annotations", str(FIXTURES), "--out", out, "--resamples", "50"]
    assert main(["score", "--predictions", str(whole), *words]) == 0
    rows = json.loads(Path(out).read_text())
    assert all("synthetic" in row["flags"] for row in rows)
    assert {row["task"] for row in rows} >= {"caer/accuracy", "memcat/rho"}


def test_killed_again_and_again_the_file_is_the_same(
    base: Path, media: Path, whole: Path, tmp_path: Path
) -> None:
    out, kills = tmp_path / "preds", 0
    for _ in range(40):
        child = subprocess.Popen(
            command(base, media, out),
            env=environment(tmp_path),
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        before = sum(len(v) for v in files(out).values()) if out.exists() else 0
        while child.poll() is None:
            grown = sum(len(v) for v in files(out).values()) if out.exists() else 0
            if kills < 3 and grown > before:
                child.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.05)
        if child.wait() == 0:
            break
    assert kills == 3
    assert files(out) == files(whole)


def test_two_processes_write_the_file_of_one(
    base: Path, media: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "preds"
    config = ROOT / "trainer" / "recipes" / "accelerate" / "cpu2.yaml"
    accelerate = [str(Path(sys.executable).parent / "accelerate"), "launch", "--quiet"]
    full = command(base, media, out, [*accelerate, "--config_file", str(config)])
    done = subprocess.run(
        full, env=environment(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    assert files(out) == files(whole)


def test_a_line_cut_by_a_kill_is_no_item(tmp_path: Path) -> None:
    path = tmp_path / ".t.0.journal"
    path.write_bytes(b'{"id": "a"}\n{"id": "b", "ans')
    assert whole_lines(path) == [{"id": "a"}]
    cut_half_line(path)
    assert path.read_bytes() == b'{"id": "a"}\n'


def test_another_model_is_not_mixed_in(
    whole: Path, base: Path, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "preds" / "caer"
    other.mkdir(parents=True)
    rows = (whole / "caer" / "accuracy.jsonl").read_text().replace("sha256:", "sha256:0")
    (other / "accuracy.jsonl").write_text(rows)
    words = command(base, media, tmp_path / "preds")[3:]
    words[words.index("--tasks") + 1] = "caer"
    os.environ["OMP_NUM_THREADS"] = "1"
    assert main(words) == 1
    assert "give another --out" in capsys.readouterr().err
