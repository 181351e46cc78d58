"""`blift forget` and `blift hydrate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from dataset_builder.commands.command import add_command, add_workers, show
from dataset_builder.ledger.reasons import NAMING


def add_forget(commands: Any) -> None:
    text = "remove posts, comments, authors or media from every file, and refuse them from now on"
    example = "blift forget --build out --list removals.txt"
    command = add_command(commands, "forget", text, example, _forget)
    command.add_argument("--build", required=True, type=Path, help="build folder")
    command.add_argument(
        "--list", required=True, type=Path,
        help="one per line: `id X`, `url X`, `author HASH|NAME`, `media SHA256`, `phash HEX`",
    )  # fmt: skip
    command.add_argument("--store", type=Path, help="store of `blift fetch` to clean as well")


def _forget(arguments: argparse.Namespace) -> None:
    from dataset_builder.fetch.store import FetchStore
    from dataset_builder.forget.forget import forget
    from dataset_builder.ledger.targets import read_targets, values_of

    targets = read_targets(arguments.list)
    result = forget(arguments.build, targets)
    if arguments.store:
        ids = values_of(targets, "id") | set(result["removed"])
        media = values_of(targets, "media") | set(result["removed_media"])
        result["store_files"] = FetchStore(arguments.store).forget(ids, media)
    for key in ("removed", "removed_media"):  # naming them once more would be no forgetting
        del result[key]
    show(arguments, result)
    if result["unmatched"]:
        lines = ", ".join(map(str, result["unmatched_lines"]))
        print(
            f"blift: nothing in {arguments.build} is named by line {lines} of {arguments.list}: "
            "check the spelling; later builds refuse it all the same",
            file=sys.stderr,
        )


def add_hydrate(commands: Any) -> None:
    text = "rebuild the full tier from an ids release, one's own dumps and fetched media"
    example = (
        "blift hydrate ids/release --dumps mine --media media --out full\n"
        "  (mine: `blift build --media none …`; media: `blift fetch --release ids/release …`)"
    )
    command = add_command(commands, "hydrate", text, example, _hydrate)
    command.add_argument("release", type=Path, help="release folder of tier ids")
    command.add_argument("--dumps", required=True, type=Path, help="build of one's own dumps")
    text = f"store of blift fetch, or a folder. {NAMING}"
    command.add_argument("--media", required=True, type=Path, help=text)
    command.add_argument("--out", required=True, type=Path, help="new build folder")
    add_workers(command)


def _hydrate(arguments: argparse.Namespace) -> None:
    from dataset_builder.pipeline.hydrate import hydrate

    found = hydrate(
        arguments.release, arguments.dumps, arguments.media, arguments.out, arguments.workers
    )
    show(arguments, found)
