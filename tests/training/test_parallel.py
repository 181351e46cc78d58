"""Two real processes train what one trains: DDP, DeepSpeed and FSDP 2 on the CPU."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from training.fixtures import ROOT, summary, weights, write_release
from training.forked import run, together

SAME = 1e-4
# plain gradient descent: a weight's change is its gradient, so equal weights are equal gradients
PLAIN = ("--optim", "sgd", "--learning_rate", "0.05", "--lr_scheduler_type", "constant")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A release, and a mix of text alone in very different lengths."""
    folder = tmp_path_factory.mktemp("mixed")
    rows = []
    for i in range(8):
        talk = [{"from": "human", "value": "word " * (1 + 40 * (i % 3))}]
        rows.append({"id": f"t{i}", "conversations": [*talk, {"from": "gpt", "value": f"yes {i}"}]})
    (folder / "mix.json").write_text(json.dumps(rows))
    release = write_release(folder / "release", {"train": 8, "test": 4}, shards=2)
    return {"release": release, "mix": folder / "mix.json"}


def line(mixed: dict[str, Any], base: Path, out: Path, *more: str) -> list[str]:
    recipe = str(ROOT / "trainer" / "recipes" / "tiny.yaml")
    paths = ["--dataset", str(mixed["release"]), "--model_name_or_path", str(base)]
    mix = ["--mix_data", str(mixed["mix"]), "--p_behavior", "0.5"]
    end = ["--max_steps", "5", "--logging_steps", "1", *PLAIN, *more]
    return ["--config", recipe, *paths, *mix, "--output_dir", str(out), *end]


WHOLE = ("--use_peft", "false")


def batches(processes: int, accumulation: int) -> tuple[str, ...]:
    """A global batch of 8."""
    micro = 8 // processes // accumulation
    return (
        *("--per_device_train_batch_size", str(micro)),
        *("--gradient_accumulation_steps", str(accumulation)),
    )


def assert_same(one: Path, other: Path, tolerance: float = SAME) -> None:
    losses = [[entry["loss"] for entry in summary(f)["loss_curve"]] for f in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.allclose(first[name], second[name], atol=tolerance), name


@pytest.fixture(scope="module")
def alone(mixed: dict[str, Any], still: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "o"
    assert run(*line(mixed, still, out, *WHOLE, *batches(1, 1))) == 0
    changed = [n for n, w in weights(still).items() if not torch.equal(w, weights(out)[n])]
    assert "model.mm_projector.0.weight" in changed
    return out


@pytest.mark.parametrize("accumulation", [1, 4])
def test_two_processes_train_what_one_trains(
    accumulation: int, alone: Path, mixed: dict[str, Any], still: Path, tmp_path: Path
) -> None:
    """Rows of different lengths, text alone on one of them: the mean is over all their tokens."""
    words = line(mixed, still, tmp_path / "o", *WHOLE, *batches(2, accumulation))
    assert together(*words, "--use_cpu", "true") == [0, 0]
    assert summary(tmp_path / "o")["world_size"] == 2
    assert_same(alone, tmp_path / "o")


def deepspeed_config(path: Path, stage: int) -> str:
    """The recipe's own DeepSpeed file, in the precision that is compared here."""
    recipe = ROOT / "trainer" / "recipes" / "accelerate" / f"deepspeed_zero{stage}.json"
    config = json.loads(recipe.read_text()) | {"bf16": {"enabled": False}}
    path.write_text(json.dumps(config))
    return str(path)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("stage", [2, 3])
@pytest.mark.parametrize("adapters", [False, True], ids=["whole", "lora"])
def test_deepspeed_trains_saves_and_resumes_the_same(
    stage: int, adapters: bool, mixed: dict[str, Any], still: Path, tmp_path: Path
) -> None:
    pytest.importorskip("deepspeed")
    more = ("--lora_dropout", "0.0") if adapters else WHOLE
    assert run(*line(mixed, still, tmp_path / "one", *more, *batches(1, 1))) == 0
    config = deepspeed_config(tmp_path / "ds.json", stage)
    engine = ("--ddp_backend", "gloo", *batches(2, 1))
    saving = ("--save_strategy", "steps", "--save_steps", "2")
    words = line(mixed, still, tmp_path / "two", *more, *engine, *saving, "--debug")
    # what `accelerate launch` sets for the recipe
    env = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_CONFIG_FILE": config}
    env["DS_ACCELERATOR"] = "cpu"
    assert together(*words, env=env) == [0, 0]
    assert summary(tmp_path / "two")["world_size"] == 2
    assert_same(tmp_path / "one", tmp_path / "two", 1e-5 if adapters else SAME)
    unbroken = weights(tmp_path / "two")
    for path in (tmp_path / "two").glob("checkpoint-[45]"):
        shutil.rmtree(path)
    assert together(*words, env=env) == [0, 0]
    assert summary(tmp_path / "two")["launches"] == 2
    for name, value in weights(tmp_path / "two").items():
        assert torch.allclose(value, unbroken[name], atol=1e-6), name
