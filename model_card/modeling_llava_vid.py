"""LlavaVid: two kinds of tokens per frame in front of any causal language model.

The architecture is LLaMA-VID's: one context token (what the user's question looks for in the frame)
and n content tokens (the frame pooled), context first, interleaved per frame.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, GenerationMixin, LogitsProcessorList, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.generation.candidate_generator import (
    CandidateGenerator,
    PromptLookupCandidateGenerator,
)
from transformers.modeling_outputs import BaseModelOutputWithPast, ModelOutput
from transformers.models.instructblip.modeling_instructblip import InstructBlipQFormerModel
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple
from transformers.utils.import_utils import torch_compilable_check

from .configuration_llava_vid import LlavaVidConfig
from .slots_llava_vid import last_tokens, mismatch, row_totals, rows_of
from .tower_llava_vid import build_vision_tower
from .visual_llava_vid import (
    SOURCES,
    VISION_INPUTS,
    LlavaVidFeaturesOutput,
    LlavaVidKwargs,
    VisualTokens,
)

MEDIA_INPUTS = (*SOURCES["image"], *SOURCES["video"])


@dataclass
class LlavaVidModelOutputWithPast(BaseModelOutputWithPast):
    """Language-model outputs and the visual tokens that were merged (per slot, else None)."""

    image_hidden_states: Any = None
    video_hidden_states: Any = None


@dataclass
class LlavaVidCausalLMOutputWithPast(ModelOutput):
    """loss [], logits [B, T, vocab] (T cut by `logits_to_keep`), cache and hidden states."""

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[torch.FloatTensor] | None = None
    attentions: tuple[torch.FloatTensor] | None = None
    image_hidden_states: Any = None
    video_hidden_states: Any = None


class LlavaVidPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by the two model classes."""

    config: LlavaVidConfig
    config_class = LlavaVidConfig
    base_model_prefix = "model"
    input_modalities = ("image", "video", "text")
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, LlavaVidModel):
            init.normal_(module.vlm_att_query, mean=0.0, std=self.config.initializer_range)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """The library's loader; it makes every parameter trainable: the tower is frozen again."""
        loaded = super().from_pretrained(*args, **kwargs)
        (loaded[0] if isinstance(loaded, tuple) else loaded).freeze_vision_tower()
        return loaded

    def freeze_vision_tower(self) -> None:
        """Turns off gradients of the tower unless `config.train_vision_tower`; to train it, or
        adapters on it, later: `model.model.vision_tower.requires_grad_(True)`, as on any module."""
        tower = self.base_model.vision_tower
        tower.requires_grad_(self.config.train_vision_tower)


