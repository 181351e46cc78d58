"""Good media is described, bad media is turned away with a reason, in bounded time and memory."""

import io
import struct
import zlib
from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image

from builder.help.media_samples import jpeg, picture, write_video
from dataset_builder.decode.bare import bare_jpeg
from dataset_builder.decode.content_type import AVI, sniff
from dataset_builder.decode.decoder import Decoder
from dataset_builder.decode.mp4 import write_mp4
from dataset_builder.ledger.reasons import RejectedMedia
from dataset_builder.settings import load_settings

SETTINGS = load_settings("seed", [])
LIMITS = SETTINGS.media


@pytest.fixture(scope="module")
def decoder():
    with Decoder(LIMITS) as running:
        yield running


def reason(decoder, path, out):
    with pytest.raises(RejectedMedia) as caught:
        decoder.inspect(path, out)
    return caught.value.reason, caught.value.value


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header states a size and whose data is short."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "avi"),
        (b"\x00\x00\x00\x18ftypisom", "mp4"),
        (b"\x1aE\xdf\xa3", "matroska"),
        (b"\x00\x00\x00\x18ftypavif", None),
        (b"ffconcat version 1.0\nfile /etc/passwd", None),
        (b"#EXTM3U\n", None),
        (b"<svg xmlns=", None),
        (b"II*\x00", None),
        (b"", None),
    ],
)
def test_type_is_read_from_the_content(head, name):
    found = sniff(head)
    assert (found.name if found else None) == name


def test_picture_facts_and_jpeg(decoder, tmp_path):
    path = tmp_path / "anything.txt"  # the name's type does not matter
    path.write_bytes(jpeg(1))
    facts = decoder.inspect(path, tmp_path)
    assert (facts["kind"], facts["width"], facts["height"]) == ("image", 96, 64)
    assert Image.open(tmp_path / "picture.jpg").format == "JPEG"


def test_personal_metadata_is_stripped_without_touching_pixels(decoder, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "ACME Camera", "Jane Secret"
    out = io.BytesIO()
    picture(3).save(out, "JPEG", exif=exif, comment=b"call Jane Secret")
    path = tmp_path / "a.jpg"
    path.write_bytes(out.getvalue() + b"Jane Secret after the end")
    decoder.inspect(path, tmp_path)
    published = (tmp_path / "picture.jpg").read_bytes()
    assert b"Jane Secret" in path.read_bytes()
    assert b"Secret" not in published
    assert Image.open(io.BytesIO(published)).tobytes() == Image.open(path).tobytes()


def test_a_turned_picture_is_published_upright(decoder, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(3).save(tmp_path / "a.jpg", exif=exif)
    facts = decoder.inspect(tmp_path / "a.jpg", tmp_path)
    assert (facts["width"], facts["height"]) == (64, 96)
    assert Image.open(tmp_path / "picture.jpg").size == (64, 96)


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA", "CMYK", "1"])
def test_every_picture_mode_becomes_jpeg(decoder, tmp_path, mode):
    name = "a.jpg" if mode == "CMYK" else "a.png"
    picture(4).convert("L" if mode == "LA" else "RGB").convert(mode).save(tmp_path / name)
    decoder.inspect(tmp_path / name, tmp_path)
    assert Image.open(tmp_path / "picture.jpg").mode in {"RGB", "L"}


def test_strip_refuses_odd_structure():
    with pytest.raises(ValueError, match="no JPEG segment"):
        bare_jpeg(b"\xff\xd8\x00\x00\x00")


def test_a_cut_picture_is_corrupt(decoder, tmp_path):
    data = jpeg(1)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    assert reason(decoder, tmp_path / "a.jpg", tmp_path)[0] == "corrupt"


def test_a_picture_over_the_cap_is_never_decoded(decoder, tmp_path):
    (tmp_path / "a.png").write_bytes(png_claiming(50_000, 50_000))
    found = reason(decoder, tmp_path / "a.png", tmp_path)
    assert found == ("too_large", "50000x50000 pixels, limit 50000000")


def test_text_and_nothing_are_no_media(decoder, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"<html>removed</html>")
    (tmp_path / "b.jpg").write_bytes(b"")
    assert reason(decoder, tmp_path / "a.jpg", tmp_path)[0] == "not_media"
    assert reason(decoder, tmp_path / "b.jpg", tmp_path) == ("not_media", "empty")


def test_video_facts(decoder, tmp_path):
    path = write_video(tmp_path / "v.mp4", [1, 2], sound=True)
    facts = decoder.inspect(path, tmp_path)
    assert (facts["width"], facts["height"], facts["has_audio"]) == (96, 64, True)
    assert facts["duration"] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_cut_video_is_turned_away(decoder, tmp_path, share):
    data = write_video(tmp_path / "v.mp4", list(range(8)), seconds_each=2.0).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * share)])
    assert reason(decoder, tmp_path / "cut.mp4", tmp_path)[0] in {"corrupt", "not_media"}


