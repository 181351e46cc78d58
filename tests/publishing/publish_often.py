"""Publish one folder many times in one process, each time under another fault.

stdin: {"folder", "endpoint", "cases": [[name, faults]]}; stdout: {name: what went wrong} as JSON.
"""

import contextlib
import io
import json
import sys
import time
import urllib.request
from pathlib import Path

from release.__main__ import main
from release.files import hashes_of, relative_files


def ask(endpoint: str, path: str, value: object = None, method: str | None = None) -> object:
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(
        endpoint + path, data, {"Authorization": "Bearer hf_test_write"}, method=method
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def problem(endpoint: str, repository: str, folder: Path, code: int, said: str) -> str | None:
    """None when there is one commit with exactly the folder, tagged."""
    if code:
        return f"exit {code}: {said[-400:]}"
    commits = ask(endpoint, f"/api/datasets/{repository}/commits/main")
    if len(commits) != 2:
        return f"{len(commits)} commits"
    tree = ask(endpoint, f"/api/datasets/{repository}/tree/v1.1?recursive=true&limit=1000")
    found = {e["path"]: (e.get("lfs") or e)["oid"] for e in tree if e["type"] == "file"}
    found.pop(".gitattributes")
    wanted = {p: hashes_of(folder / p)[1:] for p in relative_files(folder)}
    if set(found) != set(wanted) or any(found[p] not in wanted[p] for p in wanted):
        return "another tree"
    return None


def run() -> None:
    task = json.load(sys.stdin)
    folder, endpoint = Path(task["folder"]), task["endpoint"]
    wrong, slowest = {}, 0.0
    for number, (name, faults) in enumerate(task["cases"]):
        repository = f"behavior-llava/fault-{number}"
        ask(endpoint, "/_admin/faults", faults)
        out, errors, started = io.StringIO(), io.StringIO(), time.monotonic()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main(
                [
                    "dataset",
                    "publish",
                    str(folder),
                    "--repo",
                    repository,
                    "--verify",
                    "none",
                    "--json",
                ]
            )
        hit = ask(endpoint, "/_admin/faults")
        ask(endpoint, "/_admin/faults", [])
        slowest = max(slowest, time.monotonic() - started)
        why = problem(endpoint, repository, folder, code, errors.getvalue())
        if why or not all(rule["hit"] for rule in hit):
            wrong[name] = why or "the fault never happened"
    print(json.dumps({"wrong": wrong, "cases": len(task["cases"]), "slowest": round(slowest, 1)}))


if __name__ == "__main__":
    run()
