"""The model's repository, made from the folder that training wrote."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.cards.model import ModelFacts, model_card, results_of
from release.errors import ReleaseError
from release.files import copy_in, sha256_of, write_json, write_whole
from release.gates.child import run_child
from release.manifest import CARD, list_folder, write_manifest
from release.staging.folder import ROOT, VERSION, Staged, licence_text, source_files, stage_folder
from release.staging.requirements import pinned_requirements

REPOSITORY = "behavior-llava/behavior-llava"
DATASET = "behavior-llava/blift"
# what training leaves in its folder for itself
LEFT_BEHIND = ("checkpoint-", "runs/", "train_summary.json", "training_manifest.json", CARD)
SUMMARIES = ("training_manifest.json", "train_summary.json")
DIGESTED = {".json", ".py", ".safetensors", ".jinja", ".txt", ".model"}
LOCAL = re.compile(r"^(?:/|~|[A-Za-z]:\\|\.\.?/|file:)")


@dataclass(frozen=True)
class ModelOptions:
    """What the command line says about a model; the folder says the rest."""

    repository: str = REPOSITORY
    dataset: str = DATASET
    dataset_revision: str | None = None
    version: str = VERSION
    results: Path | None = None
    before: Path | None = None
    clean: Path | None = None  # results on test items that do not overlap the training data
    paper: Path | None = None  # {cell, or "task metric": the paper's value}
    requirements: Path | None = None
    license: Path | None = None
    notice: str | None = None
    regurgitation: Path | None = None  # a privacy report that was made with this model


def stage_model(source: Path, out: Path, options: ModelOptions) -> Staged:
    """Stage a model folder that loads by its own code, with its card and what it was made of.

    Raises: ReleaseError where training left no summary or results belong to another model; Refused.
    """
    paths = source_files("model", source, LEFT_BEHIND)
    return stage_folder("model", out, lambda target: _fill(source, paths, target, options))


def _fill(source: Path, paths: list[str], target: Path, options: ModelOptions) -> list[str]:
    for path in paths:
        copy_in(source / path, target / path)
    _neutral_names(target)
    training = without_paths(read_training(source))
    results = checked_results(source, training, options)
    before = results_of(options.before)
    if training:
        write_json(target / "training_manifest.json", training)
    if results:
        rows = [*results, *before, *results_of(options.clean)]
        write_json(target / "results.json", [without_paths(row) for row in rows])
    given = options.requirements or ROOT / "model_card" / "requirements.txt"
    if "requirements.txt" not in paths and given.is_file():
        write_whole(target / "requirements.txt", pinned_requirements(given, "minimum").encode())
    write_whole(target / "LICENSE", licence_text(options.license, ROOT / "LICENSE").encode())
    write_whole(target / CARD, card_text(training, results, before, options).encode())
    facts = {
        "kind": "model",
        "version": options.version,
        "settings": {},
        "inputs": [],
        "code": {},
        "release": {"repository": options.repository},
        "built_from": folder_digest(source),
        "answer": first_answer(target),
    }
    write_manifest(target, list_folder(target, {}), facts)
    return sorted({p.split("/")[0] for p in _left(source)})


def first_answer(target: Path) -> dict[str, Any]:
    """Digest of the weights and one greedy answer, by which `verify` knows the model again.

    Raises: ReleaseError when a stranger's process cannot load it and get an answer.
    """
    result = run_child("load_model.py", {"target": str(target), "revision": None}, 3600)
    if "error" in result:
        raise ReleaseError(f"the staged model does not load and answer: {result['error']}")
    return {name: result[name] for name in ("tensors", "answer", "classes")}


def _left(source: Path) -> list[str]:
    found = (path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    return [path for path in found if path.startswith(LEFT_BEHIND)]


def card_text(
    training: Mapping[str, Any], results: list[dict[str, Any]], before: list[dict[str, Any]],
    options: ModelOptions,
) -> str:  # fmt: skip
    """README.md of the model."""
    report = json.loads(options.regurgitation.read_text("utf-8")) if options.regurgitation else {}
    root = str(training.get("dataset_revision"))
    facts = ModelFacts(
        training=training,
        results=results,
        before=before,
        clean=results_of(options.clean),
        paper=json.loads(options.paper.read_text("utf-8")) if options.paper else {},
        repository=options.repository,
        dataset=options.dataset,
        dataset_revision=options.dataset_revision or root,
        version=options.version,
        notice=options.notice,
        regurgitation=report.get("regurgitation"),
    )
    return model_card(facts)


def read_training(source: Path) -> dict[str, Any]:
    """What training wrote about itself; both files where both are there."""
    found: dict[str, Any] = {}
    for name in SUMMARIES:  # the summary's plain values win over the manifest's groups of them
        path = source / name
        if path.is_file():
            found |= json.loads(path.read_text("utf-8"))
    return found


def checked_results(
    source: Path, training: Mapping[str, Any], options: ModelOptions
) -> list[dict[str, Any]]:
    """Rows of results.json, if they were measured on exactly this model and its base.

    Raises: ReleaseError for a row of another model, or one without a run id.
    """
    rows, before = results_of(options.results), results_of(options.before)
    rows += results_of(options.clean)
    own, base = folder_digest(source), training.get("base_revision")
    for row in [*rows, *before]:
        if not row.get("run_id"):
            raise ReleaseError(
                f"{row.get('task')} {row.get('metric')} has no run id; measure it again"
            )
    for row in rows:
        if row.get("model_revision") != own:
            raise ReleaseError(
                f"{options.results}: {row['task']} was measured on {row.get('model_revision')}, "
                "this folder "
                f"is {own}; evaluate this folder"
            )
    for row in before:
        if base and row.get("model_revision") != base:
            raise ReleaseError(
                f"{options.before}: {row['task']} was measured on {row.get('model_revision')}, "
                "the base model "
                f"was {base}; evaluate the base model"
            )
    return results_of(options.results)


def folder_digest(folder: Path) -> str:
    """What evaluation calls a model folder: a digest of its files without the training summary."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts[0]
        if inside.startswith(("checkpoint-", ".")) or path.name in SUMMARIES:
            continue  # of the run that wrote the model, not the model
        if path.suffix in DIGESTED and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def without_paths(value: Any) -> Any:
    """The same value, each path of this machine by its last name: `local/NAME`."""
    if isinstance(value, dict):
        return {name: without_paths(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_paths(inner) for inner in value]
    if isinstance(value, str) and LOCAL.match(value):
        return f"local/{value.rstrip('/').replace(chr(92), '/').rpartition('/')[2] or 'folder'}"
    if isinstance(value, float) and not -1e308 < value < 1e308:
        return None
    return value


def _neutral_names(target: Path) -> None:
    """`_name_or_path` tells where a model lay on this machine; at every depth it becomes empty."""
    for path in target.rglob("*.json"):
        if path.name in ("tokenizer.json", "vocab.json"):
            continue
        try:
            value = json.loads(path.read_text("utf-8"))
        except ValueError:
            continue  # refused by the gate on settings, which names it
        if _neutral(value):
            write_json(path, value)


def _neutral(value: Any) -> bool:
    """Empty local `_name_or_path`s in place; whether one was found."""
    changed = False
    if isinstance(value, dict):
        for name, inner in value.items():
            local = isinstance(inner, str) and LOCAL.match(inner)
            if name in ("_name_or_path", "name_or_path") and local:
                value[name], changed = "", True
            changed |= _neutral(inner)
    elif isinstance(value, list):
        for inner in value:
            changed |= _neutral(inner)
    return changed
