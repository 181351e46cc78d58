"""One file against its manifest entry: size, hash, and what a reader finds in it."""

from collections.abc import Iterator
from pathlib import Path

from release.files import hashes_of
from release.manifest import Entry
from release.shards import DamagedShard, count_samples


def file_problems(path: Path, entry: Entry) -> Iterator[tuple[str, str | None, str | None]]:
    """(problem, expected, found) for everything wrong with a file."""
    size, digest, _ = hashes_of(path)
    if size != entry.bytes:
        yield "other size", f"{entry.bytes} bytes", f"{size} bytes"
    if digest != entry.sha256:
        yield "other content", entry.sha256, digest
    elif problem := sample_problem(path, entry):
        yield problem, None, None


def sample_problem(path: Path, entry: Entry) -> str | None:
    """Whether a reader finds as many samples as the manifest says."""
    suffix = entry.path.rpartition(".")[2]
    try:
        if suffix == "tar":
            count = count_samples(path)
        elif suffix == "parquet":
            import pyarrow.parquet as pq

            count = pq.read_metadata(path).num_rows
        else:
            return None
    except (DamagedShard, OSError, ValueError) as error:
        return f"cannot be read ({error})"
    return None if count == entry.samples else f"{count} samples readable, expected {entry.samples}"
