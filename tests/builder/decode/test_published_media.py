"""Published files hold a picture, or a picture and a sound, and nothing else: read byte by byte.

The readers below are the test's own, and know only what may be there.
"""

import io
import struct
import tarfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from builder.help.media_samples import FAST, jpeg, ledger, picture, post, write_text, write_video
from dataset_builder.decode.decoder import Decoder
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
from places import SHARED, needs_shared

SETTINGS = load_settings("seed", [*FAST])
SECRET = b"SECRET 52.5163 N 13.3777 E"
FILM = b"\0\0\0\x18ftypmp42" + SECRET * 400
CONTAINERS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl"}
LEAVES = {b"ftyp", b"mdat", b"mvhd", b"tkhd", b"elst", b"mdhd", b"hdlr", b"vmhd", b"smhd"}
LEAVES |= {b"dref", b"stsd", b"stts", b"stss", b"ctts", b"stsc", b"stsz", b"stco", b"co64"}
LEAVES |= {b"sgpd", b"sbgp", b"sdtp"}
# sample entry -> bytes before its boxes; and the boxes that describe decoders
ENTRIES = {b"avc1": 78, b"hev1": 78, b"av01": 78, b"vp09": 78, b"mp4a": 28, b"Opus": 28}
SETUP = {b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"dOps", b"colr", b"pasp", b"btrt", b"fiel"}
# JPEG: tables, frame, restart interval; JFIF and Adobe say how numbers become colours
SEGMENTS = {0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xDA}
JFIF, ADOBE = b"JFIF\0\1\1\0\0\1\0\1\0\0", b"Adobe\0d\0\0\0\0"


