"""The `blift` command: every subcommand, its help and its exit codes.

0 done, 1 failed with one message on stderr (a traceback with --debug), 2 wrong usage,
130 interrupted (143 by SIGTERM).
"""

import argparse
import sys
import traceback
from collections.abc import Sequence

from dataset_builder.commands import ask, build, media, removal
from dataset_builder.commands.command import RAW
from dataset_builder.errors import BuildError, UsageError, told
from dataset_builder.run.interrupts import interrupts_noted

INTERRUPTED = "\nblift: interrupted; run the same command again to go on"


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
    text = told(error) if known else f"{type(error).__name__}: {error} (defect; see --debug)"
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
    for add in (
        build.add_build,
        build.add_estimate,
        ask.add_why,
        ask.add_stats,
        ask.add_channels,
        ask.add_verify,
        media.add_fetch,
        media.add_annotate,
        media.add_salicon,
        removal.add_forget,
        removal.add_hydrate,
    ):
        add(commands)
    return parser
