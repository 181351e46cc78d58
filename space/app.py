"""Behavior-LLaVA in a browser: a picture or a short video in, simulated likes and comments out.

    python app.py [--model DIR|ID] [--revision SHA] [--port N]

Every like and comment shown is written by the model; nobody liked or said any of it. What the model
does not give in a readable form is shown as "not given".
"""

import argparse
import os
import re
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import av
import gradio as gr
import torch
from PIL import Image, UnidentifiedImageError
from transformers import AutoModel, AutoProcessor

MODEL = os.environ.get("MODEL_ID", "behavior-llava/behavior-llava")
REVISION = os.environ.get("MODEL_REVISION")
# the words the model was trained with (paper, Listing 1)
SYSTEM = (
    "You are an AI visual assistant, you are given a detailed description of a media, followed by "
    "the actual media. Answer all questions as you are seeing the media"
)
QUESTIONS = {
    "likes": "What percentage of viewers would like this {medium}?",
    "comments": "What would be the top-5 popular comments on this {medium}?",
    "scenes": "Analyze this {medium} deeply, "
    "then write scene by scene description of the {medium}.",
}
# (tasks asked together, tokens each may take, what the page says meanwhile): the short answer first
ROUNDS = (
    (("likes",), 16, "Counting imaginary likes"),
    (("comments", "scenes"), 176, "Listening to imaginary viewers, and describing what it sees"),
)
MAX_FILE_MB = 50
MAX_PICTURE_PIXELS = 40_000_000
MAX_FRAME_PIXELS = 1920 * 1088
MAX_SECONDS = 120
MAX_FRAMES = 60
MAX_ANSWER_SECONDS = 90
TEXT_LIMITS = {"title": 300, "brand": 100, "speech": 2000}
PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
# first bytes of mp4/mov, webm/mkv and avi: playlists, which can name other files, are never opened
VIDEO_HEADS = re.compile(rb"^(?:.{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI )", re.DOTALL)
# what decoders of pictures raise on damaged or absurd files
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)
COMMENT = re.compile(r"^\s*\d{1,2}\s*[.):]\s+(\S.*)$")
SCENE = re.compile(r"^\s*scene\s+\d+\s*[:.]\s*(\S.*)$", re.IGNORECASE)
PERCENT = re.compile(
    r"(?<![\d.,-])(?<!\d[eE])(\d{1,3}(?:\.\d+)?)\s*(?:%|per ?cent\b)", re.IGNORECASE
)
EXAMPLES = (
    ("images/tower.jpg", "Paris, ten minutes after sunset", "Tower at dusk"),
    ("images/lion.jpg", "The boss of the rock", "Lion on a rock"),
    ("videos/b.mp4", "Earth at night", "Earth at night (video)"),
)


class Refused(ValueError):
    """An input that this demo does not take; the message is shown to the person who sent it."""


@dataclass(frozen=True)
class Viewer:
    """A loaded model with its processor; `name` is what the page calls it."""

    model: Any
    processor: Any
    name: str


@dataclass(frozen=True)
class Reply:
    """One answer as generated; `finished` is False where the token or time limit cut it."""

    question: str
    text: str
    finished: bool


def load(model: str, revision: str | None) -> Viewer:
    """Load model and processor from a folder or the Hub, on a GPU where there is one."""
    options = {"trust_remote_code": True, "revision": revision}
    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    network = AutoModel.from_pretrained(model, dtype=dtype, **options).eval()
    processor = AutoProcessor.from_pretrained(model, **options)
    name = Path(model).name if Path(model).is_dir() else model
    version = f" at {revision[:12]}" if revision else ""
    return Viewer(network.to("cuda" if on_gpu else "cpu"), processor, name + version)


# -- what comes in ---------------------------------------------------------------------------------


