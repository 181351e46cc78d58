"""What every subcommand shares: its parser, its settings, how it prints."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from typing import Any

from dataset_builder.errors import UsageError
from dataset_builder.settings import Settings, load_settings, presets

Run = Callable[[argparse.Namespace], None]
RAW = argparse.RawDescriptionHelpFormatter


def add_command(commands: Any, name: str, text: str, example: str, run: Run) -> Any:
    """A subcommand with the options that all have; returns its parser."""
    command = commands.add_parser(
        name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=RAW
    )
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    command.set_defaults(run=run)
    return command


def add_settings(command: Any) -> None:
    """--preset, --set and --workers."""
    command.add_argument("--preset", choices=presets(), default="seed", help="default: seed")
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="change settings of blift.yaml, for example reddit.start=2014-01-01",
    )  # fmt: skip
    add_workers(command)


def add_workers(command: Any) -> None:
    """--workers, by default all cores."""
    count = os.cpu_count() or 1
    command.add_argument("--workers", type=int, default=count, help=f"processes (default: {count})")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings that the options ask for. Raises UsageError for a value they may not have."""
    if arguments.workers < 1:
        raise UsageError(f"--workers {arguments.workers}: expected 1 or more")
    overrides = list(arguments.set)
    if getattr(arguments, "executor", None):
        overrides.append(f"build.executor={arguments.executor}")
    if getattr(arguments, "media", None) == "none":
        # first: what the user says of them stands
        overrides.insert(0, "media.required=false")
    return load_settings(arguments.preset, overrides)


def show(arguments: argparse.Namespace, value: Any, text: str | None = None) -> None:
    """Print a result on stdout: JSON with --json, else `text`, else one line per key."""
    if arguments.json:
        print(json.dumps(value, ensure_ascii=False, indent=1))
    elif text is not None:
        print(text)
    else:
        for key, item in value.items():
            print(f"{key}: {json.dumps(item, ensure_ascii=False)}")
