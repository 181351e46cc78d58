"""The page: its parts, and which function stands behind which."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
import panels
from answers import TABS
from handlers import LABELS, WAITING, Example, Handlers, listens
from looks import ABOUT, EMPTY, HERO, STALE, STOPPED
from viewer import VIEWERS


def as_sent(component: Any) -> Any:
    """The component, its value handed on as it was sent: `answers.checked` refuses in our words
    what gradio would refuse with a traceback. (A subclass would make gradio write a stub file.)"""
    component.preprocess = lambda value: value
    return component


def camera_photo() -> gr.Image:
    """A camera's picture, handed on as a file: gradio would decode it inside the server."""
    made = gr.Image(sources=["webcam"], type="filepath", show_label=False)
    made.preprocess = lambda payload: payload.path if payload is not None else None
    return made


@dataclass
class Parts:
    """The components that events read and write."""

    media: gr.File
    camera: gr.Image
    preview: gr.HTML
    facts: gr.JSON
    texts: list[Any]
    models: list[Any]
    seed: gr.Number
    hear: gr.Button
    results: dict[str, gr.HTML]
    runs: dict[str, gr.Button]
    stops: list[gr.Button]
    tabs: gr.Tabs
    question: gr.Textbox
    said: gr.State
    fresh: gr.Button
    guide: gr.Dropdown
    frame: gr.Slider
    looks: gr.Button
    heat: gr.HTML
    data: gr.JSON
    report: gr.Button
    reported: gr.HTML
    examples: list[tuple[gr.Button, Example]]

    @property
    def inputs(self) -> list[Any]:
        """What every question takes, in the endpoints' order."""
        return [self.media, *self.texts, *self.models, self.seed]


def empty(tab: str) -> str:
    """A panel without a result."""
    return f'<div class="result empty"><p>{EMPTY[tab]}</p></div>'


def banner() -> str:
    """Which models these are and how little they saw, from their own folders."""
    rows = []
    for viewer in VIEWERS.values():
        version = f" at {viewer.revision[:12]}" if viewer.revision else ""
        where = panels.escape(f"{viewer.name}{version}, on {viewer.network.device}")
        rows.append(f'<p class="model"><b>{where}</b>: {panels.escape(viewer.record.line())}</p>')
    toys = [panels.escape(viewer.name) for viewer in VIEWERS.values() if viewer.record.toy]
    if toys:
        what = "a tiny test model" if len(toys) == 1 else "tiny test models"
        rows.append(
            f'<p class="banner"><strong>{" and ".join(toys)}: {what}.</strong> It shows that the '
            "page works; the answers mean nothing.</p>"
        )
    return "".join(rows)


