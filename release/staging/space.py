"""The Space's repository: the app with its model's revision filled in and every library pinned."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from release.cards.front_matter import join_card, split_card
from release.errors import ReleaseError
from release.files import copy_in, write_whole
from release.manifest import CARD, list_folder, write_manifest
from release.staging.folder import ROOT, VERSION, Staged, licence_text, source_files, stage_folder
from release.staging.requirements import pinned_requirements

READERS = ("os.environ.get", "os.getenv")
NEEDED = (CARD, "requirements.txt", "app.py")


@dataclass(frozen=True)
class SpaceOptions:
    """The model a Space shows, by id and full commit hash."""

    model: str | None = None
    revision: str | None = None
    version: str = VERSION
    license: Path | None = None


def stage_space(source: Path, out: Path, options: SpaceOptions) -> Staged:
    """Stage a Space whose default model is exactly one revision.

    Raises: ReleaseError when a needed file or the pin is missing; Refused.
    """
    paths = source_files("space", source)
    missing = [name for name in NEEDED if name not in paths]
    if missing:
        raise ReleaseError(f"{source} lacks {', '.join(missing)}; expected the folder space/")
    if options.revision is None or not re.fullmatch(r"[0-9a-f]{40}", options.revision):
        raise ReleaseError(
            f"--revision is {options.revision!r}: expected the full hash (40 hex digits) of the "
            "published "
            "model, as `python -m release model publish` prints it"
        )
    return stage_folder("space", out, lambda target: _fill(source, paths, target, options))


def _fill(source: Path, paths: list[str], target: Path, options: SpaceOptions) -> list[str]:
    block, body = split_card((source / CARD).read_text("utf-8"))
    models = block.get("models") or []
    model = options.model or (models[0] if models else None)
    if not model:
        raise ReleaseError(f"{source / CARD} names no model; give one with --model ID")
    for path in paths:
        copy_in(source / path, target / path)
    pins = {"MODEL_ID": model, "MODEL_REVISION": str(options.revision)}
    filled = [_pin(target / path, pins) for path in paths if path.endswith(".py")]
    if not any(filled):
        raise ReleaseError(
            f"no file of {source} reads os.environ.get('MODEL_REVISION'): the model cannot be "
            "pinned"
        )
    exact = pinned_requirements(source / "requirements.txt", "exact")
    write_whole(target / "requirements.txt", exact.encode())
    block["models"] = [model, *(m for m in models if m != model)]
    pinned = (
        f"\n\n## Which model\n\n`{model}` at revision `{options.revision}`, unless the variables "
        "`MODEL_ID` and `MODEL_REVISION` say otherwise.\n"
    )
    write_whole(target / CARD, join_card(block, body + pinned).encode())
    write_whole(target / "LICENSE", licence_text(options.license, ROOT / "LICENSE").encode())
    facts = {
        "kind": "space",
        "version": options.version,
        "settings": {},
        "inputs": [],
        "code": {},
        "release": {"model": model, "revision": options.revision},
    }
    write_manifest(target, list_folder(target, {}), facts)
    return []


def _pin(path: Path, pins: dict[str, str]) -> bool:
    """Fill our defaults into `os.environ.get(NAME, …)`; whether the revision was filled in here."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    readers = {*READERS, *_aliases(tree)}
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    calls = [n for n in nodes if ast.unparse(n.func) in readers and _first(n) in pins]
    lines = text.splitlines(keepends=True)
    for node in sorted(calls, key=lambda n: (n.lineno, n.col_offset), reverse=True):
        if node.lineno != node.end_lineno:
            raise ReleaseError(f"{path.name}:{node.lineno}: write os.environ.get(…) on one line")
        name, line = str(_first(node)), lines[node.lineno - 1].encode()
        call = f'{ast.unparse(node.func)}("{name}", "{pins[name]}")'.encode()
        new = line[: node.col_offset] + call + line[node.end_col_offset :]
        lines[node.lineno - 1] = new.decode()
    if calls:
        write_whole(path, "".join(lines).encode())
    return any(_first(node) == "MODEL_REVISION" for node in calls)


def _aliases(tree: ast.Module) -> set[str]:
    """Names that stand for a reader of the environment: `env = os.environ.get`."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.value) in READERS
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _first(node: ast.Call) -> str | None:
    """The text that is a call's first argument."""
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
