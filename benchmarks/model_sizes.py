"""Random models of equal size for the model benchmark, and their inputs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    SiglipVisionConfig,
)
from transformers.dynamic_module_utils import get_class_from_dynamic_module

MODEL_CARD = str(Path(__file__).resolve().parent.parent / "model_card")
QUESTION_TOKENS = 32


@dataclass(frozen=True)
class Size:
    """Widths and depths of the random models; image pixels and patch are SigLIP-like."""

    vision_width: int
    vision_layers: int
    vision_heads: int
    vision_mlp: int
    qformer_width: int
    qformer_layers: int
    qformer_heads: int
    text_width: int
    text_layers: int
    text_heads: int
    text_mlp: int
    queries: int
    vocab: int
    image: int = 224
    patch: int = 14


SIZES = {
    "cpu": Size(128, 4, 4, 512, 96, 4, 4, 384, 6, 6, 1024, 32, 8000),
    "smoke": Size(32, 2, 2, 64, 32, 2, 2, 64, 2, 2, 128, 8, 200, image=56),
    "13b": Size(1408, 39, 16, 6144, 768, 12, 12, 5120, 40, 40, 13824, 32, 32000),
}


def code(name: str) -> Any:
    return get_class_from_dynamic_module(name, MODEL_CARD)


def vision_config(size: Size) -> Any:
    return SiglipVisionConfig(
        hidden_size=size.vision_width,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.vision_heads,
        intermediate_size=size.vision_mlp,
        image_size=size.image,
        patch_size=size.patch,
        vision_use_head=False,
    )


def text_config(size: Size) -> Any:
    return LlamaConfig(
        vocab_size=size.vocab,
        hidden_size=size.text_width,
        num_hidden_layers=size.text_layers,
        num_attention_heads=size.text_heads,
        intermediate_size=size.text_mlp,
        max_position_embeddings=65536,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
    )


def llava_vid(size: Size, device: str, dtype: torch.dtype) -> Any:
    config = code("configuration_llava_vid.LlavaVidConfig")(
        vision_config=vision_config(size),
        text_config=text_config(size),
        qformer_config={
            "vocab_size": 30523,
            "hidden_size": size.qformer_width,
            "num_hidden_layers": size.qformer_layers,
            "num_attention_heads": size.qformer_heads,
            "intermediate_size": 4 * size.qformer_width,
            "encoder_hidden_size": size.vision_width,
        },
        num_query_tokens=size.queries,
        vision_feature_select_strategy="full",
        attn_implementation="sdpa",
    )
    return built(code("modeling_llava_vid.LlavaVidForConditionalGeneration"), config, device, dtype)


def peer(size: Size, device: str, dtype: torch.dtype) -> Any:
    config = LlavaOnevisionConfig(
        vision_config=vision_config(size),
        text_config=text_config(size),
        image_token_index=size.vocab - 2,
        video_token_index=size.vocab - 1,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        attn_implementation="sdpa",
    )
    return built(LlavaOnevisionForConditionalGeneration, config, device, dtype)


def built(model_class: Any, config: Any, device: str, dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return model_class(config).eval()
    finally:
        torch.set_default_dtype(default)


def ids_around(video: list[int], vocab: int, device: str) -> torch.Tensor:
    """Half a question, the video's placeholders, the other half."""
    text = torch.arange(3, 3 + QUESTION_TOKENS).remainder(vocab - 10).tolist()
    half = QUESTION_TOKENS // 2
    return torch.tensor([text[:half] + video + text[half:]], device=device)


def pixels_of(frames: int, size: Size, device: str, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames)
    pixels = torch.randn(frames, 3, size.image, size.image, generator=generator)
    return pixels.to(device, dtype)


def inputs_of(model: Any, frames: int, size: Size, device: str, dtype: torch.dtype) -> Any:
    """A prompt with one video for either model."""
    pixels = pixels_of(frames, size, device, dtype)
    if isinstance(model, LlavaOnevisionForConditionalGeneration):
        side = -(-(size.image // size.patch) // 2)
        tokens = frames * side * side + 1  # one newline embedding closes the video
        ids = ids_around([size.vocab - 1] * tokens, size.vocab, device)
        return {"input_ids": ids, "pixel_values_videos": pixels[None]}
    ids = ids_around([model.config.video_token_id] * (2 * frames), size.vocab, device)
    question = torch.arange(2, 2 + QUESTION_TOKENS, device=device)[None]
    return {"input_ids": ids, "pixel_values_videos": pixels, "qformer_input_ids": question}
