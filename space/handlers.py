"""What the page's parts do: the functions behind its buttons and behind the API."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import panels
from answers import RESULTS, TABS, Request, checked, converse, heat_of, run
from intake import TEXT_LIMITS, Media, Refused, sound
from posts import Post
from viewer import VIEWERS

LABELS = {
    "audience": ("Audience", "Imagine the audience"),
    "scenes": ("Scenes", "Describe the scenes"),
    "understand": ("Understand", "Weigh what it is about"),
    "caption": ("Caption", "Write a caption"),
}
WAITING = 16
MAX_GUIDE = 4000
MAX_FLAGS_BYTES = 2**20
FLAGS = Path(os.environ.get("BLIFT_FLAGS", "flags.jsonl"))


@dataclass(frozen=True)
class Example:
    """Something to click on: a file with its words. real: what truly happened, where known."""

    key: str
    label: str
    file: str
    title: str = ""
    brand: str = ""
    real: dict[str, Any] | None = None
    digest: str = ""
    icon: str | None = None


def example_list(posts: list[Post], folder: Path) -> list[Example]:
    """Files that gradio itself installs, then held-out posts. folder: for their small pictures."""
    assets = Path(gr.__file__).parent / "media_assets"
    found = [
        Example("tower", "Tower at dusk", "images/tower.jpg", "Paris, ten minutes after sunset"),
        Example("lion", "Lion on a rock", "images/lion.jpg", "The boss of the rock"),
        Example("earth", "Earth at night (video)", "videos/b.mp4", "Earth at night"),
    ]
    ready = [replace(e, file=str(assets / e.file)) for e in found if (assets / e.file).is_file()]
    for post in posts:
        words = post.title or post.id
        label = "Held-out: " + (words if len(words) < 30 else words[:28] + "…")
        ready.append(Example(post.id, label, str(post.file), post.title, post.brand, post.real))
    return [pictured(example, folder) for example in ready]


def pictured(example: Example, folder: Path) -> Example:
    """The example with the digest of its file and a small picture for its button."""
    media = checked(example.file, "", "", "", "", "", 0).media
    icon = folder / f"{media.digest[:16]}.jpg"
    panels.small(media.frames[0], 96).save(icon)
    return replace(example, digest=media.digest, icon=str(icon))


def listens() -> bool:
    """Whether speech can be recognised: the extra is installed and BLIFT_SPEECH names a model."""
    return bool(os.environ.get("BLIFT_SPEECH")) and find_spec("faster_whisper") is not None


@cache
def listener() -> Any:
    """The speech recogniser, loaded at the first use."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:  # `listens` has looked; an extra that is broken says so
        raise RuntimeError("speech needs the package faster-whisper") from error
    return WhisperModel(os.environ["BLIFT_SPEECH"], device="auto", compute_type="int8")


def facts(found: Media) -> dict[str, Any]:
    """What is known of an upload, as data."""
    return {
        "sha256": found.digest,
        "kind": found.kind,
        "format": found.format,
        "width": found.size[0],
        "height": found.size[1],
        "seconds": found.seconds,
        "frames": len(found.frames),
        "scenes": list(found.starts),
    }


def refused(reason: object) -> gr.Error:
    """The message as gradio shows it, without a traceback in the log."""
    return gr.Error(str(reason), title="Not this one", print_exception=False)


