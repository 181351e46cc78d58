"""One self-contained HTML page: tables, the figure, and samples with their media to browse."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.evaluation.protocols.frames import VIDEOS, sample_frames
from trainer.evaluation.reporting.tables import Table

THUMBNAIL = (240, 180)
STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1200px;padding:1rem}
table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto;margin:.5rem 0 1.5rem}
td,th{border:1px solid #8884;padding:.2rem .5rem;text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left;position:sticky;left:0;
background:Canvas}
tr.ours{background:#2a72;font-weight:600}tr.claimed{color:#777}.wrong{color:#b2182b;font-weight:600}
img{max-width:100%}
.cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(250px,1fr))}
.card{border:1px solid #8885;border-radius:8px;padding:.7rem}.card img{border-radius:4px;width:100%}
.card p{margin:.3rem 0;overflow-wrap:anywhere}
.right{border-color:#1b7837}.miss{border-color:#b2182b}
.none{border-style:dashed}input,select{font:inherit;padding:.3rem;margin:.2rem}
.bar{position:sticky;top:0;background:Canvas;padding:.4rem 0}
"""
SCRIPT = """
const task=document.getElementById('task'),kind=document.getElementById('kind'),
text=document.getElementById('text'),count=document.getElementById('count');
function show(){let n=0;for(const c of document.querySelectorAll('.card')){
const ok=(!task.value||c.dataset.task===task.value)&&(!kind.value||c.classList.contains(kind.value))
&&(!text.value||c.textContent.toLowerCase().includes(text.value.toLowerCase()));
c.hidden=!ok;n+=ok}count.textContent=n+' samples'}
for(const e of[task,kind,text])e.addEventListener('input',show);show()
"""
Sample = Mapping[str, Any]


def page(tables: Sequence[Table], figure: Path | None, samples: Sequence[Sample]) -> str:
    """The page; every text of data or model is escaped, nothing is fetched."""
    body = ["<h1>Evaluation</h1>"]
    if figure is not None:
        body.append(
            f'<img alt="differences with intervals" src="{_data(figure.read_bytes(), "png")}">'
        )
    body.append("<h2>Samples</h2>" if samples else "")
    if samples:
        body.append(_samples(samples))
    body += [_table(table) for table in tables]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>Evaluation</title><style>{STYLE}</style>"
        + "\n".join(body)
        + (f"<script>{SCRIPT}</script>" if samples else "")
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(c)}</th>" for c in table.columns)
    lines = []
    for line in table.lines:
        cells = "".join(_cell(line.cells.get(c, "")) for c in table.columns)
        lines.append(f'<tr class="{line.kind}"><td>{html.escape(line.name)}</td>{cells}</tr>')
    title = html.escape(table.title)
    return f"<h2>{title}</h2><table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _cell(text: str) -> str:
    kind = ' class="wrong"' if text.endswith("WRONG") else ""
    return f"<td{kind}>{html.escape(text)}</td>"


def _samples(samples: Sequence[Sample]) -> str:
    names = sorted({s["task"] for s in samples})
    options = "".join(f"<option>{html.escape(name)}</option>" for name in names)
    bar = (
        '<div class="bar"><select id="task" aria-label="task"><option value="">all tasks</option>'
        f'{options}</select><select id="kind" aria-label="outcome"><option value="">any outcome'
        '</option><option value="right">right</option><option value="miss">wrong</option>'
        '<option value="none">unparsed</option></select><input id="text" aria-label="search" '
        'placeholder="search"><span id="count"></span></div>'
    )
    return f'{bar}<div class="cards">{"".join(map(_card, samples))}</div>'


def _card(sample: Sample) -> str:
    score = sample["score"]
    kind = "none" if score is None else "right" if score else "miss"
    picture = f'<img alt="" loading="lazy" src="{sample["picture"]}">' if sample["picture"] else ""
    lines = "".join(
        f"<p><b>{html.escape(name)}</b> {html.escape(str(sample[key]))}</p>"
        for name, key in (
            ("item", "id"),
            ("asked", "question"),
            ("truth", "truth"),
            ("said", "said"),
        )
    )
    task = html.escape(sample["task"], quote=True)
    return f'<div class="card {kind}" data-task="{task}"><p>{task}</p>{picture}{lines}</div>'


def thumbnail(path: Path | None) -> str:
    """A small picture of a media file as a data address; "" without one that opens."""
    if path is None:
        return ""
    from PIL import Image, UnidentifiedImageError

    try:
        video = path.suffix.lower() in VIDEOS
        picture = sample_frames(path, 1)[0] if video else Image.open(path)
        small = picture.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError):
        return ""
    small.thumbnail(THUMBNAIL)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return _data(stream.getvalue(), "jpeg")


def _data(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
