"""The whole way at tiny size, as `make demo SIZE=tiny` runs it: every contract is kept."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT
from trainer.data.compose import compose

RESULT_KEYS = {
    *("task", "version", "n", "unparsed", "metric", "value", "interval", "chance"),
    *("dataset_revision", "model_revision", "code_commit", "run_id"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo once in a folder with a space in its name; (output folder, printed text)."""
    out = tmp_path_factory.mktemp("the demo")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "demo" / "run.py"), "--size", "tiny", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return out, ran.stdout


def stage(kind: str, source: Path, out: Path, *more: str) -> None:
    words = [sys.executable, "-m", "release", kind, "stage", "--from", str(source)]
    ran = subprocess.run(
        [*words, "--out", str(out), *more], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_the_report_names_what_was_built(demo: tuple[Path, str]):
    out, printed = demo
    assert f"space/app.py --model {out}/model" in printed
    assert "34 samples" in printed
    for step in ("media", "dataset", "evaluate before", "train", "evaluate after", "answer"):
        assert f"\n  {step} " in printed


def test_the_card_says_that_the_posts_are_synthetic(demo: tuple[Path, str]):
    card = (demo[0] / "blift/release/README.md").read_text()
    assert "> **Synthetic posts and comments, written for a demonstration; real media.**" in card


def test_results_rows_keep_their_contract(demo: tuple[Path, str]):
    manifest = json.loads((demo[0] / "blift/release/manifest.json").read_text())
    for name in ("before", "after"):
        rows = json.loads((demo[0] / f"results-{name}.json").read_text())
        assert {"perplexity", "mae"} <= {row["metric"] for row in rows}
        for row in rows:
            assert set(row) >= RESULT_KEYS
            assert row["dataset_revision"] == manifest["root"]


def test_training_lowers_held_out_perplexity(demo: tuple[Path, str]):
    before, after = (
        next(
            row["value"]
            for row in json.loads((demo[0] / f"results-{name}.json").read_text())
            if row["metric"] == "perplexity"
        )
        for name in ("before", "after")
    )
    assert after < 0.7 * before


def test_both_questions_were_answered_elsewhere(demo: tuple[Path, str]):
    printed = demo[1]
    assert printed.count("\n  file    ") == 2
    assert "What percentage of viewers would like this video?" in printed
    # no picture has views, so none could teach a share of viewers
    assert "What percentage of viewers would like this image?" not in printed
    assert "Analyze this image deeply" in printed
    assert "Analyze this video deeply" in printed


def test_every_artefact_is_fit_to_be_staged(demo: tuple[Path, str], tmp_path: Path):
    stage("dataset", demo[0] / "blift/release", tmp_path / "dataset")
    stage("model", demo[0] / "model", tmp_path / "model")
    staged = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"config.json", "chat_template.jinja", "modeling_llava_vid.py"} <= staged
    pin = ["--model", "behavior-llava/demo", "--revision", "0" * 40]
    stage("space", ROOT / "space", tmp_path / "space", *pin)
    sources = {path.name for path in (ROOT / "space").glob("*.py")}
    assert sources <= {path.name for path in (tmp_path / "space").iterdir()}


def test_the_staged_model_loads_alone(demo: tuple[Path, str], tmp_path: Path):
    model = tmp_path / "moved model"
    stage("model", demo[0] / "model", model)
    clip = next((demo[0] / "elsewhere").glob("*.mp4"))
    script = tmp_path / "answer.py"
    shutil.copy(ROOT / "demo/answer.py", script)
    shutil.copy(clip, tmp_path)
    ran = subprocess.run(
        [sys.executable, str(script), "--model", str(model), "--media", clip.name],
        cwd=tmp_path,
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "  answer  " in ran.stdout


def demo_module(name: str):
    spec = importlib.util.spec_from_file_location(f"demo_{name}", ROOT / "demo" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_question_of_the_demo_is_the_question_of_training():
    answer = demo_module("answer")
    from dataset_builder.samples.turns import SYSTEM

    questions = {
        "scenes": "Analyze this video deeply, then write scene by scene description of the video",
        "likes": "What percentage of viewers would like this video",
        "comments": "what would be the top-5 popular comments on this video",
    }
    for task, question in questions.items():
        asked = answer.conversation(Path("clip.mp4"), "A title", task)
        turn = {"task": task, "question": question, "answer": ""}
        assert (
            asked[1]["content"][0]["text"] == compose('The video is titled "A title".', [turn])[0]
        )
        assert asked[0]["content"][0]["text"] == SYSTEM


def test_only_what_was_taught_is_asked(tmp_path):
    answer = demo_module("answer")
    assert answer.taught(str(tmp_path), "image") == ["likes", "comments", "scenes"]
    record = {"tasks": {"image": {"scenes": 3, "comments": 9}, "video": {"likes": 2, "scenes": 0}}}
    (tmp_path / "training_manifest.json").write_text(json.dumps(record))
    assert answer.taught(str(tmp_path), "image") == ["comments", "scenes"]
    assert answer.taught(str(tmp_path), "video") == ["likes"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "better than always answering the training mean"),
        ({"value": 2.9}, "no better than always"),
        ({"value": 2.9, "unparsed": 3}, "on the 1 read, no better than"),
        ({"value": None, "unparsed": 4}, "no answer could be read"),
        ({"metric": "r2", "value": -3.0, "chance": -0.1}, "no better than"),
        ({"chance": None}, ""),
    ],
)
def test_the_summary_says_in_words_whether_chance_is_beaten(change, words):
    row = {"metric": "mae", "value": 1.0, "chance": 1.5, "n": 4, "unparsed": 0} | change
    said = demo_module("run").verdict(row)
    assert said.startswith(words)
    assert bool(said) == bool(words)
