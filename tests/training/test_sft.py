"""The training command end to end: real processes, the tiny model, a small release."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from trl import SFTConfig, SFTTrainer

from trainer.checkpoint import load_model
from trainer.data.collator import Collator
from trainer.data.rows import load_rows
from trainer.evaluation.__main__ import main as evaluate_main
from trainer.loop.options import split_debug
from training.fixtures import (
    COLOURS,
    clip,
    launch,
    run,
    seeing,
    sft,
    summary,
    weights,
    write_release,
)

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


def test_the_trainers_fused_loss_sees_the_pixels(release: Path, base: Path, tmp_path: Path) -> None:
    """TRL scores the base model's hidden states: vision merged outside of it would be lost."""
    model, processor = load_model(str(base), None)
    model = seeing(model)
    rows = load_rows(str(release), None, "train", None, streaming=False)
    collator = Collator(processor, {"all": 1.0}, 0, None, "error")
    settings = SFTConfig(
        str(tmp_path),
        bf16=False,
        use_cpu=True,
        report_to="none",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
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
    assert "model.vlm_att_query" in changed  # a bare parameter, which no adapter holds


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


def test_a_streamed_dataset_has_epochs(release: Path, base: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    words = ("--dataset_streaming", "true", "--max_steps", "-1", "--num_train_epochs", "1.5")
    assert sft(release, base, out, *words) == 0
    assert (summary(out)["steps"], summary(out)["epochs"]) == (6, 1.5)
    assert summary(out)["source_epochs"] == {"behavior": 1.5}


def test_drops_are_counted_where_steps_took_them(
    release: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--max_steps", "2", "--over_budget", "drop")
    assert sft(release, base, tmp_path / "o", *common, "--max_tokens", "5") == 1
    assert "all 4 samples seen have more than max_tokens=5" in capsys.readouterr().err
    # the texts of some samples are longer than the others'
    assert sft(release, base, tmp_path / "p", *common, "--max_tokens", "400") == 0
    found = summary(tmp_path / "p")
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


def test_the_metadata_tier_trains_and_is_measured(base: Path, tmp_path: Path) -> None:
    texts = write_release(tmp_path / "texts", {"train": 4, "test": 2}, media=False)
    out = tmp_path / "o"
    evaluated = ("--eval_strategy", "steps", "--eval_steps", "1")
    words = ("--max_steps", "2", "--use_peft", "false", "--freeze", "authors_fork")
    assert sft(texts, base, out, *words, *evaluated) == 0
    found = summary(out)
    assert found["steps"] == 2
    assert [entry["step"] for entry in found["evaluations"]] == [1, 2]
    assert found["evaluations"][0]["eval_comment_perplexity"] > 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--dataset", "./none"], 1, "'./none': no such folder"),
        (["--dataset_train_split", "held"], 1, "has no split 'held'"),
        (["--model_name_or_path", "./nomodel"], 1, "no config.json there"),
        (["--task_mix", "all=-1"], 1, "task_mix 'all=-1'"),
        (["--task_mix", "saliency"], 1, "no sample has a turn of task_mix 'saliency'"),
        (["--freeze", "all"], 1, "freeze 'all': expected one of"),
        (["--packing", "true"], 1, "packing is True, which is not taken"),
        (
            ["--trust_remote_code", "false"],
            1,
            "brings its own code, and trust_remote_code is false",
        ),
        (["--dataset_text_field", "words"], 1, "dataset_text_field is 'words'"),
        (["--max_length", "512"], 1, "max_length is 512, which is not taken: nothing is cut"),
        (["--completion_only_loss", "false"], 1, "completion_only_loss is False"),
        (["--pad_token", "<pad>"], 1, "pad_token is '<pad>'"),
        (["--load_in_4bit", "true", "--use_peft", "false"], 1, "cannot be trained whole"),
        (["--bnb_4bit_quant_type", "fp4"], 1, "bnb_4bit_quant_type need load_in_4bit"),
        (["--p_behavior", "0.3"], 1, "p_behavior speak of a mix: give mix_data"),
        (["--p_behavior", "1.3"], 2, "p_behavior is 1.3: expected a share from 0 to 1"),
        (["--selection", "ad_llava"], 1, "asks for the turns 'scenes', task_mix for 'all=1"),
        (["--selection", "nothing"], 1, "selection 'nothing': expected one of behavior"),
        (["--push_to_hub", "true"], 1, "push_to_hub is True"),
        (["--save_only_model", "true"], 1, "such a checkpoint cannot be resumed"),
        (["--train_sampling_strategy", "batch_rebalance"], 1, "expected random, sequential"),
        (["--per_device_train_batch_size", "9"], 1, "8 samples for 1 processes that take 9"),
        (["--resume_from_checkpoint", "./nowhere"], 1, "'./nowhere': no such folder"),
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
    assert sft(release, base, tmp_path / "o", *words) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_fsdp_on_the_cpu_is_refused(
    release: Path,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """accelerate takes the FSDP recipe on a CPU, and silently runs DDP."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert sft(release, base, tmp_path / "o", "--use_cpu", "true") == 1
    assert "FSDP was asked for, on the CPU" in capsys.readouterr().err


def test_the_trained_folder_is_a_whole_release(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names >= {"requirements.txt", "run.md", "run.png", "training_manifest.json"}
    assert not [name for name in names if name.startswith(".") or name.endswith(".bin")]
    found = json.loads((trained / "training_manifest.json").read_text())
    assert found["data_merkle_root"] == summary(trained)["dataset_revision"]
    assert found["recipe"]["path"] == "tiny.yaml"
    assert {"hardware", "seeds", "versions", "mix", "measured", "base_revision"} <= set(found)
    assert "| queries |" in (trained / "run.md").read_text()


def test_too_many_broken_pictures_stop_the_run(
    release: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "This."}]
    items = [{"id": str(i), "image": "broken.jpg", "conversations": talk} for i in range(8)]
    (tmp_path / "mix.json").write_text(json.dumps(items))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    words = ("--mix_data", str(tmp_path / "mix.json"), "--mix_media", str(tmp_path))
    assert sft(release, base, tmp_path / "o", *words, "--save_strategy", "steps") == 1
    assert "of 8 items of the mix cannot be used ({'cannot be decoded'" in capsys.readouterr().err


def test_a_mix_is_drawn_measured_and_counted(release: Path, base: Path, tmp_path: Path) -> None:
    """Text-only questions beside BLIFT: both sources move, losses by task are measured."""
    talk = [{"from": "human", "value": "Say yes."}, {"from": "gpt", "value": "Yes."}]
    items = [{"id": str(i), "conversations": talk} for i in range(9)]
    items.append({"id": "gone", "image": "gone.jpg", "conversations": talk})
    (tmp_path / "mix.json").write_text(json.dumps(items))
    (tmp_path / "media").mkdir()
    words = ("--mix_data", str(tmp_path / "mix.json"), "--mix_media", str(tmp_path / "media"))
    words = (*words, "--max_missing_media", "0.2", "--mix_eval_samples", "2", "--eval_steps", "4")
    words = (*words, "--eval_strategy", "steps", "--train_sampling_strategy", "group_by_length")
    assert sft(release, base, tmp_path / "o", *words) == 0
    found = summary(tmp_path / "o")
    assert found["source_samples"] == {"behavior": 8, "mix": 7}
    assert found["mix_unusable"] == {"missing": 1}
    assert all(value > 0 for value in found["source_epochs"].values())
    measured = found["evaluations"][-1]
    losses = {f"eval_{task}_loss" for task in ("scenes", "likes", "comments", "mix")}
    assert {"eval_comment_perplexity", "eval_liked_unparsed", *losses} <= set(measured)


@pytest.mark.slow
def test_qlora_trains_on_a_cpu_and_merges_into_the_whole_base(
    release: Path, base: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    words = ("--load_in_4bit", "true", "--bnb_4bit_quant_type", "nf4", "--max_steps", "2")
    assert sft(release, base, tmp_path / "o", *words) == 0
    before, after = weights(base), weights(tmp_path / "o")
    assert before.keys() == after.keys()
    assert {w.dtype for w in after.values()} == {w.dtype for w in before.values()}
    layer = "model.language_model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(before[layer], after[layer])
    # the adapters' change alone: no trace of the four bits is left in the weights
    assert (before[layer] - after[layer]).abs().max() < 0.05
    assert summary(tmp_path / "o")["parameters"] > sum(w.numel() for w in before.values())


def test_bare_debug_is_ours_and_the_librarys_keeps_its_value() -> None:
    assert split_debug(["--debug", "--seed", "1"]) == (["--seed", "1"], True)
    assert split_debug(["--seed", "1", "--debug"]) == (["--seed", "1"], True)
    words = ["--debug", "underflow_overflow"]
    assert split_debug(words) == (words, False)