def check_media(path: str | None) -> str:
    """`image` or `video`, judged by content. Raises Refused, with the limit, for anything else."""
    if not path:
        raise Refused("Add a picture or a video first.")
    if Path(path).stat().st_size > MAX_FILE_MB * 2**20:
        raise Refused(f"This file is larger than {MAX_FILE_MB} MB.")
    try:
        with Image.open(path, formats=PICTURES) as image:
            if image.width * image.height > MAX_PICTURE_PIXELS:
                most = MAX_PICTURE_PIXELS // 10**6
                raise Refused(f"Pictures may have {most} megapixels at most.")
            image.load()
        return "image"
    except Refused:
        raise
    except UnidentifiedImageError:
        check_video(path)
        return "video"
    except DAMAGE as error:
        raise Refused("This picture is damaged or far too large: it cannot be opened.") from error


def check_video(path: str) -> None:
    """Raises Refused for a file that is no video, too long, too large in size or damaged."""
    with Path(path).open("rb") as file:
        if not VIDEO_HEADS.match(file.read(16)):
            kinds = "JPEG, PNG, WebP, GIF or BMP picture, or an MP4, MOV, WebM, MKV or AVI video"
            raise Refused(f"This file is not a {kinds}.")
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            seconds = (container.duration or 0) / av.time_base
            pixels = stream.width * stream.height
            next(container.decode(stream))
    except (av.FFmpegError, IndexError, StopIteration, OSError) as error:
        raise Refused("This video is damaged or has no picture: it cannot be decoded.") from error
    if not 0 < seconds <= MAX_SECONDS:
        shown = f"{seconds:.0f} s long" if seconds else "of unknown length"
        raise Refused(f"This video is {shown}; the limit is {MAX_SECONDS} s. Cut it and try again.")
    if pixels > MAX_FRAME_PIXELS:
        raise Refused("Videos may be 1080p at most. Make it smaller and try again.")


def check_texts(**texts: str | None) -> dict[str, str]:
    """The texts on one line each. Raises Refused naming the field that is too long."""
    flat = {name: " ".join((text or "").split()) for name, text in texts.items()}
    for name, text in flat.items():
        if len(text) > (most := TEXT_LIMITS[name]):
            raise Refused(f"The {name} has {len(text)} characters; the limit is {most}.")
    return flat


def intro_text(medium: str, title: str, brand: str, speech: str) -> str:
    """What is told about the medium, in the words of the training data."""
    sentences = []
    if brand:
        titled = f'titled "{title}" ' if title else ""
        sentences.append(f"The {medium} advertisement is {titled}for the brand {brand}.")
    elif title:
        sentences.append(f'The {medium} is titled "{title}".')
    if speech:
        sentences.append(f'The audio in the {"ad" if brand else medium} says "{speech}".')
    return " ".join(sentences)


# -- the model -------------------------------------------------------------------------------------


def ask(
    viewer: Viewer, kind: str, media: str, frames: Any, questions: list[str], new_tokens: int
) -> tuple[list[Reply], Any]:
    """Questions about one picture or video, in one batch.

    frames: what the model made of the media at an earlier call, None at the first. Returns the
    replies in order, and those frames: the media is decoded and looked at once.
    """
    payload = media if kind == "image" or frames is None else frames
    inputs = viewer.processor.apply_chat_template(
        [conversation(question, kind, payload) for question in questions],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        padding_side="left",
        max_frames=MAX_FRAMES,
    ).to(viewer.model.device)
    with torch.inference_mode():
        pixels = inputs.pop("pixel_values" if kind == "image" else "pixel_values_videos", None)
        frames = viewer.model.encode_frames(pixels) if frames is None else frames
        inputs[f"{kind}_features"] = frames
        rows = viewer.model.generate(
            **inputs,
            max_new_tokens=new_tokens,
            max_time=MAX_ANSWER_SECONDS,
            do_sample=False,
            repetition_penalty=1.1,
        )[:, inputs["input_ids"].shape[1] :].tolist()
    stops = viewer.model.generation_config.eos_token_id
    stops = set(stops if isinstance(stops, list) else [stops])
    tokenizer = viewer.processor.tokenizer
    texts = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]
    finished = [not stops.isdisjoint(row) for row in rows]
    return [Reply(*reply) for reply in zip(questions, texts, finished, strict=True)], frames


