"""What comes in: the limits, texts on one line, and media decoded by a limited child process."""

import hashlib
import json
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from PIL import Image

MAX_FILE_MB = 50
MAX_PICTURE_PIXELS = 40_000_000
MAX_FRAME_PIXELS = 1920 * 1088
MAX_SECONDS = 120
MAX_FRAMES = 60
MAX_DECODE_SECONDS = 45  # of a processor; twice that by the clock
DECODER_MEMORY_MB = 1536
TEXT_LIMITS = {"title": 300, "brand": 100, "speech": 2000, "question": 500}
KEPT_MEDIA_BYTES = 256 * 2**20
DECODERS = threading.BoundedSemaphore(2)
Kept = TypeVar("Kept")


class Refused(ValueError):
    """An input that this demo does not take; the message is shown to the person who sent it."""


@dataclass(frozen=True)
class Media:
    """A decoded upload. frames: what the model sees, at `times` seconds; starts, thumbs: one per
    scene. `digest`: SHA-256 of the file, in hex."""

    digest: str
    kind: str
    format: str
    size: tuple[int, int]
    seconds: float | None
    times: tuple[float, ...]
    frames: tuple[Image.Image, ...]
    starts: tuple[float, ...]
    thumbs: tuple[Image.Image, ...]

    def cost(self) -> int:
        """Bytes that it holds."""
        return sum(3 * image.width * image.height for image in (*self.frames, *self.thumbs))


class Shelf(Generic[Kept]):
    """The latest things made, up to a number of bytes; safe between threads."""

    def __init__(self, most: int, cost: Callable[[Kept], int]) -> None:
        self.most, self.cost = most, cost
        self.held: OrderedDict[Any, Kept] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, key: Any) -> Kept | None:
        """What was put under the key, None where it is gone."""
        with self.lock:
            if key in self.held:
                self.held.move_to_end(key)
            return self.held.get(key)

    def put(self, key: Any, thing: Kept) -> Kept:
        """Keep it, dropping what was asked for least lately; the newest always stays."""
        with self.lock:
            self.held[key] = thing
            self.held.move_to_end(key)
            while len(self.held) > 1 and sum(map(self.cost, self.held.values())) > self.most:
                self.held.popitem(last=False)
        return thing


MEDIA: Shelf[Media] = Shelf(KEPT_MEDIA_BYTES, Media.cost)


def open_media(path: str | None, fps: float = 1.0, side: int = 224) -> Media:
    """The decoded upload; kept for further questions. fps: frames a second that the model samples;
    side: of its square input. Raises Refused, with the limit, for what is not taken."""
    if not path:
        raise Refused("Add a picture or a video first.")
    file = Path(path)
    if file.stat().st_size > MAX_FILE_MB * 2**20:
        raise Refused(f"This file is larger than {MAX_FILE_MB} MB.")
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    key = (digest, fps, side)
    return MEDIA.get(key) or MEDIA.put(key, decoded(file, digest, fps, side))


def decoded(file: Path, digest: str, fps: float, side: int) -> Media:
    """The file as the child process reads it."""
    output = child(file, {"fps": fps, "shortest": 2 * side, "longest": max(1024, 4 * side)})
    line, _, pixels = output.partition(b"\n")
    told = json.loads(line)
    if "refused" in told:
        raise Refused(told["refused"])
    images, at = [], 0
    for width, height in told["items"]:
        size = 3 * width * height
        images.append(Image.frombytes("RGB", (width, height), pixels[at : at + size]))
        at += size
    count = len(told["times"])
    return Media(
        digest,
        told["kind"],
        told["format"],
        (told["width"], told["height"]),
        told["seconds"],
        tuple(told["times"]),
        tuple(images[:count]),
        tuple(told["starts"]),
        tuple(images[count:]),
    )


def child(file: Path, settings: dict[str, Any]) -> bytes:
    """Output of decoding.py for a file. Raises Refused where the process hits one of its limits."""
    limits = {
        "memory_mb": DECODER_MEMORY_MB,
        "cpu_seconds": MAX_DECODE_SECONDS,
        "picture_pixels": MAX_PICTURE_PIXELS,
        "frame_pixels": MAX_FRAME_PIXELS,
        "seconds": MAX_SECONDS,
        "max_frames": MAX_FRAMES,
        "most_frames": MAX_SECONDS * 130,
        "threads": 2,
    }
    script = Path(__file__).with_name("decoding.py")
    command = [sys.executable, "-I", str(script), str(file), json.dumps(limits | settings)]
    with DECODERS:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=2 * MAX_DECODE_SECONDS,
                env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Refused(
                "This file takes too long to decode. Make it shorter or smaller."
            ) from None
    if done.returncode:
        print(f"space: decoder ended with {done.returncode}", file=sys.stderr)
        if done.returncode in (-24, -9):  # SIGXCPU, and what follows it
            raise Refused("This file takes too long to decode. Make it shorter or smaller.")
        raise Refused("This file cannot be decoded within the memory that is given here.")
    return done.stdout


def check_texts(**texts: str | None) -> dict[str, str]:
    """The texts on one line each. Raises Refused naming the field that is too long."""
    flat = {}
    for name, text in texts.items():
        if len(text or "") > 4 * (most := TEXT_LIMITS[name]):  # before any work on it
            raise Refused(f"The {name} has {len(text or ''):,} characters; the limit is {most}.")
        flat[name] = " ".join((text or "").split())
        if len(flat[name]) > most:
            raise Refused(f"The {name} has {len(flat[name])} characters; the limit is {most}.")
    return flat


def sound(path: str | None) -> bytes:
    """The sound of a video, 16 kHz mono, 16 bits. Raises Refused where there is none."""
    if not path:
        raise Refused("Add a video first.")
    found = child(Path(path), {"sound": True})
    line = found[:200]
    if line.startswith(b'{"refused"'):
        raise Refused(json.loads(line)["refused"])
    if not found:
        raise Refused("There is no sound in this file.")
    return found
