"""`python -m release`: stage, publish, verify and withdraw repositories; make their cards."""

import argparse
import json
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from release.errors import ReleaseError

KINDS = ("dataset", "model", "space")
EXAMPLE = """example:
  python -m release dataset stage --from build/demo/blift/release --out staged/dataset
  python -m release dataset publish staged/dataset --repo behavior-llava/blift --dry-run
  python -m release dataset verify behavior-llava/blift
  python -m release dataset withdraw behavior-llava/blift --list removals.txt
  python -m release card model --from build/demo/model
"""
ACTIONS = {
    "stage": "make the folder that is published from a finished artefact",
    "check": "run the gates on a staged folder",
    "publish": "publish a staged folder: one commit, verified before it is public",
    "verify": "compare a repository, folder or cache snapshot with its manifest",
    "withdraw": "take items out of every revision",
}
CARDS = {
    "dataset": "render the data card",
    "model": "render the model card into a folder that training wrote",
    "privacy": "count personal data in a release folder",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Exit: 0 done, 1 failed with one message, 2 wrong usage or nothing could be looked at, 3 others
    committed on top of ours, 4 a withdrawn byte is still served, 130 interrupted, 143 ended.
    """
    arguments = parser().parse_args(words)
    signal.signal(signal.SIGTERM, _end)
    try:
        answer = arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the command line's contract: one clear message
        return _fail(error, arguments)
    _print(answer, arguments.json)
    return 0


def _end(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def _fail(error: Exception, arguments: argparse.Namespace) -> int:
    from release.hub.secrecy import redact

    expected = isinstance(error, ReleaseError)
    if arguments.debug:
        print(redact(traceback.format_exc()), file=sys.stderr)
    text = str(error) if expected else f"{type(error).__name__}: {error} (see it with --debug)"
    report = getattr(error, "report", None)
    if arguments.json and report is not None:
        _print(report.as_dict(), True)
    print(redact(f"release: {text}"), file=sys.stderr)
    return error.exit_code if isinstance(error, ReleaseError) else 1


def _print(answer: dict[str, Any], as_json: bool) -> None:
    from release.hub.secrecy import redact

    text = answer.pop("text", "")
    if as_json:
        text = json.dumps(
            answer, ensure_ascii=False, default=lambda v: getattr(v, "__dict__", str(v))
        )
    print(redact(text))


def parser() -> argparse.ArgumentParser:
    """The grammar; modules behind a command are imported when its words are parsed."""
    made = argparse.ArgumentParser(
        prog="python -m release",
        description="Stage, publish, verify and withdraw what goes to the Hub.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = made.add_subparsers(dest="kind", required=True, metavar="dataset|model|space|card")
    for kind in KINDS:
        below = kinds.add_parser(kind, help=f"a {kind} repository")
        actions = below.add_subparsers(dest="action", required=True, metavar="|".join(ACTIONS))
        for name, text in ACTIONS.items():
            _add(actions, name, text, _example(kind, name), _options(name, kind))
    below = kinds.add_parser("card", help="cards and the privacy report")
    actions = below.add_subparsers(dest="action", required=True, metavar="|".join(CARDS))
    for name, text in CARDS.items():
        _add(
            actions, name, text, f"python -m release card {name} --from FOLDER", _card_options(name)
        )
    return made


def _add(
    actions: Any,
    name: str,
    text: str,
    example: str,
    options: Callable[[argparse.ArgumentParser], None],
) -> None:
    command = actions.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    options(command)
    command.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _options(name: str, kind: str) -> Callable[[argparse.ArgumentParser], None]:
    from release.commands import publish, stage, verify, withdraw

    options: dict[str, Callable[[argparse.ArgumentParser], None]] = {
        "stage": lambda command: stage.add_stage(command, kind),
        "check": stage.add_check,
        "publish": publish.add_publish,
        "verify": verify.add_verify,
        "withdraw": withdraw.add_withdraw,
    }
    return options[name]


def _card_options(name: str) -> Callable[[argparse.ArgumentParser], None]:
    from release.commands import card

    return lambda command: card.add_card(command, name)


def _example(kind: str, name: str) -> str:
    words = {
        "stage": "--from FOLDER --out staged" + (" --revision HASH" if kind == "space" else ""),
        "check": "staged",
        "publish": f"staged --repo behavior-llava/{kind}",
        "verify": f"behavior-llava/{kind} --revision v1.0",
        "withdraw": f"behavior-llava/{kind} --list removals.txt",
    }
    return f"python -m release {kind} {name} {words[name]}"


if __name__ == "__main__":
    sys.exit(main())
