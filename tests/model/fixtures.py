"""Shared by the model tests: the code of `model_card/` as Auto classes load it, and the goldens."""

import runpy
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from places import ROOT, SHARED, needs_shared

MODEL_CARD = ROOT / "model_card"
GOLDENS = SHARED / "goldens/llama_vid"
needs_goldens = needs_shared("goldens/llama_vid")
VISION = {
    "model_type": "instructblip_vision_model",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 279,
    "image_size": 56,
    "patch_size": 14,
    # the default, 1e-10, would hide the pictures from every comparison
    "initializer_range": 0.2,
}
QFORMER = {
    "model_type": "instructblip_qformer",
    "vocab_size": 183,
    "hidden_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "encoder_hidden_size": 64,
    "initializer_range": 0.2,
}
TEXT = {
    "model_type": "llama",
    "vocab_size": 640,
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 160,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 4096,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
OWN = {"num_query_tokens": 8, "initializer_range": 0.2}


@cache
def code(name: str) -> Any:
    """An object of `model_card/`, as "file.Name"."""
    return get_class_from_dynamic_module(name, str(MODEL_CARD))


@cache
def workshop(name: str) -> Any:
    """An object of `model_card/assembling` or `converting`, as "package.module.name"."""
    if str(MODEL_CARD) not in sys.path:  # as the two commands do
        sys.path.insert(0, str(MODEL_CARD))
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def tiny_config(attention: str = "eager", **fields: Any) -> Any:
    """The size of the goldens' model."""
    parts = {"vision_config": VISION, "qformer_config": QFORMER, "text_config": TEXT}
    config = code("configuration_llava_vid.LlavaVidConfig")(
        **{**{k: dict(v) for k, v in parts.items()}, **OWN, **fields}
    )
    config._attn_implementation = attention
    return config


def tiny_model(attention: str = "eager", seed: int = 0, **fields: Any) -> Any:
    """A random model of the goldens' size, in eval mode."""
    torch.manual_seed(seed)
    config = tiny_config(attention, **fields)
    return code("modeling_llava_vid.LlavaVidForConditionalGeneration")(config).eval()


def script_main(name: str) -> Callable[[list[str]], int]:
    """`main` of a script of `model_card/`: takes the arguments, returns the exit code."""
    return runpy.run_path(str(MODEL_CARD / name))["main"]


def assembled_tiny(out: Path) -> Path:
    """`assemble.py --size tiny --out OUT`."""
    assert script_main("assemble.py")(["--size", "tiny", "--out", str(out)]) == 0
    return out


def golden_case(name: str) -> dict[str, torch.Tensor]:
    return load_file(GOLDENS / "cases" / f"{name}.safetensors")


@cache
def golden_weights() -> dict[str, torch.Tensor]:
    """The reference's tensors under LlavaVid's names, mapped by the converter's table."""
    source = load_file(GOLDENS / "reference_state_dict.safetensors")
    return workshop("converting.names.assembled_tensors")(source)


def source_names(model: Any) -> dict[str, torch.Tensor]:
    """The model's tensors under the names of a LLaMA-VID checkpoint, by inverting the table."""
    place, vision = workshop("converting.names.place"), workshop("converting.names.VISION")
    state = model.state_dict()
    candidates = [
        "lm_head.weight",
        "model.embed_tokens.weight",
        "model.norm.weight",
        *(n for n in state if n.startswith(("model.vlm_att_", "model.mm_projector"))),
        *(n.replace("language_model.", "") for n in state if ".language_model.layers." in n),
        *(vision + n for n in ("cls_token", "pos_embed", "patch_embed.proj.weight")),
        vision + "patch_embed.proj.bias",
    ]
    for i in range(3):
        for part in ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"):
            candidates += [f"{vision}blocks.{i}.{part}.{kind}" for kind in ("weight", "bias")]
    bert = workshop("converting.names.BERT")
    for name in state:
        if name.startswith("model.qformer."):
            name = name.removeprefix("model.qformer.").replace("layernorm", "LayerNorm")
            candidates.append(bert + name.replace("attention.attention.", "attention.self."))
    found = {name: state[place(name).target] for name in candidates}
    for i in range(3):
        bias = found.pop(f"{vision}blocks.{i}.attn.qkv.bias")
        assert (bias[64:128] == 0).all(), "the key part of the fused bias must be zero"
        found[f"{vision}blocks.{i}.attn.q_bias"] = bias[:64]
        found[f"{vision}blocks.{i}.attn.v_bias"] = bias[128:]
    return found
