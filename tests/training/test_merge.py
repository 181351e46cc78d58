"""A checkpoint becomes a whole model, without an accelerator and in another process."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from trainer.merge import main
from training.fixtures import sft, weights

SAVING = ("--save_strategy", "steps", "--save_steps", "4", "--max_steps", "4")


@pytest.mark.parametrize("adapters", [True, False], ids=["lora", "whole"])
def test_a_merged_checkpoint_is_the_model_that_the_run_writes(
    adapters: bool, release: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, merged = tmp_path / "o", tmp_path / "merged"
    more = () if adapters else ("--use_peft", "false")
    assert sft(release, base, out, *SAVING, *more) == 0
    assert main([str(out / "checkpoint-4"), str(merged), "--json"]) == 0
    assert "model.safetensors" in json.loads(capsys.readouterr().out.splitlines()[-1])["files"]
    one, two = weights(out), weights(merged)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    needed = {"config.json", "processor_config.json", "tokenizer.json", "requirements.txt"}
    for folder in (out, merged):
        assert needed | {"modeling_llava_vid.py"} <= {path.name for path in folder.iterdir()}


def test_what_cannot_be_merged_is_named(
    release: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    assert sft(release, base, out, *SAVING) == 0
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "m")]) == 1
    assert "no such folder" in capsys.readouterr().err
    torn = shutil.copytree(out / "checkpoint-4", tmp_path / "checkpoint-9")
    (torn / "adapter_model.safetensors").write_bytes(b"half")
    assert main([str(torn), str(tmp_path / "m")]) == 1
    assert "is torn: adapter_model.safetensors has 4 bytes" in capsys.readouterr().err
    assert main([str(out / "checkpoint-4"), str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err
