"""Publishing against the loopback Hub with the real client, in both modes of storage."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from places import needs_shared
from publishing.hubs import OWNER, TOKENS, LoopbackHub, holds
from publishing.made import make_build
from release.files import relative_files
from release.staging.dataset import DatasetOptions, stage_dataset

pytestmark = needs_shared("tools/hubserver")
Staged = tuple[Path, Path]


def test_a_release_is_one_commit_a_tag_and_the_exact_tree(hub: LoopbackHub, staged: Staged):
    one, two = staged
    repository = f"{OWNER}/exact"
    first = hub.publish(one, repository)
    assert first.returncode == 0, first.stderr
    answer = json.loads(first.stdout)
    assert holds(hub, repository, one)
    assert holds(hub, repository, one, "v1.1")
    info = hub.get(f"/api/datasets/{repository}")
    assert info["private"] is False
    assert info["gated"] == "manual"  # tier full
    assert [c["id"] for c in hub.commits(repository)] == [answer["commit"]]
    message = hub.commits(repository)[0]["message"]
    assert answer["release"] in message
    assert "merkle-root: " in message

    second = hub.publish(two, repository)
    assert second.returncode == 0, second.stderr
    assert holds(hub, repository, two)
    assert holds(hub, repository, one, "v1.1")
    assert json.loads(second.stdout)["deleted"] > 0  # the shard that is no more
    notes = hub.commits(repository)[0]["message"]
    assert re.search(r"Samples: 12 before, 8 now", notes)
    assert "Removed: " in notes


def test_publishing_again_sends_nothing(hub: LoopbackHub, staged: Staged):
    repository = f"{OWNER}/again"
    assert hub.publish(staged[0], repository).returncode == 0
    hub.clear_log()
    again = hub.publish(staged[0], repository)
    assert again.returncode == 0
    assert "nothing was sent" in again.stdout
    assert not [e for e in hub.log() if e["line"].startswith("POST") and "/commit/" in e["line"]]
    assert len(hub.commits(repository)) == 1


def test_dry_run_changes_nothing(hub: LoopbackHub, staged: Staged):
    repository = f"{OWNER}/dry"
    done = hub.publish(staged[0], repository, "--dry-run")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["done"], answer["added"]) == (False, len(relative_files(staged[0])))
    assert not [e for e in hub.log() if e["line"].split()[0] not in ("GET", "HEAD")]


def test_foreign_files_and_a_gitignore_leave_with_the_next_release(
    hub: LoopbackHub, staged: Staged
):
    repository = f"{OWNER}/ignore"
    script = (
        "import sys; from huggingface_hub import HfApi; a = HfApi();"
        f"a.create_repo('{repository}', repo_type='dataset');"
        f"[a.upload_file(path_or_fileobj=t, path_in_repo=p, repo_id='{repository}', "
        "repo_type='dataset')"
        " for p, t in (('data/train-00009-reddit.tar', b'stale'), ('.gitignore', "
        "b'*.json\\nmetadata\\n'))]"
    )
    made = subprocess.run(
        [sys.executable, "-c", script], env=hub.environment(), capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    done = hub.publish(staged[0], repository)
    assert done.returncode == 0, done.stderr
    assert holds(hub, repository, staged[0])


def test_a_tag_never_moves(hub: LoopbackHub, staged: Staged, tmp_path: Path):
    repository = f"{OWNER}/tags"
    assert hub.publish(staged[0], repository).returncode == 0
    other = tmp_path / "other"
    stage_dataset(make_build(tmp_path, samples=3), other, DatasetOptions(version="1.1"))
    before = hub.tree(repository)
    done = hub.publish(other, repository)
    assert done.returncode == 1
    assert "v1.1 exists on" in done.stderr
    assert "stage with a new --version" in done.stderr
    assert hub.tree(repository) == before


def test_a_pull_request_changes_main_once(hub: LoopbackHub, staged: Staged):
    repository = f"{OWNER}/large"
    assert hub.publish(staged[0], repository).returncode == 0
    done = hub.publish(staged[1], repository, "--staged")
    assert done.returncode == 0, done.stderr
    assert holds(hub, repository, staged[1])
    assert "refs/pr/1" in done.stdout
    assert len(hub.commits(repository)) == 2


def test_rights_are_said_in_one_line_and_no_token_is_shown(hub: LoopbackHub, staged: Staged):
    for token, expected in (("read", "may only read"), ("other", "may not"), (None, "token")):
        done = hub.publish(staged[0], f"{OWNER}/rights", "--debug", token=token, home="nobody")
        assert done.returncode == 1, done.stdout
        assert expected in done.stderr.splitlines()[-1]
        assert not [t for t in TOKENS.values() if t in done.stdout + done.stderr]
    wrong = hub.publish(staged[0], f"{OWNER}/rights", HF_TOKEN="hf_wrongwrongwrongwrongwrong")
    assert wrong.returncode == 1
    assert "does not accept this token" in wrong.stderr
    assert "hf_wrong" not in wrong.stderr


def test_no_endpoint_is_said_within_five_seconds(staged: Staged):
    for endpoint in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        hub = LoopbackHub(staged[0].parent / "none", xet=True, endpoint=endpoint)
        started = time.monotonic()
        done = hub.publish(staged[0], f"{OWNER}/none")
        assert done.returncode == 1
        assert f"no Hub at {endpoint}" in done.stderr
        assert "nothing was changed" in done.stderr
        assert time.monotonic() - started < 8  # five on a quiet machine
        assert not staged[0].with_name(f"{staged[0].name}.publish.json").exists()


def test_offline_is_said_at_once(hub: LoopbackHub, staged: Staged):
    done = hub.publish(staged[0], f"{OWNER}/offline", HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE is set" in done.stderr
    assert not hub.log()


def test_a_folder_is_a_hub_for_the_same_commands(staged: Staged, tmp_path: Path):
    hub = LoopbackHub(tmp_path, xet=True, endpoint=f"file://{tmp_path / 'hub'}")
    hub.homes = tmp_path
    repository = f"{OWNER}/local"
    for folder in staged:
        done = hub.publish(folder, repository)
        assert done.returncode == 0, done.stderr
    commit = json.loads(done.stdout)["commit"]
    snapshot = tmp_path / "hub" / f"datasets--{OWNER}--local" / "snapshots" / commit
    assert set(relative_files(snapshot)) == set(relative_files(staged[1]))
    verified = hub.run("dataset", "verify", repository, "--revision", "v1.2", "--no-load")
    assert verified.returncode == 0, verified.stderr
    verified = hub.run("dataset", "verify", snapshot, "--no-load")
    assert verified.returncode == 0, verified.stderr
