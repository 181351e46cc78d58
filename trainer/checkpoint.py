"""Model folders in and out: load, choose what trains, save a folder that stands alone."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import ModelConfig

from trainer.data.rows import is_local_path

# What trains under each preset, as prefixes of LlavaVid's parameter names. `paper` reads "all the
# modules except the Visual Encoder are kept frozen" as the slip it is; `authors_fork` is
# `qformer_pretrain_freeze_all` of the authors' code; `literal` is the printed sentence.
CONTEXT = (
    "model.qformer",
    "model.vlm_att_query",
    "model.vlm_att_ln",
    "model.vlm_att_projector",
    "model.vlm_att_key_projector",
    "model.vlm_att_val_projector",
)
LANGUAGE = ("model.language_model", "lm_head")
CONTENT = ("model.mm_projector",)
VISION = ("model.vision_tower",)
PRESETS: dict[str, tuple[str, ...]] = {
    "paper": (*CONTEXT, *CONTENT, *LANGUAGE),
    "authors_fork": (*CONTENT, *LANGUAGE),
    "literal": VISION,
}
# The language model's linear layers, never its head: the fused head of TRL's loss would not see an
# adapter there. `all-linear` would also hit the vision tower and the Q-Former.
LORA_TARGETS = r".*\.language_model\..*\.(q|k|v|o|gate|up|down)_proj"


class ModelProblem(ValueError):
    """The model folder, or what a recipe asks of it, is not usable."""


def load_model(name: str, revision: str | None) -> tuple[Any, Any]:
    """Load (model, processor) for evaluation: float32 on CPU, its own dtype on an accelerator."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = "float32" if device.type == "cpu" else "auto"
    model, processor = _load(name, revision, dtype, None)
    return model.to(device).eval(), processor


def load_base(config: ModelConfig) -> tuple[Any, Any]:
    """Load (model, processor) for training, from a folder or a Hub id; ModelProblem otherwise."""
    if not config.model_name_or_path:
        raise ModelProblem("no model: give --model_name_or_path FOLDER or a Hub id")
    return _load(
        config.model_name_or_path,
        config.model_revision,
        config.dtype or "auto",
        config.attn_implementation,
    )


def _load(name: str, revision: str | None, dtype: str, attention: str | None) -> tuple[Any, Any]:
    if is_local_path(name) and not (Path(name) / "config.json").is_file():
        raise ModelProblem(
            f"model {name!r}: no config.json there; give a model folder (such as the one "
            "`python model_card/assemble.py --size nano --out DIR` writes) or a Hub id"
        )
    model = AutoModelForImageTextToText.from_pretrained(
        name,
        revision=revision,
        trust_remote_code=True,
        dtype=dtype,
        attn_implementation=attention,
    )
    processor = AutoProcessor.from_pretrained(name, revision=revision, trust_remote_code=True)
    return model, processor


def trainable(preset: str) -> tuple[str, ...]:
    """Return the preset's parameter prefixes; ModelProblem for an unknown preset."""
    if preset not in PRESETS:
        raise ModelProblem(f"freeze {preset!r}: expected one of {sorted(PRESETS)}")
    return PRESETS[preset]


def freeze(model: Any, preset: str) -> None:
    """Let only the preset's parameters train. Without `literal` the tower stays in eval mode.

    ModelProblem when the preset matches nothing: the model is then not a LlavaVid.
    """
    prefixes = trainable(preset)
    model.config.train_vision_tower = prefixes == VISION
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(prefixes))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelProblem(
            f"freeze {preset!r} trains {list(prefixes)}, of which {type(model).__name__} has "
            "nothing: expected a LlavaVid model"
        )


def adapter_config(config: ModelConfig, preset: str) -> LoraConfig | None:
    """Return the LoRA settings of a recipe; None for full fine-tuning.

    Adapters sit on the language model; the preset's other modules train whole (`modules_to_save`).
    The query vectors are a bare parameter, which an adapter cannot hold: they keep their values.
    """
    if not config.use_peft:
        return None
    prefixes = trainable(preset)
    if prefixes == VISION:
        raise ModelProblem("freeze 'literal' trains the vision tower only: set use_peft to false")
    whole = [
        name.removeprefix("model.")
        for name in prefixes
        if name not in LANGUAGE and name != "model.vlm_att_query"
    ]
    return LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=config.lora_target_modules or LORA_TARGETS,
        modules_to_save=config.lora_modules_to_save or whole,
        use_rslora=config.use_rslora,
        use_dora=config.use_dora,
    )


def save_model(trainer: Any, processor: Any, folder: Path) -> None:
    """Save a complete model folder: adapters merged, code, processor, tokenizers, template.

    Collective: every process calls it. The folder loads with the Auto classes from anywhere.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    # the trainer turned it off; a saved False would make every later generation slow
    model.config.use_cache = True
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        trainer.save_model(str(folder))  # gathers the shards
    elif trainer.is_world_process_zero():
        if hasattr(model, "merge_and_unload"):
            model = model.merge_and_unload()
        model.save_pretrained(str(folder))
    if trainer.is_world_process_zero():
        processor.save_pretrained(str(folder))
    trainer.accelerator.wait_for_everyone()