def check_jpeg(data: bytes) -> None:
    """Every byte of `data` belongs to one picture."""
    assert data[:2] == b"\xff\xd8"
    at = 2
    while data[at : at + 2] != b"\xff\xd9":
        mark, marker, length = struct.unpack(">BBH", data[at : at + 4])
        assert mark == 0xFF
        body = data[at + 4 : at + 2 + length]
        if marker == 0xE0:
            assert body == JFIF
        elif marker == 0xEE:
            assert body[:-1] == ADOBE
        else:
            assert marker in SEGMENTS, hex(marker)
        at += 2 + length
        if marker == 0xDA:
            while data[at] != 0xFF or data[at + 1] in {0, *range(0xD0, 0xD8)}:
                at += 1
    assert at + 2 == len(data)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert getattr(image, "n_frames", 1) == 1
        assert not image.getexif()
        assert set(image.info) <= {
            "jfif", "jfif_version", "jfif_unit", "jfif_density", "adobe", "adobe_transform",
            "progressive", "progression",
        }  # fmt: skip


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """(name, content) of the boxes of `data`, which end where it ends."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", data[at + 8 : at + 16])[0], 16
        assert size >= head
        assert at + size <= len(data)
        found.append((name, data[at + head : at + size]))
        at += size
    return found


def check_boxes(data: bytes, inside: bytes) -> None:
    for name, content in boxes(data):
        if name in CONTAINERS:
            check_boxes(content, name)
        else:
            assert name in LEAVES, (inside, name)
        if name == b"hdlr":
            assert content[8:] in (
                b"vide" + bytes(12) + b"VideoHandler\0",
                b"soun" + bytes(12) + b"SoundHandler\0",
            )
        if name == b"stsd":
            for entry, body in boxes(content[8:]):
                start = ENTRIES[entry]
                assert start == 28 or body[42:74] == bytes(32)  # the compressor's free text
                assert {box for box, _ in boxes(body[start:])} <= SETUP


def units(packet: bytes) -> list[int]:
    """The kinds of the units in an H.264 packet of an MP4."""
    found, at = [], 0
    while at < len(packet):
        (length,) = struct.unpack(">I", packet[at : at + 4])
        found.append(packet[at + 4] & 31)
        at += 4 + length
    return found


def check_mp4(data: bytes) -> None:
    """Three boxes, one stream of pictures, at most one of sound; every byte is of a packet."""
    assert [name for name, _ in boxes(data)] == [b"ftyp", b"mdat", b"moov"]
    check_boxes(data, b"file")
    payload = dict(boxes(data))[b"mdat"]
    with av.open(io.BytesIO(data)) as container:
        kinds = [stream.type for stream in container.streams]
        assert kinds in (["video"], ["video", "audio"])
        assert set(container.metadata) <= {"major_brand", "minor_version", "compatible_brands"}
        packets = [bytes(packet) for packet in container.demux() if packet.size]
        assert len(payload) - sum(map(len, packets)) in (0, 8)  # 8: the length's long form
        if container.streams.video[0].codec_context.codec.canonical_name == "h264":
            container.seek(0)
            for packet in container.demux(video=0):
                assert set(units(bytes(packet))) <= {1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13}


def tagged_jpeg(**options) -> bytes:
    """A picture with everything phones and editors put into a file."""
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825)[29] = SECRET.decode()
    out = io.BytesIO()
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile += SECRET  # behind its last tag
    profile[:4] = struct.pack(">I", len(profile))
    picture(3).save(out, "JPEG", exif=exif, comment=SECRET, icc_profile=bytes(profile), **options)
    data = out.getvalue()

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    thumbnail = b"JFIF\0\1\2\1\0\x48\0\x48\3\3" + SECRET + b"x"
    extra = segment(0xE0, thumbnail) + segment(0xE0, b"JFXX\0\x10" + SECRET)
    extra += b"\xff\xff\xff" + segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + SECRET)
    extra += segment(0xED, b"Photoshop 3.0\0" + SECRET) + segment(0xEF, SECRET)
    last_scan = data.rindex(b"\xff\xda")
    between = segment(0xE5, SECRET) + segment(0xFE, SECRET)
    return data[:2] + extra + data[2:last_scan] + between + data[last_scan:]


def with_box(data: bytes, *more: bytes) -> bytes:
    return data + b"".join(struct.pack(">I", len(m) + 4) + m for m in more)


def tagged_mp4(path: Path, codec: str = "libx264", sound: bool = True) -> bytes:
    """A video with titles, a data track, boxes of its own, texts in its stream and a tail."""
    with av.open(str(path), "w", format="mp4", options={"write_tmcd": "1"}) as container:
        for tag in ("title", "comment", "description", "synopsis", "album", "location"):
            container.metadata[tag] = SECRET.decode()
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.metadata.update(timecode="01:00:00:00", handler_name=SECRET.decode())
        heard = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for at in range(20):
            view = np.ascontiguousarray(np.asarray(picture(5, (116, 64)))[:, at : at + 96])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode(None))
        if heard is not None:
            wave = np.sin(np.arange(32_000) / 8).astype(np.float32)[None] * 0.2
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux(heard.encode(frame))
            container.mux(heard.encode(None))
    data = path.read_bytes()
    return with_box(data, b"uuid" + bytes(16) + SECRET, b"free" + SECRET, b"skip" + SECRET)


@pytest.fixture(scope="module")
def decoder():
    with Decoder(SETTINGS.media) as running:
        yield running


def published(decoder: Decoder, data: bytes, tmp_path: Path, name: str) -> dict[str, bytes]:
    """What would be published of a file."""
    path, out = tmp_path / name, tmp_path / "out"
    path.write_bytes(data)
    out.mkdir()
    facts = decoder.inspect(path, out)
    if facts["kind"] == "video":
        decoder.scenes(path, out, facts, SETTINGS.scenes)
    return {file.name: file.read_bytes() for file in out.iterdir()}


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_is_cut_to_its_picture(decoder, tmp_path, options):
    data = tagged_jpeg(**options)
    for name, tail in (("a", b""), ("b", FILM), ("c", jpeg(9)), ("d", b"\xff\xd9" + FILM)):
        (tmp_path / name).mkdir()
        made = published(decoder, data + tail, tmp_path / name, "a.jpg")["picture.jpg"]
        check_jpeg(made)
        assert b"SECRET" not in made
        assert Image.open(io.BytesIO(made)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


def test_colours_of_another_profile_become_the_usual_ones(decoder, tmp_path):
    """A profile holds texts and numbers of devices; without it the colours would be others."""
    swapped = swapped_profile()
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (250, 10, 10)).save(out, "JPEG", icc_profile=swapped, quality=95)
    made = published(decoder, out.getvalue(), tmp_path, "a.jpg")["picture.jpg"]
    check_jpeg(made)
    red, green, _ = Image.open(io.BytesIO(made)).getpixel((30, 30))
    assert green > 200 > 60 > red


def swapped_profile() -> bytes:
    """sRGB with red and green exchanged, so that nobody takes one for the other."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", data[128:132])
    places = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_other_pictures_leave_their_texts_behind(decoder, tmp_path, kind):
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    more = {} if kind == "GIF" else {"exif": exif}
    picture(4).save(out, kind, comment=SECRET, **more)
    made = published(decoder, out.getvalue() + FILM, tmp_path, "a.bin")["picture.jpg"]
    check_jpeg(made)
    assert b"SECRET" not in made


@pytest.mark.parametrize(
    ("codec", "container"),
    [
        ("libx264", "mp4"), ("libx265", "mp4"), ("libsvtav1", "mp4"), ("libvpx-vp9", "mp4"),
        ("mpeg4", "mp4"), ("libx264", "mkv"), ("mpeg4", "avi"),
    ],
)  # fmt: skip
def test_a_video_is_rebuilt_from_its_streams(decoder, tmp_path, codec, container):
    if codec not in av.codecs_available:
        pytest.skip(f"no {codec} in this PyAV")
    data = tagged_mp4(tmp_path / "made.mp4", codec)
    if container != "mp4":
        data = write_video(tmp_path / f"made.{container}", [1, 2], sound=True).read_bytes()
        data += SECRET
    made = published(decoder, data, tmp_path, "a.bin")
    check_mp4(made["video.mp4"])
    check_jpeg(made["k00.jpg"])
    for text in (b"SECRET", b"x264", b"x265", b"Lavf"):
        assert text not in made["video.mp4"]
    with av.open(io.BytesIO(made["video.mp4"])) as new:
        assert sum(1 for _ in new.decode(video=0)) == (20 if container == "mp4" else 48)
        name = new.streams.video[0].codec_context.codec.canonical_name
        assert name == ("h264" if codec == "mpeg4" else av.Codec(codec, "w").canonical_name)
    if container != "avi":
        with av.open(io.BytesIO(made["video.mp4"])) as new:
            assert sum(frame.samples for frame in new.decode(audio=0)) >= 31_000


