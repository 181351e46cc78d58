"""The LlavaVid configuration of a LLaMA-VID folder, from its config.json and its tensor shapes."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assembling.parts import model_code
from transformers import InstructBlipQFormerConfig, InstructBlipVisionConfig, LlamaConfig

from .names import BERT, VISION

# Heads cannot be read off the weights; these are the widths of the released parts.
VISION_HEADS = {1408: 16}
QFORMER_HEADS = {768: 12}
LANGUAGE_FIELDS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "hidden_act", "max_position_embeddings"),
    *("rms_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id", "initializer_range"),
)

Shapes = Mapping[str, tuple[int, ...]]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. No Auto class: the `llava` model type clashes with the library's own."""
    if not path.is_file():
        raise ValueError(f"{path} is not there: expected a LLaMA-VID folder with its config.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def check_variant(source: dict[str, Any]) -> None:
    """Raises ValueError for variants that no released checkpoint uses."""
    bert_type = source.get("bert_type", "qformer_pretrain")
    if "qformer" not in bert_type or "pretrain" not in bert_type or "raw" in bert_type:
        raise ValueError(
            f"bert_type is {bert_type!r}: expected a 'qformer_pretrain…' checkpoint; the 'raw' "
            "decoder variants were never released"
        )
    projector = source.get("mm_projector_type", "mlp2x_gelu")
    if projector != "mlp2x_gelu":
        raise ValueError(f"mm_projector_type is {projector!r}: expected 'mlp2x_gelu'")


def heads(width: int, known: dict[int, int], given: int | None, fallback: int) -> int:
    """Attention heads: as given, of a released part, or the fallback if it divides the width."""
    count = given or known.get(width) or fallback
    if width % count:
        raise ValueError(f"{count} heads do not divide a width of {width}: give the heads option")
    return count


def vision_config(shapes: Shapes, num_heads: int | None, fallback: int) -> Any:
    """The EVA tower as `InstructBlipVisionConfig`."""
    _, _, patch, _ = shapes[VISION + "patch_embed.proj.weight"]
    _, positions, width = shapes[VISION + "pos_embed"]
    # A tower file holds 40 blocks; the last one is not part of the tower.
    layers = _count(shapes, VISION + "blocks.", ".norm1.weight")
    layers -= f"{VISION}blocks.39.norm1.weight" in shapes
    return InstructBlipVisionConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads(width, VISION_HEADS, num_heads, fallback),
        intermediate_size=shapes[VISION + "blocks.0.mlp.fc1.weight"][0],
        image_size=math.isqrt(positions - 1) * patch,
        patch_size=patch,
    )


def qformer_config(shapes: Shapes, num_heads: int | None, fallback: int) -> Any:
    """The text decoder as `InstructBlipQFormerConfig`."""
    words, width = shapes[BERT + "embeddings.word_embeddings.weight"]
    layer = BERT + "encoder.layer."
    layers = _count(shapes, layer, ".attention.self.query.weight")
    cross = [i for i in range(layers) if f"{layer}{i}.crossattention.self.key.weight" in shapes]
    frequency = cross[1] - cross[0] if len(cross) > 1 else layers
    if cross != list(range(0, layers, frequency)):
        raise ValueError(f"cross-attention is in layers {cross}: expected evenly spaced from 0")
    return InstructBlipQFormerConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads(width, QFORMER_HEADS, num_heads, fallback),
        intermediate_size=shapes[f"{layer}0.intermediate.dense.weight"][0],
        max_position_embeddings=shapes[BERT + "embeddings.position_embeddings.weight"][0],
        cross_attention_frequency=frequency,
        encoder_hidden_size=shapes[f"{layer}0.crossattention.self.key.weight"][1],
    )


def language_config(source: dict[str, Any]) -> Any:
    """The Llama half of config.json; `rope_scaling` becomes the library's rope_parameters."""
    fields = {name: source[name] for name in LANGUAGE_FIELDS if source.get(name) is not None}
    rope = {"rope_type": "default", "rope_theta": float(source.get("rope_theta", 10000.0))}
    if source.get("rope_scaling"):
        scaling = source["rope_scaling"]
        rope["rope_type"] = scaling.get("rope_type", scaling.get("type"))
        rope["factor"] = float(scaling["factor"])
    return LlamaConfig(**fields, rope_parameters=rope, tie_word_embeddings=False)


class _Known(dict[str, tuple[int, ...]]):
    """Shapes by tensor name; says which tensor the configuration could not be read from."""

    def __missing__(self, name: str) -> tuple[int, ...]:
        raise ValueError(
            f"the checkpoint has no tensor {name!r}: expected the layout of a released LLaMA-VID "
            "checkpoint"
        )


def llava_vid_config(
    source: dict[str, Any],
    shapes: Shapes,
    vision_heads: int | None = None,
    qformer_heads: int | None = None,
) -> Any:
    """The whole configuration; `compress_type` null (image-only models) becomes `none`."""
    check_variant(source)
    shapes = _Known(shapes)
    fallback = int(source["num_attention_heads"])
    return model_code("configuration_llava_vid.LlavaVidConfig")(
        vision_config=vision_config(shapes, vision_heads, fallback),
        qformer_config=qformer_config(shapes, qformer_heads, fallback),
        text_config=language_config(source),
        num_query_tokens=shapes["model.vlm_att_query"][1],
        compress_type=source.get("compress_type") or "none",
        video_fps=float(source.get("video_fps") or 1.0),
        architectures=["LlavaVidForConditionalGeneration"],
    )


def _count(shapes: Shapes, prefix: str, suffix: str) -> int:
    return sum(name.startswith(prefix) and name.endswith(suffix) for name in shapes)


__all__ = ["llava_vid_config", "read_json"]
