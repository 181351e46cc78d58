"""Publish releases of 604 files, one after the other, and kill -9 each at a random moment.

stdin: {"folder", "endpoint", "repository", "kills", "seed"}; stdout: one JSON line per kill.
Publishers are forked from this process after its imports, so that the moments fall into the
upload, the commit and the tag. The gates, and the advice on how many files one commit may hold,
are left out: what is tested is the protocol.
"""

import json
import os
import random
import signal
import sys
import time
import urllib.request
from pathlib import Path

from release.files import hashes_of, relative_files
from release.hub.connect import open_hub
from release.manifest import list_folder, write_manifest
from release.publishing import plan as planning
from release.publishing.publish import PublishOptions, publish

FILES, BYTES = 604, 8192
planning.check_folder = lambda *words: 0  # type: ignore[assignment]
planning.OPERATIONS = 10_000


def make(folder: Path, number: int) -> Path:
    """A release of random files: nothing in it was ever sent before."""
    found = folder / f"v{number}"
    (found / "data").mkdir(parents=True)
    for at in range(FILES - 2):
        (found / "data" / f"train-{at:05d}.tar").write_bytes(os.urandom(BYTES))
    (found / "README.md").write_text(f"---\nlicense: mit\n---\n\n# {number}\n")
    facts = {"kind": "dataset", "version": f"1.{number}", "inputs": [], "settings": {}, "code": {}}
    write_manifest(found, list_folder(found, {}), facts | {"release": {"tier": "ids"}})
    return found


def start(folder: Path, repository: str) -> int:
    """A publisher in a process of its own."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        hub = open_hub(repository, "dataset")
        publish(hub, folder, "dataset", PublishOptions(), lambda commit: None)
        code = 0
    finally:
        os._exit(code)


def ask(endpoint: str, path: str, method: str | None = None) -> list[dict]:
    headers = {"Authorization": "Bearer hf_test_write"}
    request = urllib.request.Request(endpoint + path, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def is_whole(endpoint: str, repository: str, folder: Path | None) -> bool:
    """Whether `main` is exactly this folder."""
    found = ask(endpoint, f"/api/datasets/{repository}/tree/main?recursive=true&limit=1000")
    tree = {e["path"]: (e.get("lfs") or e)["oid"] for e in found if e["type"] == "file"}
    tree.pop(".gitattributes", None)
    if folder is None:
        return not tree
    wanted = {p: hashes_of(folder / p)[1:] for p in relative_files(folder)}
    return set(tree) == set(wanted) and all(tree[p] in wanted[p] for p in wanted)


def sent(endpoint: str) -> int:
    """Bytes of contents since the log was cleared."""
    lines = ask(endpoint, "/_admin/log")
    return sum(e["got"] for e in lines if e["line"].startswith(("POST /v1/xorbs", "PUT /_s3/")))


def main() -> None:
    task = json.load(sys.stdin)
    endpoint, repository = task["endpoint"], task["repository"]
    rng, home = random.Random(task["seed"]), Path(task["folder"])
    old = make(home, 0)
    began = time.monotonic()
    os.waitpid(start(old, repository), 0)
    seconds = time.monotonic() - began
    for number in range(1, task["kills"] + 1):
        new = make(home, number)
        ask(endpoint, "/_admin/log", "DELETE")
        after = rng.uniform(0.02, 1.0) * seconds
        child = start(new, repository)
        time.sleep(after)
        alive = os.waitpid(child, os.WNOHANG)[0] == 0
        if alive:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        state = "new" if is_whole(endpoint, repository, new) else "old"
        half = state == "old" and not is_whole(endpoint, repository, old)
        before = sent(endpoint)
        again = time.monotonic()
        _, status = os.waitpid(start(new, repository), 0)
        if not alive or state == "old":
            seconds = 0.5 * seconds + 0.5 * max(time.monotonic() - again, 1)  # as busy as it is now
        print(json.dumps({
            "in time": alive, "after": round(after, 1), "main": "half" if half else state,
            "code": os.waitstatus_to_exitcode(status),
            "whole": is_whole(endpoint, repository, new),
            "sent": before, "sent again": sent(endpoint) - before, "size": FILES * BYTES,
        }), flush=True)  # fmt: skip
        old = new


if __name__ == "__main__":
    main()
