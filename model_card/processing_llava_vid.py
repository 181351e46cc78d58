"""Processor of LlavaVid: conversations with pictures and videos to everything the model needs."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin

from .batch_llava_vid import (
    OPTIONS,
    Row,
    RowCoder,
    check_budget,
    check_variables,
    media_layout,
    prompt_tensors,
    split_options,
    text_columns,
)
from .configuration_llava_vid import content_tokens_per_frame
from .engines_llava_vid import EngineMethods, for_engines
from .join_llava_vid import joined
from .media_llava_vid import checked_sampling, pillow_processor
from .media_pool_llava_vid import MediaPool, flat_list, payload, video_list
from .subtitles_llava_vid import with_subtitles
from .text_llava_vid import Piece, Template, conversation_list, media_blocks, text_list
from .tokenizers_llava_vid import check_tokenizers, mark_tokenizer_folder, placeholder_id

ASPECT_RATIOS = ("pad", "square")
PROMPT_NEWLINES = ("keep", "delete", "reference")


class LlavaVidProcessor(EngineMethods, ProcessorMixin):
    """Image processor + language tokenizer + Q-Former tokenizer.

    compress_type, num_patches: as in the model's config; they fix how many placeholder tokens a
    frame takes. image_aspect_ratio: `pad` squares pictures with the mean colour (videos never).
    video_fps, max_frames: frame sampling. qformer_newlines: what the Q-Former sees of line breaks
    in the user's text: `keep`, `delete`, or `reference` (deleted where an answer follows, as at
    LLaMA-VID's training; kept at generation). max_length: token budget, None = no check.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        qformer_tokenizer: Any = None,
        chat_template: str | None = None,
        image_token: str = "<image>",
        video_token: str = "<video>",
        compress_type: str = "mean",
        num_patches: int = 256,
        image_aspect_ratio: str = "pad",
        video_fps: float = 1.0,
        max_frames: int | None = None,
        qformer_newlines: str = "keep",
        max_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        for name, value, allowed in (
            ("image_aspect_ratio", image_aspect_ratio, ASPECT_RATIOS),
            ("qformer_newlines", qformer_newlines, PROMPT_NEWLINES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}: expected one of {allowed}")
        self.image_token, self.video_token = image_token, video_token
        self.image_token_id, self.video_token_id = (
            placeholder_id(tokenizer, token) for token in (image_token, video_token)
        )
        self.compress_type, self.num_patches = compress_type, num_patches
        content_tokens_per_frame(compress_type, num_patches)  # raises for a wrong type
        self.image_aspect_ratio = image_aspect_ratio
        self.video_fps, self.max_frames = checked_sampling(video_fps, max_frames)
        self.qformer_newlines, self.max_length = qformer_newlines, max_length
        check_tokenizers(tokenizer, qformer_tokenizer)
        qformer_tokenizer.truncation_side = "left"
        super().__init__(
            pillow_processor(image_processor),
            tokenizer,
            qformer_tokenizer,
            chat_template=chat_template,
        )

    @property
    def tokens_per_frame(self) -> int:
        """Placeholder tokens of one frame: the context token and the content tokens."""
        return 1 + content_tokens_per_frame(self.compress_type, self.num_patches)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
        """The library's, and a folder of the Q-Former's tokenizer that stands alone."""
        saved = super().save_pretrained(save_directory, *args, **kwargs)
        mark_tokenizer_folder(save_directory)
        return saved

    # -- entry points --------------------------------------------------------------------------

    def apply_chat_template(
        self,
        conversation: Any,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        return_assistant_tokens_mask: bool = False,
        tokenize: bool = False,
        return_tensors: str | None = "pt",
        return_dict: bool = False,
        processor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """One conversation or a list of them to a batch (or, without `tokenize`, to strings).

        Batch: input_ids, attention_mask [B, T]; with media qformer_input_ids [prompts, L] and mask;
        pixel_values [images, 3, H, W], pixel_values_videos [sum frames, 3, H, W] (video_features
        [sum T, N, C] for pre-extracted ones), video_num_frames [videos]; image_slots, video_slots:
        (batch row, media, prompt); media_layout [6]: how many there are of each. assistant_masks
        [B, T]: 1 on answer tokens and the end of turn.
        Options: OPTIONS (images, videos: for bare placeholders); others go to the template.
        """
        options, variables = split_options({**(processor_kwargs or {}), **kwargs})
        batched, conversations = conversation_list(conversation)
        template = self._template(chat_template)
        check_variables(variables, template.source)
        form = {
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": continue_final_message,
            **variables,
        }
        if not tokenize:
            texts = [template.render(messages, **form) for messages in conversations]
            return texts if batched else texts[0]
        pool, rows = self._pool(options), []
        for number, messages in enumerate(conversations):
            pieces = template.pieces(messages, with_answers=return_assistant_tokens_mask, **form)
            answered = messages[-1]["role"] == "assistant" and not continue_final_message
            rows.append(self._conversation_row(number, messages, pieces, answered, pool, options))
        batch = self._batch(rows, pool, return_assistant_tokens_mask, return_tensors, options)
        return batch if return_dict else batch["input_ids"]

    def __call__(
        self,
        images: Any = None,
        text: Any = None,
        videos: Any = None,
        prompts: Any = None,
        return_tensors: str | None = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """Templated strings with `<image>` / `<video>` placeholders to a batch; special tokens are
        real here: use `apply_chat_template` for text that users wrote. prompts: the Q-Former's
        text per placeholder, default: the user turn it stands in.
        """
        texts = text_list(text)
        options, unknown = split_options({"images": images, "videos": videos, **kwargs})
        if any(value is not None for value in unknown.values()):
            raise ValueError(f"options {sorted(unknown)} are unknown: expected some of {OPTIONS}")
        template, pool, rows = self._template(None), self._pool(options), []
        asked = flat_list(prompts)
        for number, string in enumerate(texts):
            rows.append(self._raw_row(number, string, template, asked, pool, options))
        batch = self._batch(rows, pool, False, return_tensors, options)
        engine = options.get("return_text_replacement_offsets")
        return for_engines(self, texts, batch) if engine else batch

    # -- rows and the batch --------------------------------------------------------------------

    def _template(self, chat_template: str | None) -> Template:
        source = chat_template or self.chat_template or self.tokenizer.chat_template
        if isinstance(source, dict):
            source = source.get("default")
        if not isinstance(source, str):
            raise ValueError("the processor has no chat template: give chat_template")
        return Template(source, self.tokenizer, self.image_token, self.video_token)

    def _qformer_text(self, text: str, answered: bool) -> str:
        delete = self.qformer_newlines == "delete" or (
            self.qformer_newlines == "reference" and answered
        )
        return text.replace("\n", "") if delete else text

    def _pool(self, options: dict[str, Any]) -> MediaPool:
        mean = self.image_processor.image_mean if self.image_aspect_ratio == "pad" else None
        return MediaPool(
            spare={
                "image": flat_list(options.get("images")),
                "video": video_list(options.get("videos")),
            },
            pad_mean=mean,
            video_fps=options.get("video_fps", self.video_fps),
            max_frames=options.get("max_frames", self.max_frames),
            allow_urls=bool(options.get("allow_urls")),
            num_patches=self.num_patches,
        )

    def _conversation_row(
        self,
        number: int,
        messages: list[dict[str, Any]],
        pieces: Sequence[Piece],
        answered: bool,
        pool: MediaPool,
        options: dict[str, Any],
    ) -> Row:
        blocks = media_blocks(messages)
        pieces = with_subtitles(pieces, [block.block.get("subtitles") for block in blocks])
        prompts = [self._qformer_text(block.turn_text, answered) for block in blocks]
        sources = [(block.kind, payload(block.block)) for block in blocks]
        row = self._coder(options).row(number, pieces, sources, prompts, pool)
        for (kind, index, _), block in zip(row.slots, blocks, strict=True):
            lines, frames = block.block.get("subtitles"), pool.frames(kind, index)
            if lines is not None and len(lines) != frames:
                raise ValueError(
                    f"row {number}: {len(lines)} subtitles for {frames} frames: give one string "
                    "per sampled frame, '' where nothing is said"
                )
        return row

    def _raw_row(
        self,
        number: int,
        text: str,
        template: Template,
        asked: list[Any] | None,
        pool: MediaPool,
        options: dict[str, Any],
    ) -> Row:
        """A templated string; takes its prompts off the front of `asked` where that is given."""
        pieces = template.raw_pieces(text)
        sources = [(p.kind, None) for p in pieces if p.kind in ("image", "video")]
        if asked is None:
            prompts = [turn for turn, count in template.user_turns(text) for _ in range(count)]
        else:
            prompts = asked[: len(sources)]
            del asked[: len(sources)]
        if len(prompts) != len(sources):
            raise ValueError(
                f"row {number}: {len(prompts)} Q-Former texts for {len(sources)} placeholders: "
                "give `prompts`, one string per placeholder"
            )
        row = self._coder(options).row(number, pieces, sources, prompts, pool)
        start = self.tokenizer("", add_special_tokens=True)["input_ids"][:1]
        if options.get("add_special_tokens", True) and row.ids[:1] != start:
            row.ids, row.answer = [*start, *row.ids], [0, *row.answer]
        return row

    def _coder(self, options: dict[str, Any]) -> RowCoder:
        limit = options.get("max_length") if options.get("truncation") else None
        return RowCoder(self.tokenizer, self.tokens_per_frame, limit)

    def _batch(
        self,
        rows: list[Row],
        pool: MediaPool,
        with_answers: bool,
        return_tensors: str | None,
        options: dict[str, Any],
    ) -> BatchFeature:
        pool.check_all_used()
        limit = options.get("max_length")
        if not options.get("truncation"):
            check_budget(rows, limit or self.max_length)
        texts = text_columns(
            rows, self.tokenizer, options, return_tensors is not None, with_answers
        )
        if options.get("return_mm_token_type_ids"):
            texts["mm_token_type_ids"] = self.create_mm_token_type_ids(texts["input_ids"])
        # Engines cut a batch into its items and join those of several requests.
        joinable = bool(options.get("joinable") or options.get("return_text_replacement_offsets"))
        data: dict[str, Any] = {
            **pool.tensors(self.image_processor, joinable),
            **prompt_tensors(rows, self.qformer_tokenizer, joinable),
        }
        if data:
            data["media_layout"] = media_layout(len(rows), data)
        if return_tensors is None:
            return BatchFeature({**texts, **{key: value.tolist() for key, value in data.items()}})
        data = {**{key: torch.tensor(value) for key, value in texts.items()}, **data}
        return BatchFeature(data, tensor_type=None if return_tensors == "auto" else return_tensors)

    def pad(self, encoded_inputs: Any, **options: Any) -> BatchFeature:
        """Rows that were processed alone, joined to one batch: equal to processing them together.

        encoded_inputs: a list of what this processor returned (also with rows squeezed out, or as
        lists), further columns included; `labels` are filled with -100. Options: padding,
        padding_side, max_length, pad_to_multiple_of, return_tensors, as the tokenizer's `pad`.
        """
        return BatchFeature(joined(encoded_inputs, self.tokenizer, options))

    @property
    def model_input_names(self) -> list[str]:
        """Names of the tensors that a batch may hold."""
        media = "pixel_values image_slots pixel_values_videos video_features video_num_frames"
        media += " media_layout"
        text = "input_ids attention_mask video_slots qformer_input_ids qformer_attention_mask"
        return [*text.split(), *media.split()]


LlavaVidProcessor.register_for_auto_class()

__all__ = ["LlavaVidProcessor"]
