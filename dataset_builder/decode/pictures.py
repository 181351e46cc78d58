"""Pictures: full decode under a pixel cap, and JPEG bytes that hold the picture alone.

Runs inside the limited child process of `decoder.py`; nothing here opens a file by its name's type.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from dataset_builder.decode.bare import bare_jpeg, bare_png
from dataset_builder.decode.content_type import JPEG, PNG, ContentType
from dataset_builder.ledger.reasons import CORRUPT, TOO_LARGE, RejectedMedia

JPEG_QUALITY = 95
ORIENTATION_TAG = 0x0112
# what the tag says must be done to see the picture upright
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PROFILE_MODES = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
SAME_COLOUR = 4  # of 255: sRGB profiles of different makers differ by less


def read_picture(path: Path, content: ContentType, max_pixels: int) -> Image.Image:
    """The whole decoded picture (first frame of an animation), mode as stored.

    Raises RejectedMedia: too_large (pixels from the header, before any decoding) or corrupt.
    """
    try:
        return _decode(path, content, max_pixels)
    except RejectedMedia as refused:
        if refused.reason != CORRUPT:
            raise
        for data in _without_tags(path, content):
            try:
                return _decode(io.BytesIO(data), content, max_pixels)
            except RejectedMedia:
                continue
        raise


def _decode(file: Path | io.BytesIO, content: ContentType, max_pixels: int) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # our own cap below is stricter and gives a reason
    try:
        image = Image.open(file, formats=[content.reader])
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


def _without_tags(path: Path, content: ContentType) -> Iterator[bytes]:
    """The same picture without what may have kept it from opening: damaged tags are ignored."""
    if content not in (JPEG, PNG):
        return
    data = path.read_bytes()
    try:
        if content is PNG:
            yield bare_png(data)
        else:
            yield bare_jpeg(data, orientation=True)
            yield bare_jpeg(data)
    except ValueError:
        return


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """How the picture must be turned to stand upright: all that is read of its tags."""
    try:
        tag = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # tags damaged beyond reading say nothing
        return None
    return TURNS.get(tag) if isinstance(tag, int) else None


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright sRGB on white: transparency has no meaning in JPEG, and nobody reads its profiles."""
    turn = turn_of(image)
    upright = image if turn is None else image.transpose(turn)
    transform = _to_srgb(image)
    if transform is not None and upright.mode == transform.input_mode:
        return transform.apply(upright)
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        rgb = Image.alpha_composite(white, rgba).convert("RGB")
    elif upright.mode.startswith("I"):  # 16-bit grey: Pillow would clip it to white
        grey = np.asarray(upright, dtype=np.float32)
        top = 65535.0 if grey.max(initial=0.0) > 255 else 255.0
        rgb = Image.fromarray((grey / top * 255).astype(np.uint8)).convert("RGB")
    else:
        rgb = upright.convert("RGB")
    if transform is not None and transform.input_mode == "RGB":
        return transform.apply(rgb)
    return rgb


def _to_srgb(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """From the colours of the picture's profile to sRGB; None where they are that already."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mode = PROFILE_MODES[profile.profile.xcolor_space]
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode == "RGB":
            seen = np.asarray(transform.apply(_colours()), np.int16)
            if np.abs(seen - np.asarray(_colours(), np.int16)).max() <= SAME_COLOUR:
                return None
    except Exception:  # a damaged profile says nothing about colours
        return None
    return transform


@cache
def _colours() -> Image.Image:
    """Nine steps of red, green and blue in all combinations."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return Image.fromarray(cube.reshape(27, 27, 3))


def encode_jpeg(image: Image.Image) -> bytes:
    """JPEG bytes of an RGB picture, without any metadata."""
    out = io.BytesIO()
    plain = image.copy()
    plain.info = {}  # Pillow would carry a comment over
    plain.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def publishable_jpeg(path: Path, content: ContentType, image: Image.Image) -> bytes:
    """What the shard holds: the file's own JPEG data where they are all it needs, else a new one.

    A picture that must be turned, or whose colours need a profile, is encoded anew.
    """
    needs_no_tags = turn_of(image) is None and _to_srgb(image) is None
    if content is JPEG and needs_no_tags and image.mode in {"RGB", "L"}:
        try:
            return bare_jpeg(path.read_bytes())
        except ValueError:
            pass
    return encode_jpeg(to_rgb(image))
