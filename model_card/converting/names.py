"""Names of a LLaMA-VID checkpoint and where each tensor goes in LlavaVid."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch

VISION = "model.vision_tower.vision_tower."
BERT = "model.vlm_att_encoder.bert."


class Place(NamedTuple):
    """Target name, the rows of it that the source fills (qkv bias: "q" or "v"), or why dropped."""

    target: str | None
    part: str = ""
    reason: str = ""


DROPPED = (
    (re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"), "buffer, recomputed"),
    (re.compile(re.escape(BERT) + r"embeddings\.position_ids"), "buffer, recomputed"),
    (re.compile(re.escape(VISION) + r"blocks\.39\."), "block 40 of 40 is not part of the tower"),
    (re.compile(re.escape(VISION) + r"(norm|head)\."), "not part of the tower"),
)
OWN = re.compile(
    r"model\.(vlm_att_query|vlm_att_(ln|projector|key_projector|val_projector)\.(weight|bias)"
    r"|mm_projector\.[02]\.(weight|bias))"
)
LANGUAGE = re.compile(
    r"model\.(embed_tokens\.weight|norm\.weight|layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.\w+_proj"
    r"|input_layernorm|post_attention_layernorm)\.weight)"
)
VISION_EXACT = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
}
VISION_BLOCK = re.compile(
    r"blocks\.(\d+)\.(norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\.(weight|bias)"
)
VISION_BIAS = re.compile(r"blocks\.(\d+)\.attn\.([qv])_bias")
VISION_PARTS = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.qkv": "self_attn.qkv",
    "attn.proj": "self_attn.projection",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
BERT_EMBEDDING = re.compile(r"embeddings\.(word_embeddings|position_embeddings|LayerNorm)\.(\w+)")
BERT_LAYER = re.compile(
    r"encoder\.layer\.(\d+)\.((?:attention|crossattention)\.(?:self\.(?:query|key|value)"
    r"|output\.(?:dense|LayerNorm))|(?:intermediate|intermediate_query)\.dense"
    r"|(?:output|output_query)\.(?:dense|LayerNorm))\.(weight|bias)"
)


def place(source: str) -> Place | None:
    """Where a checkpoint tensor goes; None for a name the layout does not know."""
    for pattern, reason in DROPPED:
        if pattern.match(source):
            return Place(None, reason=reason)
    if source == "lm_head.weight" or OWN.fullmatch(source):
        return Place(source)
    if LANGUAGE.fullmatch(source):
        return Place("model.language_model." + source.removeprefix("model."))
    if source.startswith(VISION):
        return _vision_place(source.removeprefix(VISION))
    if source.startswith(BERT):
        return _qformer_place(source.removeprefix(BERT))
    return None


def _vision_place(name: str) -> Place | None:
    prefix = "model.vision_tower."
    if name in VISION_EXACT:
        return Place(prefix + VISION_EXACT[name])
    if match := VISION_BIAS.fullmatch(name):
        target = f"{prefix}encoder.layers.{match[1]}.self_attn.qkv.bias"
        return Place(target, part=match[2])
    if match := VISION_BLOCK.fullmatch(name):
        return Place(f"{prefix}encoder.layers.{match[1]}.{VISION_PARTS[match[2]]}.{match[3]}")
    return None


def _qformer_place(name: str) -> Place | None:
    if match := BERT_EMBEDDING.fullmatch(name):
        part = "layernorm" if match[1] == "LayerNorm" else match[1]
        return Place(f"model.qformer.embeddings.{part}.{match[2]}")
    if match := BERT_LAYER.fullmatch(name):
        part = match[2].replace("attention.self.", "attention.attention.")
        return Place(f"model.qformer.encoder.layer.{match[1]}.{part}.{match[3]}")
    return None


def qkv_bias(parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The tower's fused bias [3C]: the key part has none in the source, so it is zero."""
    return torch.cat([parts["q"], torch.zeros_like(parts["q"]), parts["v"]])


def assembled_tensors(source: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A whole checkpoint under LlavaVid's names; raises ValueError for an unknown tensor."""
    tensors: dict[str, torch.Tensor] = {}
    biases: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in source.items():
        found = place(name)
        if found is None:
            raise ValueError(f"tensor {name!r} {tuple(tensor.shape)} has no place in LlavaVid")
        if found.target is None:
            continue
        if found.part:
            biases.setdefault(found.target, {})[found.part] = tensor
        else:
            tensors[found.target] = tensor
    return tensors | {target: qkv_bias(parts) for target, parts in biases.items()}


__all__ = ["Place", "assembled_tensors", "place", "qkv_bias"]
