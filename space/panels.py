"""Results as HTML. Everything that a person or a model wrote is escaped here, on the server."""

import base64
import difflib
import io
import re
from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from answers import Column
from intake import Media
from PIL import Image
from swatches import COLORS

STAMP = "Simulated by a model. Nobody liked or wrote any of this."
MISSING = '<p class="missing">not given: the answer holds none in a readable form</p>'
HEADS = {
    "emotion": "Emotion it evokes",
    "topic": "Topic, as of an advertisement",
    "persuasion": "Persuasion strategy",
}
BARS = 6  # of a vocabulary, the likeliest
# from cold to hot; the lightness rises throughout, so that it reads in grey too
RAMP = np.array([(20, 11, 53), (101, 21, 110), (187, 55, 84), (243, 120, 25), (252, 255, 164)])
# what browsers may not play
UNPLAYED = ("hevc", "mpeg4", "prores", "mpeg2video", "msmpeg4v3", "wmv2")


def data_uri(image: Image.Image, quality: int = 80) -> str:
    """The picture as a JPEG inside an address: no file is written, none is served."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def small(image: Image.Image, most: int) -> Image.Image:
    """A copy with sides of `most` pixels at most."""
    copy = image.copy()
    copy.thumbnail((most, most))
    return copy


def seen(media: Media, path: str) -> str:
    """What was uploaded, playable where the browser can, and the very frames that the model gets:
    also where a browser shows nothing, as for HEIC pictures and HEVC videos."""
    width, height = media.size
    told = f"{media.format.upper() if media.kind == 'video' else media.format}, {width} x {height}"
    if media.kind == "image":
        image = (
            f'<img class="shown" src="{data_uri(small(media.frames[0], 720))}" alt="Your picture">'
        )
        return f'<div class="media">{image}<p class="hint">{escape(told)}</p></div>'
    strip = "".join(
        f'<img src="{data_uri(small(frame, 160), 65)}" alt="Frame at {time:.0f} s">'
        for time, frame in zip(media.times, media.frames, strict=True)
    )
    first = data_uri(small(media.frames[0], 720))
    player = f'<img class="shown" src="{first}" alt="First frame of your video">'
    if not media.format.startswith("animated"):
        player = (
            f'<video class="shown" controls muted playsinline preload="none" poster="{first}" '
            f'src="gradio_api/file={escape(quote(path))}" aria-label="Your video"></video>'
        )
    note = ""
    if media.format in UNPLAYED:
        note = " Some browsers cannot play this kind; the model sees it all the same."
    frames = f"{len(media.frames)} frame{'s' * (len(media.frames) > 1)}"
    told = f"{told}, {media.seconds or 0:.1f} s. The model sees {frames}:{note}"
    return (
        f'<div class="media">{player}'
        f'<p class="hint">{escape(told)}</p>'
        f'<div class="strip" tabindex="0" role="group" aria-label="Frames the model sees">{strip}'
        "</div></div>"
    )


def marked(text: str, other: str | None) -> str:
    """The text, escaped; words that the other model's answer does not have there, marked."""
    if other is None or text == other:
        return escape(text)
    ours, theirs = re.findall(r"\s+|\S+", text), re.findall(r"\s+|\S+", other)
    parts = []
    for tag, start, end, _, _ in difflib.SequenceMatcher(None, ours, theirs, False).get_opcodes():
        words = escape("".join(ours[start:end]))
        parts.append(words if tag == "equal" or not words.strip() else f"<mark>{words}</mark>")
    return "".join(parts)


