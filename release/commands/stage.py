"""`stage` and `check`: make a folder that may leave, or look at one again."""

import argparse
from pathlib import Path
from typing import Any

from release.errors import ReleaseError
from release.gates.check import check_folder
from release.staging.dataset import CONTACT, DatasetOptions, stage_dataset
from release.staging.dataset import REPOSITORY as DATASET
from release.staging.folder import VERSION, Staged
from release.staging.model import REPOSITORY as MODEL
from release.staging.model import ModelOptions, stage_model
from release.staging.space import SpaceOptions, stage_space


def add_stage(command: argparse.ArgumentParser, kind: str) -> None:
    """Options of `KIND stage`."""
    add = command.add_argument
    add("--from", dest="source", type=Path, required=True, help="finished artefact's folder")
    add("--out", type=Path, required=True, help="new folder")
    add("--version", default=VERSION, help=f"version of this release, X.Y (default: {VERSION})")
    add("--license", type=Path, help="file with the licence's text")
    if kind == "dataset":
        add("--repo", default=DATASET, help=f"id it will have (default: {DATASET})")
        add("--contact", default=CONTACT, help="where people write to have something removed")
        add("--attributions", type=Path, help="MEDIA.md: where the media come from")
        add("--changelog", type=Path, help="CHANGELOG.md of the data set")
        add("--withdrawals", type=Path, help="WITHDRAWALS.md of earlier versions")
        add("--date", help="date of publication for croissant.json, YYYY-MM-DD")
        add("--canaries", type=Path, help="planted texts, one a line; none may come through")
    elif kind == "model":
        add("--repo", default=MODEL, help=f"id it will have (default: {MODEL})")
        add("--dataset", default=DATASET, help="id of the data it was trained on")
        add("--dataset-revision", help="commit hash of the published data it was trained on")
        add("--results", type=Path, help="results.json measured on exactly this folder")
        add("--before", type=Path, help="results.json of the base model")
        add("--clean", type=Path, help="results.json on test items without overlap")
        add("--paper", type=Path, help='JSON: {cell or "task metric": the value the paper prints}')
        add("--requirements", type=Path, help="what its code imports (default: model_card's)")
        add(
            "--privacy", type=Path, help="privacy report made with this model (card privacy --json)"
        )
        add("--notice", help="a sentence at the top of the card")
    else:
        add("--model", help="id of the model it shows (default: the first of its card)")
        add("--revision", help="commit hash of the published model")
    command.set_defaults(run=run_stage)


def run_stage(arguments: argparse.Namespace) -> dict[str, Any]:
    """Stage one folder."""
    staged = _stage(arguments)
    text = f"staged {staged.files} files in {staged.folder}"
    left = f"\nleft behind: {', '.join(staged.left_behind)}" if staged.left_behind else ""
    return {"folder": str(staged.folder), "files": staged.files, "left_behind": staged.left_behind,
            "text": text + left}  # fmt: skip


def _stage(given: argparse.Namespace) -> Staged:
    if given.kind == "dataset":
        return stage_dataset(given.source, given.out, dataset_options(given))
    if given.kind == "model":
        return stage_model(given.source, given.out, model_options(given))
    options = SpaceOptions(given.model, given.revision, given.version, given.license)
    return stage_space(given.source, given.out, options)


def dataset_options(given: argparse.Namespace) -> DatasetOptions:
    """Options of a data set from parsed words."""
    return DatasetOptions(
        given.repo, given.version, given.contact, given.attributions, given.changelog,
        given.withdrawals, given.license, given.date, planted(given.canaries),
    )  # fmt: skip


def model_options(given: argparse.Namespace) -> ModelOptions:
    """Options of a model from parsed words."""
    return ModelOptions(
        repository=given.repo,
        dataset=given.dataset,
        dataset_revision=given.dataset_revision,
        version=given.version,
        results=given.results,
        before=given.before,
        clean=given.clean,
        paper=given.paper,
        requirements=given.requirements,
        license=given.license,
        notice=given.notice,
        regurgitation=given.privacy,
    )


def planted(path: Path | None) -> list[str]:
    """Canaries of a file, one a line. Raises ReleaseError where it is not there."""
    if path is None:
        return []
    if not path.is_file():
        raise ReleaseError(f"{path}: no such file of canaries")
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


def add_check(command: argparse.ArgumentParser) -> None:
    """Options of `KIND check`."""
    command.add_argument("folder", type=Path, help="staged folder")
    command.add_argument("--canaries", type=Path, help="planted texts, one a line")
    command.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the gates on a folder that is there."""
    files = check_folder(arguments.folder, arguments.kind, planted(arguments.canaries))
    return {"files": files, "text": f"{arguments.folder}: {files} files may leave"}
