"""Videos: facts from the container, checked against the packets, and an MP4 fit to publish.

Runs inside the limited child process of `decoder.py`. The demuxer is forced to the sniffed type and
may open nothing but the file itself, so a playlist that names other files is never followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from dataset_builder.decode.content_type import AVI, MP4, ContentType
from dataset_builder.decode.orientation import display_matrix
from dataset_builder.ledger.reasons import CORRUPT, TOO_LARGE, TOO_LONG, RejectedMedia

# codecs an .mp4 may hold without new encoding, and that common players and decoders read
MP4_VIDEO_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
# With its assembler x264 gave the same pictures other bytes from one run to the next (it reads
# memory it never set); in plain C it does not, for 0.7 s of CPU per second of 720p.
X264 = {"threads": "1", "crf": "20", "preset": "veryfast", "x264-params": "no-asm=1"}
MP4_AUDIO_CODECS = frozenset({"aac", "mp3", "opus", "ac3"})
# containers may name a place or a person: such files are rewritten without their tags
PERSONAL_TAGS = ("location", "©xyz", "gps", "author", "artist", "copyright", "comment", "make")
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


def publishable_mp4(path: Path, content: ContentType, out: Path) -> bool:
    """Write to `out` an MP4 without personal tags; False where the file itself is already one."""
    with open_video(path, content) as source:
        if content is MP4 and not _has_personal_tags(source):
            return False
        stream = video_stream(source)
        # AVI has no decoder settings and no order of display: copied packets would not play
        copy = content is not AVI and stream.codec_context.name in MP4_VIDEO_CODECS
        flags = {"fflags": "+bitexact"}  # else the writer stamps its version into the file
        with av.open(str(out), "w", format="mp4", options=flags) as target:
            if copy:
                _copy_streams(source, stream, target)
            else:
                _encode_h264(source, stream, target)
    return True


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


def _has_personal_tags(container: InputContainer) -> bool:
    tags = [*container.metadata, *(key for s in container.streams for key in s.metadata)]
    return any(word in tag.lower() for tag in tags for word in PERSONAL_TAGS)


def _copy_streams(
    source: InputContainer, video: VideoStream, target: av.container.OutputContainer
) -> None:
    """Move the packets of the video and a fitting audio stream into `target`, undecoded."""
    chosen: dict[int, av.stream.Stream] = {video.index: target.add_stream_from_template(video)}
    for audio in source.streams.audio[:1]:
        if audio.codec_context.name in MP4_AUDIO_CODECS:
            chosen[audio.index] = target.add_stream_from_template(audio)
    for stream in chosen.values():
        stream.metadata.clear()
    decoding = iter(_decoding_times(source, video))
    for packet in source.demux([s for s in source.streams if s.index in chosen]):
        if packet.size == 0 or packet.pts is None:
            continue
        if packet.stream.index == video.index:
            packet.dts = next(decoding)
        packet.stream = chosen[packet.stream.index]
        target.mux(packet)


def _decoding_times(source: InputContainer, video: VideoStream) -> list[int]:
    """When each video packet is decoded: as the container says, or as early as its order needs.

    Matroska stores times of display only; without the others the first pictures would be lost.
    """
    packets = [p for p in source.demux(video) if p.size and p.pts is not None]
    source.seek(0)
    given = [p.dts for p in packets]
    if None not in given:
        return [dts for dts in given if dts is not None]
    shown = [p.pts for p in packets if p.pts is not None]
    ordered = sorted(shown)
    early = max(a - b for a, b in zip(ordered, shown, strict=True))
    return [pts - early for pts in ordered]


def _encode_h264(
    source: InputContainer, video: VideoStream, target: av.container.OutputContainer
) -> None:
    """Encode the pictures anew (sound is left out: its codec does not fit either)."""
    rate = video.average_rate or Fraction(25)
    out = target.add_stream("libx264", rate=rate, options=X264)
    out.width, out.height = video.width // 2 * 2, video.height // 2 * 2
    out.pix_fmt = "yuv420p"
    for index, frame in enumerate(source.decode(video)):
        if index == 0:  # before the first frame is encoded
            out.set_display_matrix(display_matrix(frame))
        even = frame.reformat(out.width, out.height, "yuv420p")
        even.pts, even.time_base = index, 1 / rate
        target.mux(out.encode(even))
    target.mux(out.encode(None))


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
