"""What inference engines ask of a processor: vLLM's and SGLang's Transformers back ends.

They process each request's media apart from its text, cut the result into one piece per item, and
may join pieces of different requests later. So an item must depend on nothing but itself.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import MultiModalData


class EngineMethods:
    """Methods of the processor that only engines call, as a mixin."""

    image_token: str
    video_token: str
    tokens_per_frame: int
    max_frames: int | None

    def _get_num_multimodal_tokens(
        self, image_sizes: Any = None, video_sizes: Any = None, **_: Any
    ) -> MultiModalData:
        """Placeholder tokens of pictures (height, width) and of videos (frames, height, width)."""
        counts: dict[str, list[int]] = {}
        if image_sizes is not None:
            counts["num_image_tokens"] = [self.tokens_per_frame] * len(image_sizes)
            counts["num_image_patches"] = [1] * len(image_sizes)  # rows of pixel_values each
        if video_sizes is not None:
            frames = [min(int(size[0]), self.max_frames or int(size[0])) for size in video_sizes]
            counts["num_video_tokens"] = [count * self.tokens_per_frame for count in frames]
        return MultiModalData(**counts)

    def replace_image_token(self, image_inputs: Any, image_idx: int, **_: Any) -> str:
        """The placeholder as often as a picture takes tokens."""
        return self.image_token * self.tokens_per_frame

    def replace_video_token(self, video_inputs: Any, video_idx: int, **_: Any) -> str:
        """The placeholder as often as this video takes tokens; reads video_num_frames."""
        frames = int(video_inputs["video_num_frames"][video_idx])
        return self.video_token * (self.tokens_per_frame * frames)


def for_engines(processor: Any, texts: Sequence[str], batch: BatchFeature) -> BatchFeature:
    """The batch cut along its items, with `text_replacement_offsets`: per text, what each
    placeholder was expanded to and where, as the library describes it."""
    replacements: dict[str, list[str]] = {}
    for kind in ("image", "video"):
        slots = torch.as_tensor(batch.get(f"{kind}_slots", ())).reshape(-1, 3)
        replace = getattr(processor, f"replace_{kind}_token")
        replacements[kind] = [replace(batch, media) for media in slots[:, 1].tolist()]
    _, offsets = processor.get_text_with_replacements(
        list(texts),
        images_replacements=replacements["image"],
        videos_replacements=replacements["video"],
    )
    return BatchFeature({**_per_item(batch), "text_replacement_offsets": offsets})


def _per_item(batch: BatchFeature) -> BatchFeature:
    """A batch of pictures as one line per placeholder in every media column: no slots, picture k
    goes with Q-Former text k. One with videos stays as it is."""
    slots = batch.get("image_slots")
    if slots is None or "video_slots" in batch:
        return batch
    columns = {"pixel_values": 1, "qformer_input_ids": 2, "qformer_attention_mask": 2}
    for name, column in columns.items():
        batch[name] = batch[name][slots[:, column]]
    for name in ("image_slots", "media_layout"):
        del batch[name]
    return batch


__all__ = ["EngineMethods", "for_engines"]
