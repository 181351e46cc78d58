"""Subcommands of `blift` that deal with media and releases: fetch, annotate, salicon, forget,
hydrate. `cli.py` adds them; what each does lives in the module it names."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dataset_builder.errors import BuildError, UsageError
from dataset_builder.settings import Settings, load_settings

Run = Callable[[argparse.Namespace], None]
PRESETS = ("seed", "v3", "authors")


def add_parsers(commands: Any) -> None:
    """Add the five subcommands to `commands` (what `add_subparsers` gave)."""
    for add in (_add_fetch, _add_annotate, _add_salicon, _add_forget, _add_hydrate):
        add(commands)


def _command(commands: Any, name: str, text: str, example: str, run: Run) -> Any:
    command = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    command.set_defaults(run=run)
    return command


def _add_settings(command: Any) -> None:
    command.add_argument("--preset", choices=PRESETS, default="seed", help="default: seed")
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="change settings of blift.yaml",
    )  # fmt: skip
    _add_workers(command)


def _add_workers(command: Any) -> None:
    count = os.cpu_count() or 1
    command.add_argument("--workers", type=int, default=count, help=f"default: {count}")


def _settings(arguments: argparse.Namespace) -> Settings:
    if arguments.workers < 1:
        raise UsageError(f"--workers {arguments.workers}: expected 1 or more")
    return load_settings(arguments.preset, arguments.set)


def _print(arguments: argparse.Namespace, value: dict[str, Any]) -> None:
    if arguments.json:
        print(json.dumps(value, ensure_ascii=False, indent=1))
        return
    for key, item in value.items():
        print(f"{key}: {json.dumps(item, ensure_ascii=False)}")


def _add_fetch(commands: Any) -> None:
    text = "download the media of a build or of an ids release into a store that resumes"
    example = "blift fetch --build out --out media && blift build … --media media --out out"
    command = _command(commands, "fetch", text, example, _fetch)
    group = command.add_mutually_exclusive_group(required=True)
    group.add_argument("--build", type=Path, help="folder of `blift build --media none`")
    group.add_argument("--release", type=Path, help="release folder, for example of tier ids")
    command.add_argument("--out", required=True, type=Path, help="store; give it to --media")
    _add_settings(command)


def _fetch(arguments: argparse.Namespace) -> None:
    from dataset_builder.fetch import Wanted, fetch_all
    from dataset_builder.fetch_store import FetchStore

    settings = _settings(arguments)
    items = [Wanted(item, url) for item, url in _addresses(arguments)]
    if not items:
        raise BuildError("nothing to fetch: no post there has an address")
    store = FetchStore(arguments.out)
    _print(arguments, fetch_all(items, store, settings, arguments.workers))


def _addresses(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """(sample id, URL) of every post of the build or release."""
    import pyarrow.parquet as pq

    if arguments.build:
        files = [arguments.build / "work" / "text" / "posts.parquet"]
    else:
        files = sorted((arguments.release / "metadata").glob("*.parquet"))
    for path in files:
        for row in pq.read_table(path, columns=["id", "url"]).to_pylist():
            if row["url"]:
                yield row["id"], row["url"]


def _add_annotate(commands: Any) -> None:
    text = "run the annotators of a build apart, for example one part of the media on each GPU"
    example = "blift annotate --build out --annotator tags --part 3/16"
    command = _command(commands, "annotate", text, example, _annotate)
    command.add_argument("--build", required=True, type=Path, help="build folder")
    command.add_argument("--media", required=True, type=Path, help="the build's media folder")
    command.add_argument("--annotator", help="only this one (a key of settings annotate.*)")
    command.add_argument("--part", default="1/1", metavar="I/N", help="this part of the work")
    _add_settings(command)


def _annotate(arguments: argparse.Namespace) -> None:
    from dataset_builder.annotate_build import annotate_build

    part, _, parts = arguments.part.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"--part {arguments.part!r}: expected I/N with 1 <= I <= N, as in 3/16")
    found = annotate_build(
        arguments.build,
        arguments.media,
        _settings(arguments),
        arguments.annotator,
        (int(part), int(parts)),
        arguments.workers,
    )
    _print(arguments, found)


def _add_salicon(commands: Any) -> None:
    text = "add a Salicon config (saliency of objects or of regions) to a build's release"
    example = "blift salicon --build out --images coco/ --gaze fixations.json --task region"
    command = _command(commands, "salicon", text, example, _salicon)
    command.add_argument("--build", required=True, type=Path, help="build folder, new or not")
    many: dict[str, Any] = {"required": True, "nargs": "+", "type": Path}
    command.add_argument("--images", help="folders of pictures", **many)
    command.add_argument("--gaze", help="SALICON JSON, OSIE .mat, folders of maps", **many)
    command.add_argument("--instances", type=Path, help="COCO instances JSON, for --task object")
    command.add_argument("--task", choices=("object", "region"), required=True)
    command.add_argument("--form", choices=("ranking", "predicting"), default="ranking")
    _add_settings(command)


def _salicon(arguments: argparse.Namespace) -> None:
    from dataset_builder.salicon_release import SaliconRequest, add_salicon

    request = SaliconRequest(
        tuple(arguments.images),
        tuple(arguments.gaze),
        arguments.instances,
        arguments.task,
        arguments.form,
    )
    _print(
        arguments, add_salicon(arguments.build, request, _settings(arguments), arguments.workers)
    )


def _add_forget(commands: Any) -> None:
    text = "remove posts, comments, authors or media from every file, and refuse them from now on"
    example = "blift forget --build out --list removals.txt"
    command = _command(commands, "forget", text, example, _forget)
    command.add_argument("--build", required=True, type=Path, help="build folder")
    command.add_argument(
        "--list", required=True, type=Path,
        help="one per line: `id X`, `url X`, `author HASH|NAME`, `media SHA256`, `phash HEX`",
    )  # fmt: skip
    command.add_argument("--store", type=Path, help="store of `blift fetch` to clean as well")


def _forget(arguments: argparse.Namespace) -> None:
    from dataset_builder.fetch_store import FetchStore
    from dataset_builder.forget import forget
    from dataset_builder.tombstones import read_targets, values_of

    targets = read_targets(arguments.list)
    result = forget(arguments.build, targets)
    if arguments.store:
        ids = values_of(targets, "id") | set(result["removed"])
        media = values_of(targets, "media") | set(result["removed_media"])
        result["store_files"] = FetchStore(arguments.store).forget(ids, media)
    for key in ("removed", "removed_media"):  # naming them once more would be no forgetting
        del result[key]
    _print(arguments, result)
    if result["unmatched"]:
        lines = ", ".join(map(str, result["unmatched_lines"]))
        print(
            f"blift: nothing in {arguments.build} is named by line {lines} of {arguments.list}: "
            "check the spelling; later builds refuse it all the same",
            file=sys.stderr,
        )


def _add_hydrate(commands: Any) -> None:
    text = "rebuild the full tier from an ids release, one's own dumps and fetched media"
    example = (
        "blift hydrate ids/release --dumps mine --media media --out full\n"
        "  (mine: `blift build --media none …`; media: `blift fetch --release ids/release …`)"
    )
    command = _command(commands, "hydrate", text, example, _hydrate)
    command.add_argument("release", type=Path, help="release folder of tier ids")
    command.add_argument("--dumps", required=True, type=Path, help="build of one's own dumps")
    command.add_argument("--media", required=True, type=Path, help="media folder or store")
    command.add_argument("--out", required=True, type=Path, help="new build folder")
    _add_workers(command)


def _hydrate(arguments: argparse.Namespace) -> None:
    from dataset_builder.hydrate import hydrate

    found = hydrate(
        arguments.release, arguments.dumps, arguments.media, arguments.out, arguments.workers
    )
    _print(arguments, found)