def conversation(question: str, kind: str, payload: Any) -> list[dict[str, Any]]:
    """The messages of one question; the media stands after the text, as in training."""
    content = [{"type": "text", "text": question}, {"type": kind, kind: payload}]
    system = {"role": "system", "content": [{"type": "text", "text": SYSTEM}]}
    return [system, {"role": "user", "content": content}]


# -- what comes out --------------------------------------------------------------------------------


def read_percent(text: str) -> float | None:
    """The percentage a reply states, None where it states none between 0 and 100."""
    found = PERCENT.search(text)
    return float(found[1]) if found and float(found[1]) <= 100 else None


def read_lines(text: str, line: re.Pattern[str], finished: bool, most: int) -> list[str]:
    """The numbered lines of a reply, repeated ones once; a cut last line ends with an ellipsis."""
    found = [match[1].strip() for match in map(line.match, text.splitlines()) if match]
    if found and not finished and line.match(text.splitlines()[-1]):
        found[-1] += " …"
    return list(dict.fromkeys(found))[:most]


def readable(replies: dict[str, Reply]) -> dict[str, Any]:
    """The answers as data: what a reply does not state is null or an empty list."""
    likes, comments, scenes = (replies.get(task) for task in QUESTIONS)
    return {
        "simulated": True,
        "percent_liked": read_percent(likes.text) if likes else None,
        "comments": read_lines(comments.text, COMMENT, comments.finished, 5) if comments else [],
        "scenes": read_lines(scenes.text, SCENE, scenes.finished, 10) if scenes else [],
    }


def render(replies: dict[str, Reply], doing: str | None) -> str:
    """The result panel. Everything a model or a person wrote is escaped here."""
    data = readable(replies)
    parts = [part for task in QUESTIONS if (part := section(task, data, task in replies))]
    status = f'<p class="status"><i></i>{escape(doing)} …</p>' if doing else ""
    stamp = '<p class="stamp">Simulated by a model. Nobody liked or wrote any of this.</p>'
    return f'<div class="result">{stamp}{"".join(parts)}{status}</div>'


def section(task: str, data: dict[str, Any], answered: bool) -> str:
    """One part of the panel, empty until its question is answered."""
    if not answered:
        return ""
    missing = '<p class="missing">not given: the answer holds none in a readable form</p>'
    if task == "likes":
        percent = data["percent_liked"]
        if percent is None:
            return f"<h3>Would like it</h3>{missing}"
        full = round(percent)
        count = "fewer than 1" if 0 < percent < 0.5 else full
        dots = '<b class="on"></b>' * full + "<b></b>" * (100 - full)
        return (
            f'<h3>Would like it</h3><div class="likes"><p class="big">{percent:g}<small>%</small>'
            f'</p><div><div class="dots">{dots}</div><p class="hint">'
            f"{count} of 100 imagined viewers</p></div></div>"
        )
    head, style = ("Would comment", "talk") if task == "comments" else ("What it sees", "seen")
    items = "".join(f"<li><span>{escape(text)}</span></li>" for text in data[task])
    return f"<h3>{head}</h3>" + (f'<ol class="{style}">{items}</ol>' if items else missing)


def raw_text(replies: dict[str, Reply]) -> str:
    """Questions and untouched answers, as plain text."""
    return "\n\n".join(f"> {r.question}\n{r.text or '(empty)'}" for r in replies.values())


def refused(reason: object) -> gr.Error:
    """The message as gradio shows it, without a traceback in the log."""
    return gr.Error(str(reason), title="Not this one", print_exception=False)


