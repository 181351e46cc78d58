"""From a tab to questions, and from replies to data: one column of plain values per model."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intake import Media, Refused, Shelf, check_texts, open_media
from questions import (
    ASK,
    CAPTION,
    COMMENT,
    LIKES_ANSWER,
    QUESTIONS,
    SCENE,
    intro_text,
    options,
    read_lines,
    read_percent,
    read_scene,
    weighing,
)
from viewer import VIEWERS, Ask, Reply, Viewer, answers

TABS = ("audience", "scenes", "understand", "caption")
SHARES = tuple(range(101))
MAX_CHAT_TURNS = 8
# seconds between two updates of the page
PACE = 0.1
Column = dict[str, Any]
# (model, media, question) -> where the question looked
HEAT: Shelf[Any] = Shelf(32 * 2**20, lambda heat: int(heat.nbytes))
# (tab, models, media, words, seed) -> the finished columns: the same request gives the same result
RESULTS: Shelf[list[Column]] = Shelf(2000, lambda columns: 1)


@dataclass(frozen=True)
class Request:
    """A checked request: the media, the words told of it, the models, the seed of comments."""

    media: Media
    intro: str
    texts: dict[str, str]
    models: tuple[str, ...]
    seed: int

    def key(self, tab: str) -> tuple[Any, ...]:
        """What the result of a tab depends on."""
        return (tab, self.models, self.media.digest, *self.texts.values(), self.seed)


def checked(
    path: str | None,
    title: str,
    brand: str,
    speech: str,
    model: str,
    versus: str,
    seed: float,
) -> Request:
    """The request. Raises Refused, saying what is wrong, for anything that is not taken."""
    texts = check_texts(title=title, brand=brand, speech=speech)
    first = next(iter(VIEWERS))
    models = tuple(dict.fromkeys(name for name in (model or first, versus) if name))
    for name in models:
        if name not in VIEWERS:
            raise Refused(f"There is no model of this name here; there is {', '.join(VIEWERS)}.")
    if not isinstance(seed, int | float) or not 0 <= seed < 2**31 or seed != int(seed):
        raise Refused("The seed must be a whole number from 0 to 2147483647.")
    viewer = VIEWERS[first]
    media = open_media(path, viewer.processor.video_fps, viewer.side)
    return Request(media, intro_text(media.kind, **texts), texts, models, int(seed))


def asks_of(tab: str, request: Request, viewer: Viewer) -> tuple[dict[str, Ask], list[str]]:
    """Questions of a tab by name, in order, and notes on those that this model is not asked."""
    kind, notes = request.media.kind, []
    wanted: dict[str, Ask] = {}

    def told(question: str) -> str:
        return f"{request.intro}\n{question}".strip()

    def trained(task: str) -> bool:
        if viewer.record.taught(task, kind):
            return True
        notes.append(f"Not asked for {task}: this model was not trained to answer it for {kind}s.")
        return False

    if tab == "audience":
        if trained("likes"):
            texts = tuple(LIKES_ANSWER.format(medium=kind, share=f"{n}.0") for n in SHARES)
            question = told(QUESTIONS["likes"].format(medium=kind))
            wanted["likes"] = Ask(question, 16, candidates=texts, whole=False)
        if trained("comments"):
            question = told(QUESTIONS["comments"].format(medium=kind))
            wanted["comments"] = Ask(question, 220, temperature=0.6, seed=request.seed, lines=5)
    elif tab == "scenes":
        if trained("scenes"):
            wanted["scenes"] = Ask(told(QUESTIONS["scenes"].format(medium=kind)), 320)
    elif tab == "understand":
        for name in ASK:
            texts = options(name, kind)
            wanted[name] = Ask(told(weighing(name, kind)), candidates=texts)
        notes.append("Zero-shot: no such question was part of the training on behaviour.")
    else:
        wanted["caption"] = Ask(told(CAPTION.format(medium=kind)), 160)
    return wanted, notes


def run(tab: str, request: Request) -> Iterator[list[Column]]:
    """The columns of a tab, again and again as they fill; the last one is complete."""
    if known := RESULTS.get(request.key(tab)):
        yield known
        return
    columns: list[Column] = []
    latest = 0.0
    for name in request.models:
        started = time.monotonic()
        wanted, notes = asks_of(tab, request, VIEWERS[name])
        column: Column = {"model": name, "notes": notes, "asked": {}, "doing": "Looking"}
        columns.append(column)
        yield columns
        names = list(wanted)
        for number, reply in answers(name, request.media, list(wanted.values())):
            task = names[number]
            fill(column, task, wanted[task], reply, request.media)
            column["doing"] = f"Answering {number + 1} of {len(names)}"
            if reply.finished or time.monotonic() - latest > PACE:
                latest = time.monotonic()
                yield columns
        column["doing"] = ""
        column["seconds"] = round(time.monotonic() - started, 2)
    yield RESULTS.put(request.key(tab), columns)


def fill(column: Column, task: str, ask: Ask, reply: Reply, media: Media) -> None:
    """Write what a reply states into the column, beside the question and the untouched answer."""
    kind = media.kind
    asked = {"question": ask.question, "answer": reply.text, "finished": reply.finished}
    column["asked"][task] = asked
    if reply.heat is not None:
        HEAT.put((column["model"], media.digest, ask.question), reply.heat)
    if task == "likes":
        column["percent_liked"] = read_percent(reply.text)
        column["distribution"] = reply.shares
        column["expected"] = sum(n * share for n, share in zip(SHARES, reply.shares, strict=True))
    elif task == "comments":
        column["comments"] = read_lines(reply.text, COMMENT, reply.finished, 5)
    elif task == "scenes":
        found = read_lines(reply.text, SCENE, reply.finished, 10)
        column["scenes"] = [read_scene(text) for text in found]
    elif task == "caption":
        column["caption"] = reply.text
    elif task == "memorability":
        mean = sum(score * share for score, share in enumerate(reply.shares))
        best = max(range(100), key=reply.shares.__getitem__)
        column[task] = {"expected": mean, "likeliest": best, "distribution": reply.shares}
    else:
        pairs = zip(options(task, kind), reply.shares, strict=True)
        column[task] = dict(sorted(pairs, key=lambda pair: -pair[1]))


def converse(
    question: str, said: list[tuple[str, dict[str, str]]], request: Request
) -> Iterator[dict[str, str]]:
    """Answers to one turn of a dialogue, by model, as they grow. said: (question, its answers).
    Raises Refused for an empty or long question and beyond MAX_CHAT_TURNS."""
    asked = check_texts(question=question)["question"]
    if not asked:
        raise Refused("Write a question first.")
    if len(said) >= MAX_CHAT_TURNS:
        raise Refused(f"A talk has {MAX_CHAT_TURNS} questions at most: start a new one.")
    replies: dict[str, str] = {}
    latest = 0.0
    for name in request.models:
        earlier = tuple((text, found.get(name, "")) for text, found in said)
        told = request.intro + "\n" if request.intro and not earlier else ""
        if earlier and request.intro:
            earlier = ((f"{request.intro}\n{earlier[0][0]}", earlier[0][1]), *earlier[1:])
        ask = Ask(told + asked, 200, earlier)
        for _, reply in answers(name, request.media, [ask]):
            replies[name] = reply.text
            if reply.heat is not None:
                HEAT.put((name, request.media.digest, ask.question), reply.heat)
            if reply.finished or time.monotonic() - latest > PACE:
                latest = time.monotonic()
                yield replies
    yield replies


def heat_of(request: Request, question: str) -> Any:
    """Where the first model of the request looks for a question: [frames, rows, columns], each
    frame summing to one; None where its code does not publish it. Computed once per question."""
    name = request.models[0]
    question = question or f"{request.intro}\n{CAPTION.format(medium=request.media.kind)}".strip()
    key = (name, request.media.digest, question)
    if (known := HEAT.get(key)) is not None:
        return known
    for _, reply in answers(name, request.media, [Ask(question, 1)]):
        if reply.heat is not None:
            return HEAT.put(key, reply.heat)
    return None
