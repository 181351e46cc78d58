"""`blift fetch`, `blift annotate` and `blift salicon`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataset_builder.commands.command import add_command, add_settings, settings_of, show
from dataset_builder.errors import BuildError, UsageError


def add_fetch(commands: Any) -> None:
    text = "download the media of a build or of an ids release into a store that resumes"
    example = "blift fetch --build out --out media && blift build … --media media --out out"
    command = add_command(commands, "fetch", text, example, _fetch)
    group = command.add_mutually_exclusive_group(required=True)
    group.add_argument("--build", type=Path, help="folder of `blift build --media none`")
    group.add_argument("--release", type=Path, help="release folder, for example of tier ids")
    command.add_argument("--out", required=True, type=Path, help="store; give it to --media")
    add_settings(command)


def _fetch(arguments: argparse.Namespace) -> None:
    from dataset_builder.fetch.fetcher import fetch_all
    from dataset_builder.fetch.store import FetchStore, Wanted

    settings = settings_of(arguments)
    items = [Wanted(item, url) for item, url in _addresses(arguments)]
    if not items:
        raise BuildError("nothing to fetch: no post there has an address")
    store = FetchStore(arguments.out)
    show(arguments, fetch_all(items, store, settings, arguments.workers))


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


def add_annotate(commands: Any) -> None:
    text = "run the annotators of a build apart, for example one part of the media on each GPU"
    example = "blift annotate --build out --annotator tags --part 3/16"
    command = add_command(commands, "annotate", text, example, _annotate)
    command.add_argument("--build", required=True, type=Path, help="build folder")
    command.add_argument("--media", required=True, type=Path, help="the build's media folder")
    command.add_argument("--annotator", help="only this one (a key of settings annotate.*)")
    command.add_argument("--part", default="1/1", metavar="I/N", help="this part of the work")
    add_settings(command)


def _annotate(arguments: argparse.Namespace) -> None:
    from dataset_builder.annotate.run import annotate_build

    part, _, parts = arguments.part.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"--part {arguments.part!r}: expected I/N with 1 <= I <= N, as in 3/16")
    found = annotate_build(
        arguments.build,
        arguments.media,
        settings_of(arguments),
        arguments.annotator,
        (int(part), int(parts)),
        arguments.workers,
    )
    show(arguments, found)


def add_salicon(commands: Any) -> None:
    text = "add a Salicon config (saliency of objects or of regions) to a build's release"
    example = "blift salicon --build out --images coco/ --gaze fixations.json --task region"
    command = add_command(commands, "salicon", text, example, _salicon)
    command.add_argument("--build", required=True, type=Path, help="build folder, new or not")
    many: dict[str, Any] = {"required": True, "nargs": "+", "type": Path}
    command.add_argument("--images", help="folders of pictures", **many)
    command.add_argument("--gaze", help="SALICON JSON, OSIE .mat, folders of maps", **many)
    command.add_argument("--instances", type=Path, help="COCO instances JSON, for --task object")
    command.add_argument("--task", choices=("object", "region"), required=True)
    command.add_argument("--form", choices=("ranking", "predicting"), default="ranking")
    add_settings(command)


def _salicon(arguments: argparse.Namespace) -> None:
    from dataset_builder.pipeline.salicon import SaliconRequest, add_salicon

    request = SaliconRequest(
        tuple(arguments.images),
        tuple(arguments.gaze),
        arguments.instances,
        arguments.task,
        arguments.form,
    )
    show(
        arguments, add_salicon(arguments.build, request, settings_of(arguments), arguments.workers)
    )