def guarded(work: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """What the work yields; Refused becomes the message for the visitor."""
    try:
        yield from work()
    except Refused as refusal:
        raise refused(refusal) from None


class Handlers:
    """The functions behind the page. examples: what may be clicked."""

    def __init__(self, examples: list[Example]) -> None:
        self.examples = {example.key: example for example in examples}
        self.real = {example.digest: example.real for example in examples}

    def result(self, tab: str, request: Request, columns: list[dict[str, Any]]) -> tuple[str, Any]:
        """(panel, data) of what there is so far."""
        media = request.media
        real = self.real.get(media.digest)
        known = [e.key for e in self.examples.values() if e.digest == media.digest]
        link = {
            "tab": tab,
            **({"example": known[0]} if known else {"file": media.digest[:16]}),
            **{name: text for name, text in request.texts.items() if text},
            "model": request.models[0],
            **({"versus": request.models[1]} if len(request.models) > 1 else {}),
            "seed": request.seed,
        }
        data = {
            "simulated": True,
            "task": tab,
            "media": {"sha256": media.digest, "kind": media.kind, "frames": len(media.frames)},
            "columns": columns,
            "real": real,
            "link": link,
        }
        return panels.panel(tab, columns, media, real, link), data

    def answerer(self, tab: str) -> Callable[..., Iterator[tuple[Any, ...]]]:
        """The function behind a tab's button and endpoint."""

        def answer(
            media: str | None,
            title: str = "",
            brand: str = "",
            speech: str = "",
            model: str = "",
            versus: str = "",
            seed: float = 0,
        ) -> Iterator[tuple[Any, ...]]:
            def work() -> Iterator[tuple[Any, ...]]:
                request = checked(media, title, brand, speech, model, versus, seed)
                for columns in run(tab, request):
                    yield self.result(tab, request, columns)

            yield from guarded(work)

        answer.__doc__ = f"""{LABELS[tab][1]} of a picture or a short video.

        Args:
            media: the file
            title: its title, as a post would have it
            brand: the brand or channel that advertises, for advertisements
            speech: what is said in it
            model: name of the model; the first one where empty
            versus: name of a second model to compare with; none where empty
            seed: a whole number; the same one gives the same comments

        Returns:
            panel: the result as HTML, everything escaped
            data: the result as data, the questions and untouched answers in it
        """
        answer.__name__ = tab
        return answer

    def look(self, media: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Check and decode a file; every limit of the page holds.

        Args:
            media: the file

        Returns:
            panel: what the model sees of it, as HTML
            data: kind, size, length and scenes
        """
        try:
            found = checked(media, "", "", "", "", "", 0).media
        except Refused as refusal:
            text = panels.escape(str(refusal))
            yield (f'<p class="refused" role="alert">{text}</p>' if media else ""), {}
            if media:
                raise refused(refusal) from None
            return
        yield panels.seen(found, str(media)), facts(found)

    def hear(self, media: str | None) -> str:
        """What is said in a video, for the field of what is said; cut at the field's limit."""
        try:
            samples = np.frombuffer(sound(media), np.int16).astype(np.float32) / 32768
        except Refused as refusal:
            raise refused(refusal) from None
        segments, _ = listener().transcribe(samples)
        text, most = " ".join(segment.text.strip() for segment in segments), TEXT_LIMITS["speech"]
        if len(text) > most:
            gr.Info(f"More is said than the {most:,} characters that are taken: the rest is cut.")
        return text[:most]

    def known(
        self, example: Example, model: str, versus: str, seed: float
    ) -> dict[str, tuple[str, Any]]:
        """Results of an example that are there already, by tab."""
        request = checked(example.file, example.title, example.brand, "", model, versus, seed)
        there = {tab: RESULTS.get(request.key(tab)) for tab in TABS}
        return {tab: self.result(tab, request, found) for tab, found in there.items() if found}

    def chat(
        self,
        question: str,
        said: list[Any] | None,
        media: str | None,
        title: str = "",
        brand: str = "",
        speech: str = "",
        model: str = "",
        versus: str = "",
        seed: float = 0,
    ) -> Iterator[tuple[Any, ...]]:
        """Ask a question about a picture or a short video; later questions go on from there.

        Args:
            question: up to 500 characters
            media: the file
            title: its title
            brand: the brand or channel that advertises
            speech: what is said in it
            model: name of the model; the first one where empty
            versus: name of a second model; none where empty
            seed: not used

        Returns:
            panel: the dialogue as HTML, everything escaped
            data: the dialogue as data
        """

        def work() -> Iterator[tuple[Any, ...]]:
            request = checked(media, title, brand, speech, model, versus, seed)
            before = [(asked, found) for asked, found in said or []]
            found: dict[str, str] = {}
            told: list[Any] = before
            for found in converse(question, before, request):
                told = [*before, (question, found)]
                yield panels.talk(told, True), {"talk": told}, said
            told = [*before, (question, dict(found))]
            yield panels.talk(told, False), {"talk": told}, told

        yield from guarded(work)

    def attention(
        self,
        media: str | None,
        question: str = "",
        frame: float = 1,
        title: str = "",
        brand: str = "",
        speech: str = "",
        model: str = "",
    ) -> str:
        """Where the model looks in one frame for a question, as a heat map over it.

        Args:
            media: the file
            question: any question, up to 4,000 characters; a general one where empty
            frame: number of the frame, from 1
            title: its title
            brand: the brand or channel that advertises
            speech: what is said in it
            model: name of the model; the first one where empty

        Returns:
            panel: the frame under the map, as HTML
        """
        try:
            request = checked(media, title, brand, speech, model, "", 0)
            if len(question := (question or "").strip()) > MAX_GUIDE:
                raise Refused(f"The question has more than {MAX_GUIDE:,} characters.")
            maps = heat_of(request, question)
            if maps is None:
                raise Refused("This model's code does not publish where it looks.")
            if not isinstance(frame, int | float) or not 1 <= frame <= len(maps):
                raise Refused(f"There are frames 1 to {len(maps)}.")
        except Refused as refusal:
            raise refused(refusal) from None
        padded = VIEWERS[request.models[0]].processor.image_aspect_ratio == "pad"
        asked = question.rpartition("\n")[2] or "a description of it."
        return panels.heat(request.media, maps, int(frame) - 1, padded, asked)

    def flag(self, data: dict[str, Any] | None) -> str:
        """Write down an answer that should not have been given: the day, the model, its words.
        Nothing of the visitor, of the media or of what was typed."""
        columns = (data or {}).get("columns") or []
        if not columns:
            return "There is no result to report yet."
        rows = [
            {
                "day": time.strftime("%Y-%m-%d", time.gmtime()),
                "model": str(column.get("model"))[:200],
                "answers": [str(a.get("answer"))[:2000] for a in column.get("asked", {}).values()],
            }
            for column in columns[:2]
        ]
        if FLAGS.exists() and FLAGS.stat().st_size > MAX_FLAGS_BYTES:
            return "The list of reports is full; write to the model's page instead."
        with FLAGS.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        return (
            "Reported: the day, the model and its words. Nothing about you or your media is kept."
        )
