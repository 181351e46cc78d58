"""Behavior-LLaVA in a browser: a picture or a short video in, simulated likes and comments out.

    python app.py [--model DIR|ID] [--revision SHA] [--release DIR|ID] [--port N]

Every like and comment shown is written by the model; nobody liked or said any of it. What the model
does not give in a readable form is shown as "not given".
"""

import argparse
import os
import shutil
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import gradio as gr
from answers import TABS, checked, run
from door import Door
from handlers import Example, example_list
from intake import MAX_FILE_MB, Refused
from looks import CSS, JS, THEME
from page import build_page
from posts import Post, read_posts
from starlette.middleware import Middleware
from viewer import load

MODEL = "behavior-llava/behavior-llava"
# seconds that the answers of the examples may take to prepare
WARM_SECONDS = 600


class CannotStart(Exception):
    """Something that the page needs is not there; the message says what, and what to do."""


def parser() -> argparse.ArgumentParser:
    """The command line; the environment gives what a Space sets."""
    found = argparse.ArgumentParser(
        description="A page where Behavior-LLaVA models imagine likes and comments.",
        epilog="example: python space/app.py --model build/demo/model --port 7860\n"
        "  several: BLIFT_MODELS='base=DIR,behavior=ORG/NAME@SHA' python space/app.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    env = os.environ.get
    found.add_argument(
        "--model", default=env("MODEL_ID"), help=f"folder or Hub id (default {MODEL})"
    )
    found.add_argument(
        "--revision", default=env("MODEL_REVISION"), help="commit of a Hub model and its code"
    )
    found.add_argument(
        "--models",
        default=env("BLIFT_MODELS"),
        metavar="NAME=ID@SHA,…",
        help="several models to compare, in place of --model",
    )
    found.add_argument(
        "--release",
        default=env("BLIFT_RELEASE"),
        metavar="DIR|ID@SHA",
        help="a dataset release: its held-out posts become examples with their real reactions",
    )
    found.add_argument("--port", type=int, help="default: the first free one from 7860")
    found.add_argument("--workers", type=int, default=2, help="answers at the same time (2)")
    found.add_argument("--no-warm", action="store_true", help="do not prepare examples' answers")
    found.add_argument("--debug", action="store_true", help="show tracebacks")
    return found


def split_models(text: str) -> list[tuple[str, str, str | None]]:
    """(name, folder or id, revision) of `name=ID@revision,…`. CannotStart for anything else."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, where = part.partition("=")
        source, _, revision = where.partition("@")
        if Path(where).is_dir():
            source, revision = where, ""
        if not (equals and name.strip() and source):
            raise CannotStart(f"--models has {part!r}: write NAME=ID@REVISION or NAME=FOLDER")
        found.append((name.strip(), source.strip(), revision or None))
    names = [name for name, _, _ in found]
    if len(set(names)) < len(names) or not found:
        raise CannotStart(f"--models names {', '.join(names) or 'nothing'}: give each name once")
    return found


def load_all(options: argparse.Namespace) -> None:
    """Load every model that is asked for. CannotStart names the one that does not load."""
    if options.models:
        wanted = split_models(options.models)
    else:
        wanted = [("", options.model or MODEL, options.revision)]
    for name, source, revision in wanted:
        looks_local = source.startswith((".", "/", "~")) or source.count("/") > 1
        if looks_local and not (Path(source) / "config.json").is_file():
            there = "holds no config.json" if Path(source).is_dir() else "is not there"
            raise CannotStart(
                f"model folder {source} {there}: give a folder that save_pretrained or "
                "trainer/sft.py wrote, or an id of the Hub"
            )
        try:
            load(name, source, revision)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CannotStart(f"model {source} does not load: {reason}") from error


def held_out(release: str | None, folder: Path) -> list[Post]:
    """Posts of the release; none where none is named. CannotStart where it cannot be read."""
    if not release:
        return []
    source, _, revision = (release, "", "") if Path(release).is_dir() else release.partition("@")
    try:
        return read_posts(source, revision or None, folder)
    except (OSError, ValueError, KeyError) as error:
        raise CannotStart(f"release {release}: {error}") from error


def free_port(port: int | None) -> int | None:
    """The port asked for. CannotStart where something else answers on it."""
    if port is None:
        return None
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CannotStart(
                f"port {port} cannot be used ({reason}): name another with --port, or none to take "
                "the first free one"
            ) from error
    return port


def warm(examples: Sequence[Example], stop: threading.Event) -> None:
    """Prepare the examples' answers, so that a click shows them at once; stops after WARM_SECONDS.
    What is not ready is answered when somebody asks."""
    late = threading.Timer(WARM_SECONDS, stop.set)
    late.daemon = True
    late.start()
    for example in examples:
        try:
            request = checked(example.file, example.title, example.brand, "", "", "", 0)
            for tab in TABS:
                for _ in run(tab, request):
                    if stop.is_set():
                        return
        except (Refused, RuntimeError) as error:
            print(f"space: example {example.key} is not prepared: {error}", file=sys.stderr)
    late.cancel()


def serve(options: argparse.Namespace, folder: Path) -> None:
    """Load, open the page, serve until interrupted. folder: for files that go at the end."""
    port = free_port(options.port)
    load_all(options)
    examples = example_list(held_out(options.release, folder), folder)
    page = build_page(examples, options.workers)
    with_mcp = find_spec("mcp") is not None
    page.launch(
        server_port=port,
        max_file_size=MAX_FILE_MB * 2**20,
        theme=gr.themes.Soft(primary_hue="orange", neutral_hue="stone").set(**THEME),
        css=CSS,
        js=JS,
        ssr_mode=False,
        mcp_server=with_mcp,
        footer_links=["api"],
        app_kwargs={"middleware": [Middleware(Door, page=page)]},
        allowed_paths=[],
        prevent_thread_lock=True,
    )
    stop = threading.Event()
    if not options.no_warm:
        threading.Thread(target=warm, args=(examples, stop), daemon=True).start()
    try:
        threading.Event().wait()
    finally:
        stop.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """0 never: it serves; 1: one line on stderr says why it cannot start; 2: wrong usage; 130."""
    options = parser().parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="behavior-llava-"))
    os.environ.setdefault("GRADIO_TEMP_DIR", str(folder / "uploads"))
    try:
        serve(options, folder)
    except KeyboardInterrupt:
        return 130
    except (CannotStart, Refused, OSError) as error:
        if options.debug:
            traceback.print_exc()
        print(f"space: cannot start: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
