"""A new revision made from the published one, without the items of a list."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from release.errors import ReleaseError
from release.files import write_whole
from release.manifest import Manifest, read_manifest
from release.shards import END, count_samples, read_members
from release.staging.dataset import DatasetOptions, describe
from release.staging.folder import Staged, stage_folder
from release.staging.repack import Repacked, copy_member, metadata_of
from release.withdrawing.items import Dropped, Wanted, drop_rows, unresolved


class NothingToDrop(ReleaseError):
    """The release holds nothing that the list names."""


def edit_release(old: Path, out: Path, wanted: Wanted, repository: str) -> tuple[Staged, Dropped]:
    """Stage `out` from the published folder `old` without what the list names.

    Raises: ReleaseError when the list names authors, which only the build can find, or nothing in
        this release.
    """
    if unresolved(wanted):
        raise ReleaseError(
            "the list names authors, and a release holds none: run `blift forget` on the build, "
            "stage its "
            "release, and give that folder with --from"
        )
    manifest = read_manifest(old)
    dropped = Dropped()
    staged = stage_folder(
        "dataset", out, lambda target: _fill(old, target, manifest, wanted, repository, dropped)
    )
    return staged, dropped


def next_version(version: str) -> str:
    """The version after this one: its last number plus one."""
    head, _, last = version.rpartition(".")
    if not last.isdigit():
        raise ReleaseError(f"version {version!r} does not end in a number")
    return f"{head}.{int(last) + 1}" if head else str(int(last) + 1)


def _fill(
    old: Path, target: Path, manifest: Manifest, wanted: Wanted, repository: str, dropped: Dropped
) -> list[str]:  # fmt: skip
    for path in (
        "README.md",
        "LICENSE",
        "MEDIA.md",
        "CHANGELOG.md",
        "WITHDRAWALS.md",
        "funnel.json",
        "funnel.png",
    ):
        if (old / path).is_file():
            write_whole(target / path, (old / path).read_bytes())
    packed = Repacked()
    for entry in manifest.files:
        if entry.path.startswith("data/") and entry.path.endswith(".tar"):
            _one_shard(old, target, entry.path, wanted, dropped, packed, manifest)
    if not dropped.kinds:
        raise NothingToDrop("this release holds nothing that the list names; nothing was changed")
    if "default" not in packed.shards:
        raise ReleaseError("nothing would be left; make the repository private instead")
    version = next_version(manifest.version)
    _documents(target, version, wanted, dropped)
    build = Manifest((), {**manifest.facts, "root": manifest.facts["built_from"],
                          "release": _recounted(target, manifest)}, manifest.sha256)  # fmt: skip
    describe(target, build, packed, DatasetOptions(repository=repository, version=version))
    return []


def _one_shard(
    old: Path, target: Path, path: str, wanted: Wanted, dropped: Dropped, packed: Repacked,
    manifest: Manifest,
) -> None:  # fmt: skip
    """Copy a shard and its metadata, or write both again without the named samples."""
    table = metadata_of(path)
    for name in (path, table):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old / name, target / name)
    gone = drop_rows(target / table, wanted, dropped)
    if gone:
        dropped.touched.append(path)
        _without(old / path, target / path, gone)
    if not (target / table).is_file():
        (target / path).unlink()
        return
    samples = count_samples(target / path)
    packed.samples[table] = samples
    for config, split in configs_of(path, manifest):
        packed.add(path, samples, config, split)


def configs_of(path: str, manifest: Manifest) -> list[tuple[str, str]]:
    """(config, split) pairs that a shard's name puts it into."""
    parts = path.split("/")
    split = parts[-1].split("-")[0]
    if len(parts) > 2:
        return [(parts[1], split)]
    source = parts[-1].removesuffix(".tar").split("-")[2:]
    return [("default", split), *([(source[0], split)] if source else [])]


def _without(old: Path, new: Path, gone: set[str]) -> None:
    """Copy a tar's members but those of the keys that leave."""
    with old.open("rb") as read, new.open("wb") as write:
        for member in read_members(read):
            if member.key not in gone:
                copy_member(read, member, write)
        write.write(END)


def _recounted(target: Path, manifest: Manifest) -> dict[str, Any]:
    """The build's facts with counts of what is left."""
    facts = dict(manifest.facts["release"])
    kinds = {"image": 0, "video": 0}
    sources: dict[str, dict[str, int]] = {}
    comments = 0
    for path in sorted((target / "metadata").glob("*.parquet")):
        split = sources.setdefault(path.name.split("-")[0], {})
        for row in pq.read_table(path, columns=["source", "media_type", "comments"]).to_pylist():
            kinds[row["media_type"]] += 1
            split[row["source"]] = split.get(row["source"], 0) + 1
            comments += len(row["comments"] or [])
    return facts | {"images": kinds["image"], "videos": kinds["video"], "comments": comments,
                    "sources": sources}  # fmt: skip


def _documents(target: Path, version: str, wanted: Wanted, dropped: Dropped) -> None:
    """WITHDRAWALS.md and CHANGELOG.md: counts and a keyed digest, never an id or an address."""
    day = datetime.now(UTC).date().isoformat()
    counts = ", ".join(f"{n} by {kind}" for kind, n in sorted(dropped.kinds.items()))
    path = target / "WITHDRAWALS.md"
    text = path.read_text("utf-8") if path.is_file() else ""
    rows = [line for line in text.splitlines() if line.startswith("| 2")]
    rows.append(
        f"| {day} | {sum(dropped.kinds.values())} | {counts} | {version} | `{wanted.digest[:32]}` |"
    )
    head = (
        "# Withdrawals\n\nItems that were taken out on request. The list's digest is keyed; "
        "neither list nor key "
        "is published.\n\n| date | samples | named by | gone from version | digest of the list "
        "|\n|---|---|---|---|---|\n"
    )
    write_whole(path, (head + "\n".join(rows) + "\n").encode())
    path = target / "CHANGELOG.md"
    old = path.read_text("utf-8").removeprefix("# Changes").strip() if path.is_file() else ""
    entry = (
        f"## {version}\n\n{sum(dropped.kinds.values())} samples were withdrawn; earlier revisions "
        "are deleted. "
        "Readers pinned to one get an error and move to this version.\n"
    )
    write_whole(path, f"# Changes\n\n{entry}\n{old}\n".encode())
