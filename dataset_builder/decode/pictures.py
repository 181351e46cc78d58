"""Pictures: full decode under a pixel cap, and JPEG bytes without personal metadata.

Runs inside the limited child process of `decoder.py`; nothing here opens a file by its name's type.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dataset_builder.decode.content_type import JPEG, ContentType
from dataset_builder.ledger.reasons import CORRUPT, TOO_LARGE, RejectedMedia

JPEG_QUALITY = 95
ORIENTATION_TAG = 0x0112
# kept segments: JFIF (density), ICC profile (colour), Adobe (colour transform)
KEPT_SEGMENTS = frozenset({0xE0, 0xE2, 0xEE})


def read_picture(path: Path, content: ContentType, max_pixels: int) -> Image.Image:
    """The whole decoded picture (first frame of an animation), mode as stored.

    Raises RejectedMedia: too_large (pixels from the header, before any decoding) or corrupt.
    """
    Image.MAX_IMAGE_PIXELS = None  # our own cap below is stricter and gives a reason
    try:
        image = Image.open(path, formats=[content.reader])
        pixels = image.width * image.height
        if pixels > max_pixels or pixels == 0:
            size = f"{image.width}x{image.height}"
            raise RejectedMedia(TOO_LARGE, f"{size} pixels, limit {max_pixels}")
        image.load()
    except RejectedMedia:
        raise
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises a dozen types on bad input
        raise RejectedMedia(CORRUPT, f"{type(error).__name__}: {error}") from error
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright RGB on white: transparency has no meaning in JPEG."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    if upright.mode.startswith("I"):  # 16-bit grey: Pillow would clip it to white
        grey = np.asarray(upright, dtype=np.float32)
        top = 65535.0 if grey.max(initial=0.0) > 255 else 255.0
        return Image.fromarray((grey / top * 255).astype(np.uint8)).convert("RGB")
    return upright.convert("RGB")


def encode_jpeg(image: Image.Image) -> bytes:
    """JPEG bytes of an RGB picture, without any metadata."""
    out = io.BytesIO()
    plain = image.copy()
    plain.info = {}  # Pillow would carry a comment over
    plain.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def strip_jpeg(data: bytes) -> bytes:
    """The JPEG `data` without EXIF, XMP, IPTC and comments (place names, owners); pixels untouched.

    Raises ValueError where the segment structure is not plain: the caller then re-encodes.
    """
    out = bytearray(data[:2])
    at = 2
    while True:
        if at + 4 > len(data) or data[at] != 0xFF:
            raise ValueError(f"no JPEG segment at byte {at}")
        marker = data[at + 1]
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        is_metadata = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not is_metadata or marker in KEPT_SEGMENTS:
            out += data[at : at + 2 + length]
        at += 2 + length
        if marker == 0xDA:
            end = data.rfind(b"\xff\xd9")  # bytes after the picture may hold anything
            return bytes(out + data[at : end + 2 if end >= at else len(data)])


def publishable_jpeg(path: Path, content: ContentType, image: Image.Image) -> bytes:
    """What the shard holds: the file's own JPEG data where possible, else a new encoding."""
    orientation = image.getexif().get(ORIENTATION_TAG, 1)
    if content is JPEG and orientation == 1 and image.mode in {"RGB", "L"}:
        try:
            return strip_jpeg(path.read_bytes())
        except ValueError:
            pass
    return encode_jpeg(to_rgb(image))