def test_pictures_and_sound_are_the_files_own(decoder, tmp_path):
    data = tagged_mp4(tmp_path / "made.mp4")
    made = published(decoder, data, tmp_path, "a.mp4")["video.mp4"]
    for kind in ("video", "audio"):
        seen = []
        for one in (data, made):
            with av.open(io.BytesIO(one)) as container:
                frames = list(container.decode(**{kind: 0}))
                seen.append([(f.pts, f.time_base, f.to_ndarray().tobytes()) for f in frames])
        assert seen[0] == seen[1]


def test_a_damaged_packet_does_not_keep_a_video_back(decoder, tmp_path):
    data = bytearray(tagged_mp4(tmp_path / "made.mp4"))
    with av.open(io.BytesIO(bytes(data))) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    at = packets[12].pos
    data[at : at + 4] = b"\xff\xff\xff\xff"
    made = published(decoder, bytes(data), tmp_path, "a.mp4")["video.mp4"]
    check_mp4(made)


def test_every_file_of_a_release_is_bare(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    (media / "motion.jpg").write_bytes(tagged_jpeg() + FILM)
    (media / "film.mp4").write_bytes(tagged_mp4(tmp_path / "made.mp4"))
    names = {"motion": "image", "film": "video"}
    posts = [post(f"reddit-{name}", kind) for name, kind in names.items()]
    write_text(tmp_path, posts, {p["id"]: ["good one", "so true"] for p in posts})
    media_stage(tmp_path, media, SETTINGS, [], 1)
    assert all(row["kept"] for row in ledger(tmp_path))
    check_release(tmp_path / "release", 3)


@needs_shared("cases/data")
def test_files_of_real_trouble(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    posts = []
    for name in ("motion.jpg", "exiftwo.jpg", "data_track.mp4"):
        (media / name.replace("_", "")).write_bytes((SHARED / "cases/data" / name).read_bytes())
        kind = "video" if name.endswith("mp4") else "image"
        posts.append(post(f"reddit-{Path(name).stem.replace('_', '')}", kind))
    write_text(tmp_path, posts, {p["id"]: ["good one", "so true"] for p in posts})
    media_stage(tmp_path, media, SETTINGS, [], 1)
    assert all(row["kept"] for row in ledger(tmp_path))
    check_release(tmp_path / "release", 4)


def check_release(release: Path, wanted: int) -> None:
    """Every medium in every shard of `release` is bare."""
    found = 0
    for shard in sorted(release.rglob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                data = tar.extractfile(member).read()
                assert b"SECRET" not in data
                if member.name.endswith("jpg"):
                    check_jpeg(data)
                    found += 1
                elif member.name.endswith("mp4") and data:
                    check_mp4(data)
                    found += 1
    assert found == wanted


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_damaged_tags_are_ignored(decoder, tmp_path, kind):
    """Only orientation is read; a sound picture stays one whatever its tags say."""
    out = io.BytesIO()
    picture(7).save(out, kind.upper())
    data = out.getvalue()
    if kind == "jpeg":
        tags = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\3\0\0\0\1\0\6\0\0"
        tags += b"\x01\x1b\0\5\0\0\0\2\xff\xff\xff\xf0\0\0\0\0"  # a ratio beyond the end
        broken = struct.pack(">BBH", 0xFF, 0xE1, len(tags) + 2) + tags
        index = b"MPF\0II*\0\x08\0\0\0\xff\xff" + bytes(9)  # a second picture that is not there
        broken += struct.pack(">BBH", 0xFF, 0xE2, len(index) + 2) + index
        data, size = data[:2] + broken + data[2:], (64, 96)
    else:
        body = b"eXIf" + b"MM\0*\0\0\0\x08\xff\xff"
        broken = struct.pack(">I", len(body) - 4) + body + b"\0\0\0\0"  # and a false checksum
        body = b"zTXtComment\0\0no deflate"
        broken += struct.pack(">I", len(body) - 4) + body + b"\0\0\0\0"
        data, size = data[:33] + broken + data[33:], (96, 64)
    made = published(decoder, data, tmp_path, "a.bin")["picture.jpg"]
    check_jpeg(made)
    assert Image.open(io.BytesIO(made)).size == size