def predictor(viewer: Viewer) -> Any:
    """The function behind the button and the `/predict` endpoint."""

    def predict(
        media: str | None, title: str = "", brand: str = "", speech: str = ""
    ) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Yields (panel as HTML, answers as data, raw answers) after every round."""
        replies: dict[str, Reply] = {}
        try:
            kind = check_media(media)
            intro = intro_text(kind, **check_texts(title=title, brand=brand, speech=speech))
            frames = None
            for tasks, new_tokens, doing in ROUNDS:
                yield render(replies, doing), readable(replies), raw_text(replies)
                words = [QUESTIONS[task].format(medium=kind) for task in tasks]
                asked = [f"{intro}\n{question}".strip() for question in words]
                answers, frames = ask(viewer, kind, str(media), frames, asked, new_tokens)
                replies |= zip(tasks, answers, strict=True)
        except Refused as refusal:
            raise refused(refusal) from None
        except ValueError as error:  # the processor's: it names paths, which stay on the server
            print(f"space: {error}", file=sys.stderr)
            raise refused("This file cannot be read to its end.") from None
        yield render(replies, None), readable(replies), raw_text(replies)

    return predict


# -- the page --------------------------------------------------------------------------------------

HERO = """<header class="hero"><p>Behavior-LLaVA</p><h1>What would people say?</h1>
<p>Give it a picture or a short video. A model imagines how viewers would react: how many would
like it, what they would write underneath, and what it sees in every scene.</p>
<p class="note"><strong>All likes and comments are simulated.</strong> A model writes them. They
are nobody's opinion, can be wrong or unkind, and are no basis for decisions about people.</p>
</header>"""
EMPTY = """<div class="result empty"><p>Reactions appear here:<br>likes first, then comments, then
scenes.</p></div>"""
ABOUT = f"""Model: `{{name}}` on {{device}}. One request at a time; a long line is turned away.
Up to {MAX_FILE_MB} MB, pictures up to {MAX_PICTURE_PIXELS // 10**6} megapixels, videos up to
{MAX_SECONDS} s and 1080p. Uploads are deleted after an hour."""
CSS = """
.gradio-container {max-width: 1080px !important; margin: 0 auto; --accent: #e0572f}
.hero {padding: 1.2rem 0 .4rem} .hero p {max-width: 46rem}
.hero h1 {font-size: 2.4rem; line-height: 1.1; margin: .1rem 0 .6rem}
.hero > p:first-child {color: var(--accent); font-weight: 700}
.hero .note {margin-top: .7rem; padding: .55rem .9rem; border-left: 4px solid var(--accent);
  background: color-mix(in srgb, var(--accent) 9%, transparent); border-radius: 0 8px 8px 0}
.html-container:has(.result) {padding: 0 !important}
.result {border: 1px solid var(--border-color-primary); border-radius: 16px; padding: 1.1rem 1.3rem;
  background: var(--block-background-fill); min-height: 21rem; overflow-wrap: anywhere}
.result.empty {display: grid; place-items: center; text-align: center; border-style: dashed;
  color: var(--body-text-color-subdued)}
.result h3 {margin: 1.1rem 0 .45rem; font-size: .8rem; letter-spacing: .08em;
  text-transform: uppercase; color: var(--body-text-color-subdued)}
.result .stamp {font-size: .82rem; color: #c2410c; margin: 0}
.dark .result .stamp {color: #fdba74}
.likes {display: flex; gap: 1.4rem; align-items: center; flex-wrap: wrap}
.likes .big {font-size: 3.1rem; font-weight: 800; line-height: 1; margin: 0}
.likes small {font-size: 1.4rem} .hint {font-size: .78rem; margin: .3rem 0 0; opacity: .75}
.dots {display: grid; grid-template-columns: repeat(20, 9px); gap: 4px}
.dots b {width: 9px; height: 9px; border-radius: 50%; background: var(--border-color-primary)}
.dots b.on, .status i {background: var(--accent)}
.result ol {list-style: none; margin: 0; padding: 0; counter-reset: n; display: grid; gap: .5rem}
.result li {counter-increment: n; display: flex; gap: .6rem; align-items: flex-start}
.result li::before {content: counter(n); flex: none; width: 1.6rem; height: 1.6rem;
  display: grid; place-items: center; margin-top: .3rem; border: 2px solid var(--accent);
  border-radius: 50%; font-size: .8rem; font-weight: 700}
.talk li::before {background: var(--accent); color: #fff}
.talk span {padding: .45rem .8rem; border-radius: 4px 14px 14px 14px;
  background: var(--background-fill-secondary)}
.seen span {padding-top: .35rem}
.missing {opacity: .7; font-style: italic; margin: 0}
.status {margin: 1rem 0 0; color: var(--body-text-color-subdued)}
.status i {display: inline-block; width: .7rem; height: .7rem; border-radius: 50%;
  margin-right: .5rem; animation: beat 1s infinite alternate}
@keyframes beat {from {opacity: .2; transform: scale(.7)}}
"""


def preview(path: str | None) -> tuple[Any, Any]:
    """Shows an accepted upload; tells at once what is wrong with any other."""
    if not path:
        return gr.update(value=None, visible=False), gr.update(value=None, visible=False)
    try:
        kind = check_media(path)
    except Refused as refusal:
        raise refused(refusal) from None
    shown = gr.update(value=path, visible=True)
    hidden = gr.update(value=None, visible=False)
    return (shown, hidden) if kind == "image" else (hidden, shown)


def example_rows() -> tuple[list[list[str]], list[str]]:
    """Rows and labels of the examples: files that gradio itself installs."""
    assets = Path(gr.__file__).parent / "media_assets"
    found = [row for row in EXAMPLES if (assets / row[0]).is_file()]
    rows = [[str(assets / file), title, "", ""] for file, title, _ in found]
    return rows, [label for _, _, label in found]


def build_page(viewer: Viewer) -> gr.Blocks:
    """The whole page; `/predict` takes (media, title, brand, speech)."""
    rows, labels = example_rows()
    about = ABOUT.format(name=viewer.name.replace("`", ""), device=viewer.model.device)
    name = "Behavior-LLaVA: what would people say?"
    with gr.Blocks(title=name, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.HTML(HERO)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5):
                media = gr.File(label="Picture or video", file_types=["image", "video"], height=120)
                picture = gr.Image(visible=False, show_label=False, interactive=False, height=260)
                clip = gr.Video(visible=False, show_label=False, interactive=False, height=260)
                title = gr.Textbox("", label="Title (optional)", placeholder="What is it called?")
                with gr.Accordion("Advertisement or speech?", open=False):
                    brand = gr.Textbox("", label="Brand or channel that advertises (optional)")
                    speech = gr.Textbox("", label="What is said in it (optional)", lines=2)
                button = gr.Button("Imagine the reactions", variant="primary", size="lg")
                gr.Examples(rows, [media, title, brand, speech], example_labels=labels)
            with gr.Column(scale=6):
                panel = gr.HTML(EMPTY)
                with gr.Accordion("Raw answer and data", open=False):
                    raw = gr.Textbox(label="Questions and answers, untouched", lines=6)
                    data = gr.JSON(label="As data")
        gr.Markdown(about)
        media.change(preview, media, [picture, clip], api_visibility="private")
        inputs, outputs = [media, title, brand, speech], [panel, data, raw]
        button.click(predictor(viewer), inputs, outputs, api_name="predict")
    return page.queue(max_size=16, default_concurrency_limit=1)


def main(arguments: list[str] | None = None) -> int:
    """Command line: load the model, open the page, serve until interrupted. Returns exit code."""
    parser = argparse.ArgumentParser(
        description="A page where a Behavior-LLaVA model imagines likes and comments.",
        epilog="example: python space/app.py --model build/demo/model --port 7860",
    )
    parser.add_argument("--model", default=MODEL, help=f"folder or Hub id (default {MODEL})")
    parser.add_argument("--revision", default=REVISION, help="commit of a Hub model and its code")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    options = parser.parse_args(arguments)
    try:
        page = build_page(load(options.model, options.revision))
        page.launch(
            server_port=options.port,
            max_file_size=MAX_FILE_MB * 2**20,
            theme=gr.themes.Soft(primary_hue="orange", neutral_hue="stone"),
            css=CSS,
            ssr_mode=False,
            footer_links=["api"],
            prevent_thread_lock=True,
        )
        threading.Event().wait()
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError) as error:
        if options.debug:
            raise
        reason = str(error).strip().splitlines()[0]
        print(f"space: cannot start with {options.model}: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
