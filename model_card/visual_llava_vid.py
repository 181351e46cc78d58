"""Visual tokens of LlavaVid: the tower, the context token, the content tokens, slot by slot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .configuration_llava_vid import LlavaVidConfig, pooling_kernel
from .slots_llava_vid import Slot, batch_slots, joined_prompts, media_lengths, resolve_slots
from .tower_llava_vid import tower_tokens

# Per kind, one of them is given: pixels, or tower tokens of `encode_frames`.
SOURCES = {
    "image": ("pixel_values", "image_features"),
    "video": ("pixel_values_videos", "video_features"),
}


class LlavaVidKwargs(TransformersKwargs, total=False):  # type: ignore[call-arg]
    """What `LlavaVidModel.forward` takes besides its text; see `LlavaVidModel.get_*_features`.

    mm_encoder_outputs aside, each kind comes as pixels or as features of `encode_frames`.
    """

    pixel_values: torch.Tensor | None
    image_features: torch.Tensor | None
    pixel_values_videos: torch.Tensor | None
    video_features: torch.Tensor | None
    video_num_frames: torch.Tensor | None
    image_slots: torch.Tensor | None
    video_slots: torch.Tensor | None
    media_layout: torch.Tensor | None
    qformer_input_ids: torch.Tensor | None
    qformer_attention_mask: torch.Tensor | None


VISION_INPUTS = tuple(
    name
    for name in LlavaVidKwargs.__annotations__
    if name not in TransformersKwargs.__annotations__
)


@dataclass
class LlavaVidFeaturesOutput(BaseModelOutputWithPooling):
    """Visual tokens. last_hidden_state: raw tower tokens [frames, (1+)N, C]; pooler_output: one
    tensor [frames * (1+n), H] per slot; context_tokens, content_tokens: per frame of every slot.

    Slots stand in reading order; rows: the batch row of each, None where it was not given.
    context_attentions: per slot [frames, N], what the question looks for in each frame: the weight
    of every patch (rows of the picture one after the other, each frame sums to 1) in that frame's
    context token. The token is a linear map of the patches weighted so: nothing is approximated.
    """

    context_tokens: torch.FloatTensor | None = None
    content_tokens: torch.FloatTensor | None = None
    context_attentions: tuple[torch.FloatTensor, ...] | None = None
    rows: tuple[int, ...] | None = None


def _prompts(
    input_ids: torch.Tensor | None,
    attention_mask: torch.Tensor | None,
    layout: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    if input_ids is None:
        raise ValueError(
            "visual inputs came without qformer_input_ids: the context token needs the user's "
            "text; use processor.apply_chat_template, which returns them"
        )
    return joined_prompts(input_ids, attention_mask, layout)


class VisualTokens:
    """The vision half of `LlavaVidModel`, as a mixin: its parameters keep the names of the original
    checkpoint (`vlm_att_*`, `mm_projector`), so they live on the model itself."""

    config: LlavaVidConfig
    vision_tower: nn.Module
    qformer: nn.Module
    vlm_att_query: nn.Parameter
    vlm_att_ln: nn.LayerNorm
    vlm_att_projector: nn.Linear
    vlm_att_key_projector: nn.Linear
    vlm_att_val_projector: nn.Linear
    mm_projector: nn.Sequential

    def encode_frames(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Tower tokens [F, (1+)N, C] of frames [F, 3, H, W], in chunks of `frame_chunk_size`.

        Give them back as `image_features` / `video_features` to ask many questions about frames
        that were encoded once.
        """
        if pixel_values.ndim == 2:  # one frame a line, as `joinable` processing gives them
            side = math.isqrt(pixel_values.shape[1] // 3)
            pixel_values = pixel_values.unflatten(1, (3, side, side))
        if pixel_values.ndim == 5:  # stacked rows
            pixel_values = pixel_values.flatten(0, 1)
        if pixel_values.ndim != 4 or not pixel_values.is_floating_point():
            raise ValueError(
                f"frames are {pixel_values.dtype} of shape {tuple(pixel_values.shape)}: expected "
                "floating point [frames, 3, height, width]; use the processor to make them"
            )
        # A frozen tower keeps nothing for a backward pass. One with a trainable parameter, its own
        # or an adapter's, learns; checkpointed blocks do so only if their input asks for gradients.
        learns = torch.is_grad_enabled() and self.tower_learns()
        if learns and getattr(self.vision_tower, "is_gradient_checkpointing", False):
            pixel_values = pixel_values.detach().requires_grad_(True)
        with torch.set_grad_enabled(learns):
            tower = self.vision_tower
            pixel_values = pixel_values.to(self.vlm_att_ln.weight.dtype)
            chunks = pixel_values.split(self.config.frame_chunk_size)
            return torch.cat([tower_tokens(tower, chunk, self.config) for chunk in chunks])

    def tower_learns(self) -> bool:
        """Whether any parameter inside the tower is trainable."""
        return any(parameter.requires_grad for parameter in self.vision_tower.parameters())

    def _patches(self, features: torch.Tensor) -> torch.Tensor:
        """The rows of `features` that are patches: CLS (row 0) is left out where there is one."""
        tokens, patches = features.shape[1], self.config.num_patches
        has_cls = self.config.vision_feature_select_strategy == "default"
        if has_cls and tokens == patches + 1:
            return features[:, 1:]
        if tokens != patches:
            raise ValueError(
                f"a frame has {tokens} visual tokens: expected {patches} patches"
                f"{' (or one more, CLS)' if has_cls else ''}; check the image size of the "
                "processor and num_patches of the config"
            )
        return features

    def content_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """[F, n, H]: patches pooled (mean, grid or none), then the projector."""
        patches = self._patches(features)
        if self.config.compress_type == "mean":
            return self.mm_projector(patches.mean(dim=1, keepdim=True))
        kernel = pooling_kernel(self.config.compress_type, patches.shape[1])
        if kernel is not None:
            side = int(patches.shape[1] ** 0.5)
            grid = patches.transpose(1, 2).unflatten(2, (side, side))
            grid = nn.functional.avg_pool2d(grid, kernel_size=kernel, stride=kernel)
            patches = grid.flatten(2).transpose(1, 2)
        return self.mm_projector(patches)

    def context_tokens(
        self,
        features: torch.Tensor,
        qformer_input_ids: torch.Tensor,
        qformer_attention_mask: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Text-guided attention of every frame for its prompt row: the context token [F, 1, H], and
        how much of each patch it holds [F, N] (the mean over the queries, sums to 1).

        features [F, (1+)N, C] (CLS only for the Q-Former); one prompt [L] per frame.
        """
        queries = self.vlm_att_query.expand(features.shape[0], -1, -1)
        query_mask = qformer_attention_mask.new_ones(queries.shape[:2])
        hidden = self.qformer(
            input_ids=qformer_input_ids,
            attention_mask=torch.cat([query_mask, qformer_attention_mask], dim=1),
            query_embeds=queries,
            # Normalised for the Q-Former only; keys and values below are the raw features.
            encoder_hidden_states=self.vlm_att_ln(features),
        ).last_hidden_state[:, : queries.shape[1]]
        text_queries = self.vlm_att_projector(hidden)
        patches = self._patches(features)
        # With the parts on several devices, each projection answers on its own.
        keys = self.vlm_att_key_projector(patches).to(text_queries.device)
        scores = text_queries @ keys.transpose(1, 2) / keys.shape[-1] ** 0.5
        weights = scores.softmax(dim=-1)
        attended = weights @ patches.to(text_queries.device)
        tokens = self.vlm_att_val_projector(attended.mean(dim=1, keepdim=True))
        return tokens, weights.mean(dim=1)

    def _slot_tokens(
        self,
        features: torch.Tensor,
        lengths: Sequence[int],
        slots: Sequence[Slot],
        prompts: tuple[torch.Tensor, torch.Tensor],
        rows_known: bool,
    ) -> LlavaVidFeaturesOutput:
        """Tokens [frames * (1+n), H] of every slot; equal (media, prompt) pairs are made once."""
        # Visual tokens fill placeholders in reading order. Stable: a row's own slots keep theirs.
        slots = sorted(slots, key=lambda slot: slot.row)
        features = features.to(self.vlm_att_ln.weight.dtype)
        starts = [sum(lengths[:i]) for i in range(len(lengths))]
        pairs = list(dict.fromkeys((slot.media, slot.prompt) for slot in slots))
        frames = [starts[m] + f for m, _ in pairs for f in range(lengths[m])]
        rows = [p for m, p in pairs for _ in range(lengths[m])]
        frame_index = torch.tensor(frames, device=features.device)
        row_index = torch.tensor(rows, device=features.device)
        content = self.content_tokens(features)[frame_index]
        step = self.config.frame_chunk_size
        chunks = [
            self.context_tokens(features[f], prompts[0][r], prompts[1][r])
            for f, r in zip(frame_index.split(step), row_index.split(step), strict=True)
        ]
        context, weights = (torch.cat(part) for part in zip(*chunks, strict=True))
        merged = torch.cat([context, content.to(context.device)], dim=1)  # context first, per frame
        sizes = [lengths[m] for m, _ in pairs]
        tokens = dict(zip(pairs, merged.split(sizes), strict=True))
        seen = dict(zip(pairs, weights.split(sizes), strict=True))
        return LlavaVidFeaturesOutput(
            last_hidden_state=features,
            pooler_output=[tokens[slot.media, slot.prompt].flatten(0, 1) for slot in slots],
            context_tokens=context,
            content_tokens=content,
            context_attentions=tuple(seen[slot.media, slot.prompt] for slot in slots),
            rows=tuple(slot.row for slot in slots) if rows_known else None,
        )

    @can_return_tuple
    def get_image_features(
        self,
        pixel_values: torch.Tensor | None = None,
        qformer_input_ids: torch.Tensor | None = None,
        qformer_attention_mask: torch.Tensor | None = None,
        image_slots: torch.Tensor | None = None,
        image_features: torch.Tensor | None = None,
        media_layout: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Any, ...] | LlavaVidFeaturesOutput:
        """Visual tokens of images: `pooler_output` holds [1 + n, H] per slot.

        pixel_values [images, 3, H, W] (or image_features from `encode_frames`); prompts
        [prompts, L]; image_slots [slots, 3] = (row, image, prompt); without slots image k goes
        with prompt k, and a single image (or prompt) with every prompt (or image).
        """
        features = self.encode_frames(pixel_values) if image_features is None else image_features
        prompts = _prompts(qformer_input_ids, qformer_attention_mask, media_layout)
        given = (
            image_slots if image_slots is None else batch_slots(image_slots, media_layout, "image")
        )
        slots = resolve_slots(given, len(features), len(prompts[0]), "image")
        return self._slot_tokens(features, [1] * len(features), slots, prompts, given is not None)

    @can_return_tuple
    def get_video_features(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        qformer_input_ids: torch.Tensor | None = None,
        qformer_attention_mask: torch.Tensor | None = None,
        video_num_frames: torch.Tensor | None = None,
        video_slots: torch.Tensor | None = None,
        video_features: torch.Tensor | None = None,
        media_layout: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Any, ...] | LlavaVidFeaturesOutput:
        """Visual tokens of videos: `pooler_output` holds [frames * (1 + n), H] per slot.

        pixel_values_videos: the frames of all videos [sum frames, 3, H, W] with video_num_frames
        [videos], or [videos, frames, 3, H, W]; or features [sum frames, (1+)N, C], given as
        video_features or in place of the pixels (pre-extracted long videos).
        """
        given = pixel_values_videos if video_features is None else video_features
        given, lengths = media_lengths(given, video_num_frames, video_features is not None)
        features = given if given.ndim == 3 else self.encode_frames(given)
        prompts = _prompts(qformer_input_ids, qformer_attention_mask, media_layout)
        slots = (
            video_slots if video_slots is None else batch_slots(video_slots, media_layout, "video")
        )
        resolved = resolve_slots(slots, len(lengths), len(prompts[0]), "video")
        return self._slot_tokens(features, lengths, resolved, prompts, slots is not None)

    def encode_media(self, mm_encoder_outputs: Any = None, **vision: Any) -> dict[str, Any]:
        """Visual tokens per kind, as `mm_encoder_outputs` of `forward` and `generate`: those given,
        and those made here of the pixels or features in `vision`."""
        outputs = {
            kind: made for kind, made in (mm_encoder_outputs or {}).items() if made is not None
        }
        getters: dict[str, Any] = {
            "image": self.get_image_features,
            "video": self.get_video_features,
        }
        for kind, getter in getters.items():
            if all(vision.get(name) is None for name in SOURCES[kind]):
                continue
            if kind in outputs:
                raise ValueError(
                    f"mm_encoder_outputs holds {kind} tokens and {SOURCES[kind]} came too: give one"
                )
            outputs[kind] = getter(**vision, return_dict=True)
        return outputs


__all__ = ["SOURCES", "VISION_INPUTS", "LlavaVidFeaturesOutput", "LlavaVidKwargs", "VisualTokens"]
