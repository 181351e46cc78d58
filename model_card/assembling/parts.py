"""Parts (tower, Q-Former, language model, tokenizers) to a complete LlavaVid folder."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import BertConfig, GenerationConfig, InstructBlipQFormerConfig
from transformers.dynamic_module_utils import get_class_from_dynamic_module

try:  # Pillow resizes exactly as the reference did; the other backend needs torchvision
    from transformers import CLIPImageProcessorPil as CLIPImageProcessor
except ImportError:
    from transformers import CLIPImageProcessor

MODEL_CARD = Path(__file__).resolve().parents[1]
IMAGE_TOKEN, VIDEO_TOKEN = "<image>", "<video>"
SEED = 0


@dataclass
class Parts:
    """What a folder is made of. config and processor hold own fields of the two classes.

    states: module name inside `LlavaVidModel` (or `lm_head`) to the tensors it starts from; what
    no state names keeps its random initialisation (seed 0).
    """

    vision_config: Any
    qformer_config: Any
    text_config: Any
    image_processor: Any
    tokenizer: Any
    qformer_tokenizer: Any
    chat_template: str
    config: dict[str, Any] = field(default_factory=dict)
    processor: dict[str, Any] = field(default_factory=dict)
    states: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)


def model_code(name: str) -> Any:
    """A class of the model's own code, as "file.Class", the way Auto classes load it: what is made
    here and what `from_pretrained` gives are then of one class."""
    return get_class_from_dynamic_module(name, str(MODEL_CARD))


def add_placeholders(tokenizer: Any) -> None:
    """Teaches the tokenizer `<image>` and `<video>`; the embedding table stays as it is."""
    added = [AddedToken(t, special=True, normalized=False) for t in (IMAGE_TOKEN, VIDEO_TOKEN)]
    tokenizer.add_tokens(added, special_tokens=True)


def clip_image_processor(size: int, **fields: Any) -> Any:
    """Shortest edge to `size` (bicubic, Pillow), centre crop, normalisation (default: CLIP's)."""
    return CLIPImageProcessor(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}, **fields
    )


def template_for(tokenizer: Any) -> str:
    """The ChatML template for tokenizers that know its marks, else vicuna_v1."""
    chatml = "<|im_start|>" in tokenizer.get_vocab()
    name = "chat_template_chatml.jinja" if chatml else "chat_template.jinja"
    return (MODEL_CARD / name).read_text(encoding="utf-8")


def bert_text_state(source: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """The text side of a Q-Former (embeddings, self-attention, text FFN) from BERT tensors.

    A Q-Former has no token types: row 0 of that table is added to every position.
    """
    source = {name.removeprefix("bert."): tensor for name, tensor in source.items()}
    positions = source["embeddings.position_embeddings.weight"]
    state = {
        "embeddings.word_embeddings.weight": source["embeddings.word_embeddings.weight"],
        "embeddings.position_embeddings.weight": positions
        + source["embeddings.token_type_embeddings.weight"][0],
        "embeddings.layernorm.weight": source["embeddings.LayerNorm.weight"],
        "embeddings.layernorm.bias": source["embeddings.LayerNorm.bias"],
    }
    for name, tensor in source.items():
        if name.startswith("encoder.layer.") and int(name.split(".")[2]) < layers:
            state[name.replace("attention.self.", "attention.attention.")] = tensor
    return state


def qformer_config_like(bert: BertConfig, layers: int, encoder_width: int) -> Any:
    """A Q-Former whose text side can take the weights of `bert`."""
    return InstructBlipQFormerConfig(
        vocab_size=bert.vocab_size,
        hidden_size=bert.hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=bert.num_attention_heads,
        intermediate_size=bert.intermediate_size,
        max_position_embeddings=bert.max_position_embeddings,
        encoder_hidden_size=encoder_width,
    )


def build_model(parts: Parts) -> Any:
    """The model in float32: random weights from the fixed seed, then every given state."""
    config = model_code("configuration_llava_vid.LlavaVidConfig")(
        vision_config=parts.vision_config,
        qformer_config=parts.qformer_config,
        text_config=parts.text_config,
        image_token_id=parts.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        video_token_id=parts.tokenizer.convert_tokens_to_ids(VIDEO_TOKEN),
        **parts.config,
    )
    torch.manual_seed(SEED)
    model = model_code("modeling_llava_vid.LlavaVidForConditionalGeneration")(config)
    for name, state in parts.states.items():
        owner = model if name == "lm_head" else model.model
        if name == "vlm_att_query":
            with torch.no_grad():
                model.model.vlm_att_query.copy_(state["weight"])
            continue
        _, unexpected = owner.get_submodule(name).load_state_dict(state, strict=False)
        if unexpected:
            raise ValueError(
                f"{name} got unknown tensors {unexpected[:5]}: the weights do not fit the config"
            )
    model.tie_weights()
    return model.eval()


def context_length(text_config: Any) -> int | None:
    """Positions the language model can read, None where its config does not say."""
    positions = getattr(text_config, "max_position_embeddings", None)
    rope = getattr(text_config, "rope_parameters", None) or {}
    factor = rope.get("factor", 1.0) if rope.get("rope_type") in ("linear", "dynamic") else 1.0
    return None if positions is None else int(positions * factor)


def build_processor(parts: Parts, config: Any) -> Any:
    """The processor whose placeholder arithmetic matches `config`."""
    fields = {
        "compress_type": config.compress_type,
        "num_patches": config.num_patches,
        "video_fps": config.video_fps,
        "max_frames": config.max_frames,
        "max_length": context_length(config.text_config),
        **parts.processor,
    }
    return model_code("processing_llava_vid.LlavaVidProcessor")(
        image_processor=parts.image_processor,
        tokenizer=parts.tokenizer,
        qformer_tokenizer=parts.qformer_tokenizer,
        chat_template=parts.chat_template,
        **fields,
    )


def save_folder(parts: Parts, out: Path) -> None:
    """Writes weights, processor, code and requirements to `out`."""
    model = build_model(parts)
    tokenizer = parts.tokenizer
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(out)
    build_processor(parts, model.config).save_pretrained(out)
    shutil.copyfile(MODEL_CARD / "requirements.txt", out / "requirements.txt")


__all__ = [
    "MODEL_CARD",
    "Parts",
    "add_placeholders",
    "bert_text_state",
    "build_processor",
    "clip_image_processor",
    "model_code",
    "qformer_config_like",
    "save_folder",
    "template_for",
]
