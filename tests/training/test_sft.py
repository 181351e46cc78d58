"""The training command end to end: real processes, the tiny model, a small release."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerState
from trl import SFTConfig, SFTTrainer

from trainer.callbacks import EpochDraws
from trainer.checkpoint import load_model
from trainer.data.collator import Collator
from trainer.evaluation.__main__ import main as evaluate_main
from trainer.data.rows import load_rows
from trainer.sft import settle, split_debug
from training.fixtures import COLOURS, ROOT, clip, launch, run, seeing, write_release

ANSWER = """
import sys
from PIL import Image
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor
folder, film = sys.argv[1:]
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True)
plain = AutoModel.from_pretrained(folder, trust_remote_code=True)
assert type(plain).__name__ == type(model).__name__
for part in ({"type": "image", "image": Image.new("RGB", (64, 48), "red")},
             {"type": "video", "video": film}):
    talk = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]
    batch = processor.apply_chat_template(talk, tokenize=True, return_dict=True,
                                          return_tensors="pt", add_generation_prompt=True)
    whole = model.generate(**batch, do_sample=False, max_new_tokens=4)
    print("ANSWER", processor.batch_decode(whole[:, batch["input_ids"].shape[1]:]))
"""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "train_summary.json").read_text())


def test_the_trainers_fused_loss_sees_the_pixels(release: Path, base: Path, tmp_path: Path) -> None:
    """TRL scores the base model's hidden states: vision merged outside of it would be lost."""
    model, processor = load_model(str(base), None)
    model = seeing(model)
    rows = load_rows(str(release), None, "train", None, streaming=False)
    collator = Collator(processor, {"all": 1.0}, 0, None, "error")
    settings = SFTConfig(str(tmp_path), bf16=False, use_cpu=True, report_to="none")
    settle(settings)
    trainer = SFTTrainer(model, settings, collator, rows, processing_class=processor)
    model.eval()
    batch = collator([rows[0], rows[1]])
    blind = {
        name: torch.zeros_like(value) if name.startswith("pixel_values") else value
        for name, value in batch.items()
    }
    with torch.inference_mode():
        own = float(model(**batch).loss)
        fused = float(trainer.compute_loss(model, dict(batch)))
        without = float(trainer.compute_loss(model, blind))
    assert fused == pytest.approx(own, abs=1e-5)
    assert abs(fused - without) > 1e-5


def test_summary_names_data_model_code_and_settings(trained: Path, release: Path) -> None:
    found = summary(trained)
    assert found["dataset_revision"] == json.loads((release / "manifest.json").read_text())["root"]
    assert found["base_revision"].startswith("sha256:")
    assert found["versions"]["trl"]
    assert found["settings"]["learning_rate"] == 5e-3
    assert (found["world_size"], found["steps"], found["samples_seen"]) == (1, 8, 16)
    assert [entry["step"] for entry in found["loss_curve"]] == [2, 4, 6, 8]
    assert 0 < found["parameters_trained"] < found["parameters"]
    assert found["loss_curve"][-1]["loss"] < found["loss_curve"][0]["loss"]


def test_only_what_should_train_has_changed(trained: Path, base: Path) -> None:
    before, after = weights(base), weights(trained)
    assert before.keys() == after.keys()  # merged: no adapter key is left
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if ".vision_tower." in name]
    assert not [name for name in changed if "lm_head" in name or "embed_tokens" in name]
    projections = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    linears = [n for n in before if ".language_model." in n and n.split(".")[-2] in projections]
    assert linears
    assert changed.issuperset(linears)
    for module in ("mm_projector", "vlm_att_projector", "vlm_att_key_projector", "qformer"):
        assert [name for name in changed if f".{module}." in name], module


def test_the_vision_towers_running_statistics_stand_still(trained: Path, base: Path) -> None:
    before, after = weights(base), weights(trained)
    statistics = [name for name in before if "running_" in name]
    if not statistics:
        pytest.skip("the tiny model's vision tower has no batch norm; the nano run checks it")
    assert all(torch.equal(before[name], after[name]) for name in statistics)