def panel(
    tab: str,
    columns: Sequence[Column],
    media: Media,
    real: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
) -> str:
    """The result of a tab: one column per model, and the real reactions where they are known."""
    whole = {"audience": audience, "scenes": scenes, "understand": understand, "caption": caption}
    parts = []
    for at, column in enumerate(columns):
        other = columns[1 - at] if len(columns) == 2 else None
        notes = "".join(f'<p class="note">{escape(note)}</p>' for note in column["notes"])
        doing = column["doing"]
        status = f'<p class="status"><i></i>{escape(doing)} …</p>' if doing else ""
        took = f'<p class="hint">{column["seconds"]:.1f} s</p>' if "seconds" in column else ""
        head = f"<h3>{escape(column['model'])}</h3>"
        body = whole[tab](column, other, media)
        parts.append(f'<section class="column">{head}{body}{notes}{status}{took}</section>')
    if real and tab == "audience":
        parts.append(truth(real, columns))
    stamp = f'<p class="stamp">{STAMP}</p>' if tab == "audience" else ""
    foot = ""
    if link and columns and all("seconds" in column for column in columns):
        foot = f'<p class="hint"><a href="?{escape(urlencode(link))}">Link to this result</a></p>'
    return f'<div class="result">{stamp}<div class="columns">{"".join(parts)}</div>{foot}</div>'


def audience(column: Column, other: Column | None, media: Media) -> str:
    """Share of viewers with its distribution, then the comments."""
    parts = []
    if "likes" in column["asked"]:
        percent, shares = column.get("percent_liked"), column["distribution"]
        big = MISSING
        if percent is not None:
            big = f'<p class="big">{percent:g}<small>%</small></p>'
        parts.append(f"<h4>Would like it <em>(simulated)</em></h4>{big}{histogram(shares)}")
        if other and "expected" in other:
            gap = column["expected"] - other["expected"]
            parts.append(f"<p><mark>{gap:+.1f} points</mark> from the other model's mean</p>")
    if "comments" in column["asked"]:
        theirs = other.get("comments", []) if other else None
        items = ""
        for at, text in enumerate(column["comments"]):
            there = None if theirs is None else (theirs[at] if at < len(theirs) else "")
            items += f"<li><span>{marked(text, there)}</span> <em>simulated</em></li>"
        empty = "" if not column["asked"]["comments"]["finished"] and column["doing"] else MISSING
        parts.append("<h4>Would comment <em>(simulated)</em></h4>")
        parts.append(f'<ol class="talk">{items}</ol>' if items else empty)
    return "".join(parts)


def histogram(shares: Sequence[float], unit: str = " %") -> str:
    """Chances of every whole number that the answer may begin with, zoomed to where they lie."""
    last = next((n for n, below in enumerate(accumulate(shares)) if below > 0.98), 100)
    shown = shares[: max(10, min(100, last + 2)) + 1]
    most = max(shown)
    bars = "".join(
        f'<b style="height:{max(2, round(100 * share / most))}%" title="{n}: {share:.1%}"></b>'
        for n, share in enumerate(shown)
    )
    mean = sum(n * share for n, share in enumerate(shares))
    best = max(range(len(shares)), key=shares.__getitem__)
    told = f"Mean {mean:.1f}{unit}; likeliest whole number {best}{unit}, chance {shares[best]:.0%}"
    return (
        f'<div class="histogram" role="img" aria-label="{told}">{bars}</div>'
        f'<p class="hint axis"><span>0{unit}</span><span>{len(shown) - 1}{unit}</span></p>'
        f'<p class="hint">How sure the model is. {told}.</p>'
    )


def truth(real: dict[str, Any], columns: Sequence[Column]) -> str:
    """What really happened under a held-out post, and how far off each model was."""
    share, parts = real.get("percent_liked"), []
    if share is not None:
        parts.append(f'<h4>Did like it</h4><p class="big">{share:g}<small>%</small></p>')
        for column in columns:
            if column.get("percent_liked") is not None:
                gap = abs(column["percent_liked"] - share)
                parts.append(f"<p>{escape(column['model'])} is {gap:.1f} points off.</p>")
    items = "".join(f"<li><span>{escape(text)}</span></li>" for text in real.get("comments", []))
    if items:
        parts.append(f'<h4>Did comment</h4><ol class="talk real">{items}</ol>')
    notice = f'<p class="note">{escape(real["notice"])}</p>' if real.get("notice") else ""
    return (
        f'<section class="column real"><h3>What the post really got</h3>{"".join(parts)}'
        '<p class="hint">A post of the test split, held out from training.</p>'
        f"{notice}</section>"
    )


