"""A LlavaVid's sizes from its configuration alone, on the meta device: 13B on a laptop."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from trainer.arguments import Run
from trainer.freezing import LORA_TARGETS, PARTS, adapter_config, trainable

SHAPES = Path(__file__).parents[1] / "recipes" / "shapes"


class ShapeProblem(ValueError):
    """No configuration says how large the model is."""


@dataclass(frozen=True)
class Shape:
    """Parameters by part, and the sizes that activations depend on."""

    parameters: dict[str, int]
    linears: tuple[tuple[str, int, int], ...]  # of the language model: name, inputs, outputs
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    vision_width: int
    vision_tokens: int
    dtype: str


def read_shape(name: str) -> tuple[Shape, str]:
    """Return (shape, where from): a folder's config, a file, or the size in a Hub id's name."""
    path = Path(name)
    if path.is_dir():
        path = path / "config.json"
    if not path.is_file():
        sizes = [file for file in sorted(SHAPES.glob("*.json")) if file.stem in name.lower()]
        if not sizes:
            raise ShapeProblem(
                f"model {name!r} is not here, and its name holds none of "
                f"{[file.stem for file in sorted(SHAPES.glob('*.json'))]}: give --model FOLDER or "
                "a config.json"
            )
        path = sizes[0]
    return shape_of(json.loads(path.read_text(encoding="utf-8"))), str(path)


def shape_of(config: dict[str, Any]) -> Shape:
    """Return the shape of a LlavaVid configuration; its parts are built on the meta device."""
    import torch
    from transformers import (
        CONFIG_MAPPING,
        AutoModel,
        AutoModelForCausalLM,
        InstructBlipQFormerModel,
        InstructBlipVisionModel,
    )

    made = {}
    for part in ("vision_config", "qformer_config", "text_config"):
        fields = {k: v for k, v in config[part].items() if k != "model_type" and v is not None}
        made[part] = CONFIG_MAPPING[config[part]["model_type"]](**fields)
    vision, qformer, language = made["vision_config"], made["qformer_config"], made["text_config"]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(language)
        reader = InstructBlipQFormerModel._from_config(qformer)
        if vision.model_type == "instructblip_vision_model":
            tower = InstructBlipVisionModel._from_config(vision)
            tower.post_layernorm = torch.nn.Identity()  # LlavaVid takes the stream before it
        else:
            tower = AutoModel.from_config(vision)
    text = language.hidden_size
    width = next(getattr(vision, n) for n in ("hidden_size", "hidden_dim", "embed_dim")
                 if hasattr(vision, n))  # fmt: skip
    head = model.get_output_embeddings()
    tied = head.weight is model.get_input_embeddings().weight
    linears = tuple(
        (f"model.language_model.{name}", module.in_features, module.out_features)
        for name, module in model.model.named_modules()
        if isinstance(module, torch.nn.Linear)
    )
    heads = 0 if tied else head.weight.numel()
    parameters = {
        "vision tower": size(tower),
        "Q-Former": size(reader),
        "queries": config.get("num_query_tokens", 32) * qformer.hidden_size,
        "attention": 2 * width
        + (qformer.hidden_size + 1) * width
        + (width + 1) * width
        + (width + 1) * text,
        "projector": (width + 1) * text + (text + 1) * text,
        "language model": size(model) - heads,
        "head": heads,
    }
    patches = (getattr(vision, "image_size", 224) // getattr(vision, "patch_size", 14)) ** 2
    return Shape(
        parameters,
        linears,
        text,
        language.num_hidden_layers,
        language.num_attention_heads,
        language.intermediate_size,
        language.vocab_size,
        width,
        patches + 1,
        str(config.get("dtype") or config.get("torch_dtype") or "float32"),
    )


def size(module: Any) -> int:
    """Return a module's parameters, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def trained_parts(shape: Shape, run: Run) -> dict[str, dict[str, Any]]:
    """Return {part: {total, trained}} of a recipe: its freezing preset and its adapters."""
    prefixes = trainable(run.blift.freeze)
    adapted = adapter_config(run.model, run.blift.freeze)
    table: dict[str, dict[str, Any]] = {}
    for part, total in shape.parameters.items():
        trained = any(name.startswith(prefixes) for name in PARTS[part])
        if adapted is not None and part in ("language model", "head"):
            trained = False
        table[part] = {"total": total, "trained": total if trained else 0}
    if run.blift.freeze == "align":  # of the attention, its norm stays
        table["attention"]["trained"] -= 2 * shape.vision_width
    if adapted is not None:
        count = sum(
            adapted.r * (inputs + outputs)
            for name, inputs, outputs in shape.linears
            if is_target(name, run.model.lora_target_modules)
        )
        table["adapters"] = {"total": count, "trained": count}
    return table


@cache
def _pattern() -> Any:
    import re

    return re.compile(LORA_TARGETS)


def is_target(name: str, given: Any) -> bool:
    """Return whether an adapter sits on a linear layer of the language model."""
    if given:
        names = [given] if isinstance(given, str) else given
        return any(name.endswith(f".{ending}") or name == ending for ending in names)
    return bool(_pattern().fullmatch(f"x.{name}"))


def activation_bytes(
    shape: Shape, rows: int, tokens: int, width: int, *, checkpointed: bool
) -> float:
    """Return the bytes of one step's activations.

    Of a decoder layer about (10 hidden + 3 intermediate) values a token are kept for the backward
    pass (norms, projections, gate and up); with checkpointing only its input, and one layer whole.
    The fused head scores in tiles; the frozen tower keeps nothing but its running chunk.
    """
    layer = rows * tokens * (10 * shape.hidden + 3 * shape.intermediate) * width
    stream = rows * tokens * shape.hidden * width
    body = shape.layers * stream + layer if checkpointed else shape.layers * layer
    head = 3 * min(rows * tokens, 1024) * shape.vocabulary * 4
    tower = 6 * 8 * rows * shape.vision_tokens * shape.vision_width * width
    return float(body + head + tower)
