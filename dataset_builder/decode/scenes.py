"""Scene cuts, one keyframe per scene, and the frames that identify a video.

The cut rule is PySceneDetect's AdaptiveDetector with its ContentDetector(20) as fallback, the pair
the authors' `extract_shots.py` uses for "the 30-degree rule" (an interpretation: the cited works do
not say how the rule becomes sampling). Written out here, since that package computes each frame's
score several times slower than decoding; a test keeps the cuts equal to the package's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from dataset_builder.decode.orientation import Turn, turn_of
from dataset_builder.decode.videos import good_frames
from dataset_builder.ledger.reasons import CORRUPT, RejectedMedia
from dataset_builder.sections import Scenes

WINDOW = 2  # frames on each side that a cut must stand out from
MIN_CONTENT = 15.0  # and the change, of 255, that it needs at least
SIGNATURE_FRAMES = 8
BAD_FRAME_SHARE = 0.05


@dataclass
class FrameScan:
    """One decoding pass: seconds and change (0-255 against the frame before) of every frame."""

    times: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    signature_frames: list[np.ndarray] = field(default_factory=list)  # (h, w, 3) BGR
    bad_packets: int = 0
    turn: Turn = None  # how all frames must be turned to stand upright


def scan(
    container: InputContainer, stream: VideoStream, duration: float, rules: Scenes
) -> FrameScan:
    """Decode the whole video once, small. Raises RejectedMedia where too little decodes."""
    result = FrameScan()
    reformatter = VideoReformatter()
    width = min(rules.frame_width, stream.width) // 2 * 2 or 2
    height = max(2, round(stream.height * width / stream.width) // 2 * 2)
    # filtering frames that no other frame builds on changes nothing at this size
    stream.codec_context.options = {"skip_loop_filter": "noref"}
    marks = [duration * (k + 1) / (SIGNATURE_FRAMES + 1) for k in range(SIGNATURE_FRAMES)]
    last: np.ndarray | None = None
    start: float | None = None
    most = int(duration * float(stream.average_rate or 30) * 2) + 1000
    for frame in _decoded(container, stream, result):
        planes = reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p",
            interpolation="FAST_BILINEAR",
            threads=1,
        ).to_ndarray()
        small = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
        hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
        change = 0.0 if last is None else cv2.norm(hsv, last, cv2.NORM_L1) / hsv.size
        last = hsv
        time = frame.time if frame.time is not None else len(result.times) / 30
        if start is None:
            start, result.turn = time, turn_of(frame)
        result.times.append(time - start)
        result.changes.append(change)
        while marks and result.times[-1] >= marks[0]:
            result.signature_frames.append(small)
            marks.pop(0)
        if len(result.times) > most:
            raise RejectedMedia(CORRUPT, f"more than {most} frames in {duration:.3f} s")
    bad, good = result.bad_packets, len(result.times)
    if good == 0 or bad > BAD_FRAME_SHARE * (bad + good):
        raise RejectedMedia(CORRUPT, f"{bad} of {bad + good} frames do not decode")
    return result


def cut_frames(changes: list[float], rules: Scenes) -> list[int]:
    """Indices of the first frames of new scenes; adaptive cuts, else plain content cuts."""
    cuts = adaptive_cuts(changes, rules.adaptive_threshold, rules.min_frames)
    return cuts or content_cuts(changes, rules.fallback_threshold, rules.min_frames)


def adaptive_cuts(changes: list[float], threshold: float, min_frames: int) -> list[int]:
    """Frames whose change is `threshold` times the mean change of their neighbours."""
    cuts: list[int] = []
    last = 0  # the start counts as a cut
    for at in range(WINDOW, len(changes) - WINDOW):
        around = changes[at - WINDOW : at] + changes[at + 1 : at + WINDOW + 1]
        mean = sum(around) / (2.0 * WINDOW)
        if mean < 0.00001:
            ratio = 255.0 if changes[at] >= MIN_CONTENT else 0.0
        else:
            ratio = min(changes[at] / mean, 255.0)
        if ratio >= threshold and changes[at] >= MIN_CONTENT and at - last >= min_frames:
            cuts.append(at)
            last = at
    return cuts


def content_cuts(changes: list[float], threshold: float, min_frames: int) -> list[int]:
    """Frames whose change reaches `threshold`; a burst closer than `min_frames` gives one cut."""
    cuts: list[int] = []
    last_above = 0
    merge_start: int | None = None
    for at, change in enumerate(changes):
        above = change >= threshold
        far = at - last_above >= min_frames
        if above:
            last_above = at
        if merge_start is not None:
            if far and not above and last_above - merge_start >= min_frames:
                cuts.append(last_above)
                merge_start = None
        elif above and far:
            cuts.append(at)
        elif above and cuts:
            merge_start = at
    return cuts


def scene_ranges(cuts: list[int], frames: int, rules: Scenes) -> list[tuple[int, int]]:
    """[first, end) frames of each scene; above the cap the shortest joins its shorter neighbour.

    A cut within `min_frames` of the end is ignored: it is the last frames fading, not a scene.
    """
    edges = [0, *(cut for cut in cuts if frames - cut >= rules.min_frames), frames]
    scenes = [(a, b) for a, b in pairwise(edges) if b > a]
    while len(scenes) > rules.max_scenes:
        at = min(range(len(scenes)), key=lambda i: (scenes[i][1] - scenes[i][0], i))
        around = [i for i in (at - 1, at + 1) if 0 <= i < len(scenes)]
        other = min(around, key=lambda i: (scenes[i][1] - scenes[i][0], i))
        low, high = min(at, other), max(at, other)
        scenes[low : high + 1] = [(scenes[low][0], scenes[high][1])]
    return scenes


def dominant_frame(changes: list[float], first: int, end: int) -> int:
    """The stillest frame of the scene's middle half ("least change" of Henry's verbalisation)."""
    quarter = (end - first) // 4
    middle = (first + end - 1) / 2
    return min(
        range(first + quarter, end - quarter), key=lambda i: (changes[i], abs(i - middle), i)
    )


def pick_frames(
    container: InputContainer, stream: VideoStream, times: list[float]
) -> Iterator[VideoFrame]:
    """The frames shown at `times` (seconds from the first frame, ascending), full size."""
    base = stream.time_base or Fraction(1, 1000)
    offset = stream.start_time or 0
    position = -1.0
    frames: Iterator[VideoFrame] = iter(())
    chosen: VideoFrame | None = None
    for target in times:
        if position < 0 or target - position > 2.0:  # nearer frames are cheaper to decode up to
            container.seek(offset + int(target / base), stream=stream, backward=True)
            frames = good_frames(container, stream)
        for frame in frames:
            if frame.pts is None:
                continue
            chosen = frame
            position = float((frame.pts - offset) * base)
            if position >= target - 1e-4:
                break
        if chosen is None:
            raise RejectedMedia(CORRUPT, f"no frame decodes at {target:.3f} s")
        yield chosen  # the last frame that decoded, where none came after it


def _decoded(
    container: InputContainer, stream: VideoStream, result: FrameScan
) -> Iterator[VideoFrame]:
    """Every frame that decodes; packets that do not are counted."""
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                result.bad_packets += 1
    except av.error.FFmpegError:
        result.bad_packets += 1
