"""Templates of cards: values are data, and a value that was not given is an error."""

import re
from pathlib import Path
from typing import Any

import jinja2

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, values: dict[str, Any]) -> str:
    """Render one template of `templates/`. Raises jinja2.UndefinedError for a missing value."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the result is Markdown: user text goes through the filters below
    )
    environment.filters |= {"code": as_code, "text": as_text, "count": count, "number": number}
    return environment.get_template(template).render(values)


def as_text(value: Any) -> str:
    """User text as Markdown that shows it and does nothing: no markup, links, tables, lines."""
    line = " ".join(str(value).split())
    line = "".join(c for c in line if c.isprintable())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#|~$])", r"\\\1", line)


def as_code(value: Any) -> str:
    """Text inside a code span, whatever backticks it holds."""
    text = " ".join(str(value).split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    blank = " " if "`" in text else ""
    return f"{fence}{blank}{text}{blank}{fence}".replace("|", "\\|")


def count(value: int | None) -> str:
    """A whole number with thousands; a dash where there is none."""
    return "-" if value is None else f"{value:,}"


def number(value: float | None) -> str:
    """A measured number in four significant digits, or "not measured"."""
    return "not measured" if value is None else f"{value:.4g}"