def scenes(column: Column, other: Column | None, media: Media) -> str:
    """The timeline: frames at the cuts, and what the model wrote of every scene."""
    if "scenes" not in column["asked"]:
        return ""
    written = column["scenes"]
    ends = [*media.starts[1:], media.seconds or 0]
    rows = []
    paired = len(written) == len(media.thumbs)
    for at in range(max(len(written), len(media.thumbs))):
        figure = ""
        if at < len(media.thumbs):
            start, end = media.starts[at], ends[at]
            uri = data_uri(media.thumbs[at], 70)
            figure = f'<figure><img src="{uri}" alt="Frame at {start:.1f} s">'
            figure += f"<figcaption>{start:.1f} to {end:.1f} s</figcaption></figure>"
        there = other.get("scenes", []) if other else None
        words = None if there is None else (there[at]["text"] if at < len(there) else "")
        text = scene(written[at], words) if at < len(written) else ""
        rows.append(f'<li class="scene">{figure}<div>{text}</div></li>')
    note = ""
    if media.thumbs and written and not paired:
        note = (
            f'<p class="note">The video has {len(media.thumbs)} scenes by its cuts and the model '
            f"describes {len(written)}: a description may belong to another frame.</p>"
        )
    missing = "" if written or column["doing"] else MISSING
    return f'<ol class="timeline">{"".join(rows)}</ol>{missing}{note}'


def scene(found: dict[str, Any], other: str | None) -> str:
    """One scene: caption, colours as swatches, tone and tags; else the sentences as they are."""
    if not found["caption"] and not found["tags"]:
        return f"<p>{marked(found['text'], other)}</p>"
    parts = [f"<p>{marked(found['caption'], other)}</p>"]
    for label, names in (
        ("Front", found["foreground_colors"]),
        ("Back", found["background_colors"]),
    ):
        if names:
            chips = "".join(swatch(name) for name in names)
            parts.append(f'<p class="swatches">{label}: {chips}</p>')
    if found["tone"]:
        parts.append(f"<p>Tone: {escape(found['tone'])}</p>")
    if found["tags"]:
        tags = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in found["tags"])
        parts.append(f"<p>{tags}</p>")
    return "".join(parts)


def swatch(name: str) -> str:
    """A colour of the vocabulary with its patch; an unknown word without one."""
    value = COLORS.get(name.replace(".", "_"))
    patch = f'<i style="background:{value}"></i>' if value else ""
    return f'<span class="swatch">{patch}{escape(name.replace(".", " ").replace("_", " "))}</span>'


def understand(column: Column, other: Column | None, media: Media) -> str:
    """Bars over the vocabularies, and memorability with its distribution."""
    parts = []
    for name, head in HEADS.items():
        if name in column:
            parts.append(f"<h4>{head}</h4>{bars(column[name], (other or {}).get(name))}")
    if "memorability" in column:
        found = column["memorability"]
        gap = ""
        if other and "memorability" in other:
            points = found["expected"] - other["memorability"]["expected"]
            gap = f"<p><mark>{points:+.1f} points</mark> from the other model</p>"
        parts.append(
            f"<h4>Memorability, 0 to 99</h4>"
            f'<p class="big">{found["expected"]:.0f}</p>{gap}{histogram(found["distribution"], "")}'
        )
    return "".join(parts)


