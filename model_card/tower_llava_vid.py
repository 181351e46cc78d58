"""The vision tower: any vision model of the library, read before or after its final norm."""

import torch
from torch import nn
from transformers import AutoModel
from transformers.models.blip_2.modeling_blip_2 import Blip2VisionModel
from transformers.models.instructblip.modeling_instructblip import InstructBlipVisionModel

from .configuration_llava_vid import LlavaVidConfig


def build_vision_tower(config: LlavaVidConfig) -> nn.Module:
    """The tower of `config.vision_config`, randomly initialised."""
    vision = config.vision_config
    # AutoModel refuses these two although they are complete models.
    for tower_class in (InstructBlipVisionModel, Blip2VisionModel):
        if vision.model_type == tower_class.config_class.model_type:
            tower = tower_class._from_config(vision)
            if config.vision_feature == "raw":
                # The stream in front of this norm is used; LLaMA-VID has no weights for it.
                tower.post_layernorm = nn.Identity()
            return tower
    return AutoModel.from_config(vision)


def tower_tokens(
    tower: nn.Module, pixel_values: torch.Tensor, config: LlavaVidConfig
) -> torch.Tensor:
    """[F, (1+)N, C] of frames [F, 3, H, W] in the tower's precision."""
    if config.vision_feature == "last":
        tokens = tower(pixel_values).last_hidden_state
    elif isinstance(tower, (InstructBlipVisionModel, Blip2VisionModel)):
        tokens = tower.encoder(inputs_embeds=tower.embeddings(pixel_values)).last_hidden_state
    else:
        tokens = _stream_before_norm(tower, pixel_values)
    if tokens.ndim == 4:  # a feature map [F, C, h, w]
        tokens = tokens.flatten(2).transpose(1, 2)
    return tokens


def _stream_before_norm(tower: nn.Module, pixel_values: torch.Tensor) -> torch.Tensor:
    """Output of the tower's last block: what its final norm would see."""
    stacks = [m for m in tower.modules() if isinstance(m, nn.ModuleList) and len(m) > 0]
    if not stacks:
        raise ValueError(
            f"vision_feature is 'raw' but {type(tower).__name__} has no list of blocks: "
            "use vision_feature='last'"
        )
    caught: list[torch.Tensor] = []
    handle = stacks[0][-1].register_forward_hook(
        lambda _module, _args, output: caught.append(
            output[0] if isinstance(output, tuple) else output
        )
    )
    try:
        tower(pixel_values)
    finally:
        handle.remove()
    return caught[-1]


__all__ = ["build_vision_tower", "tower_tokens"]
