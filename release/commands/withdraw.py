"""`withdraw`: take items out of every revision."""

import argparse
from pathlib import Path
from typing import Any

from release.commands.publish import CHECKS, verify_apart
from release.errors import ReleaseError, StillServed
from release.hub.connect import open_hub
from release.hub.remote import RemoteHub
from release.withdrawing.withdraw import Withdrawn, probe_again, withdraw

SHOWN = 20


def add_withdraw(command: argparse.ArgumentParser) -> None:
    """Options of `KIND withdraw`."""
    add = command.add_argument
    add("target", help="ORGANISATION/NAME")
    add(
        "--list",
        type=Path,
        required=True,
        help="list of `blift forget`: `id X`, `url X`, `media SHA256`, …",
    )
    add(
        "--from",
        dest="source",
        type=Path,
        help="staged folder without the items, from the build after `blift forget`; without it the "
        "published revision is edited: a sample whose comment is named then leaves whole",
    )
    add("--probe", action="store_true", help="only look again what still serves")
    add("--verify", choices=CHECKS, default="full", help="as for publish")
    command.set_defaults(run=run_withdraw)


def run_withdraw(arguments: argparse.Namespace) -> dict[str, Any]:
    """Withdraw, or probe again; exit 4 while an old address answers."""
    hub = open_hub(arguments.target, arguments.kind)
    if not isinstance(hub, RemoteHub):
        raise ReleaseError(
            f"{hub.address} is a folder: delete it and publish again, which leaves no old revision"
        )
    if arguments.probe:
        done = probe_again(hub, arguments.list)
    else:
        if arguments.kind != "dataset" and arguments.source is None:
            raise ReleaseError(
                f"a {arguments.kind} is withdrawn with --from FOLDER, its new staged state"
            )

        def verify(commit: str) -> None:
            how = (arguments.source, arguments.verify)
            verify_apart(arguments.kind, arguments.target, commit, *how)

        done = withdraw(hub, arguments.list, arguments.source, verify)
    if done.serving:
        raise StillServed(_told(done))
    return {**done.__dict__, "text": _told(done)}


def _told(done: Withdrawn) -> str:
    lines = [f"{done.repository}: {done.items} items named, now at {done.commit} ({done.tag})"]
    if done.dropped:
        lines.append(
            "  samples out: " + ", ".join(f"{n} by {k}" for k, n in sorted(done.dropped.items()))
        )
    lines += [f"  closed: {what}" for what in done.closed]
    lines += [f"  pins an old revision: {name}" for name in done.pinned_by]
    if not done.serving:
        return "\n".join([*lines, "  no old address serves a withdrawn byte"])
    lines.append(f"  still answering: {len(done.serving)} addresses")
    lines += [f"    {s.place} {s.path}: {s.answer}" for s in done.serving[:SHOWN]]
    lines.append(
        "  old hashes go when the Hub cleans up what no ref reaches (its documentation says "
        "within 36 hours); "
        "look again with --probe. Copies others made, and models trained on them, are beyond reach"
    )
    return "\n".join(lines)
