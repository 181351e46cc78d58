"""`python -m release dataset|model|space stage --from DIR --out DIR`."""

import argparse
import sys
from pathlib import Path

from release.stage import StageError, stage_dataset, stage_model, stage_space

STAGES = {"dataset": stage_dataset, "model": stage_model, "space": stage_space}
EXAMPLE = "example: python -m release dataset stage --from build/demo/blift/release --out staged"


def main() -> int:
    """Stage one repository; exit 0 when staged, 1 with one message when it is not fit."""
    parser = argparse.ArgumentParser(
        prog="python -m release", description="Stage what is published.", epilog=EXAMPLE
    )
    parser.add_argument("kind", choices=sorted(STAGES))
    parser.add_argument("action", choices=["stage"], help="copy into a checked folder")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="finished artefact")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    args = parser.parse_args()
    try:
        staged = STAGES[args.kind](args.source, args.out)
    except StageError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    print(f"staged {len(staged)} files in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