def test_scenes_of_a_video(decoder, tmp_path):
    path = write_video(tmp_path / "v.mp4", [1, 2, 3])
    facts = decoder.inspect(path, tmp_path)
    found = decoder.scenes(path, tmp_path, facts, SETTINGS.scenes)
    assert found["scenes"] == [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    assert sorted(p.name for p in tmp_path.glob("k*.jpg")) == ["k00.jpg", "k01.jpg", "k02.jpg"]
    assert (tmp_path / "video.mp4").exists()


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
def test_other_containers_become_mp4(decoder, tmp_path, suffix):
    path = write_video(tmp_path / f"v.{suffix}", [1, 2], sound=True, preset="medium")
    facts = decoder.inspect(path, tmp_path)
    decoder.scenes(path, tmp_path, facts, SETTINGS.scenes)
    facts = decoder.inspect(tmp_path / "video.mp4", tmp_path)
    assert (facts["type"], facts["duration"]) == ("mp4", pytest.approx(2.0, abs=0.1))
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 48


def test_pictures_encoded_anew_give_the_same_bytes_each_time(tmp_path):
    """No two builds may differ in a video that had to be encoded."""
    data = pytest.importorskip("skimage.data")
    photo = Image.fromarray(data.coffee())
    with av.open(str(tmp_path / "pan.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=15, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 480, 320, "yuvj420p"
        for at in range(75):
            step = at / 74
            box = (20 * step, 10 * step, 600 - 60 * step, 400 - 40 * step)
            view = photo.resize((480, 320), Image.Resampling.BICUBIC, box=box)
            container.mux(stream.encode(av.VideoFrame.from_image(view)))
        container.mux(stream.encode(None))
    found = set()
    for at in range(4):
        write_mp4(tmp_path / "pan.avi", AVI, tmp_path / f"{at}.mp4")
        found.add((tmp_path / f"{at}.mp4").read_bytes())
    assert len(found) == 1


def test_a_decoder_that_takes_too_long_is_ended_and_the_next_file_works(tmp_path):
    limits = replace(LIMITS, cpu_seconds=0.01, cpu_per_second=0.0)
    noise = np.random.default_rng(0).integers(0, 255, (3500, 3500, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((7000, 7000), 0).save(tmp_path / "a.png", compress_level=0)
    with Decoder(limits) as short:
        assert reason(short, tmp_path / "a.png", tmp_path) == (
            "decode_limit",
            "more than 0 s of CPU",
        )
        (tmp_path / "a.jpg").write_bytes(jpeg(1))
        assert short.inspect(tmp_path / "a.jpg", tmp_path)["kind"] == "image"


def test_a_decoder_that_takes_too_much_memory_is_turned_away(tmp_path):
    limits = replace(LIMITS, memory_mb=64)
    picture(1, (6000, 6000)).save(tmp_path / "a.png", compress_level=1)
    with Decoder(limits) as small, pytest.raises(RejectedMedia) as caught:
        small.inspect(tmp_path / "a.png", tmp_path)
    assert caught.value.reason == "decode_limit"


def test_a_full_disk_is_not_blamed_on_the_file(decoder, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    full = tmp_path / "full"
    full.mkdir()
    (full / "picture.jpg").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        decoder.inspect(tmp_path / "a.jpg", full)
