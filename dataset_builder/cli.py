"""The `blift` command: every subcommand, its help and its exit codes.

0 done, 1 failed with one message on stderr (a traceback with --debug), 2 wrong usage,
130 interrupted (143 by SIGTERM).
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset_builder import media_cli
from dataset_builder.errors import BuildError, UsageError
from dataset_builder.interrupts import interrupts_noted
from dataset_builder.server import start_server
from dataset_builder.settings import Settings, load_settings

PRESETS = ("seed", "v3", "authors")
INTERRUPTED = "\nblift: interrupted; run the same command again to go on"
RAW = argparse.RawDescriptionHelpFormatter


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    with interrupts_noted() as interrupted:
        try:
            arguments.run(arguments)
        except (Exception, KeyboardInterrupt) as error:
            if interrupted.is_set() or isinstance(error, KeyboardInterrupt):
                print(INTERRUPTED, file=sys.stderr)
                return interrupted.exit_code
            return _fail(arguments, error, 2 if isinstance(error, UsageError) else 1)
    return 0


def _fail(arguments: argparse.Namespace, error: BaseException, code: int) -> int:
    if arguments.debug:
        traceback.print_exception(error)
    known = isinstance(error, BuildError | UsageError | OSError) or _is_machine(error)
    text = str(error) if known else f"{type(error).__name__}: {error} (defect; see --debug)"
    print(f"blift: {text}", file=sys.stderr)
    return code


def _is_machine(error: BaseException) -> bool:
    """DuckDB's words for a full disk or too little memory: the user's to mend, not a defect."""
    kind = type(error)
    names = ("IOException", "OutOfMemoryException")
    return "duckdb" in kind.__module__ and kind.__name__ in names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="blift",
        formatter_class=RAW,
        description="From raw Reddit and YouTube dumps to the BLIFT instruction-tuning dataset.",
        epilog="example:\n  blift build --reddit-submissions RS.zst --reddit-comments RC.zst "
        "--media none --out out\n  blift why --build out reddit-7abc12",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_add_build, _add_estimate, _add_why, _add_stats, _add_channels, _add_verify):
        add(commands)
    media_cli.add_parsers(commands)
    return parser


def _command(commands: Any, name: str, text: str, example: str, run: Any) -> Any:
    command = commands.add_parser(
        name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=RAW
    )
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    command.set_defaults(run=run)
    return command


def _add_inputs(command: Any) -> None:
    many: dict[str, Any] = {"nargs": "+", "type": Path, "default": [], "metavar": "P"}
    command.add_argument("--reddit-submissions", help="RS dumps or the BLIFT release", **many)
    command.add_argument("--reddit-comments", help="RC dumps", **many)
    command.add_argument("--youtube", help="yt-dlp info.json/jsonl(.gz), Data API pages", **many)
    command.add_argument("--channels", help="Wikidata channel list, JSON or CSV", **many)
    command.add_argument("--preset", choices=PRESETS, default="seed", help="default: seed")
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="change settings of blift.yaml, for example reddit.start=2014-01-01",
    )  # fmt: skip
    command.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    command.add_argument("--executor", choices=("local", "ray", "slurm"), help="default: local")


def _add_build(commands: Any) -> None:
    text = "build the dataset; run again after an interruption and it goes on"
    example = (
        "blift build --reddit-submissions RS_2021-12.zst --reddit-comments RC_2021-12.zst \\\n"
        "    --youtube videos.jsonl.gz --media media/ --preset seed --out out"
    )
    command = _command(commands, "build", text, example, _build)
    _add_inputs(command)
    command.add_argument("--media", required=True, help="folder of media files, or none")
    command.add_argument("--out", required=True, type=Path, help="build folder")
    command.add_argument("--dry-run", action="store_true", help="show the plan, write nothing")


def _settings(arguments: argparse.Namespace) -> Settings:
    overrides = list(arguments.set)
    if arguments.executor:
        overrides.append(f"build.executor={arguments.executor}")
    if arguments.workers < 1:
        raise UsageError(f"--workers {arguments.workers}: expected 1 or more")
    if getattr(arguments, "media", None) == "none":
        # first: what the user says of them stands
        overrides.insert(0, "media.required=false")
    return load_settings(arguments.preset, overrides)


def _request(arguments: argparse.Namespace, out: Path, media: str) -> Any:
    from dataset_builder.pipeline import Request

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


def _print(arguments: argparse.Namespace, value: Any, text: str) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1) if arguments.json else text)


def _build(arguments: argparse.Namespace) -> None:
    settings = _settings(arguments)
    if settings.build.executor == "local" and not arguments.dry_run:
        start_server()  # it loads while we do
    from dataset_builder import funnel
    from dataset_builder.pipeline import build, plan

    request = _request(arguments, arguments.out, arguments.media)
    if arguments.dry_run:
        found = plan(request, settings)
        _print(arguments, found, _plan_text(found))
        return
    result = build(request, settings)
    kept = ", ".join(f"{name} {count:,}" for name, count in result["samples"].items()) or "none"
    text = (
        funnel.format_table(funnel.funnel(arguments.out))
        + f"\n\nsamples: {kept}; comments: {result['comments']:,}"
        + f"\nrelease: {arguments.out / 'release'} ({result['files']} files, "
        + f"{result['bytes']:,} bytes)\nMerkle root: {result['root']}"
    )
    _print(arguments, result, text)
    if not result["samples"]:
        said = f"blift: no sample was kept; blift stats --build {arguments.out} counts the reasons"
        print(said, file=sys.stderr)


def _plan_text(found: dict[str, Any]) -> str:
    lines = [f"{i['role']:20} {i['name']}  {i['bytes']:,} bytes" for i in found["inputs"]]
    lines.append(
        f"{found['partitions']} partitions, {found['workers']} workers, {found['executor']}"
    )
    lines += [f"  {r['source']:8} {r['kind']:8} {r['reason']}" for r in found["rules"]]
    return "\n".join([*lines, "nothing was written (--dry-run)"])


def _add_estimate(commands: Any) -> None:
    text = "rows, time and disk a build will take, from a sample of its inputs"
    example = "blift estimate --reddit-submissions RS.zst --reddit-comments RC.zst"
    command = _command(commands, "estimate", text, example, _estimate)
    _add_inputs(command)


def _estimate(arguments: argparse.Namespace) -> None:
    from dataset_builder.estimate import estimate, format_estimate

    found = estimate(_request(arguments, Path(), "none"), _settings(arguments))
    _print(arguments, found, format_estimate(found))


def _add_why(commands: Any) -> None:
    text = "where an id ended: kept, or the first rule that removed it and the value that did"
    command = _command(commands, "why", text, "blift why --build out reddit-7abc12", _why)
    command.add_argument("--build", required=True, type=Path, help="build folder")
    command.add_argument("id", help="sample id, Reddit id (with or without t3_/t1_), YouTube id")


def _why(arguments: argparse.Namespace) -> None:
    from dataset_builder.why import format_why, why

    rows = why(arguments.build, arguments.id)
    _print(arguments, rows, format_why(rows))


def _add_stats(commands: Any) -> None:
    text = "the funnel and every reason of a build, with counts"
    command = _command(commands, "stats", text, "blift stats --build out", _stats)
    command.add_argument("--build", required=True, type=Path, help="build folder")


def _stats(arguments: argparse.Namespace) -> None:
    from dataset_builder.stats import format_stats, stats

    found = stats(arguments.build)
    _print(arguments, found, format_stats(found))


def _add_channels(commands: Any) -> None:
    text = "the Wikidata query for YouTube channels, or what a downloaded result holds"
    command = _command(commands, "channels", text, "blift channels --query", _channels)
    command.add_argument("--query", action="store_true", help="print the SPARQL query")
    command.add_argument("file", nargs="?", type=Path, help="result file, JSON or CSV")


def _channels(arguments: argparse.Namespace) -> None:
    from dataset_builder.channels import QUERY, read_channels

    if arguments.query or arguments.file is None:
        _print(arguments, {"query": QUERY}, QUERY)
        return
    found = read_channels(arguments.file)
    _print(arguments, found, f"{len(found):,} channels in {arguments.file}")


def _add_verify(commands: Any) -> None:
    text = "read every byte of a release again and compare it with its manifest"
    command = _command(commands, "verify", text, "blift verify out/release", _verify)
    command.add_argument("release", type=Path, help="release folder")


def _verify(arguments: argparse.Namespace) -> None:
    from dataset_builder.verify import verify

    found = verify(arguments.release)
    problems = [f"{finding.path}: {finding.problem}" for finding in found.findings]
    good = f"{found.files} files, {found.samples:,} samples as the manifest says; root {found.root}"
    _print(arguments, found.as_dict(), good if found.ok else "")
    if not found.ok:
        raise BuildError(f"{arguments.release} is damaged: " + "; ".join(problems[:20]))
