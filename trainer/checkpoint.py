"""Model folders in and out: load one, save one that stands alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig
from transformers.utils.hub import cached_file
from trl import ModelConfig

from trainer.data.rows import is_local_path
from trainer.freezing import load_bare

# parts that stay as they are when the language model is loaded in 4 or 8 bits
WHOLE = (
    *("vision_tower", "qformer", "mm_projector", "lm_head"),
    *("vlm_att_projector", "vlm_att_key_projector", "vlm_att_val_projector"),
)


class ModelProblem(ValueError):
    """The model folder, or what a recipe asks of it, is not usable."""


def load_model(name: str, revision: str | None) -> tuple[Any, Any]:
    """Load (model, processor) for evaluation: float32 on CPU, its own dtype on an accelerator."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = "float32" if device.type == "cpu" else "auto"
    model, processor = _load(name, revision, dtype=dtype)
    return model.to(device).eval(), processor


def check_base(config: ModelConfig, trust_remote_code: bool) -> None:
    """Raise ModelProblem without a model, for another kind, or one whose code may not run."""
    name = config.model_name_or_path
    if not name:
        raise ModelProblem("no model: give --model_name_or_path FOLDER or a Hub id")
    _check_folder(name)
    if not Path(name).is_dir():
        return
    found = json.loads((Path(name) / "config.json").read_text(encoding="utf-8"))
    if found.get("model_type") != "llava_vid":
        raise ModelProblem(
            f"model {name!r} is a {found.get('model_type')!r}: expected a llava_vid folder, such "
            "as the ones that model_card/assemble.py and convert_llama_vid.py write"
        )
    if "auto_map" in found and not trust_remote_code:
        raise ModelProblem(
            f"model {name!r} brings its own code, and trust_remote_code is false: read the code, "
            "then set trust_remote_code: true"
        )


def load_base(
    config: ModelConfig, trust_remote_code: bool, extra: dict[str, Any] | None
) -> tuple[Any, Any]:
    """Load (model, processor) for training, from a folder or a Hub id; ModelProblem otherwise."""
    check_base(config, trust_remote_code)
    quantised = quantisation(config)
    if quantised is not None:
        extra = {**(extra or {}), "quantization_config": quantised}
    options = {"dtype": config.dtype or "auto", "attn_implementation": config.attn_implementation}
    return _load(
        str(config.model_name_or_path),
        config.model_revision,
        trust_remote_code=trust_remote_code,
        **{**options, **(extra or {})},
    )


def quantisation(config: ModelConfig) -> BitsAndBytesConfig | None:
    """Return how the language model's linear layers are quantised; None when they are not."""
    if not (config.load_in_4bit or config.load_in_8bit):
        return None
    dtype = torch.float32 if config.dtype in (None, "auto", "float32") else torch.bfloat16
    return BitsAndBytesConfig(
        load_in_4bit=config.load_in_4bit,
        load_in_8bit=config.load_in_8bit,
        bnb_4bit_quant_type=config.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=config.use_bnb_nested_quant,
        bnb_4bit_quant_storage=config.bnb_4bit_quant_storage,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(WHOLE),
    )


def _check_folder(name: str) -> None:
    if is_local_path(name) and not (Path(name) / "config.json").is_file():
        raise ModelProblem(
            f"model {name!r}: no config.json there; give a model folder (such as the one "
            "`python model_card/assemble.py --size nano --out DIR` writes) or a Hub id"
        )


def _load(
    name: str, revision: str | None, *, trust_remote_code: bool = True, **options: Any
) -> tuple[Any, Any]:
    _check_folder(name)
    shared: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    model = AutoModelForImageTextToText.from_pretrained(name, **shared, **options)
    return model, AutoProcessor.from_pretrained(name, **shared)


def save_model(trainer: Any, processor: Any, folder: Path, base: ModelConfig) -> None:
    """Save a complete model folder: adapters merged, code, processor, tokenizers, template.

    Collective: every process calls it; shards are gathered. The folder loads with the Auto classes
    from anywhere. Adapters are merged into the base model read anew: the one in memory may be
    sharded or quantised, and on every engine the same weights come out.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    # the trainer turned it off; a saved False would make every later generation slow
    model.config.use_cache = True
    adapted = hasattr(model, "peft_config")
    aside = folder / ".finishing"
    trainer.save_model(str(aside))  # gathers; with adapters it holds them alone
    if trainer.is_world_process_zero():
        if adapted:
            merge(aside, folder, str(base.model_name_or_path), base.model_revision)
        else:
            put_in_place(aside, folder)
            copy_requirements(str(base.model_name_or_path), folder)
        processor.save_pretrained(str(folder))
        shutil.rmtree(aside, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()


def put_in_place(made: Path, folder: Path) -> None:
    """Move a model's files into its folder, in place of an older model's."""
    for old in [*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")]:
        old.unlink()
    for path in made.iterdir():
        if path.is_file() and path.name != "training_args.bin":
            path.chmod(0o644)  # weights are written for their owner alone
            path.replace(folder / path.name)


def merge(adapter: Path, folder: Path, base: str, revision: str | None) -> None:
    """Write a whole model: the base, its bare parameters as trained, the adapters merged in."""
    model, _ = _load(base, revision, dtype="auto")
    model = PeftModel.from_pretrained(model, str(adapter))
    load_bare(model, adapter)
    model = model.merge_and_unload()
    model.config.use_cache = True
    made = folder / ".merged"
    model.save_pretrained(str(made))
    put_in_place(made, folder)
    shutil.rmtree(made)
    copy_requirements(base, folder)


def copy_requirements(base: str, folder: Path) -> None:
    """Carry the base's requirements.txt along: the model's code needs what it names."""
    found = cached_file(base, "requirements.txt", _raise_exceptions_for_missing_entries=False)
    if found:
        shutil.copyfile(found, folder / "requirements.txt")
