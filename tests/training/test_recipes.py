"""Every recipe resolves without weights: options, freezing, adapters, wrapping, DeepSpeed files."""

import dataclasses
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import get_peft_model
from transformers import AutoModelForImageTextToText, LlamaConfig
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from trl import ModelConfig, ScriptArguments, SFTConfig

from trainer.arguments import BliftArguments
from trainer.data.selections import SELECTIONS
from trainer.estimate import main as estimate_main
from trainer.estimate import read_engine, read_run
from trainer.freezing import (
    LORA_TARGETS,
    PRESETS,
    adapter_config,
    freeze,
    parameter_table,
    release_bare,
    trainable,
)
from trainer.loop.options import REFUSED, refuse_contradictions, refuse_ignored
from trainer.planning.shapes import read_shape, trained_parts
from training.fixtures import ROOT

RECIPES = sorted((ROOT / "trainer" / "recipes").glob("*.yaml"))
ENGINES = sorted((ROOT / "trainer" / "recipes" / "accelerate").glob("*.yaml"))
LARGE = [path for path in RECIPES if path.stem.startswith(("blift", "stage1", "finetune"))]


def known_fields() -> set[str]:
    classes = (ScriptArguments, SFTConfig, ModelConfig, BliftArguments)
    return {field.name for one in classes for field in dataclasses.fields(one)}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_read_and_nothing_in_it_is_ignored(path: Path) -> None:
    wanted = yaml.safe_load(path.read_text())
    assert set(wanted) <= known_fields()
    asked = ("--mix_data", "mine.json") if path.stem == "finetune_benchmark" else ()
    run = read_run(path, None, asked)
    refuse_ignored(run, set(wanted))
    refuse_contradictions(run, set(wanted))
    trainable(run.blift.freeze)
    assert run.blift.selection in SELECTIONS
    assert path.read_text().startswith("#")
    if path.stem != "finetune_benchmark":  # from a trained model of yours, on data of yours
        assert wanted["trust_remote_code"] is True


def test_no_two_recipes_share_their_output() -> None:
    folders = [yaml.safe_load(path.read_text())["output_dir"] for path in RECIPES]
    assert len(set(folders)) == len(folders)


def test_refused_options_are_options() -> None:
    assert set(REFUSED) <= known_fields()


@pytest.mark.parametrize("path", ENGINES, ids=lambda path: path.stem)
def test_an_engine_resolves(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    engine = read_engine(path)
    assert engine.processes == config["num_processes"]
    if config["distributed_type"] == "FSDP":
        wrapped = config["fsdp_config"]["fsdp_transformer_layer_cls_to_wrap"]
        assert wrapped in whole_model("13b")[1]
        assert config["fsdp_config"]["fsdp_state_dict_type"] == "FULL_STATE_DICT"
    if config["distributed_type"] == "DEEPSPEED":
        file = ROOT / config["deepspeed_config"]["deepspeed_config_file"]
        zero = json.loads(file.read_text())["zero_optimization"]
        assert zero["stage"] == engine.stage
        if engine.stage == 3:
            assert zero["stage3_gather_16bit_weights_on_model_save"]


@cache
def whole_model(size: str) -> tuple[Any, set[str]]:
    """The real model class at a recipe's size, on the meta device, and its layers' class names."""
    shape = json.loads((ROOT / "trainer" / "recipes" / "shapes" / f"{size}.json").read_text())
    shape["text_config"] = LlamaConfig(**shape["text_config"])
    folder = str(ROOT / "model_card")
    config = get_class_from_dynamic_module("configuration_llava_vid.LlavaVidConfig", folder)
    name = "modeling_llava_vid.LlavaVidForConditionalGeneration"
    with torch.device("meta"):
        model = get_class_from_dynamic_module(name, folder)(config(**shape))
    return model, {type(module).__name__ for module in model.modules()}


@pytest.mark.parametrize("path", LARGE, ids=lambda path: path.stem)
def test_freezing_and_adapters_at_full_size(path: Path) -> None:
    """What the estimate computes from the configuration is what the model's class has."""
    run = read_run(path, None, ())
    size = "7b" if "7b" in path.stem else "13b"
    model, _ = whole_model(size)
    freeze(model, run.blift.freeze)
    adapters = adapter_config(run.model, run.blift.freeze)
    if adapters is not None:
        targets = [n for n, _ in model.named_modules() if re.fullmatch(LORA_TARGETS, f"x.{n}")]
        assert len(targets) == 7 * 32
        adapted = get_peft_model(model, adapters)
        release_bare(adapted, run.blift.freeze)
        model = adapted
    table = {row["part"]: row for row in parameter_table(model)}
    expected = trained_parts(read_shape(size)[0], run)
    assert {part: (row["total"], row["trained"]) for part, row in table.items()} == {
        part: (row["total"], row["trained"]) for part, row in expected.items() if row["total"]
    }
    assert table["vision tower"]["trained"] == 0
    if adapters is not None:
        whole_model.cache_clear()  # PEFT put its layers into it
    if run.blift.freeze == "paper":
        assert table["queries"]["trained"] > 0


def test_alignment_trains_ten_tensors() -> None:
    model, _ = whole_model("13b")
    freeze(model, "align")
    assert sum(p.requires_grad for p in model.parameters()) == 10
    assert set(PRESETS) == {"paper", "authors_fork", "align", "literal"}


@pytest.mark.parametrize("path", LARGE, ids=lambda path: path.stem)
def test_an_estimate_is_printed_for_each(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = str(ROOT / "trainer" / "recipes" / "accelerate" / "fsdp.yaml")
    shape = str(ROOT / "trainer" / "recipes" / "shapes" / "13b.json")
    if path.stem == "finetune_benchmark":
        pytest.skip("its data are a benchmark of the user's own; the trainer's tests give it one")
    words = ["--config", str(path), "--accelerate", engine, "--model", shape, "--json"]
    assert estimate_main(words) == 0, capsys.readouterr().err
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] > 13e9
    assert found["steps"] > 0
    assert 0 < found["memory_per_rank"]["total"] < 400
    assert found["hours"] > 0
    assert found["assumed"]


def test_an_estimate_without_a_shape_says_what_to_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("model_name_or_path: someone/model\noutput_dir: x\n")
    assert estimate_main(["--config", str(recipe)]) == 1
    assert "give --model FOLDER or a config.json" in capsys.readouterr().err


def test_tokens_are_those_of_a_real_run(
    trained: Path, release: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = json.loads((trained / "train_summary.json").read_text())
    recipe = str(ROOT / "trainer" / "recipes" / "tiny.yaml")
    words = ["--config", recipe, "--dataset", str(release), "--json"]
    assert estimate_main([*words, "--model_name_or_path", str(base)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"] == summary["steps"]
    assert found["tokens"] == pytest.approx(summary["tokens_seen"], rel=0.2)
    assert found["parameters"] == summary["parameters"]
    assert found["parameters_trained"] == summary["parameters_trained"]


def test_the_model_class_is_found_by_its_config(base: Path) -> None:
    with torch.device("meta"):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(base, trust_remote_code=True)
        model = AutoModelForImageTextToText.from_config(config, trust_remote_code=True)
    table = {row["part"]: row["total"] for row in parameter_table(model)}
    assert table == {p: n for p, n in read_shape(str(base))[0].parameters.items() if n}
