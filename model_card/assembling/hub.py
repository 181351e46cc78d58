"""Parts from Hub ids or local folders: any vision model, any Q-Former start, any causal LM."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    InstructBlipForConditionalGeneration,
)

from .legacy_tokenizer import legacy_llama_tokenizer
from .parts import (
    Parts,
    add_placeholders,
    bert_text_state,
    clip_image_processor,
    qformer_config_like,
    template_for,
)

QFORMER_LAYERS = 12
FEATURE_MAPS = ("efficientnet", "mobilenet_v1", "mobilenet_v2", "resnet", "convnext", "regnet")
NO_CLS = ("siglip_vision_model", "siglip2_vision_model", *FEATURE_MAPS)


def instructblip(name: str) -> Any | None:
    """The whole InstructBLIP model where `name` is one, else None."""
    if AutoConfig.from_pretrained(name).model_type != "instructblip":
        return None
    return InstructBlipForConditionalGeneration.from_pretrained(name, dtype=torch.float32)


def vision_part(name: str) -> tuple[Any, dict[str, torch.Tensor], dict[str, Any]]:
    """Tower config, its weights, and the config fields that say how to read its output."""
    whole = instructblip(name)
    if whole is not None:
        tower = whole.vision_model
    else:
        config = AutoConfig.from_pretrained(name)
        # Two-tower models (CLIP, SigLIP) hold their tower under vision_config.
        config = getattr(config, "vision_config", config)
        tower = AutoModel.from_pretrained(name, config=config, dtype=torch.float32)
    kind = tower.config.model_type
    fields = {
        "vision_feature": "last" if kind in FEATURE_MAPS else "raw",
        "vision_feature_select_strategy": "full" if kind in NO_CLS else "default",
    }
    state = tower.state_dict()
    if fields["vision_feature"] == "raw":
        # The stream before this norm is used, and the model has no such module.
        state = {k: v for k, v in state.items() if whole is None or "post_layernorm" not in k}
    return tower.config, state, fields


def qformer_part(name: str, width: int) -> tuple[Any, dict[str, dict[str, torch.Tensor]], Any]:
    """Q-Former config, states and tokenizer, from InstructBLIP or from a BERT-like encoder."""
    whole = instructblip(name)
    if whole is None:
        encoder = AutoModel.from_pretrained(name, dtype=torch.float32)
        layers = min(QFORMER_LAYERS, encoder.config.num_hidden_layers)
        config = qformer_config_like(encoder.config, layers, width)
        states = {"qformer": bert_text_state(encoder.state_dict(), layers)}
        return config, states, AutoTokenizer.from_pretrained(name)
    config = whole.config.qformer_config
    if config.encoder_hidden_size != width:
        raise ValueError(
            f"the Q-Former of {name} reads {config.encoder_hidden_size} channels but the tower has "
            f"{width}: give the same InstructBLIP as --vision, or a BERT-like --qformer"
        )
    states = {
        "qformer": whole.qformer.state_dict(),
        "vlm_att_query": {"weight": whole.query_tokens.detach()},
        "vlm_att_ln": whole.vision_model.post_layernorm.state_dict(),
    }
    return config, states, AutoTokenizer.from_pretrained(name, subfolder="qformer_tokenizer")


def text_part(name: str) -> tuple[Any, Any]:
    """Language model and tokenizer; SentencePiece Llamas get LLaMA-VID's legacy tokenisation."""
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    model_file = Path(name) / "tokenizer.model"
    if model.config.model_type == "llama" and model_file.is_file():
        tokenizer = legacy_llama_tokenizer(model_file)
    else:
        tokenizer = AutoTokenizer.from_pretrained(name)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    tokenizer.padding_side = "left"
    add_placeholders(tokenizer)
    return model, tokenizer


def hub_parts(vision: str, qformer: str, text: str) -> Parts:
    """Parts of the three named models. Raises ValueError or OSError naming the one that fails."""
    tower, tower_state, fields = vision_part(vision)
    language, tokenizer = text_part(text)
    width = getattr(tower, "hidden_size", None) or tower.hidden_dim
    q_config, states, q_tokenizer = qformer_part(qformer, width)
    size = tower.image_size if isinstance(tower.image_size, int) else tower.image_size[0]
    try:
        given = AutoImageProcessor.from_pretrained(vision)
        image = clip_image_processor(size, image_mean=given.image_mean, image_std=given.image_std)
    except (OSError, ValueError):
        image = clip_image_processor(size)
    queries = states["vlm_att_query"]["weight"].shape[1] if "vlm_att_query" in states else 32
    return Parts(
        vision_config=tower,
        qformer_config=q_config,
        text_config=language.config,
        image_processor=image,
        tokenizer=tokenizer,
        qformer_tokenizer=q_tokenizer,
        chat_template=template_for(tokenizer),
        config={**fields, "num_query_tokens": queries},
        states={
            "vision_tower": tower_state,
            "language_model": language.base_model.state_dict(),
            "lm_head": {"weight": language.get_output_embeddings().weight.detach()},
            **states,
        },
    )


__all__ = ["hub_parts"]
