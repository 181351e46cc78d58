"""One uploaded file in, small upright frames out; runs as a process of its own, under limits.

    python -I decoding.py FILE SETTINGS     (SETTINGS: JSON, see intake.py)

Decoders of pictures and videos are the part of a server that strangers feed. Here they have a
ceiling of memory and of processor time, may write no file, and open this one file only. stdout: a
line of JSON, then raw RGB of every item it lists; or `{"refused": …}` alone.
"""

import errno
import json
import resource
import struct
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

try:  # Pillow reads AVIF itself; HEIC, the pictures of iPhones, needs this
    import pillow_heif
except ImportError:
    pillow_heif = None  # type: ignore[assignment]

# what `family` says -> Pillow's name of the one decoder that may read it
PICTURES = {name: name for name in ("JPEG", "PNG", "GIF", "BMP", "AVIF")}
PICTURES |= {"WebP": "WEBP", "HEIC": "HEIF"}
ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")
# brands in the ftyp box of a file that is a picture, though the box is that of MP4
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx")
AVIF_BRANDS = (b"avif", b"avis")
# (first byte, what stands there, FFmpeg's reader). Playlists are missing on purpose: FFmpeg would
# open what they name.
VIDEO_HEADS = (
    *((4, box, "mov") for box in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (8, b"AVI ", "avi"),
)
# what decoders raise on damaged or absurd files
DAMAGE = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, RuntimeError),
    *(struct.error, av.FFmpegError, Image.DecompressionBombError),
)
# a cut stands out from two frames on each side, by this factor and at least by this change of 255
CUT_FACTOR, CUT_CHANGE, SHORTEST_SCENE, MOST_SCENES = 2.0, 8.0, 0.6, 10
THUMB = 240
NAMES = "JPEG, PNG, WebP, GIF, BMP, HEIC or AVIF picture, or an MP4, MOV, WebM, MKV or AVI video"


class Refused(ValueError):
    """The file is not taken; the message says why, in words for the person who sent it."""


def limit(settings: dict[str, Any]) -> None:
    """Ceilings of this process: address space, processor seconds, no file written, no core."""
    memory = settings["memory_mb"] * 2**20
    seconds = settings["cpu_seconds"]
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def family(head: bytes) -> str:
    """What the first bytes say: a name for pictures, FFmpeg's reader for videos, "" for others."""
    if head[4:8] == b"ftyp" and head[8:12] in (*HEIF_BRANDS, *AVIF_BRANDS):
        return "AVIF" if head[8:12] in AVIF_BRANDS else "HEIC"
    for start, name in (
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
    ):
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((reader for at, box, reader in VIDEO_HEADS if head.startswith(box, at)), "")


