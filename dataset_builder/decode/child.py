"""The process that opens untrusted media: `python -m dataset_builder.decode.child`.

Reads one JSON request per line on stdin, answers one JSON line on stdout. Address space and CPU are
limited per request, so a file that makes a decoder run away ends this process, not the build.
A request: {"op": "inspect" | "scenes" | "audio", "path", "out" (folder), "limits": {…}, …}.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from dataset_builder.decode.content_type import HEAD_BYTES, ContentType, sniff, why_not
from dataset_builder.decode.looks import Signature, signature
from dataset_builder.decode.mp4 import write_mp4
from dataset_builder.decode.orientation import Turn, upright
from dataset_builder.decode.pictures import encode_jpeg, publishable_jpeg, read_picture, to_rgb
from dataset_builder.decode.scenes import (
    cut_frames,
    dominant_frame,
    pick_frames,
    scan,
    scene_ranges,
)
from dataset_builder.decode.videos import (
    VideoLimits,
    open_video,
    probe_video,
    video_stream,
)
from dataset_builder.ledger.reasons import CORRUPT, LIMIT, TOO_LARGE, RejectedMedia
from dataset_builder.sections import Scenes

# the machine's trouble, never the file's fault: the build stops instead of dropping the file
MACHINE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE})
READY = "ready"
AUDIO_RATE = 16_000
KEYFRAME_PIXELS = 1280 * 720  # enough for any captioner, small enough to keep


def main() -> None:
    """Serve requests until stdin ends."""
    cv2.setNumThreads(1)
    av.logging.set_level(av.logging.PANIC)
    warnings.simplefilter("ignore")  # Pillow's, about tags that nobody reads
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints spoils no answer
    base = _address_space()
    print(READY, file=answers, flush=True)  # the libraries' own loading is no file's time
    for line in sys.stdin:
        request = json.loads(line)
        _limit(base, request["limits"])
        answer = json.dumps(_answer(request))
        try:
            print(answer, file=answers, flush=True)
        except BrokenPipeError:
            os._exit(0)  # whoever asked has ended, and said why


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    operation = {"inspect": inspect, "scenes": scenes, "audio": audio}[request["op"]]
    try:
        return {"ok": operation(request)}
    except RejectedMedia as rejected:
        return {"reason": rejected.reason, "value": _unplaced(rejected.value, request["path"])}
    except MemoryError:
        return {"reason": LIMIT, "value": f"memory over {request['limits']['memory_mb']} MiB"}
    except Exception as error:  # on damaged input decoders raise nearly every type there is
        if getattr(error, "errno", None) in MACHINE_ERRORS:
            return {"machine": str(error), "errno": getattr(error, "errno", 0)}
        text = _unplaced(f"{type(error).__name__}: {error}", request["path"])
        return {"reason": CORRUPT, "value": text}


def _unplaced(text: str, path: str) -> str:
    """What is wrong with a file, without the place it lies in: the same file, the same text."""
    for name in (repr(path), f"'{path}'", path):
        text = text.replace(name, "FILE")
    return text[:200]


def inspect(request: dict[str, Any]) -> dict[str, Any]:
    """Facts of a picture or video, without decoding a video's frames.

    A picture is decoded whole and its publishable JPEG written to `out`.
    """
    path, limits = Path(request["path"]), request["limits"]
    content = _content(path, limits)
    if content.kind == "image":
        image = read_picture(path, content, limits["max_picture_pixels"])
        (Path(request["out"]) / "picture.jpg").write_bytes(publishable_jpeg(path, content, image))
        rgb = to_rgb(image)
        return {
            "kind": "image",
            "type": content.name,
            "width": rgb.width,
            "height": rgb.height,
            "duration": None,
            "signatures": [_as_list(signature(rgb))],
        }
    facts = probe_video(path, content, _video_limits(limits))
    return {
        "kind": "video",
        "type": content.name,
        "width": facts.width,
        "height": facts.height,
        "duration": facts.duration,
        "has_audio": facts.has_audio,
    }


def scenes(request: dict[str, Any]) -> dict[str, Any]:
    """Scenes of a video; leaves keyframes `k00.jpg`… and `video.mp4` in `out`."""
    path, limits, out = Path(request["path"]), request["limits"], Path(request["out"])
    content = _content(path, limits)
    rules = Scenes(**request["rules"])
    with open_video(path, content) as container:
        stream = video_stream(container)
        result = scan(container, stream, request["duration"], rules)
    cuts = cut_frames(result.changes, rules)
    found = scene_ranges(cuts, len(result.times), rules)
    keys = [dominant_frame(result.changes, first, end) for first, end in found]
    with open_video(path, content) as container:
        frames = pick_frames(container, video_stream(container), [result.times[k] for k in keys])
        for index, frame in enumerate(frames):
            image = _fit(upright(frame.to_image(), result.turn))
            (out / f"k{index:02d}.jpg").write_bytes(encode_jpeg(image))
    write_mp4(path, content, out / "video.mp4")
    looks = [upright(_rgb(frame), result.turn) for frame in result.signature_frames]
    ends = [*(result.times[end] for _, end in found[:-1]), request["duration"]]
    return {
        "scenes": [
            [round(result.times[first], 3), round(end, 3)]
            for (first, _), end in zip(found, ends, strict=True)
        ],
        "bad_packets": result.bad_packets,
        "signatures": [_as_list(signature(look)) for look in looks],
        **_size_seen(request["size"], result.turn),
    }


def _size_seen(size: list[int], turn: Turn) -> dict[str, int]:
    """Width and height of a video as it is shown."""
    width, height = upright(Image.new("1", (size[0], size[1])), turn).size
    return {"width": width, "height": height}


def audio(request: dict[str, Any]) -> dict[str, Any]:
    """The first sound track as `audio.f32` in `out`: mono, 16 kHz, float32 little-endian."""
    path, limits = Path(request["path"]), request["limits"]
    content = _content(path, limits)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
    samples = 0
    most = int(limits["max_decode_seconds"] * AUDIO_RATE)
    with (
        open_video(path, content) as container,
        (Path(request["out"]) / "audio.f32").open("wb") as out,
    ):
        for frame in container.decode(container.streams.audio[0]):
            for part in resampler.resample(frame):
                block = part.to_ndarray().astype("<f4").ravel()
                out.write(block.tobytes())
                samples += len(block)
            if samples > most:
                raise RejectedMedia(TOO_LARGE, f"more than {most} sound samples")
    return {"seconds": samples / AUDIO_RATE}


def _content(path: Path, limits: dict[str, Any]) -> ContentType:
    size = path.stat().st_size
    if size > limits["max_megabytes"] * 2**20:
        raise RejectedMedia(TOO_LARGE, f"{size} bytes, limit {limits['max_megabytes']} MiB")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    content = sniff(head)
    if content is None:
        raise RejectedMedia(*why_not(head))
    return content


def _video_limits(limits: dict[str, Any]) -> VideoLimits:
    return VideoLimits(
        limits["max_video_pixels"], limits["max_frame_rate"], limits["max_decode_seconds"]
    )


def _fit(image: Image.Image) -> Image.Image:
    """`image`, no larger than KEYFRAME_PIXELS."""
    scale = (KEYFRAME_PIXELS / (image.width * image.height)) ** 0.5
    if scale >= 1:
        return image
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)


def _rgb(frame: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))


def _as_list(found: Signature | None) -> list[str] | None:
    return None if found is None else [found.bits, found.thumb]


def _address_space() -> int:
    """Bytes of address space in use now: the libraries, before any media."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _limit(base: int, limits: dict[str, Any]) -> None:
    """Cap address space above the libraries' own, and CPU seconds from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (base + limits["memory_mb"] * 2**20, hard))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + limits["cpu_seconds"]) + 1, hard))


if __name__ == "__main__":
    main()
