"""Chat templates: they render, soon, briefly, and inside the sandbox."""

import json
from collections.abc import Iterator

from release.gates.child import run_child
from release.gates.gate import Refusal, Subject

SECONDS = 1.0
CHARACTERS = 1_000_000


def templates_end(subject: Subject) -> Iterator[Refusal]:
    """Render every chat template of the folder in a child that is stopped after a second each."""
    found = dict(_templates(subject))
    if not found:
        return
    task = {"templates": found, "seconds": SECONDS, "characters": CHARACTERS}
    result = run_child("render_template.py", task, 60 + 8 * SECONDS * len(found))
    if error := result.get("error"):
        yield Refusal(next(iter(found)), f"templates could not be rendered: {error}", "repair it")
    for path, problem in sorted(result.get("problems", {}).items()):
        yield Refusal(path, problem, "write a template that renders at once")


def _templates(subject: Subject) -> Iterator[tuple[str, str]]:
    for path in subject.having(".jinja"):
        yield path, subject.text(path)
    for path in subject.having(
        "tokenizer_config.json", "processor_config.json", "chat_template.json"
    ):
        value = json.loads(subject.text(path)).get("chat_template")
        if isinstance(value, str):
            yield path, value
        for entry in value if isinstance(value, list) else []:
            yield f"{path} ({entry.get('name')})", str(entry.get("template"))