def build_page(examples: list[Example], workers: int) -> gr.Blocks:
    """The whole page. workers: answers written at the same time."""
    handlers = Handlers(examples)
    name = "Behavior-LLaVA: what would people say?"
    with gr.Blocks(title=name, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.HTML(HERO + banner())
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                left = left_side(examples)
            with gr.Column(scale=7, min_width=280):
                right = right_side()
        gr.Markdown(ABOUT)
        parts = Parts(**left, **right)
        wire(parts, handlers, workers)
        page.load(restorer(handlers), None, restored(parts), api_visibility="private")
    return page.queue(max_size=WAITING, default_concurrency_limit=workers)


def left_side(examples: list[Example]) -> dict[str, Any]:
    """Upload, camera, words and examples."""
    made: dict[str, Any] = {}
    made["media"] = gr.File(
        label="Picture or video: drop, click or paste",
        file_types=["image", "video", ".heic", ".heif", ".avif", ".mkv"],
        height=130,
        elem_id="media",
    )
    made["preview"] = gr.HTML(elem_classes=["live"])
    made["facts"] = gr.JSON(visible=False)
    gr.HTML("<h2 class='hint'>Or try one of these</h2>")
    with gr.Row(elem_classes=["examples"]):
        made["examples"] = [
            (gr.Button(example.label, size="sm", icon=example.icon, min_width=110), example)
            for example in examples
        ]
    title = gr.Textbox("", label="Title (optional)", placeholder="What is it called?")
    with gr.Accordion("Brand, speech, seed", open=False):
        brand = gr.Textbox("", label="Brand or channel that advertises (optional)")
        speech = gr.Textbox("", label="What is said in it (optional)", lines=2)
        made["hear"] = gr.Button("Fill in what is said", size="sm", visible=listens())
        made["seed"] = as_sent(gr.Number(0, label="Seed of the comments", minimum=0))
    made["texts"] = [title, brand, speech]
    with gr.Accordion("Take a picture with the camera", open=False):
        made["camera"] = camera_photo()
    return made


def right_side() -> dict[str, Any]:
    """The tabs, where the question looks, and the raw data."""
    made: dict[str, Any] = {"results": {}, "runs": {}, "stops": []}
    names = list(VIEWERS)
    several = len(names) > 1
    with gr.Row(visible=several):
        choice = as_sent(gr.Dropdown(names, value=names[0], label="Model"))
        nothing = [("nothing", ""), *((name, name) for name in names)]
        versus = as_sent(gr.Dropdown(nothing, value="", label="Compare with"))
    made["models"] = [choice, versus]
    with gr.Tabs() as made["tabs"]:
        for tab in TABS:
            label, button = LABELS[tab]
            with gr.Tab(label, id=tab):
                with gr.Row():
                    made["runs"][tab] = gr.Button(button, variant="primary", scale=3)
                    made["stops"].append(gr.Button("Stop", scale=1, min_width=80))
                made["results"][tab] = gr.HTML(empty(tab), elem_classes=["live"])
        with gr.Tab("Chat", id="chat"):
            made["results"]["chat"] = gr.HTML(empty("chat"), elem_classes=["live"])
            made["question"] = gr.Textbox(label="Your question", max_length=500)
            with gr.Row():
                made["runs"]["chat"] = gr.Button("Ask", variant="primary", scale=3)
                made["stops"].append(gr.Button("Stop", scale=1, min_width=80))
                made["fresh"] = gr.Button("Start anew", scale=1, min_width=100)
            made["said"] = gr.State([])
    with gr.Accordion("Where it looks", open=False):
        made["guide"] = gr.Dropdown(
            [""], value="", label="Question", allow_custom_value=True, info="One asked, or your own"
        )
        made["frame"] = as_sent(gr.Slider(1, 2, value=1, step=1, label="Frame"))
        made["looks"] = gr.Button("Show where it looks")
        made["heat"] = gr.HTML(elem_classes=["live"])
    with gr.Accordion("As data", open=False):
        made["data"] = gr.JSON(label="Questions, untouched answers, numbers")
    with gr.Row():
        made["report"] = gr.Button("Report this answer", size="sm")
        made["reported"] = gr.HTML(elem_classes=["live"])
    return made


def wire(parts: Parts, handlers: Handlers, workers: int) -> None:
    """Connect the parts. Whatever changes the media ends what runs and clears what was found."""
    model: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": workers}
    shown: dict[str, Any] = {"show_progress": "minimal"}
    quiet: dict[str, Any] = {"api_visibility": "private", "queue": False}
    running = []
    for tab in TABS:
        running.append(
            parts.runs[tab].click(
                handlers.answerer(tab),
                parts.inputs,
                [parts.results[tab], parts.data],
                api_name=tab,
                **model,
                **shown,
            )
        )
    talked = [parts.question, parts.said, *parts.inputs]
    told = [parts.results["chat"], parts.data, parts.said]
    running.append(
        gr.on(
            [parts.runs["chat"].click, parts.question.submit],
            handlers.chat,
            talked,
            told,
            api_name="chat",
            **model,
            **shown,
        )
    )
    for event in running:
        event.success(asked_of, parts.data, parts.guide, **quiet)
    running[-1].success(lambda: "", None, parts.question, **quiet)
    looked = [parts.media, parts.guide, parts.frame, *parts.texts, parts.models[0]]
    running.append(
        gr.on(
            [parts.looks.click, parts.frame.release],
            handlers.attention,
            looked,
            parts.heat,
            api_name="attention",
            **model,
            **shown,
        )
    )
    for stop in parts.stops:
        stop.click(None, None, None, cancels=running, js=STOPPED, api_visibility="private")
    change_media(parts, handlers, running)
    for field in (*parts.texts, *parts.models, parts.seed):
        field.input(None, None, None, js=STALE, api_visibility="private")
    parts.fresh.click(
        lambda: (empty("chat"), []),
        None,
        [parts.results["chat"], parts.said],
        cancels=running,
        **quiet,
    )
    limits: dict[str, Any] = {"concurrency_id": "look", "concurrency_limit": 2}
    parts.hear.click(handlers.hear, parts.media, parts.texts[2], api_visibility="private", **limits)
    parts.report.click(handlers.flag, parts.data, parts.reported, **quiet)


def change_media(parts: Parts, handlers: Handlers, running: list[Any]) -> None:
    """Events that change the media: upload, clearing, the camera, an example."""
    cleared = [*parts.results.values(), parts.said, parts.heat, parts.data, parts.guide]
    blank = [
        *(empty(tab) for tab in parts.results),
        [],
        "",
        None,
        gr.update(choices=[""], value=""),
    ]
    quiet: dict[str, Any] = {"api_visibility": "private"}
    look: dict[str, Any] = {**quiet, "concurrency_id": "look", "show_progress": "minimal"}

    def view(event: Any, api: dict[str, Any]) -> None:
        shown = event.then(handlers.look, parts.media, [parts.preview, parts.facts], **api)
        shown.success(frames_of, parts.facts, parts.frame, queue=False, **quiet)

    def clear() -> list[Any]:
        return ["", *blank]

    changed = gr.on(
        [parts.media.upload, parts.media.clear, parts.media.delete],
        clear,
        None,
        [parts.preview, *cleared],
        cancels=running,
        queue=False,
        **quiet,
    )
    view(changed, {**look, "api_visibility": "public", "api_name": "look"})
    taken = parts.camera.change(
        lambda path: [path, *clear()],
        parts.camera,
        [parts.media, parts.preview, *cleared],
        cancels=running,
        **quiet,
    )
    view(taken, look)
    for button, example in parts.examples:
        chosen = button.click(
            chooser(handlers, example),
            [*parts.models, parts.seed],
            [parts.media, *parts.texts, parts.preview, *cleared],
            cancels=running,
            **quiet,
        )
        view(chosen, look)


def asked_of(data: dict[str, Any] | None) -> Any:
    """The questions of a result, for the list of "Where it looks"; the last one chosen."""
    data = data or {}
    asked = [a["question"] for c in data.get("columns", ()) for a in c["asked"].values()]
    asked += [question for question, _ in data.get("talk", ())]
    return gr.update(choices=list(dict.fromkeys(asked)) or [""], value=asked[-1] if asked else "")


def frames_of(told: dict[str, Any] | None) -> Any:
    """The slider over as many frames as the media has."""
    return gr.update(maximum=max(2, (told or {}).get("frames", 1)), value=1)


def chooser(handlers: Handlers, example: Example) -> Callable[..., list[Any]]:
    """Puts an example in: its file, its words, and the answers that are known already."""

    def choose(model: str, versus: str, seed: float) -> list[Any]:
        known = handlers.known(example, model, versus, seed)
        results = [known[tab][0] if tab in known else empty(tab) for tab in (*TABS, "chat")]
        data = next((known[tab][1] for tab in TABS if tab in known), None)
        asked = asked_of(data)
        words = [example.title, example.brand, ""]
        return [example.file, *words, "", *results, [], "", data, asked]

    return choose


def restored(parts: Parts) -> list[Any]:
    """What a link fills in."""
    return [parts.media, *parts.texts, *parts.models, parts.seed, parts.tabs, parts.preview]


def restorer(handlers: Handlers) -> Callable[[gr.Request], list[Any]]:
    """Fills the page in from a link to a result; anything unknown in it is left out."""

    def restore(request: gr.Request) -> list[Any]:
        told = {key: str(value)[:2000] for key, value in dict(request.query_params).items()}
        example = handlers.examples.get(told.get("example", ""))
        names = [told.get(key, "") for key in ("model", "versus")]
        models = [gr.update(value=name) if name in VIEWERS else gr.update() for name in names]
        seed, tab = told.get("seed", ""), told.get("tab", "")
        texts = [told.get(key, "") for key in ("title", "brand", "speech")]
        notice = ""
        if "file" in told and not example:
            asked = panels.escape(told["file"][:16])
            notice = f'<p class="note">This link is for a file whose SHA-256 begins with {asked}. '
            notice += "Files are not kept: add it again.</p>"
        if example:
            notice = next(handlers.look(example.file))[0]
        return [
            example.file if example else gr.update(),
            *(text or gr.update() for text in texts),
            *models,
            int(seed) if seed.isdigit() and len(seed) < 10 else gr.update(),
            gr.update(selected=tab) if tab in (*TABS, "chat") else gr.update(),
            notice or gr.update(),
        ]

    return restore
