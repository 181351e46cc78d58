"""The MP4 that is published: one picture and one sound stream, taken out of their container.

The container is never the file's own: data tracks, boxes, tags and what lies behind them stay in
it. Of the coded pictures only units that pictures need are copied, as encoders, cameras and
captioners write texts between them.
"""

from __future__ import annotations

import heapq
import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from dataset_builder.decode.content_type import AVI, MP4, ContentType
from dataset_builder.decode.orientation import display_matrix
from dataset_builder.decode.videos import good_frames, open_video, video_stream
from dataset_builder.ledger.reasons import CORRUPT, RejectedMedia

# picture codecs an .mp4 may hold without new encoding and that common players read, and the units
# of their streams that make pictures: slices, parameter sets, marks of order; VP9 has no others
UNITS = {
    "h264": "pass_types=1-5|7-11|13",
    "hevc": "pass_types=0-9|16-21|32-37",
    "av1": "pass_types=1-4|6-7",
    "vp9": None,
}
SOUND_CODECS = frozenset({"aac", "mp3", "opus", "ac3"})
# With its assembler x264 gave the same pictures other bytes from one run to the next (it reads
# memory it never set); in plain C it does not, for 0.7 s of CPU per second of 720p.
X264 = {"threads": "1", "crf": "20", "preset": "veryfast", "x264-params": "no-asm=1"}
FLAGS = {"fflags": "+bitexact"}  # else the writer stamps its version into the file
DAMAGED = (av.error.FFmpegError, ValueError)
BOX = struct.Struct(">I4s")
UNIT_START = re.compile(rb"\x00*\x00\x00\x01")
HEVC_PARAMETERS = frozenset({32, 33, 34})
AV1_SEQUENCE = 1
Timed = tuple[Fraction, av.Packet]  # seconds, and what is decoded then


def write_mp4(path: Path, content: ContentType, out: Path) -> None:
    """Write the pictures and the sound of `path` to `out`; encoded anew where they do not copy.

    Raises RejectedMedia (corrupt) where that fails too.
    """
    with open_video(path, content) as source:
        codec = _codec(video_stream(source))
    # AVI has no decoder settings and no order of display: copied packets would not play
    if content is not AVI and codec in UNITS:
        try:
            return _copy(path, path, content, content, out)
        except DAMAGED:
            pass  # a damaged packet that the decoder gets over
    encoded = out.with_suffix(".encoded")
    try:
        _encode(path, content, encoded)
        _copy(encoded, path, MP4, content, out)
    except DAMAGED as error:
        raise RejectedMedia(CORRUPT, f"cannot be written as MP4: {error}") from error
    finally:
        encoded.unlink(missing_ok=True)


def _copy(
    pictures: Path, sound: Path, kind: ContentType, sound_kind: ContentType, out: Path
) -> None:
    """Move the packets of the video of one file and of the sound of another, undecoded."""
    with (
        open_video(pictures, kind) as source,
        open_video(sound, sound_kind) as heard,
        av.open(str(out), "w", format="mp4", options=FLAGS) as target,
    ):
        parts = [_pictures(source, target)]
        for audio in heard.streams.audio[:1]:
            if audio.codec_context is not None and _codec(audio) in SOUND_CODECS:
                parts.append(_sound(heard, audio, target))
        # the first packet of each is asked for, and so each stream made, before any is written
        for _, packet in heapq.merge(*parts, key=lambda part: part[0]):
            target.mux(packet)
    _leave_three_boxes(out)


def _pictures(source: InputContainer, target: OutputContainer) -> Iterator[Timed]:
    """The video's packets for a new stream of `target`, with the units that pictures need."""
    video = video_stream(source)
    made = _stream(video, target)
    codec = _codec(video)
    units = UNITS[codec]
    wanted = BitStreamFilterContext(f"filter_units={units}", video, made) if units else None
    made.codec_context.extradata = _setup(codec, made.codec_context.extradata)
    base = video.time_base or Fraction(1, 1000)
    decoding = iter(_decoding_times(source, video))
    for packet in source.demux(video):
        if packet.size == 0 or packet.pts is None:
            continue
        packet.dts = next(decoding)
        for part in [packet] if wanted is None else wanted.filter(packet):
            part.stream = made
            yield (part.dts or 0) * base, part


