"""Videos that a phone stored lying: keyframes, signatures, processor and FFmpeg's rule agree."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from builder.help.media_samples import FAST, ledger, picture, post, write_text
from dataset_builder.decode.decoder import Decoder
from dataset_builder.ledger.tombstones import near
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
from model.fixtures import code

SETTINGS = load_settings("seed", [*FAST])
SIZE = (128, 96)
# EXIF orientation -> what a player must do: (degrees counter-clockwise, mirrored after it)
EXIF = {1: (0, False), 2: (0, True), 3: (180, False), 4: (180, True)}
EXIF |= {5: (-90, True), 6: (-90, False), 7: (90, True), 8: (90, False)}


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels that, shown under an EXIF orientation, give `image`: Pillow's own inverse."""
    for candidate in Image.Transpose:
        lying = image.transpose(candidate)
        lying.getexif()[0x0112] = orientation
        exif = lying.getexif()
        exif[0x0112] = orientation
        lying.info["exif"] = exif.tobytes()
        if np.array_equal(np.asarray(ImageOps.exif_transpose(lying)), np.asarray(image)):
            return lying
    return image


def write_turned(path: Path, image: Image.Image, orientation: int, frames: int = 30) -> Path:
    """A video of one still that is to be seen as `image`."""
    lying = np.ascontiguousarray(np.asarray(stored(image, orientation)))
    degrees, mirrored = EXIF[orientation]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.height, stream.width = lying.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.set_display_rotation(degrees, hflip=mirrored)
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(lying, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def far(a: Image.Image, b: Image.Image) -> float:
    assert a.size == b.size
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("orientation", EXIF)
def test_all_eight_orientations_are_seen_upright(tmp_path, orientation, suffix):
    image = picture(11, SIZE)
    upright = write_turned(tmp_path / "plain.mp4", image, 1)
    path = write_turned(tmp_path / f"turned.{suffix}", image, orientation)
    looks = {}
    with Decoder(SETTINGS.media) as decoder:
        for name, file in (("plain", upright), ("turned", path)):
            out = tmp_path / name
            out.mkdir()
            facts = decoder.inspect(file, out)
            found = decoder.scenes(file, out, facts, SETTINGS.scenes)
            assert (found["width"], found["height"]) == SIZE
            looks[name] = [signature[0] for signature in found["signatures"]]
    assert far(Image.open(tmp_path / "turned" / "k00.jpg"), image) < 6
    assert all(near(a, b, 4) for a, b in zip(looks["turned"], looks["plain"], strict=True))
    frames = code("media_llava_vid.load_video")(str(path), 1.0, None)
    assert len(frames) == 3
    assert all(far(frame, image) < 6 for frame in frames)


def test_a_turned_copy_is_a_duplicate_and_the_published_file_stays_turned(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    image = picture(12, SIZE)
    write_turned(media / "plain.mp4", image, 1)
    write_turned(media / "turned.mkv", image, 6)  # rewritten as MP4 for publication
    write_turned(media / "other.avi", picture(13, SIZE), 1)
    names = ("plain", "turned", "other")
    posts = [post(f"reddit-{name}", "video", created=at) for at, name in enumerate(names)]
    said = ["one two three", "four five six"]
    write_text(tmp_path, posts, {f"reddit-{name}": said for name in names})
    media_stage(tmp_path, media, SETTINGS, [], 1)
    rows = {r["id"]: (r["kept"], r["reason"]) for r in ledger(tmp_path) if r["kind"] == "post"}
    assert rows["reddit-turned"] == (False, "duplicate_media")
    assert rows["reddit-plain"] == rows["reddit-other"] == (True, None)
    (made,) = [p for p in (tmp_path / "work" / "media").rglob("*.mp4") if is_turned(p)]
    assert far(code("media_llava_vid.load_video")(str(made), 1.0, None)[0], image) < 6


def is_turned(path: Path) -> bool:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).rotation != 0