class LlavaVidModel(VisualTokens, LlavaVidPreTrainedModel):
    """Vision tower, Q-Former and decoder without head; visual tokens are merged in here, so that
    trainers which call the base model directly (fused heads) see them too."""

    def __init__(self, config: LlavaVidConfig) -> None:
        config.check_fields()
        super().__init__(config)
        vision, text = config.vision_width, config.text_config.hidden_size
        queries = config.qformer_config.hidden_size
        self.vision_tower = build_vision_tower(config)
        self.qformer = InstructBlipQFormerModel._from_config(config.qformer_config)
        self.vlm_att_query = nn.Parameter(torch.zeros(1, config.num_query_tokens, queries))
        self.vlm_att_ln = nn.LayerNorm(vision, eps=config.context_norm_eps)
        self.vlm_att_projector = nn.Linear(queries, vision)
        self.vlm_att_key_projector = nn.Linear(vision, vision)
        self.vlm_att_val_projector = nn.Linear(vision, text)
        self.mm_projector = nn.Sequential(nn.Linear(vision, text), nn.GELU(), nn.Linear(text, text))
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()
        self.freeze_vision_tower()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def train(self, mode: bool = True) -> "LlavaVidModel":
        """A frozen tower stays in eval mode, and so do the frozen batch norms of one that adapters
        train: they must not follow the batch."""
        super().train(mode)
        if mode and not self.tower_learns():
            self.vision_tower.eval()
        for module in self.vision_tower.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train(mode and any(p.requires_grad for p in module.parameters()))
        return self

    # -- merging and the decoder ---------------------------------------------------------------

    def get_placeholder_mask(self, input_ids: torch.LongTensor, token_id: int) -> torch.Tensor:
        """[B, T] True where `input_ids` holds the placeholder `token_id`."""
        return input_ids == token_id

    def embed_inputs(
        self, input_ids: torch.LongTensor, mm_encoder_outputs: Any = None, **vision: Any
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Token embeddings [B, T, H] with the visual tokens merged in, and those outputs per kind.

        Use the embeddings with `generate(inputs_embeds=…)`. Raises ValueError where placeholders
        and visual tokens do not match.
        """
        table = self.get_input_embeddings()
        outputs = self.encode_media(mm_encoder_outputs, **vision)
        if not outputs and input_ids.shape[1] == 1:
            return table(input_ids.clamp(max=table.num_embeddings - 1)), {}  # every decoding step
        ids = {"image": self.config.image_token_id, "video": self.config.video_token_id}
        masks = {kind: self.get_placeholder_mask(input_ids, i) for kind, i in ids.items()}
        # Placeholder ids may lie outside the vocabulary: never look them up.
        safe_ids = input_ids.masked_fill(masks["image"] | masks["video"], 0)
        embeds = table(safe_ids)
        for kind, mask in masks.items():
            made = outputs.get(kind)
            tokens = [] if made is None else list(made.pooler_output)
            flat = torch.cat(
                [*(part.to(embeds) for part in tokens), embeds.new_empty(0, embeds.shape[-1])]
            )
            self._check_placeholders(kind, mask, tokens, getattr(made, "rows", None))
            if tokens:
                embeds = embeds.masked_scatter(mask.unsqueeze(-1), flat)
        return embeds, outputs

    def _check_placeholders(
        self, kind: str, mask: torch.Tensor, tokens: list[torch.Tensor], rows: Any
    ) -> None:
        """ValueError where a row has other numbers of placeholders and visual tokens. Compiled code
        does not wait for the device here."""
        count, totals = sum(map(len, tokens)), None
        fits = mask.sum() == count
        if rows is not None:
            totals = row_totals(tokens, rows, mask, kind)
            fits = (mask.sum(dim=1) == torch.tensor(totals, device=mask.device)).all()
        torch_compilable_check(fits, lambda: mismatch(kind, mask, len(tokens), count, totals))

    def _idle_vision_path(self, embeds: torch.Tensor) -> torch.Tensor:
        """Adds 0 * (a dummy frame's tokens): in distributed training a rank without pictures must
        still run every module, or gradient exchange hangs or complains."""
        features = embeds.new_zeros((1, self.config.num_patches, self.config.vision_width))
        size = getattr(self.config.vision_config, "image_size", None)
        if self.tower_learns() and size is not None:
            sides = size if isinstance(size, (list, tuple)) else (size, size)
            features = self.encode_frames(embeds.new_zeros((1, 3, *sides)))
        ids = torch.zeros((1, 1), dtype=torch.long, device=embeds.device)
        tokens = self.get_image_features(None, ids, torch.ones_like(ids), image_features=features)
        return embeds + 0 * tokens.pooler_output[0].sum()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        **kwargs: Unpack[LlavaVidKwargs],
    ) -> tuple[Any, ...] | LlavaVidModelOutputWithPast:
        """Hidden states [B, T, H]. Exactly one of input_ids and inputs_embeds; the vision inputs
        are those of `get_image_features` and `get_video_features`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        vision = {name: kwargs.pop(name, None) for name in VISION_INPUTS}  # type: ignore[misc]
        merged: dict[str, Any] = {}
        if inputs_embeds is None:
            inputs_embeds, merged = self.embed_inputs(input_ids, mm_encoder_outputs, **vision)
            distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
            if not merged and self.training and distributed:
                inputs_embeds = self._idle_vision_path(inputs_embeds)
        elif mm_encoder_outputs or any(vision[name] is not None for name in MEDIA_INPUTS):
            raise ValueError(
                "inputs_embeds came with pictures or videos: merge them first with "
                "embed_inputs(input_ids, …), which finds the placeholders"
            )
        outputs = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **{**kwargs, "return_dict": True},
        )
        return LlavaVidModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=getattr(merged.get("image"), "pooler_output", None),
            video_hidden_states=getattr(merged.get("video"), "pooler_output", None),
        )


