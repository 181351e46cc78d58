"""`blift build` and `blift estimate`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from dataset_builder.commands.command import add_command, add_settings, settings_of, show
from dataset_builder.errors import BuildError, UsageError
from dataset_builder.ledger.reasons import NAMING


def _add_inputs(command: Any) -> None:
    submissions = "RS dumps (.zst, .xz, .bz2, .gz, plain, Parquet) or the BLIFT release"
    many: dict[str, Any] = {"nargs": "+", "type": Path, "default": [], "metavar": "P"}
    command.add_argument("--reddit-submissions", help=submissions, **many)
    command.add_argument("--reddit-comments", help="RC dumps", **many)
    command.add_argument("--youtube", help="yt-dlp info.json/jsonl(.gz), Data API pages", **many)
    command.add_argument("--channels", help="Wikidata channel list, JSON or CSV", **many)
    add_settings(command)
    command.add_argument("--executor", choices=("local", "ray", "slurm"), help="default: local")


def add_build(commands: Any) -> None:
    text = "build the dataset; run again after an interruption and it goes on"
    example = (
        "blift build --reddit-submissions RS_2021-12.zst --reddit-comments RC_2021-12.zst \\\n"
        "    --youtube videos.jsonl.gz --media media/ --preset seed --out out"
    )
    command = add_command(commands, "build", text, example, _build)
    _add_inputs(command)
    command.add_argument("--media", required=True, help=f"folder of media files, or none. {NAMING}")
    command.add_argument("--out", required=True, type=Path, help="build folder")
    command.add_argument("--dry-run", action="store_true", help="show the plan, write nothing")
    command.add_argument("--allow-empty", action="store_true", help="0 although nothing was kept")


def _request(arguments: argparse.Namespace, out: Path, media: str) -> Any:
    from dataset_builder.pipeline.text_stage import Request

    folder = None if media == "none" else Path(media)
    if folder is not None and not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise UsageError(f"--media {media}: {what}; give a folder of media files or none")
    return Request(
        out,
        tuple(arguments.reddit_submissions),
        tuple(arguments.reddit_comments),
        tuple(arguments.youtube),
        tuple(arguments.channels),
        folder,
        arguments.workers,
    )


def _build(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    if settings.build.executor == "local" and not arguments.dry_run:
        from dataset_builder.run.pool import start_server

        start_server()  # it loads while we do
    from dataset_builder.funnel import counts
    from dataset_builder.pipeline.build import build, plan

    request = _request(arguments, arguments.out, arguments.media)
    if arguments.dry_run:
        found = plan(request, settings)
        show(arguments, found, _plan_text(found))
        return
    result = build(request, settings)
    kept = ", ".join(f"{name} {count:,}" for name, count in result["samples"].items()) or "none"
    text = (
        counts.format_table(counts.funnel(arguments.out))
        + f"\n\nsamples: {kept}; comments: {result['comments']:,}"
        + f"\nrelease: {arguments.out / 'release'} ({result['files']} files, "
        + f"{result['bytes']:,} bytes)\nMerkle root: {result['root']}"
    )
    show(arguments, result, text)
    if result["samples"]:
        return
    said = f"no sample was kept; blift stats --build {arguments.out} counts the reasons"
    if not arguments.allow_empty:
        raise BuildError(f"{said}, and --allow-empty takes such a build for done")
    print(f"blift: {said}", file=sys.stderr)


def _plan_text(found: dict[str, Any]) -> str:
    lines = [f"{i['role']:20} {i['name']}  {i['bytes']:,} bytes" for i in found["inputs"]]
    lines.append(
        f"{found['partitions']} partitions, {found['workers']} workers, {found['executor']}"
    )
    lines += [f"  {r['source']:8} {r['kind']:8} {r['reason']}" for r in found["rules"]]
    return "\n".join([*lines, "nothing was written (--dry-run)"])


def add_estimate(commands: Any) -> None:
    text = "rows, time and disk a build will take, from a sample of its inputs"
    example = "blift estimate --reddit-submissions RS.zst --reddit-comments RC.zst"
    command = add_command(commands, "estimate", text, example, _estimate)
    _add_inputs(command)


def _estimate(arguments: argparse.Namespace) -> None:
    from dataset_builder.pipeline.estimate import estimate, format_estimate

    found = estimate(_request(arguments, Path(), "none"), settings_of(arguments))
    show(arguments, found, format_estimate(found))