def test_the_folder_stands_alone(trained: Path, release: Path, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere" / "model"
    shutil.copytree(trained, copied)
    film = tmp_path / "film.mp4"
    film.write_bytes(clip(COLOURS["red"]))
    done = run([sys.executable, "-c", ANSWER, str(copied), str(film)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ANSWER") == 2
    config = json.loads((copied / "config.json").read_text())
    assert set(config["auto_map"]) >= {"AutoConfig", "AutoModel", "AutoProcessor"}
    assert not [value for value in config["auto_map"].values() if "--" in value]
    assert config.get("use_cache", True)


def test_behaviour_is_measured_with_provenance(
    trained: Path, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = []
    for size in ("1", "4"):
        out = tmp_path / f"results-{size}.json"
        words = ["behavior", "--model", str(trained), "--dataset", str(release)]
        words += ["--out", str(out), "--batch-size", size, "--json"]
        assert evaluate_main(words) == 0, capsys.readouterr().err
        assert json.loads(capsys.readouterr().out) == json.loads(out.read_text())
        values.append({row["metric"]: row for row in json.loads(out.read_text())})
    one, four = values
    assert set(one) == {"perplexity", "mae", "median_error", "r2"}
    assert one["perplexity"]["n"] == 6
    assert one["mae"]["n"] == 3  # pictures have no views
    assert four["perplexity"]["value"] == pytest.approx(one["perplexity"]["value"], rel=1e-4)
    assert one["perplexity"]["dataset_revision"] == summary(trained)["dataset_revision"]
    assert one["perplexity"]["model_revision"].startswith("sha256:")
    items = (tmp_path / "results-4.items.jsonl").read_text().splitlines()
    assert len(items) == 9


def test_a_streamed_dataset_trains(release: Path, base: Path, tmp_path: Path) -> None:
    done = launch(
        tmp_path,
        *("--dataset", str(release), "--model_name_or_path", str(base)),
        *("--output_dir", str(tmp_path / "o"), "--dataset_streaming", "true", "--max_steps", "3"),
    )
    assert done.returncode == 0, done.stderr
    assert summary(tmp_path / "o")["steps"] == 3


def test_a_resumed_run_ends_as_an_unbroken_one(release: Path, base: Path, tmp_path: Path) -> None:
    common = ("--dataset", str(release), "--model_name_or_path", str(base), "--max_steps", "4")
    common = (*common, "--output_dir", str(tmp_path / "o"), "--save_strategy", "steps")
    done = launch(tmp_path, *common, "--save_steps", "2")
    assert done.returncode == 0, done.stderr
    # TRL's own card would name "None" as the base and a text pipeline as the way to load it
    assert not (tmp_path / "o" / "README.md").exists()
    unbroken = (tmp_path / "o" / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "o" / "checkpoint-4")
    (tmp_path / "o" / "model.safetensors").unlink()
    done = launch(tmp_path, *common, "--save_steps", "2", "--resume_from_checkpoint", "true")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o" / "model.safetensors").read_bytes() == unbroken


def test_drops_are_counted_where_steps_took_them(release: Path, base: Path, tmp_path: Path) -> None:
    common = ("--dataset", str(release), "--model_name_or_path", str(base), "--max_steps", "2")
    common = (*common, "--output_dir", str(tmp_path / "o"), "--over_budget", "drop")
    done = launch(tmp_path, *common, "--max_tokens", "5")
    assert done.returncode == 1
    assert "all 4 samples seen have more than max_tokens=5" in done.stderr
    # the texts of some samples are longer than the others'
    done = launch(tmp_path, *common, "--max_tokens", "400", "--eval_strategy", "steps")
    assert done.returncode == 0, done.stderr
    found = summary(tmp_path / "o")
    assert found["samples_seen"] == 4
    assert 0 <= found["samples_dropped"] < 4


def test_two_processes_on_the_cpu_are_two(release: Path, base: Path, tmp_path: Path) -> None:
    done = launch(
        tmp_path,
        *("--dataset", str(release), "--model_name_or_path", str(base), "--use_cpu", "true"),
        *("--output_dir", str(tmp_path / "o"), "--max_steps", "2"),
        accelerate="cpu2",
    )
    assert done.returncode == 0, done.stderr
    assert summary(tmp_path / "o")["world_size"] == 2
    assert summary(tmp_path / "o")["samples_seen"] == 8


def test_the_metadata_tier_trains_and_evaluates_on_text(base: Path, tmp_path: Path) -> None:
    texts = write_release(tmp_path / "texts", {"train": 4, "test": 2}, media=False)
    done = launch(
        tmp_path,
        *("--dataset", str(texts), "--model_name_or_path", str(base), "--max_steps", "2"),
        *("--output_dir", str(tmp_path / "o"), "--freeze", "authors_fork"),
        *("--eval_strategy", "steps", "--eval_steps", "1"),
    )
    assert done.returncode == 0, done.stderr
    found = summary(tmp_path / "o")
    assert found["steps"] == 2
    assert [entry["step"] for entry in found["evaluations"]] == [1, 2]


def test_each_epoch_is_told_to_the_collator() -> None:
    collator = Collator(None, {"all": 1.0}, 0, None, "error")
    told = EpochDraws(collator)
    for epoch, expected in ((0.0, 0), (0.9999999, 1), (1.5, 1), (2.0, 2)):
        told.on_epoch_begin(None, TrainerState(epoch=epoch), None)
        assert collator.epoch == expected


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--dataset", "./none"], 1, "'./none': no such folder"),
        (["--dataset_train_split", "held"], 1, "has no split 'held'"),
        (["--model_name_or_path", "./nomodel"], 1, "no config.json there"),
        (["--task_mix", "all=-1"], 1, "task_mix 'all=-1'"),
        (["--task_mix", "saliency"], 1, "no sample has a turn of task_mix 'saliency'"),
        (["--freeze", "all"], 1, "freeze 'all': expected one of"),
        (["--packing", "true"], 1, "packing, padding_free"),
        (["--no_such_option", "1"], 2, "no_such_option"),
        (["--max_train_samples", "0"], 2, "max_train_samples is 0: expected 1 or more"),
        (["--cpu_threads", "-3"], 2, "cpu_threads is -3: expected 0 or more"),
    ],
)
def test_errors_are_one_message(
    words: list[str],
    code: int,
    message: str,
    release: Path,
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from trainer.sft import main

    recipe = str(ROOT / "trainer" / "recipes" / "tiny.yaml")
    paths = ["--dataset", str(release), "--model_name_or_path", str(base)]
    out = ["--output_dir", str(tmp_path / "o")]
    assert main(["--config", recipe, *paths, *out, *words]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_bare_debug_is_ours_and_the_librarys_keeps_its_value() -> None:
    assert split_debug(["--debug", "--seed", "1"]) == (["--seed", "1"], True)
    assert split_debug(["--seed", "1", "--debug"]) == (["--seed", "1"], True)
    words = ["--debug", "underflow_overflow"]
    assert split_debug(words) == (words, False)
