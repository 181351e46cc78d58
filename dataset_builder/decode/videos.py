"""Videos: facts from the container, checked against the packets.

Runs inside the limited child process of `decoder.py`. The demuxer is forced to the sniffed type and
may open nothing but the file itself, so a playlist that names other files is never followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dataset_builder.decode.content_type import ContentType
from dataset_builder.ledger.reasons import CORRUPT, TOO_LARGE, TOO_LONG, RejectedMedia

# a file may end this much before its header says, as streams of one container seldom end together
MISSING_SECONDS = 1.0
MISSING_SHARE = 0.05
MISSING_PACKETS = 0.02  # but where the index counts the packets, they must be there


@dataclass(frozen=True)
class VideoLimits:
    """Caps on one video; `max_seconds` bounds decoding and is no rule of the dataset."""

    max_pixels: int
    max_frame_rate: float
    max_seconds: float


@dataclass(frozen=True)
class VideoFacts:
    """Duration in seconds; frame rate in frames per second."""

    width: int
    height: int
    duration: float
    frame_rate: float
    has_audio: bool


def open_video(path: Path, content: ContentType) -> InputContainer:
    """The container at `path`, opened with the one demuxer of its sniffed type."""
    try:
        return av.open(
            str(path), format=content.reader, options={"protocol_whitelist": "file"}, timeout=30.0
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise RejectedMedia(CORRUPT, f"cannot open: {_short(error)}") from error


def video_stream(container: InputContainer) -> VideoStream:
    """The first real video stream (a cover picture is none)."""
    for stream in container.streams.video:
        if stream.codec_context is None:
            raise RejectedMedia(CORRUPT, "no decoder for its codec")
        if "attached_pic" not in str(getattr(stream, "disposition", "")):
            return stream
    raise RejectedMedia(CORRUPT, "no video stream")


def good_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Every frame that decodes; how many may not, the search for scenes has judged."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def probe_video(path: Path, content: ContentType, limits: VideoLimits) -> VideoFacts:
    """Facts of the video, after reading (not decoding) all its packets.

    Raises RejectedMedia: too_large, too_long (caps, from the header), corrupt (no video, no
    packets, or the packets end before the index says: a file cut off).
    """
    with open_video(path, content) as container:
        stream = video_stream(container)
        width, height = stream.codec_context.width, stream.codec_context.height
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        declared = _declared_seconds(container, stream)
        if width * height > limits.max_pixels or width * height == 0:
            value = f"{width}x{height} pixels, limit {limits.max_pixels}"
            raise RejectedMedia(TOO_LARGE, value)
        if rate > limits.max_frame_rate:
            value = f"{rate:.6g} frames/s, limit {limits.max_frame_rate:.6g}"
            raise RejectedMedia(TOO_LARGE, value)
        if declared is not None and declared > limits.max_seconds:
            raise RejectedMedia(TOO_LONG, f"{declared:.3f} s, limit {limits.max_seconds:.6g}")
        read, packets = _packet_span(container, stream, limits)
        has_audio = bool(container.streams.audio)
        indexed = stream.frames
    if packets < indexed * (1 - MISSING_PACKETS):
        raise RejectedMedia(CORRUPT, f"cut off: {packets} of {indexed} indexed packets are there")
    if declared is not None and read < declared - max(MISSING_SECONDS, MISSING_SHARE * declared):
        raise RejectedMedia(CORRUPT, f"cut off: {read:.3f} s of {declared:.3f} s are there")
    duration = read if declared is None else declared
    if duration <= 0:
        raise RejectedMedia(CORRUPT, f"duration {duration:.3f} s from {packets} packets")
    return VideoFacts(width, height, round(duration, 3), round(rate, 3), has_audio)


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _packet_span(
    container: InputContainer, stream: VideoStream, limits: VideoLimits
) -> tuple[float, int]:
    """Seconds from the first to the end of the last packet, and the number of packets."""
    first: float | None = None
    last, packets = 0.0, 0
    base = stream.time_base or Fraction(1, 1000)
    most = int(limits.max_seconds * limits.max_frame_rate) + 1000
    try:
        for packet in container.demux(stream):
            if packet.pts is None or packet.size == 0:
                continue
            start = float(packet.pts * base)
            first = start if first is None else min(first, start)
            last = max(last, start + float((packet.duration or 0) * base))
            packets += 1
            if packets > most:
                raise RejectedMedia(TOO_LARGE, f"more than {most} packets")
    except (av.error.FFmpegError, ValueError) as error:
        if packets == 0:
            raise RejectedMedia(CORRUPT, f"cannot read: {_short(error)}") from error
    if first is None:
        raise RejectedMedia(CORRUPT, "no video packets")
    return last - first, packets


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
