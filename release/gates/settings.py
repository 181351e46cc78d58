"""JSON and requirements: settings that stay inside their repository and name fixed versions."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from release.gates.gate import Refusal, Subject

MACHINE = re.compile(
    r"(?:^|[\s\"'=(:])(/(?:home|Users|root|tmp|work|mnt|data|scratch|var|private|opt)/[^\s\"')]+)"
)
WINDOWS = re.compile(r"\b[A-Za-z]:\\\\?[A-Za-z]")
FILE_SETTING = re.compile(r"(_file|_path|_dir|_name_or_path)$")
PIN = re.compile(r"^[A-Za-z0-9._-]+(\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9.!+_]+$")
# text that may name folders: documents of users' own machines are examples, not traces
EXAMPLES = ("/path/to/",)


class DoubleKey(ValueError):
    """A JSON object names a key twice, and readers disagree on which counts."""


def read_json(text: str) -> Any:
    """JSON with every key once and no NaN. Raises ValueError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            raise DoubleKey(f"key {next(n for n in names if names.count(n) > 1)!r} stands twice")
        return found

    return json.loads(text, object_pairs_hook=once, parse_constant=_no_constant)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def walk(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """(path of keys, leaf) of everything in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from walk(inner, f"{at}[{number}]")
    else:
        yield at, value


def settings_are_sound(subject: Subject) -> Iterator[Refusal]:
    """Configuration parses, points into its own folder only, and tells nothing of this machine."""
    for path in subject.having(".json", ".jsonl"):
        try:
            texts = subject.text(path).splitlines() if path.endswith("l") else [subject.text(path)]
            values = [read_json(text) for text in texts]
        except (ValueError, RecursionError) as error:
            yield Refusal(path, f"no sound JSON ({error})", "write it again")
            continue
        for value in values:
            yield from _leaves(subject, path, value)
    for path in subject.having(".md", ".txt", ".yaml", ".jinja", ".py", ".csv", ".css", ".html"):
        for number, line in enumerate(subject.text(path).splitlines(), 1):
            found = MACHINE.search(line)
            if (found and not found[1].startswith(EXAMPLES)) or WINDOWS.search(line):
                shown = found[1] if found else "a drive letter"
                yield Refusal(
                    path, f"a path of this machine ({shown})", "write it relative", number
                )


def _leaves(subject: Subject, path: str, value: Any) -> Iterator[Refusal]:
    vocabulary = path.endswith(("tokenizer.json", "vocab.json", "manifest.json", "croissant.json"))
    for at, leaf in walk(value):
        if isinstance(leaf, float) and not math.isfinite(leaf):
            yield Refusal(path, f"{at} is {leaf}", "write a finite number")
        if not isinstance(leaf, str):
            continue
        if "auto_map" in at.split(".") and "--" in leaf:
            cause = f"{at} loads code of another repository ({leaf}), which no revision pins"
            yield Refusal(path, cause, "copy that code here and drop `REPO--`")
        elif "auto_map" in at and not re.fullmatch(r"[A-Za-z_]\w*\.[A-Za-z_]\w*", leaf):
            yield Refusal(path, f"{at} is {leaf!r}, no MODULE.Class", "name a class of this folder")
        elif vocabulary and path.endswith(("tokenizer.json", "vocab.json")):
            continue  # tokens are text
        elif problem := _path_problem(subject, path, at, leaf):
            yield Refusal(path, f"{at} {problem}", "name a file of this folder, or a Hub id")


def _path_problem(subject: Subject, path: str, at: str, leaf: str) -> str | None:
    if MACHINE.search(leaf) or WINDOWS.search(leaf) or leaf.startswith("file:"):
        return f"is a path of this machine ({leaf[:120]!r})"
    key = re.sub(r"\[\d+\]", "", at.rpartition(".")[2])
    if not FILE_SETTING.search(key) or path.endswith("manifest.json"):
        return None
    if leaf.startswith(("/", "~", "\\")) or ".." in leaf.replace("\\", "/").split("/"):
        return f"leads out of this folder ({leaf!r})"
    if key.endswith("_file") and leaf:
        folder = path.rpartition("/")[0]
        inside = f"{folder}/{leaf}" if folder else leaf
        if inside not in subject.files or leaf.startswith("."):
            return f"names {leaf!r}, which is no file here"
    if key.endswith("_name_or_path") and leaf and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", leaf):
        return f"is {leaf!r}, neither empty nor a Hub id"
    return None


def space_is_pinned(subject: Subject) -> Iterator[Refusal]:
    """A Space names a fixed version of every library and a full hash of its model."""
    if "requirements.txt" not in subject.files:
        yield Refusal("requirements.txt", "missing", "write it: every line NAME==VERSION")
        return
    for number, line in enumerate(subject.text("requirements.txt").splitlines(), 1):
        words = line.split("#")[0].strip()
        if words and not PIN.match(words):
            yield Refusal("requirements.txt", f"{words!r} names no fixed version",
                          "write NAME==VERSION", number)  # fmt: skip
    pinned = any(
        re.search(r"MODEL_REVISION[\"'],\s*[\"'][0-9a-f]{40}[\"']", subject.text(path))
        for path in subject.having(".py")
    )
    if not pinned:
        cause = "the model's revision is not filled in (MODEL_REVISION)"
        yield Refusal("app.py", cause, "stage with --revision HASH of the published model")
