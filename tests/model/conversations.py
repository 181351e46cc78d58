"""Conversations for the processor's tests, the media in them, and what the processor says."""

import io
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

IMAGE = {"type": "image"}
VIDEO = {"type": "video"}


def picture(seed: int = 0, size: tuple[int, int] = (90, 60)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def video_bytes(count: int, fps: int = 4, container: str = "mp4") -> bytes:
    """A real MPEG-4 file whose frame k is a flat grey of 10 * k."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 2_000_000
        for k in range(count):
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), 10 * k % 250, np.uint8), "rgb24"
            )
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return buffer.getvalue()


def user(*content: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
    return {"role": "user", "content": blocks}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def run(processor: Any, chat: Any, **options: Any) -> Any:
    return processor.apply_chat_template(chat, tokenize=True, return_dict=True, **options)


def error(processor: Any, *content: Any, **options: Any) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        run(processor, [[user("fine")], [user("Look", *content)]], **options)
    return str(caught.value)
