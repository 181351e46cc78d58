"""verify: damage of a folder, a cache snapshot, a repository or a download is named and placed."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from places import ROOT, needs_shared
from publishing.hubs import OWNER, LoopbackHub
from release.manifest import read_manifest

Staged = tuple[Path, Path]


def verify(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "release", "dataset", "verify", *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def flip(path: Path, rng: random.Random) -> None:
    """One bit of a file becomes the other."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def test_a_sound_folder_loads_whole_streamed_and_in_every_config(staged: Staged):
    done = verify(staged[0], "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["samples"] == 12
    configs = report["loaded"]["configs"]
    assert set(configs) == {"default", "reddit", "youtube", "metadata"}
    rows = {name: sum(s["rows"] for s in splits.values()) for name, splits in configs.items()}
    assert rows == {"default": 12, "reddit": 6, "youtube": 6, "metadata": 12}


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (
            lambda f: (f / "data/train-00000-reddit.tar").unlink(),
            r"train-00000-reddit.tar: missing",
        ),
        (
            lambda f: (f / "data/train-00007-reddit.tar").write_bytes(b"stale"),
            r"train-00007-reddit.tar: not in manifest",
        ),
        (lambda f: os.truncate(f / "data/train-00000-reddit.tar", 900), "other size"),
        (lambda f: (f / "LICENSE").write_text("mine"), "LICENSE: damaged here: other"),
        (lambda f: (f / "link.md").symlink_to("/etc/passwd"), "link.md: not in manifest"),
    ],
)
def test_damage_of_a_folder_is_named(harm: Callable[[Path], object], expected: str, staged: Staged):
    harm(staged[0])
    done = verify(staged[0], "--no-load")
    assert done.returncode == 1
    assert expected in done.stderr


def test_a_flipped_bit_is_named_twenty_times_of_twenty(staged: Staged, tmp_path: Path):
    from release.verifying.folder import verify_folder

    rng = random.Random(3)
    paths = [e.path for e in read_manifest(staged[0]).files]
    for number in range(20):
        folder = Path(shutil.copytree(staged[0], tmp_path / f"flip-{number}"))
        path = rng.choice(paths)
        flip(folder / path, rng)
        report = verify_folder(folder, None)
        assert [f.path for f in report.findings] == [path]


def test_a_folder_without_a_manifest_cannot_be_looked_at(tmp_path: Path):
    done = verify(tmp_path)
    assert done.returncode == 2
    assert "has no manifest.json" in done.stderr


def test_a_manifest_that_was_changed_with_its_files_is_found_by_another(staged: Staged):
    done = verify(staged[0], "--no-load", "--against", staged[1])
    assert done.returncode == 1
    assert "is not the manifest of" in done.stderr


@needs_shared("tools/hubserver")
def test_a_repository_and_its_cache_snapshot_verify(hub: LoopbackHub, staged: Staged):
    repository = f"{OWNER}/verified"
    assert hub.publish(staged[0], repository).returncode == 0
    quick = hub.run("dataset", "verify", repository, "--quick")
    assert quick.returncode == 0, quick.stderr
    assert "main is " in quick.stdout  # a moving name is said to be one
    nobody = hub.run("dataset", "verify", repository, "--quick", token=None, home="nobody")
    assert nobody.returncode == 2  # gated: it could not look
    assert "restricted" in nobody.stderr
    script = (
        "from huggingface_hub import snapshot_download as s; "
        f"print(s('{repository}', repo_type='dataset'))"
    )
    got = subprocess.run(
        [sys.executable, "-c", script],
        env=hub.environment(home="reader"),
        capture_output=True,
        text=True,
    )
    snapshot = Path(got.stdout.split()[-1])
    assert snapshot.joinpath("README.md").is_symlink()
    whole = hub.run("dataset", "verify", snapshot, "--no-load")
    assert whole.returncode == 0, whole.stderr
    blob = snapshot.joinpath("data/train-00000-reddit.tar").resolve()
    flip(blob, random.Random(1))
    damaged = hub.run("dataset", "verify", snapshot, "--no-load")
    assert damaged.returncode == 1
    assert "data/train-00000-reddit.tar: damaged on the way" in damaged.stderr


@needs_shared("tools/hubserver")
def test_a_bit_flipped_on_the_way_is_told_from_one_in_the_repository(
    hub: LoopbackHub, staged: Staged
):
    repository = f"{OWNER}/flipped"
    assert hub.publish(staged[0], repository).returncode == 0
    hub.faults({"match": "GET /_cdn/", "kind": "corrupt", "after": 700, "times": 1})
    way = hub.run("dataset", "verify", repository, "--no-load", home="flip1")
    assert way.returncode == 1, way.stdout
    assert "damaged on the way: other content; fetched another way it is right" in way.stderr
    stored = next(
        (hub.root / "store/objects/lfs").glob(hub.tree(repository)["data/test-00000-reddit.tar"])
    )
    flip(stored, random.Random(2))
    if hub.xet:  # the same flip for readers of the other way, who get it from chunks
        hub.faults({"match": "GET /v1/xorbs", "kind": "status", "status": 404, "times": -1})
    there = hub.run(
        "dataset", "verify", repository, "--no-load", home="flip2", BLIFT_HUB_TIMEOUT="5"
    )
    assert there.returncode == 1, there.stdout
    assert "data/test-00000-reddit.tar: damaged" in there.stderr
    if not hub.xet:
        assert "damaged in the repository: other content, twice the same" in there.stderr


@needs_shared("tools/hubserver")
def test_a_stale_shard_and_a_half_release_are_seen_without_a_download(
    hub: LoopbackHub, staged: Staged
):
    repository = f"{OWNER}/half"
    assert hub.publish(staged[0], repository).returncode == 0
    script = (
        "from huggingface_hub import HfApi; a = HfApi();"
        "a.upload_file(path_or_fileobj=b'old', path_in_repo='data/train-00005-reddit.tar', "
        f"repo_id='{repository}', repo_type='dataset');"
        f"a.delete_file('data/train-00000-reddit.tar', repo_id='{repository}', repo_type='dataset')"
    )
    subprocess.run(
        [sys.executable, "-c", script], env=hub.environment(), check=True, capture_output=True
    )
    done = hub.run("dataset", "verify", repository, "--quick")
    assert done.returncode == 1
    assert "data/train-00005-reddit.tar: not in manifest.json" in done.stderr
    assert "data/train-00000-reddit.tar: missing" in done.stderr


@needs_shared("tools/hubserver")
def test_nothing_to_look_at_is_exit_two(hub: LoopbackHub):
    done = hub.run("dataset", "verify", f"{OWNER}/nowhere", "--quick")
    assert done.returncode == 2
    assert "nowhere" in done.stderr
