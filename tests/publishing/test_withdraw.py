"""withdraw: after it, and after the Hub's clean-up, no old address serves a withdrawn byte."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from places import needs_shared
from publishing.hubs import OWNER, LoopbackHub, holds
from release.errors import ReleaseError
from release.shards import read_records
from release.withdrawing.edit import edit_release, next_version
from release.withdrawing.items import address, read_list

Staged = tuple[Path, Path]


def listed(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "removals.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def ids(folder: Path) -> set[str]:
    return {key for path in folder.glob("data/*.tar") for key, _ in read_records(path)}


@pytest.mark.parametrize(
    ("line", "gone"),
    [
        ("id reddit-s00001", "reddit-s00001"),
        ("s00002", "youtube-s00002"),
        ("url https://example.org/post/3", "reddit-s00003"),
        ("https://www.example.org/youtube/4.jpg#x", "youtube-s00004"),
        ("id c00001", "reddit-s00001"),  # a comment: its sample leaves whole
    ],
)
def test_every_kind_of_line_takes_its_sample_out(
    line: str, gone: str, staged: Staged, tmp_path: Path
):
    before = ids(staged[0])
    assert gone in before
    new, dropped = edit_release(
        staged[0], tmp_path / "new", read_list(listed(tmp_path, line)), "o/r"
    )
    assert ids(new.folder) == before - {gone}
    assert sum(dropped.kinds.values()) == 1
    whole = b"".join(p.read_bytes() for p in new.folder.rglob("*") if p.is_file())
    assert gone.encode() not in whole  # not in shards, Parquet, records, card, manifest
    assert (new.folder / "WITHDRAWALS.md").read_text().count("| 1 |") == 1


def test_shards_without_a_withdrawn_item_keep_their_bytes(staged: Staged, tmp_path: Path):
    new, dropped = edit_release(
        staged[0], tmp_path / "new", read_list(listed(tmp_path, "id reddit-s00001")), "o/r"
    )
    assert dropped.touched == ["data/train-00000-reddit.tar"]
    for path in staged[0].glob("data/*.tar"):
        same = (new.folder / "data" / path.name).read_bytes() == path.read_bytes()
        assert same == (path.name != "train-00000-reddit.tar")


def test_lists_that_cannot_be_followed_are_refused(staged: Staged, tmp_path: Path):
    with pytest.raises(ReleaseError, match="names authors, and a release holds none"):
        edit_release(
            staged[0], tmp_path / "new", read_list(listed(tmp_path, "author somebody")), "o/r"
        )
    with pytest.raises(ReleaseError, match="holds nothing that the list names"):
        edit_release(
            staged[0], tmp_path / "new", read_list(listed(tmp_path, "id reddit-gone")), "o/r"
        )
    with pytest.raises(ReleaseError, match=r"removals\.txt:1: expected"):
        read_list(listed(tmp_path, "delete everything please"))
    with pytest.raises(ReleaseError, match="names nothing"):
        read_list(listed(tmp_path, "# only a note"))


def test_addresses_have_one_spelling():
    video = {address(u) for u in ("https://www.youtube.com/watch?v=abcdefghijk&t=3", "https://youtu.be/abcdefghijk",
                                  "https://youtube.com/shorts/abcdefghijk")}  # fmt: skip
    post = {
        address(u)
        for u in ("https://old.reddit.com/r/a/comments/xyz/title/", "https://redd.it/xyz")
    }
    assert (video, post) == ({"youtube:abcdefghijk"}, {"reddit:xyz"})
    assert (next_version("1.9"), next_version("2.0.1"), next_version("3")) == ("1.10", "2.0.2", "4")


@needs_shared("tools/hubserver")
def test_nothing_old_answers_after_the_clean_up(hub: LoopbackHub, staged: Staged, tmp_path: Path):
    repository = f"{OWNER}/withdrawn"
    assert hub.publish(staged[0], repository).returncode == 0
    assert hub.publish(staged[1], repository).returncode == 0
    old = hub.commits(repository)[0]["id"]
    extra = (
        "from huggingface_hub import HfApi; a = HfApi();"
        f"a.create_branch('{repository}', branch='copy', repo_type='dataset');"
        f"a.create_repo('{OWNER}/pinned', exist_ok=True);"
        f"a.upload_file(path_or_fileobj=b'data at {old}', path_in_repo='README.md', "
        f"repo_id='{OWNER}/pinned')"
    )
    subprocess.run(
        [sys.executable, "-c", extra], env=hub.environment(), check=True, capture_output=True
    )
    removals = listed(tmp_path, "id reddit-s00002")
    words = ("dataset", "withdraw", repository, "--list", removals)
    done = hub.run(*words, "--verify", "quick")
    # the old hashes still serve until the Hub cleans up: said, with exit 4
    assert done.returncode == 4, done.stderr
    assert "still answering" in done.stderr
    assert "--probe" in done.stderr
    assert f"model {OWNER}/pinned" in done.stderr
    assert "reddit-s00002" not in done.stdout + done.stderr
    refs = hub.get(f"/api/datasets/{repository}/refs")
    assert [t["name"] for t in refs["tags"]] == ["v1.3"]
    assert [b["name"] for b in refs["branches"]] == ["main"]
    hub.admin("gc", {"type": "dataset", "repo": repository})
    later = hub.run(*words, "--probe", "--json")
    assert later.returncode == 0, later.stderr
    assert json.loads(later.stdout)["serving"] == []
    for revision in (old, "v1.1", "v1.2", "copy"):
        assert not served(hub, repository, revision)
    assert served(hub, repository, "v1.3")
    again = hub.run(*words, "--verify", "quick")  # a second run finds nothing left to do
    assert again.returncode == 0, again.stderr
    assert len(hub.commits(repository)) == 0  # one commit: the squashed one


def served(hub: LoopbackHub, repository: str, revision: str) -> bool:
    import urllib.error

    try:
        return bool(hub.tree(repository, revision))
    except urllib.error.HTTPError:
        return False


@needs_shared("tools/hubserver")
def test_the_build_after_forget_is_published_in_place_of_an_edit(
    hub: LoopbackHub, staged: Staged, tmp_path: Path
):
    repository = f"{OWNER}/rebuilt"
    assert hub.publish(staged[0], repository).returncode == 0
    removals = listed(tmp_path, "author somebody")
    done = hub.run(
        "dataset",
        "withdraw",
        repository,
        "--list",
        removals,
        "--from",
        staged[1],
        "--verify",
        "none",
    )
    assert done.returncode == 4, done.stderr
    assert holds(hub, repository, staged[1], "v1.2")
