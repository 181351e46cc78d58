"""`publish`: one release, one commit."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from release.cards.front_matter import split_card
from release.errors import ReleaseError
from release.hub.connect import open_hub
from release.hub.remote import RemoteHub
from release.manifest import CARD
from release.publishing.collection import link_together
from release.publishing.plan import PublishOptions
from release.publishing.publish import Published, publish
from release.staging.folder import ROOT

CHECKS = ("full", "quick", "none")


def add_publish(command: argparse.ArgumentParser) -> None:
    """Options of `KIND publish`."""
    add = command.add_argument
    add("folder", type=Path, help="staged folder")
    add("--repo", required=True, help="ORGANISATION/NAME")
    add("--private", action="store_true", help="leave it private")
    add("--dry-run", action="store_true", help="say what would be sent and deleted; change nothing")
    add("--staged", action="store_true", help="a large change: through a pull request")
    add(
        "--verify",
        choices=CHECKS,
        default="full",
        help="what is verified before it becomes public: every byte and a loaded copy (full), "
        "the tree (quick), or nothing beyond the comparison that always happens (none)",
    )
    add("--collection", metavar="TITLE", help="a Space: link it with its model and data there")
    command.set_defaults(run=run_publish)


def run_publish(arguments: argparse.Namespace) -> dict[str, Any]:
    """Publish one staged folder."""
    hub = open_hub(arguments.repo, arguments.kind)
    options = PublishOptions(arguments.private, arguments.dry_run, arguments.staged)

    def verify(commit: str) -> None:
        verify_apart(arguments.kind, arguments.repo, commit, arguments.folder, arguments.verify)

    done = publish(hub, arguments.folder, arguments.kind, options, verify)
    answer = {**done.__dict__, "text": _told(done, arguments.dry_run)}
    if arguments.collection and done.done and isinstance(hub, RemoteHub):
        answer["collection"] = _collect(hub, arguments)
        answer["text"] += f"\n  {answer['collection']}"
    return answer


def _collect(hub: RemoteHub, given: argparse.Namespace) -> str:
    """The collection of a repository with the models and data its card names."""
    block, _ = split_card((given.folder / CARD).read_text("utf-8"))
    items = [(kind, name) for kind in ("dataset", "model") for name in block.get(f"{kind}s") or []]
    owner = given.repo.partition("/")[0]
    return link_together(hub.api, owner, given.collection, [*items, (given.kind, given.repo)])


def verify_apart(kind: str, repository: str, commit: str, folder: Path | None, how: str) -> None:
    """Verify in a process of its own, as strangers would. Raises ReleaseError if it fails."""
    if how == "none":
        return
    words = [sys.executable, "-m", "release", kind, "verify", repository, "--revision", commit]
    words += ["--against", str(folder.resolve())] if folder else []
    words += ["--quick"] if how == "quick" else []
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(words, capture_output=True, text=True, env=variables)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ReleaseError(
            f"{commit} is committed and did not pass its verification, so it was not made "
            f"public:\n{said}"
        )


def _told(done: Published, dry: bool) -> str:
    what = "would send" if dry else "sent"
    lines = [
        f"{done.address}",
        f"  {what} {done.added} files ({done.bytes_added:,} bytes), "
        f"{'would delete' if dry else 'deleted'} {done.deleted}",
        f"  {'head' if dry else 'commit'} {done.commit or 'none yet: a new repository'}, tag "
        f"{done.tag}",
        f"  release {done.release}",
        *(f"  note: {note}" for note in done.notes),
    ]
    return "\n".join(lines)
