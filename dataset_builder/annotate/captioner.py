"""A caption per frame by any transformers image-text-to-text model, such as LLaVA-1.5-13B."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

from PIL import Image

from dataset_builder.annotate.base import MediaView

QUESTION = "Complete the sentence in at most twenty words, without a full stop: The scene shows"
START = "the scene shows "
BATCH = 8
NEW_TOKENS = 48


class Captions:
    """Fills `scenes.caption`: a noun phrase for "The scene shows …" per frame."""

    field = "scenes.caption"
    version = "1"

    def __init__(self, model: str) -> None:
        import torch  # heavy: only where a captioner is used
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self._torch = torch
        self._processor = AutoProcessor.from_pretrained(model)
        tokenizer = self._processor.tokenizer
        tokenizer.padding_side = "left"  # answers of a batch must start at one place
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        on_gpu = torch.cuda.is_available()
        dtype = torch.bfloat16 if on_gpu else torch.float32
        self._model = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
        self._model.to("cuda" if on_gpu else "cpu").eval()

    @classmethod
    def title(cls, argument: str) -> str:
        return argument.rstrip("/").split("/")[-1]

    @classmethod
    def why_not(cls, argument: str) -> str | None:
        missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else None

    @classmethod
    def load(cls, argument: str) -> Self:
        return cls(argument)

    def annotate(self, views: Sequence[MediaView]) -> list[Any]:
        frames = [view.load_frames() for view in views]
        flat = [frame for found in frames for frame in found]
        captions: list[str] = []
        for at in range(0, len(flat), BATCH):
            captions += self._caption(flat[at : at + BATCH])
        remaining = iter(captions)
        return [[next(remaining) for _ in found] for found in frames]

    def _caption(self, images: list[Image.Image]) -> list[str]:
        content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        prompt = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        inputs = self._processor(
            text=[prompt] * len(images), images=images, return_tensors="pt", padding=True
        ).to(self._model.device)
        with self._torch.inference_mode():
            out = self._model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS)
        answers = out[:, inputs["input_ids"].shape[1] :]
        texts = self._processor.batch_decode(answers, skip_special_tokens=True)
        return [phrase(text) for text in texts]


def phrase(text: str) -> str:
    """A model's answer as the rest of the sentence: first line, no repeated start, no full stop."""
    line = next((part.strip() for part in text.splitlines() if part.strip()), "")
    if line.lower().startswith(START):
        line = line[len(START) :]
    line = line.rstrip(".").strip()
    first = line.split(" ", 1)[0]
    return line[:1].lower() + line[1:] if first in ("A", "An", "The", "Two", "Several") else line
