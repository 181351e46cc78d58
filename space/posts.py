"""Held-out posts of a release, as examples whose real reactions are known.

Reads the test shards of a release folder or dataset repository: WebDataset tars of json, jpg, mp4.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

MOST_POSTS = 6
SHARDS = "data/test-*.tar"


@dataclass(frozen=True)
class Post:
    """A held-out post. file: its media, written to a folder of ours; real: its true reactions."""

    id: str
    file: Path
    title: str
    brand: str
    digest: str
    real: dict[str, Any]


def read_posts(release: str, revision: str | None, out: Path) -> list[Post]:
    """Up to MOST_POSTS held-out posts with comments. ValueError where the release has none."""
    root = Path(release)
    if not root.is_dir():
        found = snapshot_download(
            release, repo_type="dataset", revision=revision, allow_patterns=[SHARDS, "README.md"]
        )
        root = Path(found)
    shards = sorted(root.glob(SHARDS))
    if not shards:
        raise ValueError(f"release {release!r} has no {SHARDS}: expected the folder of a release")
    card = root / "README.md"
    synthetic = card.is_file() and "ynthetic" in card.read_text(encoding="utf-8")
    notice = "This release says of itself that its posts are synthetic." if synthetic else ""
    posts: list[Post] = []
    for sample in (sample for shard in shards for sample in samples(shard)):
        if len(posts) < MOST_POSTS and sample["json"].get("comments"):
            posts.append(written(sample, notice, out))
    if not posts:
        raise ValueError(f"release {release!r}: no held-out post has comments to show")
    return posts


def samples(shard: Path) -> Iterator[dict[str, Any]]:
    """The samples of one shard: `json` parsed, `jpg` and `mp4` as bytes."""
    with tarfile.open(shard) as tar:
        found: dict[str, Any] = {}
        for member in tar:
            key, _, kind = member.name.partition(".")
            content = tar.extractfile(member)
            if content is None:
                continue
            if found and found["key"] != key:
                yield found
                found = {}
            found["key"] = key
            data = content.read()
            found[kind] = json.loads(data) if kind == "json" else data
        if found:
            yield found


def written(sample: dict[str, Any], notice: str, out: Path) -> Post:
    """The post, its media written to `out`."""
    told = sample["json"]
    kind = "mp4" if told["media_type"] == "video" else "jpg"
    file = out / f"{sample['key']}.{kind}"
    file.write_bytes(sample[kind])
    comments = [comment["text"] for comment in told["comments"][:5]]
    real = {"percent_liked": told.get("percent_liked"), "comments": comments, "notice": notice}
    digest = hashlib.sha256(sample[kind]).hexdigest()
    brand = told.get("brand") or ""
    return Post(told["id"], file, told.get("title") or "", brand, digest, real)