def shrink(image: Image.Image, longest: int, shortest: int = 1) -> Image.Image:
    """The picture, its longer side at most `longest`, but its shorter one not below `shortest` for
    that; smaller ones stay as they are, and no side is above four times `longest`."""
    scale = max(longest / max(image.size), shortest / min(image.size))
    scale = min(scale, 4 * longest / max(image.size))
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB; grey of 16 bits keeps its shades (Pillow alone clips it to white)."""
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        deep = image.mode != "I" or int(grey.max(initial=0)) > 255
        image = Image.fromarray((grey >> 8 if deep else grey).clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def thin(items: list[Any], cap: int) -> list[Any]:
    """At most `cap` items, evenly spaced, the first one included; the processor's rule."""
    return items if len(items) <= cap else [items[i * len(items) // cap] for i in range(cap)]


def read_picture(path: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A picture, or the sampled frames of an animation (which then is a video)."""
    if name == "HEIC":
        if pillow_heif is None:
            raise Refused("HEIC pictures cannot be opened here. Save it as JPEG and try again.")
        pillow_heif.register_heif_opener(thumbnails=False)
    try:
        with Image.open(path, formats=(PICTURES[name],)) as image:
            if image.width * image.height > settings["picture_pixels"]:
                most = settings["picture_pixels"] // 10**6
                raise Refused(f"Pictures may have {most} megapixels at most.")
            if image.format in ANIMATED and getattr(image, "is_animated", False):
                return read_animation(image, name, settings)
            size = image.size
            rgb = shrink(to_rgb(ImageOps.exif_transpose(image)), settings["longest"])
    except UnidentifiedImageError as error:
        raise Refused(f"This {name} picture is damaged: it cannot be opened.") from error
    except MemoryError as error:
        raise Refused("This picture needs more memory to open than is given here.") from error
    except Refused:
        raise
    except DAMAGE as error:
        message = f"This {name} picture is damaged or far too large: it cannot be opened."
        raise Refused(message) from error
    return described("image", name, size, None, [(0.0, rgb)], [], [])


def read_animation(image: Image.Image, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Frames of an animated picture at the wanted rate, by the times at which they are shown."""
    frames: list[tuple[float, Image.Image]] = []
    now, at = 0.0, 0
    while True:
        try:
            image.seek(at)
        except EOFError:
            break
        shown = (image.info.get("duration") or 100) / 1000
        if now + shown > settings["seconds"] or at >= settings["most_frames"]:
            raise Refused(too_long(now + shown, settings))
        while now + shown > (due := len(frames) / settings["fps"]):
            small = shrink(to_rgb(image), settings["shortest"], settings["shortest"])
            frames.append((due, small))
        now, at = now + shown, at + 1
    kept = thin(frames, settings["max_frames"])
    return described("video", f"animated {name}", image.size, now, kept, [0.0], frames[:1])


def too_long(seconds: float, settings: dict[str, Any]) -> str:
    """The refusal of a long video."""
    most = settings["seconds"]
    return f"This video is {seconds:.0f} s long; the limit is {most} s. Cut it and try again."


def check_stream(container: Any, settings: dict[str, Any]) -> Any:
    """The video stream. Raises Refused for none, too many pixels, or a stated length over the limit
    (recordings of a webcam state none: they are measured while they are decoded)."""
    if not container.streams.video:
        raise Refused("This file has sound but no picture: a video is expected.")
    stream = container.streams.video[0]
    seconds = (container.duration or 0) / av.time_base
    if seconds > settings["seconds"]:
        raise Refused(too_long(seconds, settings))
    if stream.width * stream.height > settings["frame_pixels"]:
        size = f"{stream.width} x {stream.height}"
        raise Refused(f"This video is {size}; 1080p is the most. Make it smaller and try again.")
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = settings["threads"]
    return stream


def read_video(path: str, reader: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The frames that the model sees, the cuts, and one small frame at each cut."""
    try:
        whitelist = {"protocol_whitelist": "file"}
        with av.open(path, format=reader, options=whitelist) as container:
            stream = check_stream(container, settings)
            codec, announced = stream.codec_context.name, stream.frames
            size = (stream.width, stream.height)
            scan = Scan(settings, float(stream.average_rate or settings["fps"]))
            for frame in container.decode(stream):
                scan.add(frame)
    except MemoryError as error:
        raise Refused("This video needs more memory to decode than is given here.") from error
    except Refused:
        raise
    except DAMAGE as error:
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise Refused("This video needs more memory to decode than is given here.") from error
        raise Refused("This video is damaged: it cannot be decoded.") from error
    if not scan.kept:
        raise Refused("This video is damaged: it has no frame that can be decoded.")
    if scan.count < 0.9 * announced:
        raise Refused(f"This video is cut off: it ends after {scan.count} of {announced} frames.")
    kept = thin(scan.kept, settings["max_frames"])
    starts, thumbs = scan.scenes()
    return described("video", codec, size, scan.seconds(), kept, starts, thumbs)


class Scan:
    """One pass over the frames of a video: those to keep, and where the picture changes."""

    def __init__(self, settings: dict[str, Any], rate: float) -> None:
        self.settings = settings
        # as the processor samples: every round(rate / fps)-th frame
        self.step = max(1, round(rate / settings["fps"]))
        self.most_kept = round(settings["seconds"] * max(settings["fps"], 1)) + 2
        self.kept: list[tuple[float, Image.Image]] = []
        # cuts are looked for 15 times a second
        self.glance = max(1, round(rate / 15))
        self.thumbs: dict[int, tuple[float, Image.Image]] = {}
        self.times: list[float] = []
        self.changes: list[float] = []
        self.last: np.ndarray | None = None

    @property
    def count(self) -> int:
        return len(self.times)

    def seconds(self) -> float:
        """Length: the last frame's time and one frame more."""
        usual = self.times[-1] / max(1, self.count - 1)
        return self.times[-1] + (usual or 0.04)

    def add(self, frame: Any) -> None:
        """Take one decoded frame; Refused beyond the length or number of frames allowed."""
        time = float(frame.time) if frame.time is not None else self.count / 30
        first = self.times[0] if self.times else 0.0
        if time - first > self.settings["seconds"]:
            raise Refused(too_long(time - first, self.settings))
        if self.count >= self.settings["most_frames"] or len(self.kept) > self.most_kept:
            raise Refused("This video has more frames than its length allows: it cannot be taken.")
        sudden = self.count % self.glance == 0 and self.changed(frame, time)
        if self.count % self.step == 0:
            shortest = self.settings["shortest"]
            self.kept.append((time, shrink(upright(frame), shortest, shortest)))
        if sudden:
            self.thumbs[len(self.changes) - 1] = (time, shrink(upright(frame), THUMB))
        self.times.append(time)

    def changed(self, frame: Any, time: float) -> bool:
        """Whether it may open a scene: the first frame, or one much changed since the last."""
        small = frame.reformat(64, 36, "yuv444p", interpolation="FAST_BILINEAR").to_ndarray()
        small = small.astype(np.int16)
        self.changes.append(0.0 if self.last is None else float(np.abs(small - self.last).mean()))
        self.last = small
        latest = max((time for time, _ in self.thumbs.values()), default=-SHORTEST_SCENE)
        return not self.thumbs or (
            self.changes[-1] >= CUT_CHANGE and time - latest >= SHORTEST_SCENE
        )

    def scenes(self) -> tuple[list[float], list[tuple[float, Image.Image]]]:
        """Start of every scene in seconds, and the frame that opens it."""
        cuts = [0]
        for at in sorted(self.thumbs):
            near = [*self.changes[max(1, at - 2) : at], *self.changes[at + 1 : at + 3]]
            usual = sum(near) / max(1, len(near))
            if at and self.changes[at] >= CUT_FACTOR * usual:
                cuts.append(at)
        if len(cuts) > MOST_SCENES:  # the strongest cuts, in their order
            cuts = sorted(sorted(cuts[1:], key=lambda at: -self.changes[at])[: MOST_SCENES - 1])
            cuts = [0, *cuts]
        return [self.thumbs[at][0] for at in cuts], [self.thumbs[at] for at in cuts]


def upright(frame: Any) -> Image.Image:
    """A decoded frame as players show it: phones store frames lying, with a note to turn them."""
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def described(
    kind: str,
    name: str,
    size: tuple[int, int],
    seconds: float | None,
    frames: list[tuple[float, Image.Image]],
    starts: list[float],
    thumbs: list[tuple[float, Image.Image]],
) -> dict[str, Any]:
    """What goes to stdout; `items`: the pictures themselves, frames first."""
    return {
        "kind": kind,
        "format": name,
        "width": size[0],
        "height": size[1],
        "seconds": seconds,
        "times": [time for time, _ in frames],
        "starts": starts,
        "items": [image for _, image in frames] + [image for _, image in thumbs],
    }


def read_sound(path: str, reader: str, settings: dict[str, Any]) -> bytes:
    """The sound as 16 kHz mono, 16 bits; Refused where there is none or it is damaged."""
    parts: list[bytes] = []
    try:
        with av.open(path, format=reader, options={"protocol_whitelist": "file"}) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
            for frame in container.decode(audio=0):
                parts += [part.to_ndarray().tobytes() for part in resampler.resample(frame)]
                if len(parts) > settings["most_frames"] * 4:
                    raise Refused("The sound of this video is longer than its picture may be.")
    except Refused:
        raise
    except (*DAMAGE, MemoryError) as error:
        raise Refused("This video has no sound that can be read.") from error
    return b"".join(parts)[: settings["seconds"] * 32000]


def main(path: str, given: str) -> int:
    """Write the answer to stdout; 0 also where the file is refused."""
    settings = json.loads(given)
    limit(settings)
    Image.MAX_IMAGE_PIXELS = settings["picture_pixels"]
    out = sys.stdout.buffer
    try:
        with Path(path).open("rb") as file:
            found = family(file.read(192))
        if not found:
            raise Refused(f"This file is not a {NAMES}.")
        is_video = found in {reader for _, _, reader in VIDEO_HEADS}
        if settings.get("sound"):
            out.write(read_sound(path, found, settings) if is_video else b"")
            return 0
        read = read_video if is_video else read_picture
        answer = read(path, found, settings)
    except Refused as refusal:
        out.write(json.dumps({"refused": str(refusal)}).encode() + b"\n")
        return 0
    items = answer["items"]
    answer["items"] = [image.size for image in items]
    out.write(json.dumps(answer).encode() + b"\n")
    for image in items:
        out.write(image.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
