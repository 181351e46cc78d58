"""`python -m trainer.evaluation COMMAND`: one module per command."""

import argparse
import sys
import traceback
from collections.abc import Sequence

from trainer.evaluation import (
    behavior,
    catalogue,
    compare,
    contaminate,
    generate,
    judge,
    report,
    score,
)
from trainer.evaluation.reporting import export

EXAMPLE = """example:
  python -m trainer.evaluation list
  python -m trainer.evaluation check --task lvu --annotations annotations --media media
  python -m trainer.evaluation score --predictions preds --annotations annotations --out r.json
  python -m trainer.evaluation behavior --model out/demo --dataset build/release --out results.json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed with one message, 2 wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.evaluation",
        description="Measure a checkpoint.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    catalogue.add_commands(commands)
    generate.add_command(commands)
    score.add_command(commands)
    report.add_command(commands)
    compare.add_command(commands)
    contaminate.add_command(commands)
    judge.add_command(commands)
    export.add_command(commands)
    behavior.add_command(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the command line's contract: one clear message
        if options.debug:
            traceback.print_exc()
        expected = isinstance(error, ValueError | OSError)
        text = str(error) if expected else f"{type(error).__name__}: {error} (see it with --debug)"
        print(f"error: {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
