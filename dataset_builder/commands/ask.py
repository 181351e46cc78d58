"""Commands that change nothing: why, stats, channels, verify."""

import argparse
from pathlib import Path
from typing import Any

from dataset_builder.commands.command import add_command, show
from dataset_builder.errors import BuildError


def add_why(commands: Any) -> None:
    text = "where an id ended: kept, or the first rule that removed it and the value that did"
    command = add_command(commands, "why", text, "blift why --build out reddit-7abc12", _why)
    command.add_argument("--build", required=True, type=Path, help="build folder")
    command.add_argument("id", help="sample id, Reddit id (with or without t3_/t1_), YouTube id")


def _why(arguments: argparse.Namespace) -> None:
    from dataset_builder.ledger.why import format_why, why

    rows = why(arguments.build, arguments.id)
    show(arguments, rows, format_why(rows))


def add_stats(commands: Any) -> None:
    text = "the funnel and every reason of a build, with counts"
    command = add_command(commands, "stats", text, "blift stats --build out", _stats)
    command.add_argument("--build", required=True, type=Path, help="build folder")


def _stats(arguments: argparse.Namespace) -> None:
    from dataset_builder.funnel.counts import format_stats, stats

    found = stats(arguments.build)
    show(arguments, found, format_stats(found))


def add_channels(commands: Any) -> None:
    text = "the Wikidata query for YouTube channels, or what a downloaded result holds"
    command = add_command(commands, "channels", text, "blift channels --query", _channels)
    command.add_argument("--query", action="store_true", help="print the SPARQL query")
    command.add_argument("file", nargs="?", type=Path, help="result file, JSON or CSV")


def _channels(arguments: argparse.Namespace) -> None:
    from dataset_builder.read.channels import QUERY, read_channels

    if arguments.query or arguments.file is None:
        show(arguments, {"query": QUERY}, QUERY)
        return
    found = read_channels(arguments.file)
    show(arguments, found, f"{len(found):,} channels in {arguments.file}")


def add_verify(commands: Any) -> None:
    text = "read every byte of a release again and compare it with its manifest"
    command = add_command(commands, "verify", text, "blift verify out/release", _verify)
    command.add_argument("release", type=Path, help="release folder")


def _verify(arguments: argparse.Namespace) -> None:
    from dataset_builder.shards.verify import verify

    found = verify(arguments.release)
    problems = [f"{finding.path}: {finding.problem}" for finding in found.findings]
    good = f"{found.files} files, {found.samples:,} samples as the manifest says; root {found.root}"
    show(arguments, found.as_dict(), good if found.ok else "")
    if not found.ok:
        raise BuildError(f"{arguments.release} is damaged: " + "; ".join(problems[:20]))
