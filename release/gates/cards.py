"""Cards: whole, filled in, licensed, with a run behind every number."""

import json
import re
from collections.abc import Iterator
from typing import Any

from release.cards.front_matter import front_matter_problems, split_card
from release.gates.gate import Refusal, Subject

CARD = "README.md"
# what a template leaves when nobody filled it in
PLACEHOLDERS = (
    (re.compile(r"\{\{|\}\}|\{%|%\}|\{#"), "an unrendered template field"),
    (
        re.compile(
            r"<(?:commit|sha|hash|revision|your[ _-]?\w*|repo|org|todo|name|version)>", re.I
        ),
        "a placeholder",
    ),
    (re.compile(r"\b(?:TODO|FIXME|TBD|XXX|lorem ipsum)\b", re.I), "a placeholder"),
    (re.compile(r"\[More Information Needed\]|\[needs? more information\]", re.I), "a placeholder"),
    (re.compile(r"[\w-]+/\.\.\.|\"\.\.\.\"|(?<![\w.])\$[a-z_]{3,}\b"), "a placeholder"),
)
MARKUP = re.compile(
    r"<\s*(?:script|iframe|object|embed|form|style|svg|link|meta|base)\b|\bon(?:error|load|click)\s*=|javascript:",
    re.I,
)
RUN = re.compile(r"[0-9a-f]{8,64}")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")


def card_is_whole(subject: Subject) -> Iterator[Refusal]:
    """The card exists, its front matter is what loaders need, nothing is left to fill in."""
    if CARD not in subject.files:
        yield Refusal(CARD, "missing", "stage again: it writes the card")
        return
    text = subject.text(CARD)
    try:
        block, _ = split_card(text)
    except ValueError as error:
        yield Refusal(CARD, f"front matter: {error}", "stage again, or repair it", 1)
        return
    for problem in front_matter_problems(subject.kind, block):
        yield Refusal(CARD, f"front matter: {problem}", "repair the card", 1)
    yield from _client_says(subject.kind, text)
    for path in subject.having(".md"):
        for number, line in enumerate(subject.text(path).splitlines(), 1):
            for pattern, what in PLACEHOLDERS:
                if found := pattern.search(line):
                    yield Refusal(path, f"{what} ({found[0]})", "fill it in", number)
            if found := MARKUP.search(line):
                yield Refusal(path, f"active markup ({found[0]})", "escape it", number)


def _client_says(kind: str, text: str) -> Iterator[Refusal]:
    """The Hub client's own card classes read it too."""
    from huggingface_hub import DatasetCard, ModelCard, SpaceCard

    classes = {"dataset": DatasetCard, "model": ModelCard, "space": SpaceCard}
    try:
        classes[kind](text).data.to_dict()
    except Exception as error:  # the client raises many kinds; each means it cannot be shown
        first = (str(error).splitlines() or [""])[0]
        yield Refusal(CARD, f"huggingface_hub cannot read it: {first}", "repair the card", 1)


def licence_and_provenance(subject: Subject) -> Iterator[Refusal]:
    """The licence is there as a file, and what this was made of is named and pinned."""
    if "LICENSE" not in subject.files:
        yield Refusal("LICENSE", "missing", "stage with --license FILE")
    elif len(subject.text("LICENSE").strip()) < 100:
        yield Refusal("LICENSE", "holds no licence text", "put the whole text there")
    if CARD in subject.files:
        try:
            block, _ = split_card(subject.text(CARD))
        except ValueError:
            return  # said by card_is_whole
        link = block.get("license_link")
        if link and not str(link).startswith("https://") and link not in subject.files:
            yield Refusal(CARD, f"license_link names {link!r}, which is not here", "add it", 1)
    yield from {"dataset": _build, "model": _training, "space": _none}[subject.kind](subject)


def _none(subject: Subject) -> Iterator[Refusal]:
    yield from ()


def _load(subject: Subject, path: str) -> Any:
    try:
        return json.loads(subject.text(path)) if path in subject.files else None
    except ValueError:
        return None  # said by settings_are_sound


def _build(subject: Subject) -> Iterator[Refusal]:
    manifest = _load(subject, "manifest.json")
    manifest = manifest if isinstance(manifest, dict) else {}
    inputs = manifest.get("inputs") or []
    if not inputs or not all(i.get("sha256") and i.get("name") for i in inputs):
        yield Refusal(
            "manifest.json", "names no inputs with digests", "build it with `blift build`"
        )
    if not (manifest.get("code") or {}).get("sha256") or not manifest.get("settings"):
        yield Refusal("manifest.json", "names no code or settings", "build it with `blift build`")


def _training(subject: Subject) -> Iterator[Refusal]:
    training = _load(subject, "training_manifest.json")
    if not isinstance(training, dict):
        cause = "missing: nobody could tell what this model was trained on"
        yield Refusal("training_manifest.json", cause, "stage a folder that trainer/sft.py wrote")
        return
    for name in ("dataset_revision", "base_model", "code_commit"):
        if not training.get(name):
            yield Refusal("training_manifest.json", f"{name} is {training.get(name)!r}",
                          "train from a pinned state (git commit, dataset revision)")  # fmt: skip


def numbers_have_runs(subject: Subject) -> Iterator[Refusal]:
    """Every measured number of a model card stands in results.json, under its run."""
    if CARD not in subject.files:
        return
    results = _load(subject, "results.json")
    rows = results if isinstance(results, list) else []
    known = {str(row.get("run_id")): row for row in rows if isinstance(row, dict)}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not row.get("run_id"):
            yield Refusal("results.json", f"row {number} has no run id", "measure it again")
    values = {
        f"{row['value']:.4g}" for row in rows if isinstance(row, dict) and _real(row.get("value"))
    }
    inside, columns = False, list[str]()
    for at, line in enumerate(subject.text(CARD).splitlines(), 1):
        if line.startswith("#"):
            inside = bool(re.match(r"#+\s+(?:results|evaluation|measured)\b", line, re.I))
            columns = []
        elif inside and line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not columns:
                columns = [cell.lower() for cell in cells]
            elif not set(line) <= set("|-: "):
                yield from _row(dict(zip(columns, cells, strict=False)), at, known, values)
        elif inside and NUMBER.search(re.sub(r"`[^`]*`", "", line)) and not line.startswith("!"):
            cause = "a number among the results without a run id"
            yield Refusal(CARD, cause, "put it into the table, from results.json", at)


def _row(
    cells: dict[str, str], at: int, known: dict[str, Any], values: set[str]
) -> Iterator[Refusal]:
    if "this model" not in cells or "run" not in cells:
        yield Refusal(CARD, "a table of results without the columns `this model` and `run`",
                      "render the card again", at)  # fmt: skip
        return
    measured = [
        NUMBER.findall(cells[n])[:1] for n in ("this model", "before", "clean subset") if n in cells
    ]
    numbers = [n[0] for n in measured if n]
    run = RUN.search(cells["run"])
    if numbers and not (run and any(name.startswith(run[0]) for name in known)):
        yield Refusal(CARD, f"{numbers[0]} has no run in results.json", "measure it again", at)
    for text in numbers:
        if text not in values:
            yield Refusal(CARD, f"{text} is no value of results.json", "render the card again", at)


def _real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
