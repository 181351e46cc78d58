"""The demo recipe on the nano model: real pretrained parts, minutes."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer.estimate import main as estimate_main
from training.fixtures import ROOT, launch, run

GIB = 2**30


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_memory_is_estimated_within_a_fifth(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real run of the nano model, all of it trained, against the estimate."""
    base, out = tmp_path / "base", tmp_path / "model"
    script = str(ROOT / "model_card" / "assemble.py")
    done = run([sys.executable, script, "--size", "nano", "--out", str(base)], tmp_path)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip("the demo's packages are not installed: demo/requirements.txt")
    more = ("--use_peft", "false", "--max_steps", "2", "--gradient_accumulation_steps", "1")
    paths = ("--dataset", str(release), "--model_name_or_path", str(base))
    done = launch(tmp_path, *paths, "--output_dir", str(out), *more, recipe="demo")
    assert done.returncode == 0, done.stderr
    measured = json.loads((out / "train_summary.json").read_text())["peak_memory_bytes"]
    recipe = str(ROOT / "trainer" / "recipes" / "demo.yaml")
    words = ["--config", recipe, *paths, *more, "--device", "CPU", "--json"]
    assert estimate_main(words) == 0
    found = json.loads(capsys.readouterr().out)
    print(json.dumps(found["memory_per_rank"]), measured / GIB)
    assert found["memory_per_rank"]["total"] * GIB == pytest.approx(measured, rel=0.2)


@pytest.mark.slow
def test_the_demo_recipe_trains_nano(release: Path, tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "model"
    script = str(ROOT / "model_card" / "assemble.py")
    done = run([sys.executable, script, "--size", "nano", "--out", str(base)], tmp_path)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip("the demo's packages are not installed: demo/requirements.txt")
    assert done.returncode == 0, done.stderr
    done = launch(
        tmp_path,
        *("--dataset", str(release), "--model_name_or_path", str(base), "--max_steps", "3"),
        *("--output_dir", str(out)),
        recipe="demo",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((out / "train_summary.json").read_text())
    assert found["peak_memory_bytes"] < 6 * GIB
    before, after = load_file(base / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() == after.keys()
    tower = [name for name in before if ".vision_tower." in name]
    assert [name for name in tower if name.endswith("running_mean")]
    assert all(torch.equal(before[name], after[name]) for name in tower)
    assert not torch.equal(
        before["model.mm_projector.0.weight"], after["model.mm_projector.0.weight"]
    )
