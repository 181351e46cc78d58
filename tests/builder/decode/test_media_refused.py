"""Media that are turned away: named for what they are, the same wherever they lie."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from builder.help.media_samples import jpeg, ledger, picture, post, write_text, write_video
from dataset_builder.decode.content_type import why_not
from dataset_builder.decode.decoder import Decoder
from dataset_builder.ledger.reasons import RejectedMedia
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings

SETTINGS = load_settings("seed", ["annotate.tags=null", "annotate.colors=null"])


def refused(path, out):
    """(reason, value) of a file that the decoder turns away."""
    with Decoder(SETTINGS.media) as decoder:
        with pytest.raises(RejectedMedia) as caught:
            decoder.inspect(path, out)
        return caught.value.reason, caught.value.value


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x20ftypavif", "AVIF"), (b"\0\0\0\x20ftypheic", "HEIC"), (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"), (b"\xff\x0a", "JPEG XL"), (b"OggS\0", "Ogg"),
    ],
)  # fmt: skip
def test_known_formats_that_are_not_read(start, name):
    assert why_not(start + bytes(20)) == ("unsupported_format", name)


@pytest.mark.parametrize(("form", "name"), [("AVIF", "AVIF"), ("TIFF", "TIFF")])
def test_pictures_of_such_formats(tmp_path, form, name):
    path = tmp_path / "a.jpg"
    picture(3).save(path, format=form)
    assert refused(path, tmp_path) == ("unsupported_format", name)


def test_a_damaged_file_is_the_same_wherever_it_lies(tmp_path):
    data = write_video(tmp_path / "v.mp4", [1, 2]).read_bytes()
    found = set()
    for name in ("a", "b" * 200, "it's"):
        folder = tmp_path / name
        folder.mkdir()
        for at, end in enumerate((40, 600, len(data) // 2)):
            (folder / f"v{at}.mp4").write_bytes(data[:end])
        (folder / "p.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"no picture" * 9)
        here = tuple(refused(path, tmp_path) for path in sorted(folder.iterdir()))
        assert not any(name in value or "tmp" in value for _, value in here if len(name) > 1)
        found.add(here)
    assert len(found) == 1


def test_links_are_followed_and_only_media_is_published(tmp_path):
    """A folder of links into a large store is how media are kept."""
    media, other = tmp_path / "media", tmp_path / "other"
    for folder in (media, other):
        folder.mkdir()
    (other / "secret.txt").write_text("root:x:0:0")
    (other / "b.jpg").write_bytes(jpeg(2))
    (media / "text.jpg").symlink_to(other / "secret.txt")
    (media / "b.jpg").symlink_to(other / "b.jpg")
    (media / "gone.jpg").symlink_to(other / "nothing.jpg")
    posts = [post(f"reddit-{name}", "image") for name in ("text", "b", "gone")]
    write_text(tmp_path, posts, {p["id"]: ["good one", "so true"] for p in posts})
    media_stage(tmp_path, media, SETTINGS, [], 1)
    rows = {r["id"]: r["reason"] for r in ledger(tmp_path) if r["kind"] == "post"}
    assert rows == {
        "reddit-text": "not_media", "reddit-b": None, "reddit-gone": "unavailable"
    }  # fmt: skip


def test_a_decoder_whose_asker_has_ended_says_nothing(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    limits = asdict(SETTINGS.media)
    asked = {"op": "inspect", "path": str(tmp_path / "a.jpg"), "out": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, "-m", "dataset_builder.decode.child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    child.stdout.close()
    child.stdin.write(json.dumps({**asked, "limits": limits}) + "\n")
    child.stdin.close()
    assert child.stderr.read() == ""
    child.stderr.close()
    assert child.wait(30) == 0