def _setup(codec: str, data: bytes | None) -> bytes | None:
    """What a decoder must know beforehand, as the filter leaves it: there it passes every unit."""
    if not data or codec not in ("hevc", "av1"):
        return data
    if codec == "av1":
        return b"".join(unit for unit in _obus(data) if unit[0] >> 3 & 15 == AV1_SEQUENCE)
    sets = [unit for unit in UNIT_START.split(data) if unit and unit[0] >> 1 in HEVC_PARAMETERS]
    return b"".join(b"\0\0\0\1" + unit for unit in sets)


def _obus(data: bytes) -> Iterator[bytes]:
    """The units of an AV1 header, each of which states its size. Raises ValueError otherwise."""
    at = 0
    while at < len(data):
        head, size, shift = at + 1 + (data[at] >> 2 & 1), 0, 0
        while more := data[head : head + 1]:
            size |= (more[0] & 127) << shift
            head, shift = head + 1, shift + 7
            if more[0] < 128:
                break
        if not data[at] & 2 or not more or head + size > len(data):
            raise ValueError("an AV1 unit without its size")
        yield data[at : head + size]
        at = head + size


def _sound(source: InputContainer, audio: Stream, target: OutputContainer) -> Iterator[Timed]:
    """The sound's packets for a new stream of `target`; one that goes back in time is damaged."""
    made = _stream(audio, target)
    base = audio.time_base or Fraction(1, 1000)
    last: int | None = None
    for packet in source.demux(audio):
        time = packet.pts if packet.dts is None else packet.dts
        if packet.size == 0 or packet.pts is None or time is None:
            continue
        if last is None or time >= last:
            last, packet.stream = time, made
            yield time * base, packet


def _codec(stream: Stream) -> str:
    """The codec's own name; decoders of one codec have several."""
    return stream.codec_context.codec.canonical_name


def _stream(template: Stream, target: OutputContainer) -> Stream:
    """A stream of the template's kind; of its tags none."""
    made = target.add_stream_from_template(template, opaque=True)
    made.metadata.clear()
    return made


def _leave_three_boxes(path: Path) -> None:
    """Take out what the writer adds of its own: an empty box for tags, and a place kept free."""
    with path.open("r+b") as file:
        places: dict[bytes, tuple[int, int]] = {}
        at, end = 0, path.stat().st_size
        while at < end:
            file.seek(at)
            size, name = BOX.unpack(file.read(BOX.size))
            size = int.from_bytes(file.read(8)) if size == 1 else size
            places[name] = (at, size)
            at += size
        at, size = places[b"moov"]  # the last box
        file.seek(at)
        kept = b"".join(box for box in _boxes(file.read(size)[BOX.size :]) if box[4:8] != b"udta")
        file.seek(at)
        file.write(BOX.pack(BOX.size + len(kept), b"moov") + kept)
        file.truncate()
        if b"free" in places:  # eight bytes for the long form of the length that follows
            file.seek(places[b"free"][0])
            file.write(BOX.pack(1, b"mdat") + (places[b"mdat"][1] + BOX.size).to_bytes(8))


def _boxes(data: bytes) -> Iterator[bytes]:
    """The boxes of `data`, one behind the other."""
    while data:
        size, _ = BOX.unpack_from(data)
        yield data[:size]
        data = data[size:]


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


def _encode(path: Path, content: ContentType, out: Path) -> None:
    """Write the pictures of `path`, encoded anew, as the only stream of the MP4 `out`."""
    with (
        open_video(path, content) as source,
        av.open(str(out), "w", format="mp4", options=FLAGS) as target,
    ):
        video = video_stream(source)
        rate = video.average_rate or Fraction(25)
        made = target.add_stream("libx264", rate=rate, options=X264)
        made.width, made.height = video.width // 2 * 2, video.height // 2 * 2
        made.pix_fmt = "yuv420p"
        for index, frame in enumerate(good_frames(source, video)):
            if index == 0:  # before the first frame is encoded
                made.set_display_matrix(display_matrix(frame))
            even = frame.reformat(made.width, made.height, "yuv420p")
            even.pts, even.time_base = index, 1 / rate
            target.mux(made.encode(even))
        target.mux(made.encode(None))
