"""The rows of a data set: what the manifest counts, what the tier promises, whose words are in."""

import json
import re
from collections.abc import Iterator
from typing import Any

from release.errors import ReleaseError
from release.files import sha256_of
from release.gates.credentials import find_secret
from release.gates.gate import Refusal, Subject
from release.gates.payload import payload
from release.manifest import NAME, Manifest, read_manifest
from release.personal_data import REFUSED, find_personal_data
from release.shards import DamagedShard, Member, read_content, read_members

WORDS = ("title", "channel", "brand", "asr", "intro")
BUILD_AGAIN = "build and stage it again"


def manifest_holds(subject: Subject) -> Iterator[Refusal]:
    """The folder is exactly what its manifest lists, byte for byte and sample for sample."""
    try:
        manifest = read_manifest(subject.folder)
    except ReleaseError as error:
        yield Refusal(NAME, str(error), "stage again")
        return
    listed = {entry.path for entry in manifest.files}
    for path in subject.files:
        if path not in listed and path != NAME:
            yield Refusal(path, f"is not in {NAME}", "delete it, or stage again")
    for entry in manifest.files:
        if entry.path not in subject.files:
            yield Refusal(entry.path, f"is in {NAME} and missing", "stage again")
        elif sha256_of(subject.folder / entry.path) != entry.sha256:
            yield Refusal(entry.path, f"differs from {NAME}", "stage again")


def records_are_clean(subject: Subject) -> Iterator[Refusal]:
    """Every sample of every shard: shape, tier, media, secrets, personal data, canaries."""
    try:
        manifest = read_manifest(subject.folder)
    except ReleaseError:
        return  # said by manifest_holds
    tier = manifest.facts.get("release", {}).get("tier")
    if tier not in ("full", "metadata", "ids"):
        yield Refusal(NAME, f"its tier is {tier!r}", "build again: full, metadata or ids")
        return
    for path in subject.having(".tar"):
        yield from _shard(subject, path, tier, manifest)
    for path in subject.having(".parquet"):
        yield from _table(subject, path, tier, manifest)


def _shard(subject: Subject, path: str, tier: str, manifest: Manifest) -> Iterator[Refusal]:
    keys: set[str] = set()
    fields: dict[str, set[str]] = {}
    try:
        with (subject.folder / path).open("rb") as file:
            for member in read_members(file):
                keys.add(member.key)
                fields.setdefault(member.key, set()).add(member.field)
                for cause in _member(member, read_content(file, member), tier, subject.canaries):
                    yield Refusal(path, cause, BUILD_AGAIN, member.name)
    except DamagedShard as error:
        yield Refusal(path, str(error), BUILD_AGAIN)
        return
    stated = next((entry.samples for entry in manifest.files if entry.path == path), None)
    if stated != len(keys):
        yield Refusal(path, f"holds {len(keys)} samples, {NAME} says {stated}", BUILD_AGAIN)
    odd = sorted(key for key, names in fields.items() if "json" not in names)
    if odd:
        yield Refusal(path, f"sample {odd[0]} has no json member", BUILD_AGAIN)
    if len({frozenset(names) for names in fields.values()}) > 1:
        yield Refusal(path, "its samples do not all have the same members", BUILD_AGAIN)


def _member(member: Member, data: bytes, tier: str, canaries: tuple[str, ...]) -> Iterator[str]:
    if member.field == "json":
        try:
            record = json.loads(data)
        except ValueError as error:
            yield f"no JSON ({error})"
            return
        yield from record_problems(record, tier, canaries)
        if record.get("id") not in (None, member.key):
            yield f"its id is {record['id']!r}"
    elif member.field not in ("jpg", "mp4"):
        yield f"a member of kind {member.field!r}"
    elif data and tier != "full" and not member.key.startswith("salicon"):
        yield f"a medium in a copy of tier {tier!r}"
    elif data:
        yield from payload(data)


def record_problems(record: dict[str, Any], tier: str, canaries: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the words of one sample."""
    text = json.dumps(record, ensure_ascii=False)
    if tier == "ids" and (words := words_of_users(record)):
        yield f"a word of a user in tier 'ids': {', '.join(words)}"
    if found := find_secret(text):
        yield f"looks like {found}"
    for canary in canaries:
        if canary in text:
            yield "a planted canary came through"
    user_text = "\n".join(_texts(record))
    for kind in sorted(REFUSED & set(find_personal_data(user_text))):
        yield f"personal data of class {kind} in a text"


def _texts(record: dict[str, Any]) -> Iterator[str]:
    """Every text that users wrote or said."""
    yield from (str(record[name]) for name in ("title", "asr", "intro") if record.get(name))
    yield from (c["text"] for c in record.get("comments") or [] if c.get("text"))
    for turn in record.get("turns") or []:
        if turn.get("task") == "comments":
            yield turn.get("answer") or ""


def words_of_users(record: dict[str, Any]) -> list[str]:
    """Names of fields that hold words of a user or creator; none may in tier `ids`."""
    found = [name for name in WORDS if record.get(name)]
    if any(comment.get("text") for comment in record.get("comments") or []):
        found.append("comments.text")
    if any(turn.get("task") == "comments" for turn in record.get("turns") or []):
        found.append("turns (comments)")
    slug = re.search(r"/comments/[0-9a-z]+/[^/]+", record.get("permalink") or "")
    return [*found, "permalink"] if slug else found


def _table(subject: Subject, path: str, tier: str, manifest: Manifest) -> Iterator[Refusal]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stated = next((entry.samples for entry in manifest.files if entry.path == path), None)
    try:
        with pq.ParquetFile(subject.folder / path) as file:
            if file.metadata.num_rows != stated:
                cause = f"holds {file.metadata.num_rows} rows, {NAME} says {stated}"
                yield Refusal(path, cause, BUILD_AGAIN)
            yield from _rows(file, path, tier, subject)
            extra = set(file.schema_arrow.metadata or {}) - {b"ARROW:schema", b"huggingface"}
            if extra:
                cause = f"file metadata {sorted(k.decode() for k in extra)}"
                yield Refusal(path, cause, BUILD_AGAIN)
    except (pa.ArrowInvalid, OSError) as error:
        yield Refusal(path, f"no sound Parquet ({str(error).splitlines()[0]})", BUILD_AGAIN)


def _rows(file: Any, path: str, tier: str, subject: Subject) -> Iterator[Refusal]:
    number = 0
    for batch in file.iter_batches(batch_size=1024):
        for record in batch.to_pylist():
            for cause in record_problems(record, tier, subject.canaries):
                yield Refusal(path, cause, BUILD_AGAIN, f"row {number}")
            number += 1
