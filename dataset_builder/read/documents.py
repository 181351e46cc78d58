"""Records of files that Python reads one by one: YouTube exports and the authors' release."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.read import authors_release
from dataset_builder.read.compressed import Budget, decompressed
from dataset_builder.read.ndjson import BATCH_ROWS, Tally, damaged_parquet, is_parquet, loads
from dataset_builder.read.streams import BOM, line_blocks
from dataset_builder.work.ahead import ahead

DOCUMENT_BYTES = 256 << 20  # a JSON document (not line by line) is read whole
Numbered = tuple[dict[str, Any], int]


def records(path: Path, budget: Budget, tally: Tally) -> Iterator[Numbered]:
    """JSON objects of the file with their line: one a line, one document, or Parquet rows.

    Lines that hold no object are added to `tally`.
    """
    if is_parquet(path):
        yield from _parquet_rows(path)
        return
    whole = _document(path, budget, tally)
    if whole is not None:
        yield from whole
        return
    for block in ahead(line_blocks(decompressed(path, budget, tally.used), budget.line)):
        if block.too_long:
            tally.add(block.first, b"", f"longer than build.max_line_mb ({block.too_long} B)")
            continue
        with closing(block):
            lines = block.data.split(b"\n")
        for number, line in enumerate(lines, block.first):
            if line.strip():
                try:
                    yield loads(line.removeprefix(BOM)), number
                except ValueError as error:
                    tally.add(number, line, str(error))


def _parquet_rows(path: Path) -> Iterator[Numbered]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS // 16):
                for row in batch.to_pylist():
                    number += 1
                    yield row, number
    except (pa.ArrowException, OSError) as error:
        raise damaged_parquet(path, error) from error


def _document(path: Path, budget: Budget, tally: Tally) -> list[Numbered] | None:
    """The objects of a file that is one JSON value, each with its place in it, else None.

    Only a file whose first two lines are no objects by themselves is tried as a whole.
    """
    lines = first_lines(path, budget, 2)
    if not lines or any(_is_object(line) for line in lines):
        return None
    text = b"".join(_head(path, budget, DOCUMENT_BYTES))
    try:
        value = json.loads(text.removeprefix(BOM))
    except (ValueError, RecursionError):
        return None
    found = []
    for place, item in enumerate(value if isinstance(value, list) else [value], 1):
        if isinstance(item, dict):
            found.append((item, place))
        else:
            error = f"item {place}: a {type(item).__name__} where an object was expected"
            tally.add(place, json.dumps(item).encode(), error)
    return found


def _is_object(line: bytes) -> bool:
    try:
        loads(line.removeprefix(BOM))
    except ValueError:
        return False
    return True


def first_lines(path: Path, budget: Budget, count: int) -> list[bytes]:
    """The first lines that are not blank, of about the first mebibyte; the last may be cut."""
    block = next(iter(line_blocks(_head(path, budget, 1 << 20), budget.line)), None)
    if block is None:
        return []
    with closing(block):
        lines = block.data.split(b"\n")
    return [line for line in lines if line.strip()][:count]


def _head(path: Path, budget: Budget, size: int) -> Iterator[bytes]:
    total = 0
    for chunk in decompressed(path, budget):
        yield chunk
        total += len(chunk)
        if total > size:
            return


def is_release_file(path: Path, budget: Budget) -> bool:
    """True when the file holds the authors' release rather than a dump."""
    if is_parquet(path):
        try:
            return authors_release.is_release(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            raise damaged_parquet(path, error) from error
    lines = first_lines(path, budget, 1)
    try:
        return bool(lines) and authors_release.is_release(loads(lines[0].removeprefix(BOM)))
    except ValueError:
        return False
