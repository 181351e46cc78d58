"""Two publishers at once, and publishers that are killed: `main` is one release or the other."""

import json
import random
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from publishing.hubs import OWNER, LoopbackHub, holds
from publishing.made import make_build

from places import ROOT, needs_shared
from release.files import relative_files
from release.staging.dataset import DatasetOptions, stage_dataset

pytestmark = [needs_shared("tools/hubserver"), pytest.mark.slow]
RACES = KILLS = 20
SHARDS = 300  # each a tar and its metadata: over 600 files, where the stock client cuts a release


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


@pytest.mark.timeout(7200)
def test_killed_at_random_moments_main_is_entirely_old_or_entirely_new(
    hub: LoopbackHub, tmp_path: Path
):
    repository = f"{OWNER}/killed"
    folders = []
    for version in (0, 1):
        build = make_build(
            tmp_path / f"build{version}", 2, SHARDS, first=version * 1000, sources=("reddit",)
        )
        folders.append(tmp_path / f"v{version}")
        stage_dataset(build, folders[-1], DatasetOptions(version=f"1.{version}"))
    files = len(relative_files(folders[0]))
    assert files >= 600
    started = time.monotonic()
    assert hub.publish(folders[0], repository, "--staged").returncode == 0
    seconds = time.monotonic() - started
    rng, shares = random.Random(1), list[float]()
    watch = Watch(hub, repository)
    for number in range(KILLS):
        old, new = folders[number % 2], folders[(number + 1) % 2]
        facts = kill_once(hub, repository, new, rng.uniform(0.1, 1.0) * seconds, f"k{number}")
        facts["main after the kill"] = "new" if holds(hub, repository, new) else "old"
        assert facts["main after the kill"] == "new" or holds(hub, repository, old)
        before = bytes_in(hub)
        again = hub.publish(new, repository, "--staged", home=f"k{number}")
        assert again.returncode == 0, again.stderr
        assert holds(hub, repository, new)
        facts["sent by the second run"] = bytes_in(hub) - before
        shares.append((facts["sent"] + facts["sent by the second run"]) / size(new))
        print(number, facts, flush=True)
    assert watch.end() <= {tree_of(hub, repository, f"v1.{v}") for v in (0, 1)}
    print({"kills": KILLS, "files": files, "most sent, as a share of the release": max(shares)})
    assert max(shares) < 1.2  # what was finished was not sent again


def kill_once(
    hub: LoopbackHub, repository: str, folder: Path, seconds: float, home: str
) -> dict[str, Any]:
    """Start a publisher with an empty cache and no journal, and kill it after `seconds`."""
    folder.with_name(f"{folder.name}.publish.json").unlink(missing_ok=True)
    hub.clear_log()
    process = subprocess.Popen(
        hub.words(
            "dataset", "publish", folder, "--repo", repository, "--verify", "none", "--staged"
        ),
        env=hub.environment(home=home),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    in_time = process.poll() is None
    process.kill()
    process.wait()
    return {"in time": in_time, "after": round(seconds, 1), "sent": bytes_in(hub)}


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
            self.seen.add(tree_of(self.hub, self.repository, "main"))
            time.sleep(0.2)

    def end(self) -> set[str]:
        self.done.set()
        self.thread.join()
        return self.seen


def tree_of(hub: LoopbackHub, repository: str, revision: str) -> str:
    return json.dumps(hub.tree(repository, revision), sort_keys=True)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def bytes_in(hub: LoopbackHub) -> int:
    """Bytes of contents that the server was sent."""
    places = ("POST /v1/xorbs", "PUT /_s3/")
    return sum(entry["got"] for entry in hub.log() if entry["line"].startswith(places))
