"""The demo's media: one distinct file per post that names one, every one credited."""

import hashlib
import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image, UnidentifiedImageError

from places import ROOT

DEMO = ROOT / "demo"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(DEMO))
    try:
        import media

        out = tmp_path_factory.mktemp("media")
        (out / "MEDIA.md").write_text(media.provenance(media.collect(out)), encoding="utf-8")
    finally:
        sys.path.remove(str(DEMO))
        for name in ("media", "media_table", "dump_source"):
            sys.modules.pop(name, None)
    return out


def source_posts() -> list:
    sys.path.insert(0, str(DEMO))
    try:
        from dump_source import POST_FILES, read_posts

        return [post for name in POST_FILES for post in read_posts(name)]
    finally:
        sys.path.remove(str(DEMO))


def test_every_kept_post_has_its_medium_and_lost_ones_have_none(collected: Path):
    present = {path.name for path in collected.iterdir()}
    lost = {"unavailable", "duration_unknown"}
    for post in source_posts():
        victim = post.fields.get("victim")
        if victim is None or victim == "corrupt":
            assert post.media_file in present, post.id
        elif victim in lost:
            assert post.media_file not in present, post.id


def test_media_are_distinct(collected: Path):
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in collected.iterdir()]
    assert len(digests) == len(set(digests))


def test_pictures_and_clips_open_except_the_damaged_ones(collected: Path):
    broken = {post.media_file for post in source_posts() if post.fields.get("victim") == "corrupt"}
    for path in collected.iterdir():
        if path.suffix == ".md":
            continue
        if path.name in broken:
            with pytest.raises((OSError, UnidentifiedImageError, av.error.FFmpegError)):
                first_picture(path)
        else:
            assert min(first_picture(path).size) >= 90


def first_picture(path: Path) -> Image.Image:
    if path.suffix != ".mp4":
        image = Image.open(path)
        image.load()
        return image
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_image()


def test_clip_lengths_agree_with_the_dump(collected: Path):
    for post in source_posts():
        if "channel" in post.fields and post.media_name and "victim" not in post.fields:
            with av.open(str(collected / post.media_file)) as container:
                seconds = (container.duration or 0) / av.time_base
            assert abs(seconds - post.fields["duration"]) < 0.6, (post.id, seconds)


def test_the_long_clip_is_longer_than_the_limit(collected: Path):
    with av.open(str(collected / "synXslow505.mp4")) as container:
        assert (container.duration or 0) / av.time_base == pytest.approx(505, abs=1)


def test_every_file_is_credited(collected: Path):
    credits = (collected / "MEDIA.md").read_text(encoding="utf-8")
    for path in collected.iterdir():
        if path.suffix != ".md":
            row = next(line for line in credits.splitlines() if line.startswith(f"| {path.name} "))
            assert all(cell.strip() for cell in row.strip("|").split("|"))


def test_clips_have_the_same_bytes_each_time(collected: Path, tmp_path: Path):
    sys.path.insert(0, str(DEMO))
    try:
        import media

        for name, file in (("bikes_old", "synYoldbike"), ("color_spin", "synYcolor01")):
            media.make(media.MEDIA[name], tmp_path / "again.mp4")
            again = (tmp_path / "again.mp4").read_bytes()
            assert again == (collected / f"{file}.mp4").read_bytes()
    finally:
        sys.path.remove(str(DEMO))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(DEMO))
    import media
    from media_table import Copy, Medium

    with pytest.raises(FileNotFoundError, match="no-such-package is not installed"):
        media.source_path(Medium("x", "no-such-package", "x.png", "none", Copy()))


def test_clips_are_the_same_bytes_in_every_process(tmp_path: Path):
    """x264's assembler reads memory it never set; what lies there changes with every process."""
    runs = []
    for name in ("once", "again"):
        command = [sys.executable, str(DEMO / "media.py"), "--out", str(tmp_path / name)]
        subprocess.run(command, capture_output=True, check=True)
        files = sorted((tmp_path / name).iterdir())
        runs.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})
    assert runs[0] == runs[1]