def bars(shares: dict[str, float], other: dict[str, float] | None) -> str:
    """The likeliest labels with their chances, and the difference to the other model's."""
    rows = []
    for label, share in list(shares.items())[:BARS]:
        gap = ""
        if other is not None:
            gap = f" <mark>{100 * (share - other.get(label, 0.0)):+.0f}</mark>"
        rows.append(
            f"<tr><th scope=row>{escape(label)}</th>"
            f'<td class="bar"><b style="width:{100 * share:.1f}%"></b></td>'
            f"<td>{share:.0%}{gap}</td></tr>"
        )
    rest = sum(list(shares.values())[BARS:])
    count = max(0, len(shares) - BARS)
    tail = f'<p class="hint">{count} others together: {rest:.0%}</p>' if count else ""
    return f'<table class="bars">{"".join(rows)}</table>{tail}'


def caption(column: Column, other: Column | None, media: Media) -> str:
    """The description, with what the other model says otherwise marked."""
    if not column.get("caption"):
        return "" if column["doing"] else MISSING
    words = (other or {}).get("caption", "") if other else None
    return f'<p class="said">{marked(column["caption"], words)}</p>'


def talk(said: Sequence[tuple[str, dict[str, str]]], doing: bool) -> str:
    """The dialogue, each model's answer under its name."""
    if not said:
        return '<div class="result empty"><p>Ask anything about what you added.</p></div>'
    turns = []
    for question, found in said:
        turns.append(f'<p class="you"><b>You</b> {escape(question)}</p>')
        names = list(found)
        for at, name in enumerate(names):
            other = found[names[1 - at]] if len(names) == 2 else None
            text = marked(found[name], other) or "…"
            turns.append(f'<p class="them"><b>{escape(name)}</b> {text}</p>')
    status = '<p class="status"><i></i>Writing …</p>' if doing else ""
    stamp = '<p class="stamp">Written by a model; it can be wrong.</p>'
    return f'<div class="result">{stamp}{"".join(turns)}{status}</div>'


def heat(media: Media, maps: Any, at: int, padded: bool, question: str) -> str:
    """The chosen frame under the map of where the question looked. maps: [frames, rows, columns].

    A video frame is seen as its middle square, a picture as the whole inside a square (padded)."""
    step = len(media.frames) / len(maps)
    frame = media.frames[min(len(media.frames) - 1, int(at * step))]
    width, height = frame.size
    side = max(frame.size) if padded and media.kind == "image" else min(frame.size)
    found = np.asarray(maps[at], np.float32)
    level = (found - found.min()) / max(float(found.max() - found.min()), 1e-9)
    square = Image.fromarray((255 * level).astype(np.uint8)).resize((side, side), 3)
    corner = ((width - side) // 2, (height - side) // 2)
    mask = Image.new("L", frame.size)
    mask.paste(square, corner)
    inside = Image.new("L", frame.size)
    inside.paste(255, (*corner, corner[0] + side, corner[1] + side))
    hot = np.asarray(mask, np.float32) / 255
    stops = np.linspace(0, 1, len(RAMP))
    color = np.stack([np.interp(hot, stops, RAMP[:, band]) for band in range(3)], axis=-1)
    base = np.asarray(frame, np.float32)
    blend = np.where(np.asarray(inside)[..., None] > 0, 0.5 * base + 0.5 * color, 0.35 * base)
    image = Image.fromarray(blend.clip(0, 255).astype(np.uint8))
    row, column = divmod(int(found.argmax()), found.shape[1])
    across = place(column, found.shape[1], "left", "right")
    where = f"{place(row, found.shape[0], 'top', 'bottom')} {across}"
    share = float(found.max() / found.sum())
    return (
        f'<figure class="heat"><img src="{data_uri(small(image, 720), 85)}" '
        f'alt="Heat map; strongest at the {where}"><figcaption class="hint">'
        f"Frame {at + 1} of {len(maps)} for: {escape(question)} Strongest at the {where}: one of "
        f"{found.size} patches takes {share:.0%} of the attention. Dark borders are not seen."
        "</figcaption></figure>"
    )


def place(at: int, count: int, low: str, high: str) -> str:
    """Where an index lies, in words."""
    middle = (at + 0.5) / count
    return low if middle < 1 / 3 else high if middle > 2 / 3 else "middle"
