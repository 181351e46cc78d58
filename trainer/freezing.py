"""What trains: presets of LlavaVid's parts, adapters, and the table that says so."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from trl import ModelConfig

# What trains under each preset, as prefixes of LlavaVid's parameter names. `paper` reads "all the
# modules except the Visual Encoder are kept frozen" as the slip it is; `authors_fork` is
# `qformer_pretrain_freeze_all` of the authors' code; `align` is LLaMA-VID's first stage (the ten
# tensors of its adapter); `literal` is the printed sentence.
QUERY = "model.vlm_att_query"
ATTENTION = (
    "model.vlm_att_projector",
    "model.vlm_att_key_projector",
    "model.vlm_att_val_projector",
)
CONTEXT = ("model.qformer", QUERY, "model.vlm_att_ln", *ATTENTION)
LANGUAGE = ("model.language_model", "lm_head")
CONTENT = ("model.mm_projector",)
VISION = ("model.vision_tower",)
PRESETS: dict[str, tuple[str, ...]] = {
    "paper": (*CONTEXT, *CONTENT, *LANGUAGE),
    "authors_fork": (*CONTENT, *LANGUAGE),
    "align": (*ATTENTION, *CONTENT),
    "literal": VISION,
}
PARTS: dict[str, tuple[str, ...]] = {
    "vision tower": VISION,
    "Q-Former": ("model.qformer",),
    "queries": (QUERY,),
    "attention": ("model.vlm_att_ln", *ATTENTION),
    "projector": CONTENT,
    "language model": ("model.language_model",),
    "head": ("lm_head",),
}
# The language model's linear layers, never its head: the fused head of TRL's loss would not see an
# adapter there. `all-linear` would also hit the vision tower and the Q-Former.
LORA_TARGETS = r".*\.language_model\..*\.(q|k|v|o|gate|up|down)_proj"
# parameters that no module of their own holds: an adapter cannot save them whole
BARE_FILE = "bare_parameters.safetensors"


class FreezingProblem(ValueError):
    """A recipe asks for training that the model cannot give."""


def trainable(preset: str) -> tuple[str, ...]:
    """Return the preset's parameter prefixes; FreezingProblem for an unknown preset."""
    if preset not in PRESETS:
        raise FreezingProblem(f"freeze {preset!r}: expected one of {sorted(PRESETS)}")
    return PRESETS[preset]


def freeze(model: Any, preset: str) -> None:
    """Let only the preset's parameters train. Without `literal` the tower stays in eval mode.

    FreezingProblem when the preset matches nothing: the model is then not a LlavaVid.
    """
    prefixes = trainable(preset)
    model.config.train_vision_tower = prefixes == VISION
    for name, parameter in model.named_parameters():
        wanted = name.startswith(prefixes) and parameter.is_floating_point()
        parameter.requires_grad_(wanted)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise FreezingProblem(
            f"freeze {preset!r} trains {list(prefixes)}, of which {type(model).__name__} has "
            "nothing: expected a LlavaVid model"
        )


def adapter_config(config: ModelConfig, preset: str) -> LoraConfig | None:
    """Return the LoRA settings of a recipe; None for full fine-tuning.

    Adapters sit on the language model; the preset's other modules train whole (`modules_to_save`),
    and so do the query vectors, which `release_bare` lets train beside them.
    """
    if not config.use_peft:
        return None
    prefixes = trainable(preset)
    if not set(LANGUAGE) & set(prefixes):
        raise FreezingProblem(
            f"freeze {preset!r} leaves the language model as it is, where the adapters would be: "
            "set use_peft to false"
        )
    whole = [
        name.removeprefix("model.") for name in prefixes if name not in LANGUAGE and name != QUERY
    ]
    return LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=config.lora_target_modules or LORA_TARGETS,
        target_parameters=config.lora_target_parameters,
        modules_to_save=config.lora_modules_to_save or whole,
        use_rslora=config.use_rslora,
        use_dora=config.use_dora,
    )


def plain_name(name: str) -> str:
    """Return a parameter's name in LlavaVid, without what adapters and wrappers put around it."""
    for prefix in ("module.", "_orig_mod.", "base_model.model."):
        name = name.removeprefix(prefix)
    return name.replace("modules_to_save.default.", "").replace("original_module.", "")


def release_bare(model: Any, preset: str) -> None:
    """Let the bare parameters of a preset train in a model whose adapters froze all else."""
    if QUERY in trainable(preset):
        for _, parameter in bare(model):
            parameter.requires_grad_(True)


def bare(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Return the bare parameters with their plain names."""
    named = ((plain_name(name), value) for name, value in model.named_parameters())
    return [(name, value) for name, value in named if name == QUERY]


def save_bare(model: Any, folder: Path, state: Mapping[str, Any] | None) -> None:
    """Write the bare parameters beside an adapter, from gathered weights where they are given."""
    if not hasattr(model, "peft_config"):
        return
    gathered = {plain_name(name): value for name, value in (state or {}).items()}
    found = {
        name: gathered.get(name, value.detach()).cpu().contiguous() for name, value in bare(model)
    }
    save_file(found, folder / BARE_FILE)


def load_bare(model: Any, folder: Path) -> None:
    """Read bare parameters back, if the folder has any; shards take their part."""
    if not (folder / BARE_FILE).is_file():
        return
    saved = load_file(folder / BARE_FILE)
    for name, parameter in bare(model):
        value = saved[name].to(parameter.dtype)
        if isinstance(parameter, torch.distributed.tensor.DTensor):
            from torch.distributed.tensor import distribute_tensor

            placed = distribute_tensor(
                value.to(parameter.device), parameter.device_mesh, parameter.placements
            )
            parameter.data.copy_(placed)
        elif parameter.numel() == value.numel():  # DeepSpeed's third stage restores its own
            parameter.data.copy_(value)


def parameter_table(model: Any) -> list[dict[str, Any]]:
    """Return {part, total, trained} of every part, adapters in a row of their own."""
    rows = {part: [0, 0] for part in (*PARTS, "adapters", "other")}
    for name, parameter in model.named_parameters():
        if "original_module." in name:
            continue  # PEFT keeps the untrained copy beside the one that trains
        plain = plain_name(name)
        part = "adapters" if "lora_" in plain else next(
            (p for p, prefixes in PARTS.items() if plain.startswith(prefixes)), "other"
        )  # fmt: skip
        count = getattr(parameter, "ds_numel", None) or elements(parameter)
        rows[part][0] += count
        rows[part][1] += count * parameter.requires_grad
    return [
        {"part": part, "total": total, "trained": trained}
        for part, (total, trained) in rows.items()
        if total
    ]


def elements(parameter: Any) -> int:
    """Return how many weights a parameter stands for; four-bit ones are packed in pairs."""
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel()) if state is not None else int(parameter.numel())


def table_text(rows: list[dict[str, Any]]) -> str:
    """Return the parameter table for people."""
    lines = [f"{'part':<16}{'parameters':>16}{'trained':>16}"]
    lines += [f"{row['part']:<16}{row['total']:>16,}{row['trained']:>16,}" for row in rows]
    return "\n".join(lines)
