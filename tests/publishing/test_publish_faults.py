"""Every row of the protocol's tables, by scripted faults of the loopback Hub."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from places import ROOT, needs_shared
from publishing.hubs import OWNER, LoopbackHub, holds

pytestmark = needs_shared("tools/hubserver")
Staged = tuple[Path, Path]
COMMIT = "POST /api/datasets/.*/commit/main"
ENDPOINTS = {
    "whoami": "GET /api/whoami-v2",
    "create": "POST /api/repos/create",
    "info": "GET /api/datasets/[^/]+/[^/?]+(\\?|$)",
    "tree": "GET /api/datasets/.*/tree/",
    "commits": "GET /api/datasets/.*/commits/",
    "refs": "GET /api/datasets/.*/refs",
    "preupload": "POST /api/datasets/.*/preupload/",
    "validate": "POST /api/validate-yaml",
    "commit": COMMIT,
    "tag": "POST /api/datasets/.*/tag/",
    "settings": "PUT /api/datasets/.*/settings",
}
STORAGE = {
    "xet": {
        "token": "GET /api/.*/xet-write-token",
        "xorb": "POST /v1/xorbs",
        "shard": "POST /v1/shards",
    },
    "lfs": {
        "batch": "POST .*info/lfs/objects/batch",
        "put": "PUT /_s3/",
        "verify": "POST .*info/lfs/verify",
    },
}
FAULTS: dict[str, dict[str, Any]] = {
    "408": {"kind": "status", "status": 408},
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}},
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "reset": {"kind": "reset"},
    "stall": {"kind": "stall", "after": 5, "delay": 12},
    "truncated": {"kind": "truncate", "after": 5},
    "lost": {"kind": "lost_response"},
}
EMPTY = {"put", "tag-stall", "shard"}  # answers without a body have nothing to cut or to hold back


def cases(mode: str) -> list[tuple[str, list[dict[str, Any]]]]:
    found = []
    for place, pattern in {**ENDPOINTS, **STORAGE[mode]}.items():
        for name, fault in FAULTS.items():
            if place not in EMPTY or name not in ("stall", "truncated"):
                found.append((f"{name} at {place}", [{"match": pattern, **fault}]))
    return found


def publish_often(
    hub: LoopbackHub, folder: Path, wanted: list[tuple[str, list[dict[str, Any]]]]
) -> dict[str, Any]:
    task = {"folder": str(folder), "endpoint": hub.endpoint, "cases": wanted}
    script = ROOT / "tests/publishing/publish_often.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=hub.environment(BLIFT_HUB_TIMEOUT="4"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_faults_while_chunks_are_sent(hub_xet: LoopbackHub, staged: Staged):
    # each with an empty cache: the client would otherwise know that the chunks are there
    for number, (name, fault) in enumerate(FAULTS.items()):
        if name != "truncated":  # of an answer without a body
            hub_xet.faults({"match": "POST /v1/xorbs", **fault})
            done = hub_xet.publish(staged[0], f"{OWNER}/chunks-{number}", home=f"chunks-{number}")
            assert done.returncode == 0, (name, done.stderr)
            assert holds(hub_xet, f"{OWNER}/chunks-{number}", staged[0])
    hub_xet.faults()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_fault_at_every_endpoint_ends_in_one_commit(hub: LoopbackHub, staged: Staged):
    answer = publish_often(hub, staged[0], cases("xet" if hub.xet else "lfs"))
    print(answer)
    assert answer["wrong"] == {}


def test_a_commit_whose_answer_is_lost_or_bad_lands_once(hub: LoopbackHub, staged: Staged):
    wanted = [
        ("lost answer", [{"match": COMMIT, "kind": "lost_response"}]),
        ("lost three times", [{"match": COMMIT, "kind": "lost_response", "times": 3}]),
        ("503 before it", [{"match": COMMIT, "kind": "status", "status": 503}]),
        (
            "429 with a time",
            [{"match": COMMIT, "kind": "status", "status": 429, "headers": {"Retry-After": "1"}}],
        ),
        ("tag's answer lost", [{"match": "POST .*/tag/", "kind": "lost_response"}]),
        (
            "reads fail after it",
            [
                {"match": COMMIT, "kind": "lost_response"},
                {"match": "GET .*/commits/", "kind": "status", "times": 2},
            ],
        ),
    ]
    assert publish_often(hub, staged[0], wanted)["wrong"] == {}


def test_permanent_refusals_are_not_repeated(hub: LoopbackHub, staged: Staged):
    for status in (400, 401, 403, 413):
        hub.clear_log()
        hub.faults({"match": COMMIT, "kind": "status", "status": status, "times": -1})
        done = hub.publish(staged[0], f"{OWNER}/refused-{status}")
        assert done.returncode == 1
        assert "commit refused" in done.stderr
        assert "nothing was changed" in done.stderr
        assert (
            len(
                [
                    e
                    for e in hub.log()
                    if "/commit/main" in e["line"] and e["line"].startswith("POST")
                ]
            )
            == 1
        )


def test_a_foreign_commit_before_ours_wins_and_both_hashes_are_said(
    hub: LoopbackHub, staged: Staged
):
    repository = f"{OWNER}/race"
    assert hub.publish(staged[0], repository).returncode == 0
    old = hub.commits(repository)[0]["id"]
    # their commit arrives while ours waits at the door
    hub.faults({"match": COMMIT, "kind": "slow", "delay": 20})
    ours = subprocess.Popen(
        hub.words("dataset", "publish", staged[1], "--repo", repository, "--verify", "none"),
        env=hub.environment(),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(
        lambda: any(
            "/commit/main" in e["line"]
            for e in hub.log()
            if e["line"].startswith("POST") and e["status"] is None
        )
    )
    foreign = upload(hub, repository, "theirs.json")
    _, said = ours.communicate()
    assert ours.returncode == 1
    assert old in said
    assert foreign in said
    assert "somebody else published first" in said
    assert "theirs.json" in hub.tree(repository)


def test_a_foreign_commit_on_top_of_ours_is_told_apart(hub: LoopbackHub, staged: Staged):
    repository = f"{OWNER}/ontop"
    assert hub.publish(staged[0], repository).returncode == 0
    # ours lands, its answer is lost, and the reads fail until theirs is on top
    hub.faults(
        {"match": COMMIT, "kind": "lost_response"},
        {"match": "GET .*/commits/main", "kind": "status", "times": -1},
    )
    ours = subprocess.Popen(
        hub.words("dataset", "publish", staged[1], "--repo", repository, "--verify", "none"),
        env=hub.environment(),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    old = hub.get(f"/api/datasets/{repository}/refs")["branches"]
    wait_for(lambda: hub.get(f"/api/datasets/{repository}/refs")["branches"] != old)
    foreign = upload(hub, repository, "theirs.json")
    hub.faults()
    _, said = ours.communicate()
    assert ours.returncode == 3, said
    tags = {
        t["name"]: t["targetCommit"] for t in hub.get(f"/api/datasets/{repository}/refs")["tags"]
    }
    assert tags["v1.2"] in said
    assert foreign in said
    assert holds(hub, repository, staged[1], "v1.2")
    again = hub.publish(staged[1], repository)  # and a later run does not undo theirs
    assert again.returncode == 3, again.stderr
    assert "theirs.json" in hub.tree(repository)


def upload(hub: LoopbackHub, repository: str, name: str) -> str:
    """A commit of somebody else, by the stock client."""
    script = (
        "from huggingface_hub import HfApi; print(HfApi().upload_file(path_or_fileobj=b'{}', "
        f"path_in_repo='{name}', repo_id='{repository}', repo_type='dataset').oid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=hub.environment(home="theirs"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def wait_for(ready: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)
