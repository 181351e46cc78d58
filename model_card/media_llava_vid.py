"""Pictures and videos from whatever the caller holds, decoded and sampled as the reference does."""

import base64
import io
import math
import struct
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps

try:
    import av
except ImportError:  # pictures, arrays and pre-extracted features work without it
    av = None  # type: ignore[assignment]


# (first byte, what stands there, FFmpeg's reader). Playlists and session descriptions are missing
# on purpose: FFmpeg would open the files and sockets they name.
VIDEO_HEADS = (
    *((4, brand, "mov") for brand in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (8, b"AVI ", "avi"),
    (0, b"GIF8", "gif"),
    (0, b"FLV\x01", "flv"),
    (0, b"OggS", "ogg"),
    (0, b"0&\xb2u", "asf"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (188, b"G", "mpegts"),
)
HEAD_BYTES = 192
MAX_SIDE = 8192
# where a display matrix sends the x and the y axis -> what Pillow calls that
TURNS = {
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}


def checked_sampling(video_fps: float, max_frames: int | None) -> tuple[float, int | None]:
    """Both as given; ValueError for a frame rate or cap that no video can be sampled with."""
    number = isinstance(video_fps, (int, float)) and not isinstance(video_fps, bool)
    if not (number and 0 < video_fps < math.inf):
        raise ValueError(f"video_fps is {video_fps!r}: expected a finite number > 0")
    if max_frames is not None and not (type(max_frames) is int and max_frames >= 1):
        raise ValueError(f"max_frames is {max_frames!r}: expected None or an integer >= 1")
    return video_fps, max_frames


def frame_step(average_fps: float, video_fps: float) -> int:
    """Distance in frames between two sampled frames: round(average_fps / video_fps), at least 1.

    The rounding is Python's (half to even, 12.5 -> 12), as in the reference, which crashes on 0.
    """
    return max(1, round(average_fps / video_fps))


def sample_frame_indices(
    num_frames: int, average_fps: float, video_fps: float, max_frames: int | None = None
) -> list[int]:
    """Frame numbers at `video_fps`; above `max_frames` they are thinned uniformly."""
    if num_frames < 1:
        raise ValueError("has 0 frames: expected at least one")
    return thin(list(range(0, num_frames, frame_step(average_fps, video_fps))), max_frames)


def thin(items: list[Any], cap: int | None) -> list[Any]:
    """At most `cap` items, uniformly spaced, the first one included."""
    if cap is None or len(items) <= cap:
        return items
    return [items[i * len(items) // cap] for i in range(cap)]


def read_source(source: Any, kind: str, allow_urls: bool) -> Any:
    """Opens what names a file: path, URL (only with allow_urls), data URI, bytes, {"bytes","path"}.

    Returns bytes or a Path; anything else (PIL, array, list) comes back unchanged.
    """
    if isinstance(source, dict) and {"bytes", "path"} & set(source):
        source = source.get("bytes") if source.get("bytes") is not None else source.get("path")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if hasattr(source, "read"):
        return source.read()
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        if not allow_urls:
            raise ValueError("is a URL: download it first, or pass allow_urls=True")
        try:
            with urllib.request.urlopen(source, timeout=60) as response:
                return response.read()
        except OSError as error:
            raise ValueError(f"cannot be downloaded ({error})") from error
    if isinstance(source, str) and source.startswith("data:"):
        return base64.b64decode(source.partition(",")[2])
    if isinstance(source, (str, Path)):
        try:
            found = Path(source).is_file()
        except (OSError, ValueError):  # too long for a path, or no path at all
            found = False
        if not found:
            raise ValueError(
                f"is not a file: expected the path of a {kind}; base64 text goes into the block's "
                "'base64', or behind 'data:;base64,'"
            )
        return Path(source)
    return source


def load_image(source: Any, allow_urls: bool = False) -> Image.Image:
    """An upright RGB picture of a path, bytes, PIL image, PyAV frame, uint8 array [H, W, 3]…"""
    if av is not None and isinstance(source, av.VideoFrame):
        return upright(source)
    source = read_source(source, "picture", allow_urls)
    if not isinstance(source, (bytes, Path, Image.Image)):
        return array_to_image(source)
    try:
        if not isinstance(source, Image.Image):
            source = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        return to_rgb(ImageOps.exif_transpose(source))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        told = f"cannot be decoded as a picture ({error}): expected a complete image file"
        raise ValueError(told) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB; grey of 16 bits keeps its shades (Pillow alone clips it to white)."""
    if image.mode == "F":
        raise ValueError("it has floating point pixels: convert them to 8 bits")
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        deep = image.mode != "I" or int(grey.max(initial=0)) > 255
        image = Image.fromarray((grey >> 8 if deep else grey).clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def array_to_image(array: Any) -> Image.Image:
    """A uint8 array or tensor [H, W, 3] or [3, H, W] as a picture."""
    array = array.numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    shaped = array.ndim == 3 and array.size and 3 in (array.shape[0], array.shape[-1])
    if array.dtype != np.uint8 or not shaped:
        raise ValueError(
            f"is a {array.dtype} array of shape {array.shape}: expected uint8 [height, width, 3] "
            "or [3, height, width]; convert floats in 0…1 with (255 * x).astype('uint8')"
        )
    return Image.fromarray(array if array.shape[-1] == 3 else array.transpose(1, 2, 0))


def pad_to_square(image: Image.Image, mean: list[float]) -> Image.Image:
    """The picture centred on a square of its longer side, filled with the normalisation mean.

    Beyond MAX_SIDE it is averaged down first: the square of a long strip would take gigabytes.
    """
    image = image.reduce(-(-max(image.size) // MAX_SIDE)) if max(image.size) > MAX_SIDE else image
    width, height = image.size
    side = max(width, height)
    if width == height:
        return image
    square = Image.new("RGB", (side, side), tuple(int(255 * value) for value in mean))
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def pillow_processor(image_processor: Any) -> Any:
    """The same image processor on Pillow: where torchvision is installed the library would resize
    with it, and the pixels would differ from the reference's and from other machines'."""
    if type(image_processor).__name__ != "CLIPImageProcessor":
        return image_processor
    pillow = getattr(transformers, "CLIPImageProcessorPil", None)
    return image_processor if pillow is None else pillow(**image_processor.to_dict())


def is_features(source: Any) -> bool:
    """Whether a video is given as pre-extracted features: a floating point [T, N, C] array."""
    if not isinstance(source, (np.ndarray, torch.Tensor)) or source.ndim != 3:
        return False
    tensor = torch.as_tensor(source)
    return tensor.is_floating_point()


def load_video(
    source: Any, video_fps: float, max_frames: int | None, allow_urls: bool = False
) -> list[Image.Image]:
    """Sampled frames of a video file or an open PyAV container; frames given as list (pictures,
    PyAV frames) or array are taken as sampled already.

    Arrays are uint8 [T, H, W, 3] or [T, 3, H, W]. Raises ValueError for what cannot be decoded.
    """
    if av is not None and isinstance(source, av.container.InputContainer):
        return _decode(source, video_fps, max_frames)
    source = read_source(source, "video", allow_urls)
    if isinstance(source, (bytes, Path)):
        return _decode(source, video_fps, max_frames)
    if isinstance(source, (np.ndarray, torch.Tensor)) and source.ndim != 4:
        raise ValueError(
            f"is an array of shape {tuple(source.shape)}: expected uint8 frames "
            "[frames, height, width, 3] or floating point features [frames, tokens, channels]"
        )
    if not isinstance(source, (list, tuple, np.ndarray, torch.Tensor)):
        raise ValueError(
            f"is a {type(source).__name__}: expected a path, bytes, a file opened for reading, a "
            "PyAV container opened for reading, a list of frames or an array"
        )
    if len(source) == 0:
        raise ValueError("has 0 frames: expected at least one")
    return [load_image(frame, allow_urls) for frame in thin(list(source), max_frames)]


def _decode(source: Any, video_fps: float, max_frames: int | None) -> list[Image.Image]:
    if av is None:
        raise ValueError("needs PyAV to be decoded: pip install av, or give a list of frames")
    try:
        wanted = _wanted_frames(source, video_fps, max_frames)
        with _open(source) as container:
            stream = container.streams.video[0]
            if isinstance(source, (bytes, Path)):
                stream.thread_type = "AUTO"
            frames, decoded = [], 0
            for frame in container.decode(stream):
                if decoded in wanted:
                    frames.append(upright(frame))
                decoded += 1
            announced = stream.frames
    except (av.FFmpegError, IndexError, OSError) as error:
        raise ValueError(
            f"cannot be decoded as a video ({error}): expected a complete video file"
        ) from error
    if not frames:
        raise ValueError("has 0 decodable frames: expected at least one")
    # Headers may count a few hidden frames too many; a cut file lacks many.
    if decoded < 0.9 * announced:
        raise ValueError(
            f"ends after {decoded} of {announced} frames: expected a complete video file"
        )
    return frames


def upright(frame: Any) -> Image.Image:
    """A decoded frame as players show it: phones store frames lying, with a matrix that turns them,
    and PyAV, unlike FFmpeg's programs, leaves the turning to us."""
    image = frame.to_image()
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("9i", bytes(data)[:36])
            size = math.hypot(a, b) or 1.0
            turn = TURNS.get(tuple(round(value / size) for value in (a, b, c, d)))
            return image if turn is None else image.transpose(turn)
    return image


def _open(source: Any) -> Any:
    """The container, read as what its first bytes say it is and as nothing else. One that the
    caller opened is read from its start and left open."""
    if not isinstance(source, (bytes, Path)):
        source.seek(0)
        return nullcontext(source)
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    for at, start, reader in VIDEO_HEADS:
        if head.startswith(start, at):
            return av.open(file, format=reader, options={"protocol_whitelist": "file"})
    raise ValueError(
        f"cannot be decoded as a video (it starts with {head[:12]!r}): expected MP4, MOV, "
        "Matroska, WebM, AVI, GIF, FLV, Ogg, ASF or MPEG"
    )


def _wanted_frames(source: Any, video_fps: float, max_frames: int | None) -> range | set:
    """Numbers of the frames to keep. Only a cap needs the frame count, taken from the packets:
    the header's count is missing or wrong too often."""
    with _open(source) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or video_fps)
        if max_frames is None:
            return range(0, 1 << 62, frame_step(fps, video_fps))
        count = sum(1 for packet in container.demux(stream) if packet.size)
    return set(sample_frame_indices(count, fps, video_fps, max_frames))


__all__ = [
    "checked_sampling",
    "frame_step",
    "is_features",
    "load_image",
    "load_video",
    "pad_to_square",
    "pillow_processor",
    "read_source",
    "sample_frame_indices",
]