class LlavaVidForConditionalGeneration(LlavaVidPreTrainedModel, GenerationMixin):
    """LlavaVidModel with a language-model head: loss, logits, `generate`."""

    def __init__(self, config: LlavaVidConfig) -> None:
        super().__init__(config)
        self.model = LlavaVidModel(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        embeddings = self.model.get_input_embeddings()
        names = [n for n, m in self.model.named_modules() if m is embeddings]
        # The name of the embedding differs between language models, so it is found, not written.
        self._tied_weights_keys = {"lm_head.weight": f"model.{names[0]}.weight"}
        self.post_init()
        self.freeze_vision_tower()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def get_image_features(self, *args: Any, **kwargs: Any) -> LlavaVidFeaturesOutput:
        """See `LlavaVidModel.get_image_features`."""
        return self.model.get_image_features(*args, **kwargs)

    def get_video_features(self, *args: Any, **kwargs: Any) -> LlavaVidFeaturesOutput:
        """See `LlavaVidModel.get_video_features`."""
        return self.model.get_video_features(*args, **kwargs)

    def encode_frames(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """See `LlavaVidModel.encode_frames`."""
        return self.model.encode_frames(pixel_values)

    def embed_inputs(self, input_ids: torch.LongTensor, **vision: Any) -> torch.Tensor:
        """Merged embeddings [B, T, H] for `generate(inputs_embeds=…)`."""
        return self.model.embed_inputs(input_ids, **vision)[0]

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        image_features: torch.Tensor | None = None,
        video_features: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        video_num_frames: torch.Tensor | None = None,
        image_slots: torch.Tensor | None = None,
        video_slots: torch.Tensor | None = None,
        media_layout: torch.Tensor | None = None,
        qformer_input_ids: torch.Tensor | None = None,
        qformer_attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Any, ...] | LlavaVidCausalLMOutputWithPast:
        """Logits [B, T, vocab]; with labels [B, T] (-100 = ignored) also the mean token loss."""
        vision = {
            "pixel_values": pixel_values,
            "image_features": image_features,
            "pixel_values_videos": pixel_values_videos,
            "video_features": video_features,
            "video_num_frames": video_num_frames,
            "image_slots": image_slots,
            "video_slots": video_slots,
            "media_layout": media_layout,
            "qformer_input_ids": qformer_input_ids,
            "qformer_attention_mask": qformer_attention_mask,
        }
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            **{**kwargs, **vision, "return_dict": True},
        )
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, keep])
        loss = None if labels is None else self._loss(logits, labels, **kwargs)
        shared = {k: v for k, v in outputs.items() if k != "last_hidden_state"}
        return LlavaVidCausalLMOutputWithPast(loss=loss, logits=logits, **shared)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        config = self.config
        # A placeholder is never a target, whoever made the labels.
        placeholders = (labels == config.image_token_id) | (labels == config.video_token_id)
        return self.loss_function(
            logits=logits,
            labels=labels.masked_fill(placeholders, -100),
            vocab_size=logits.shape[-1],
            **kwargs,
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.LongTensor,
        inputs_embeds: torch.FloatTensor | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The library's inputs; vision inputs go in with the prompt only (or without a cache). Of a
        conversation whose beginning is in the cache, only the visual tokens of the rest go in."""
        vision = {name: kwargs.pop(name, None) for name in VISION_INPUTS}
        inputs = super().prepare_inputs_for_generation(
            input_ids,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs.update(vision)
        ids, cache = inputs.get("input_ids"), kwargs.get("past_key_values")
        if ids is not None and ids.shape[1] < input_ids.shape[1] and cache is not None:
            given = inputs.get("mm_encoder_outputs") or {}
            inputs["mm_encoder_outputs"] = {
                kind: self._rest(kind, output, ids) for kind, output in given.items()
            }
        return inputs

    def _rest(self, kind: str, output: Any, ids: torch.LongTensor) -> Any:
        """The visual tokens of a kind whose placeholders stand in `ids`, the end of the text."""
        mask = self.model.get_placeholder_mask(ids, getattr(self.config, f"{kind}_token_id"))
        tokens = list(output.pooler_output)
        if sum(map(len, tokens)) == int(mask.sum()):
            return output  # the media of the rest alone were given
        rows = getattr(output, "rows", None) or ([0] * len(tokens) if len(ids) == 1 else None)
        if rows is None:
            raise ValueError(f"{kind} tokens came without rows: give {kind}_slots to go on a cache")
        parts, rows = last_tokens(tokens, rows, mask)
        return LlavaVidFeaturesOutput(pooler_output=parts, rows=tuple(rows)) if parts else None

    def _prepare_multimodal_encoder_kwargs_for_generation(
        self, model_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Encodes the media in front of the (compiled) prefill; the library's own would overlook
        frames that were encoded before."""
        vision = {name: model_kwargs.pop(name, None) for name in VISION_INPUTS}
        given = model_kwargs.pop("mm_encoder_outputs", None)
        return {**model_kwargs, "mm_encoder_outputs": self.model.encode_media(given, **vision)}

    def _expand_multimodal_outputs(
        self,
        input_ids: torch.LongTensor,
        mm_encoder_output: dict[str, Any],
        expand_size: int = 1,
        inputs_embeds: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        """Visual tokens of rows that are repeated in place; what the caller gave stays as it is."""
        expanded = {}
        for kind, output in mm_encoder_output.items():
            mask = self.model.get_placeholder_mask(
                input_ids, getattr(self.config, f"{kind}_token_id")
            )
            tokens = list(output.pooler_output)
            rows = rows_of(tokens, mask, getattr(output, "rows", None))
            pairs = [
                (row * expand_size + copy, part)
                for row, part in zip(rows, tokens, strict=True)
                for copy in range(expand_size)
            ]
            pairs.sort(key=lambda pair: pair[0])  # stable: a row's slots keep their order
            expanded[kind] = LlavaVidFeaturesOutput(
                pooler_output=[part for _, part in pairs], rows=tuple(row for row, _ in pairs)
            )
        return expanded

    def _get_logits_processor(self, *args: Any, **kwargs: Any) -> LogitsProcessorList:
        prompt = kwargs.get("encoder_input_ids")
        if prompt is not None and prompt.ndim == 2:
            # The prompt penalty looks its ids up in the scores; placeholders lie outside of them.
            outside = prompt >= self.lm_head.weight.shape[0]
            kwargs["encoder_input_ids"] = prompt.masked_fill(outside, 0)
        return super()._get_logits_processor(*args, **kwargs)

    def _get_candidate_generator(self, *args: Any, **kwargs: Any) -> CandidateGenerator:
        found = super()._get_candidate_generator(*args, **kwargs)
        if not isinstance(found, PromptLookupCandidateGenerator):
            return found
        placeholders = [self.config.image_token_id, self.config.video_token_id]
        return TextCandidates(found, placeholders, stand_in=0)


class TextCandidates(CandidateGenerator):
    """Hides placeholder tokens from another generator: it would propose to write them again."""

    def __init__(self, inner: CandidateGenerator, placeholders: list[int], stand_in: int) -> None:
        self.inner, self.placeholders, self.stand_in = inner, placeholders, stand_in

    def get_candidates(
        self, input_ids: torch.LongTensor, **kwargs: Any
    ) -> tuple[torch.LongTensor, torch.FloatTensor | None]:
        """The prompt as it is [1, T], then the candidates [1, T + n], and their logits if known."""
        hidden = torch.isin(input_ids, torch.tensor(self.placeholders, device=input_ids.device))
        text = input_ids.masked_fill(hidden, self.stand_in)
        found, logits = self.inner.get_candidates(text, **kwargs)
        return torch.cat([input_ids, found[:, input_ids.shape[1] :]], dim=1), logits

    def update_candidate_strategy(self, *args: Any, **kwargs: Any) -> None:
        """As the other generator does after each round."""
        self.inner.update_candidate_strategy(*args, **kwargs)


LlavaVidModel.register_for_auto_class("AutoModel")
LlavaVidForConditionalGeneration.register_for_auto_class("AutoModel")

__all__ = ["LlavaVidForConditionalGeneration", "LlavaVidModel", "LlavaVidPreTrainedModel"]
