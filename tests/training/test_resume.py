"""Runs that are killed: the same line goes on, and ends with the same weights, bit for bit."""

import json
import random
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from trainer.loop.resume import torn
from training.fixtures import ROOT, sft, summary, weights, write_release
from training.forked import run as forked

STEPS = 7  # of epochs of 4: past the first one


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "release"
    return write_release(folder, {"train": 8, "test": 4}, shards=2)


def line(release: Path, base: Path, out: Path, *more: str) -> list[str]:
    """One command line, that starts and restarts."""
    recipe = str(ROOT / "trainer" / "recipes" / "tiny.yaml")
    paths = ["--dataset", str(release), "--model_name_or_path", str(base)]
    saving = ["--save_strategy", "steps", "--save_steps", "1", "--max_steps", str(STEPS)]
    return ["--config", recipe, *paths, "--output_dir", str(out), *saving, *more]


def model(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


KINDS = {
    "map": (),
    "map-workers": ("--dataloader_num_workers", "2", "--dataloader_persistent_workers", "true"),
    "stream": ("--dataset_streaming", "true"),
    "stream-workers": ("--dataset_streaming", "true", "--dataloader_num_workers", "2"),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_runs_end_as_unbroken_ones(
    kind: str, shards: Path, base: Path, tmp_path: Path
) -> None:
    """Kill -9 inside five random steps and inside five saves, one run after another."""
    more = ("--lora_dropout", "0.1", *KINDS[kind])
    whole = tmp_path / "whole"
    assert forked(*line(shards, base, whole, *more)) == 0
    draws = random.Random(kind)
    places = [("step", draws.randint(1, STEPS)) for _ in range(5)]
    places += [("save", draws.randint(1, STEPS)) for _ in range(5)]
    for number, kill in enumerate(places):
        out = tmp_path / f"killed-{number}"
        words = line(shards, base, out, *more)
        code = forked(*words, kill=kill)
        assert code in (-signal.SIGKILL, 0), kill  # 0: the last save was over before
        assert forked(*words) == 0, kill
        assert model(out) == model(whole), kill
        assert summary(out)["epochs"] == summary(whole)["epochs"]
        assert summary(out)["samples_seen"] == 2 * STEPS
        shutil.rmtree(out)


def test_sigterm_saves_and_ends_with_143(shards: Path, base: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "ended"
    words = ("--lora_dropout", "0.1", "--save_strategy", "no")  # it saves even then
    assert forked(*line(shards, base, whole, *words)) == 0
    assert forked(*line(shards, base, out, *words), kill=("term", 3)) == 143
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-3"]
    assert not (out / "model.safetensors").exists()
    assert forked(*line(shards, base, out, *words)) == 0
    assert model(out) == model(whole)
    assert summary(out)["launches"] == 2
    assert summary(out)["seconds"] > 0


def test_a_run_goes_on_between_two_epochs(shards: Path, base: Path, tmp_path: Path) -> None:
    """Epochs have 4 steps; there the library restores its random state before the first batch."""
    whole, out = tmp_path / "whole", tmp_path / "ended"
    words = ("--lora_dropout", "0.1")
    assert forked(*line(shards, base, whole, *words)) == 0
    assert forked(*line(shards, base, out, *words), kill=("step", 5)) == -signal.SIGKILL
    assert forked(*line(shards, base, out, *words)) == 0
    assert summary(out)["launches"] == 2
    assert model(out) == model(whole)


@pytest.fixture(scope="module")
def finished(shards: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all its checkpoints."""
    out = tmp_path_factory.mktemp("finished") / "o"
    assert sft(*head(shards, base, out)) == 0
    return out


def head(shards: Path, base: Path, out: Path, *more: str) -> tuple[Any, ...]:
    words = ("--save_strategy", "steps", "--save_steps", "1", "--max_steps", "3", *more)
    return (shards, base, out, *words)


@pytest.mark.parametrize(
    "tear",
    [
        lambda folder: (folder / "trainer_state.json").unlink(),
        lambda folder: (folder / "optimizer.pt").write_bytes(b""),
        lambda folder: (folder / "checkpoint.json").write_text("{"),
        lambda folder: (folder / "adapter_model.safetensors").unlink(),
    ],
    ids=["no state", "empty optimizer", "half a seal", "no weights"],
)
def test_a_torn_checkpoint_is_named_and_an_older_one_taken(
    tear: Any,
    finished: Path,
    shards: Path,
    base: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "o"
    shutil.copytree(finished, out)
    unbroken = model(out)
    (out / "model.safetensors").unlink()
    tear(out / "checkpoint-3")
    assert sft(*head(shards, base, out)) == 0
    assert f"{out / 'checkpoint-3'} is torn" in capfd.readouterr().err
    assert model(out) == unbroken
    assert summary(out)["samples_seen"] == 6


def test_a_finished_run_is_not_trained_further(
    finished: Path, shards: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "o"
    shutil.copytree(finished, out)
    (out / "model.safetensors").unlink()
    assert sft(*head(shards, base, out)) == 0
    assert model(out) == model(finished)
    assert summary(out)["steps"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", "7"), "seed was 0, is 7"),
        (("--task_mix", "scenes"), "task_mix was 'all=1,likes=1,comments=1', is 'scenes'"),
        (("--gradient_accumulation_steps", "2"), "gradient_accumulation_steps was 1, is 2"),
        (("--resume_from_checkpoint", "false"), "holds checkpoint-3 of an earlier run"),
    ],
)
def test_another_run_does_not_go_on_from_it(
    words: tuple[str, ...],
    message: str,
    finished: Path,
    shards: Path,
    base: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sft(*head(shards, base, finished, *words)) == 1
    assert message in capsys.readouterr().err


def test_drops_are_remembered_over_a_resume(
    shards: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of the first launch's samples were dropped; those of the second must not hide it."""
    out = tmp_path / "o"
    words = ("--over_budget", "drop", "--max_tokens", "5", "--lora_dropout", "0.1")
    assert forked(*line(shards, base, out, *words), kill=("term", 2)) == 143
    facts = json.loads((out / "checkpoint-2" / "checkpoint.json").read_text())
    assert facts["counts"]["dropped"] == 4
    assert facts["counts"]["seconds"] > 0
    assert sft(shards, base, out, *line(shards, base, out, *words)[8:]) == 1
    assert "all 14 samples seen have more than max_tokens=5" in capsys.readouterr().err


def test_a_full_disk_fails_loudly_and_leaves_the_checkpoint_before(
    shards: Path, base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can be made by root alone")
    try:
        out = disk / "o"
        assert sft(*head(shards, base, out)) == 1
        error = capfd.readouterr().err
        assert "could not be written" in error
        assert "older checkpoints are untouched" in error
        left = sorted(path.name for path in out.glob("*checkpoint-*"))
        assert left
        assert not [name for name in left if torn(out / name)]
        assert not (out / ".saving").exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert sft(*head(shards, base, out)) == 0
        assert summary(out)["launches"] == 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_best_checkpoint_is_kept_and_ends_the_run(
    shards: Path, base: Path, tmp_path: Path
) -> None:
    """At this learning rate the last step is worse than the one before."""
    out = tmp_path / "o"
    words = ("--eval_strategy", "steps", "--eval_steps", "1", "--learning_rate", "0.3")
    words = (*words, "--load_best_model_at_end", "true", "--save_total_limit", "2")
    words = (*words, "--eval_answers", "0", "--lr_scheduler_type", "constant")
    assert sft(*head(shards, base, out, *words)) == 0
    found = summary(out)
    curve = {e["step"]: e["eval_comment_perplexity"] for e in found["evaluations"]}
    assert found["best_step"] == min(curve, key=curve.__getitem__) < 3
    state = json.loads((out / "checkpoint-3" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(out / f"checkpoint-{found['best_step']}")
    best = load_file(out / f"checkpoint-{found['best_step']}" / "bare_parameters.safetensors")
    (value,) = best.values()
    assert torch.equal(value, weights(out)["model.vlm_att_query"])


def test_the_oldest_checkpoints_go_and_the_newest_stays(
    shards: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "o"
    assert sft(*head(shards, base, out, "--save_total_limit", "2")) == 0
    assert sorted(path.name for path in out.glob("*checkpoint-*")) == [
        "checkpoint-2",
        "checkpoint-3",
    ]
