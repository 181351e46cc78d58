"""`card`: render or check a card without staging; make the privacy report."""

import argparse
from pathlib import Path
from typing import Any

from release.cards.front_matter import front_matter_problems, split_card
from release.cards.model import results_of
from release.cards.privacy import privacy_report, privacy_text
from release.commands.stage import add_stage, dataset_options, model_options, planted
from release.errors import ReleaseError
from release.files import write_json, write_whole
from release.manifest import CARD, read_manifest
from release.staging.dataset import stage_dataset
from release.staging.model import card_text, checked_results, read_training, without_paths

KINDS = ("dataset", "model", "privacy")


def add_card(command: argparse.ArgumentParser, kind: str) -> None:
    """Options of `card KIND`."""
    if kind == "privacy":
        add = command.add_argument
        add("--from", dest="source", type=Path, required=True, help="release or staged folder")
        add("--canaries", type=Path, help="planted texts, one a line")
        add("--model", type=Path, help="model folder: try whether it repeats comments by heart")
        add("--out", type=Path, help="write the report there as JSON")
    else:
        add_stage(command, kind)
        for action in command._actions:  # the card alone may go to the screen
            if action.dest == "out":
                action.required, action.help = (
                    False,
                    "file to write (default: the screen, or the folder)",
                )
    command.set_defaults(
        run={"dataset": run_dataset, "model": run_model, "privacy": run_privacy}[kind]
    )


def run_privacy(given: argparse.Namespace) -> dict[str, Any]:
    """Count personal data in a release folder."""
    manifest = read_manifest(given.source)
    facts = manifest.facts.get("release") or {}
    report = privacy_report(given.source, facts, planted(given.canaries), given.model)
    if given.out:
        write_json(given.out, report)
    return {**report, "text": privacy_text(report).strip()}


def run_model(given: argparse.Namespace) -> dict[str, Any]:
    """The card of a folder that training wrote, into that folder unless told otherwise."""
    options = model_options(given)
    training = without_paths(read_training(given.source))
    if not training:
        raise ReleaseError(
            f"{given.source} holds no train_summary.json; give a folder sft.py wrote"
        )
    results = checked_results(given.source, training, options)
    text = card_text(training, results, results_of(options.before), options)
    return _give("model", text, given.out or given.source / CARD)


def run_dataset(given: argparse.Namespace) -> dict[str, Any]:
    """The card of a build, as staging would write it."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        staged = stage_dataset(given.source, Path(folder) / "staged", dataset_options(given))
        text = (staged.folder / CARD).read_text("utf-8")
    return _give("dataset", text, given.out)


def _give(kind: str, text: str, out: Path | None) -> dict[str, Any]:
    block, _ = split_card(text)
    problems = list(front_matter_problems(kind, block))
    if problems:
        raise ReleaseError(f"the {kind} card is not sound: " + "; ".join(problems))
    if out is None:
        return {"card": text, "text": text}
    write_whole(out, text.encode())
    return {"file": str(out), "text": f"wrote {out}"}
