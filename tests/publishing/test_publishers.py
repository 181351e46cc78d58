"""Two publishers at once, and publishers that are killed: `main` is one release or the other."""

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.error
from pathlib import Path

import pytest

from places import ROOT, needs_shared
from publishing.hubs import OWNER, LoopbackHub, holds
from publishing.made import make_build
from release.staging.dataset import DatasetOptions, stage_dataset

pytestmark = [needs_shared("tools/hubserver"), pytest.mark.slow]
RACES = KILLS = 20


@pytest.mark.timeout(3600)
def test_of_two_publishers_exactly_one_wins(hub: LoopbackHub, tmp_path: Path):
    repository = f"{OWNER}/two"
    folders = {}
    for at, name in enumerate(("base", "a", "b")):
        build = make_build(tmp_path / f"build-{name}", samples=2, first=at * 10)
        folders[name] = tmp_path / name
        stage_dataset(build, folders[name], DatasetOptions(version=f"1.{at}"))
    told = 0
    for number in range(RACES):
        race = f"{repository}-{number}"
        assert hub.publish(folders["base"], race).returncode == 0
        rivals = {
            name: subprocess.Popen(
                hub.words("dataset", "publish", folders[name], "--repo", race, "--verify", "none"),
                env=hub.environment(home=f"rival-{name}"),
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in ("a", "b")
        }
        said = {name: process.communicate()[1] for name, process in rivals.items()}
        won = [name for name, process in rivals.items() if process.returncode == 0]
        history = [commit["id"] for commit in hub.commits(race)]
        if len(won) == 2:  # one had ended before the other began to read: two releases in a row
            assert len(history) == 3
            continue
        told += 1
        assert len(won) == 1, said
        assert len(history) == 2
        assert holds(hub, race, folders[won[0]])
        loser = said["b" if won == ["a"] else "a"]
        assert history[0] in loser, loser
        assert history[1] in loser, loser
    print({"races": RACES, "met at the commit": told})
    assert told


@pytest.mark.timeout(3600)
def test_killed_at_random_moments_main_is_entirely_old_or_entirely_new(
    hub: LoopbackHub, tmp_path: Path
):
    repository = f"{OWNER}/killed"
    task = {"folder": str(tmp_path), "endpoint": hub.endpoint, "repository": repository}
    script = ROOT / "tests/publishing/kill_often.py"
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=hub.environment(home="killed"),
        cwd=ROOT,
        text=True,
    )
    watch = Watch(hub, repository)
    told, _ = process.communicate(json.dumps(task | {"kills": KILLS, "seed": 1}))
    seen = watch.end()
    kills = [json.loads(line) for line in told.splitlines()]
    print(*kills, sep="\n")
    assert len(kills) == KILLS
    assert {kill["main"] for kill in kills} <= {"old", "new"}
    assert all(kill["code"] == 0 and kill["whole"] for kill in kills)
    # what a killed run had finished is not sent again: one piece of 64 files at most, and headers
    assert max((k["sent"] + k["sent again"]) / k["size"] for k in kills) < 1.25
    releases = {tree_of(hub, repository, f"v1.{number}") for number in range(KILLS + 1)}
    assert len(seen - releases) <= 1  # the empty repository, before the first release
    print({"kills in time": sum(k["in time"] for k in kills), "trees seen": len(seen)})


class Watch:
    """Every tree that `main` ever shows, read again and again."""

    def __init__(self, hub: LoopbackHub, repository: str) -> None:
        self.hub, self.repository = hub, repository
        self.seen: set[str] = set()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self) -> None:
        while not self.done.is_set():
            with contextlib.suppress(urllib.error.HTTPError):  # not there yet
                self.seen.add(tree_of(self.hub, self.repository, "main"))
            time.sleep(0.1)

    def end(self) -> set[str]:
        self.done.set()
        self.thread.join()
        return self.seen


def tree_of(hub: LoopbackHub, repository: str, revision: str) -> str:
    return json.dumps(hub.tree(repository, revision), sort_keys=True)
