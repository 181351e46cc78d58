"""What the Space takes and refuses: every file goes through the limited child process."""

import io
import json
import struct
import tarfile
import zlib
from pathlib import Path

import intake
import pytest
from PIL import Image
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from places import ROOT
from space_page.conftest import write_video


def refusal(path: Path | None) -> str:
    with pytest.raises(intake.Refused) as refused:
        intake.open_media(str(path) if path else None)
    return str(refused.value)


def test_pictures_and_videos_are_told_apart_by_content(media: dict[str, Path]):
    assert intake.open_media(str(media["liar.mp4"])).kind == "image"
    clip = intake.open_media(str(media["clip.mp4"]))
    assert (clip.kind, len(clip.frames), len(clip.starts)) == ("video", 4, 2)
    assert clip.starts[1] == pytest.approx(2.0, abs=0.15)
    assert clip.seconds == pytest.approx(4.0, abs=0.01)


def test_iphone_pictures_and_avif_are_opened(media: dict[str, Path]):
    for name in ("photo.heic", "photo.avif"):
        if name not in media:
            pytest.skip("pillow-heif is not installed")
        found = intake.open_media(str(media[name]))
        assert (found.kind, found.size) == ("image", (60, 40))
        red, green, blue = found.frames[0].getpixel((30, 20))
        assert red > 200
        assert max(green, blue) < 60


def test_hevc_is_decoded_and_shown_as_frames(media: dict[str, Path]):
    import panels

    found = intake.open_media(str(media["hevc.mp4"]))
    shown = panels.seen(found, str(media["hevc.mp4"]))
    assert shown.count("data:image/jpeg") == 1 + len(found.frames)
    assert "Some browsers cannot play this kind" in shown


def test_an_animated_gif_is_a_video(media: dict[str, Path]):
    found = intake.open_media(str(media["moving.gif"]))
    assert (found.kind, found.format, len(found.frames)) == ("video", "animated GIF", 4)
    assert found.seconds == pytest.approx(3.5)


def test_the_frames_are_those_that_the_processor_would_take(tmp_path: Path):
    code = str(ROOT / "model_card")
    load_video = get_class_from_dynamic_module("media_llava_vid.load_video", code)
    for rate, fps, cap in ((10, 1.0, 60), (25, 2.0, 5), (12, 1.0, 3)):
        path = write_video(tmp_path / f"{rate}.mp4", seconds=5, rate=rate)
        theirs = load_video(str(path), fps, cap)
        whole = intake.decoded(path, "", fps, 224)
        ours = list(whole.frames)
        if len(ours) > cap:
            ours = [ours[i * len(ours) // cap] for i in range(cap)]
        assert [image.tobytes() for image in ours] == [image.tobytes() for image in theirs]


def test_a_phone_s_picture_stands_upright(tmp_path: Path):
    picture = Image.new("RGB", (40, 20), "blue")
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert intake.open_media(str(tmp_path / "turned.jpg")).frames[0].size == (20, 40)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain text", "is not a JPEG"),
        (b"", "is not a JPEG"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "is not a JPEG"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "is not a JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a JPEG"),
        (b"\x00\x00\x00\x18ftypisom" + b"\x00" * 64, "This video is damaged"),
        (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 64, "This HEIC picture is damaged"),
        (b"\x00\x00\x00\x18ftypavif" + b"\x00" * 64, "This AVIF picture is damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, "This PNG picture is damaged"),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 64, "This JPEG picture is damaged"),
    ],
)
def test_each_refusal_speaks_of_the_right_kind(tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "upload.mp4"
    file.write_bytes(content)
    assert message in refusal(file)


def test_a_cut_video_is_refused_when_it_is_looked_at(media: dict[str, Path]):
    assert "damaged" in (said := refusal(media["cut.mp4"])) or "cut off" in said


def test_what_is_missing_or_large_is_refused(tmp_path: Path, monkeypatch):
    assert "Add a picture" in refusal(None)
    big = tmp_path / "big.png"
    Image.new("1", (7000, 6000)).save(big)
    assert "may have 40 megapixels at most" in refusal(big)
    monkeypatch.setattr(intake, "MAX_FILE_MB", 0)
    assert "larger than 0 MB" in refusal(big)


def test_absurd_sizes_are_refused_without_decoding(tmp_path: Path):
    size = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + header + b"\x00\x00\x00\x00IDAT")
    assert "far too large" in refusal(bomb)


def test_long_large_and_silent_videos_are_refused(tmp_path: Path):
    long = write_video(tmp_path / "long.mp4", seconds=125, rate=1)
    assert "125 s long; the limit is 120 s" in refusal(long)
    wide = write_video(tmp_path / "wide.mp4", seconds=1, size=(2048, 1200), rate=2)
    assert "1080p is the most" in refusal(wide)


def test_a_decoder_that_needs_too_much_memory_or_time_is_ended(tmp_path: Path, monkeypatch):
    large = write_video(tmp_path / "large.mp4", seconds=1, size=(1920, 1080), rate=2)
    monkeypatch.setattr(intake, "DECODER_MEMORY_MB", 64)
    assert "memory" in refusal(large)
    monkeypatch.undo()
    monkeypatch.setattr(intake, "MAX_DECODE_SECONDS", 0.01)
    assert "too long to decode" in refusal(large)


def test_sound_is_read_in_the_child_too(media: dict[str, Path]):
    with pytest.raises(intake.Refused, match="no sound"):
        intake.sound(str(media["clip.mp4"]))


def test_texts_are_flattened_and_their_length_is_checked():
    assert intake.check_texts(title=" a\nb\t c ", brand=None) == {"title": "a b c", "brand": ""}
    with pytest.raises(intake.Refused, match="speech has 2001 characters; the limit is 2000"):
        intake.check_texts(speech="x" * 2001)


def test_the_shelf_drops_what_was_asked_for_least_lately():
    shelf: intake.Shelf[bytes] = intake.Shelf(10, len)
    shelf.put("a", b"xxxx")
    shelf.put("b", b"xxxx")
    shelf.get("a")
    shelf.put("c", b"xxxx")
    assert (shelf.get("a"), shelf.get("b"), shelf.get("c")) == (b"xxxx", None, b"xxxx")
    shelf.put("d", b"x" * 99)
    assert list(shelf.held) == ["d"]


def test_posts_of_a_release_are_read(tmp_path: Path, media: dict[str, Path]):
    import posts

    (tmp_path / "data").mkdir()
    told = {
        "id": "reddit-a",
        "media_type": "image",
        "title": "A wall",
        "comments": [{"text": "red!", "likes": 3}],
        "percent_liked": None,
    }
    with tarfile.open(tmp_path / "data" / "test-00000.tar", "w") as tar:
        for number, comments in enumerate(([], told["comments"])):
            sample = json.dumps(told | {"comments": comments}).encode()
            for kind, content in (("jpg", media["red.png"].read_bytes()), ("json", sample)):
                member = tarfile.TarInfo(f"post{number}.{kind}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    (tmp_path / "README.md").write_text("Synthetic posts.")
    out = tmp_path / "out"
    out.mkdir()
    (post,) = posts.read_posts(str(tmp_path), None, out)
    assert (post.title, post.real["comments"]) == ("A wall", ["red!"])
    assert post.file.read_bytes() == media["red.png"].read_bytes()
    assert "synthetic" in post.real["notice"]
    with pytest.raises(ValueError, match="has no data/test"):
        posts.read_posts(str(out), None, out)
