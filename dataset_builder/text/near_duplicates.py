"""Near-duplicate comments of one post: TF-IDF cosine, greedy by rank, exactly as scikit-learn.

Equals, per post, `TfidfVectorizer()` (lower case, `\\b\\w\\w+\\b`, smooth idf, L2) and a loop that
drops a comment whose cosine with a better ranked kept one reaches the threshold. Here whole
batches of posts become one sparse matrix whose columns are (post, token) pairs, so that one
product gives every post's cosines. Cosines are compared at nine decimals: a tie such as 3/5 must
not hang on the order of a sum.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy import sparse

TOKEN = re.compile(r"(?u)\b\w\w+\b")
DECIMALS = 9
BATCH = 16_384
# byte -> lower-cased byte when it belongs to a word, else 0; bytes over 127 are parts of words,
# because such texts were split into their tokens beforehand
_WORD = bytes(
    byte if byte > 127 or chr(byte).isalnum() or byte == ord("_") else 0
    for byte in bytes(range(256)).lower()
)
_SHORT = 16  # tokens up to here are two machine words; longer ones are numbered in a table


@dataclass(frozen=True)
class Near:
    """Comment `index` is dropped for its cosine with the kept comment `of`."""

    index: int
    of: int
    cosine: float


def near_duplicates(
    posts: Sequence[int] | NDArray[np.int64],
    texts: Sequence[str] | pa.ChunkedArray,
    threshold: float,
    idf: Mapping[str, float] | None = None,
) -> Iterator[Near]:
    """Comments to drop, in order. `posts` numbers each text's post; equal numbers stand together
    and texts of a post are ranked best first. `idf` is the corpus' table, else each post its own.
    """
    numbers = np.asarray(posts, np.int64)
    if not isinstance(texts, pa.ChunkedArray):
        texts = pa.chunked_array([texts], pa.string())
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(texts)]
    start = 0
    for edge, following in zip(edges[1:], [*edges[2:], None], strict=True):
        if following is None or following - start > BATCH:
            if edge > start:
                part = numbers[start:edge] - numbers[start]
                some = texts.slice(start, edge - start)
                for near in _batch(part, some.combine_chunks(), threshold, idf):
                    yield Near(near.index + start, near.of + start, near.cosine)
            start = edge


def _batch(
    posts: NDArray[np.int64],
    texts: pa.StringArray,
    threshold: float,
    idf: Mapping[str, float] | None,
) -> Iterator[Near]:
    matrix = _weights(posts, texts, idf)
    cosines = (matrix @ matrix.T).tocoo()
    left, right = cosines.row, cosines.col
    values = np.round(cosines.data, DECIMALS)
    pick = (left < right) & (values >= threshold)
    left, right, values = left[pick], right[pick], values[pick]
    order = np.lexsort((left, right))
    dropped: dict[int, None] = {}
    for i, j, value in zip(left[order], right[order], values[order], strict=True):
        if int(i) not in dropped and int(j) not in dropped:
            dropped[int(j)] = None
            yield Near(int(j), int(i), float(value))


def _weights(
    posts: NDArray[np.int64], texts: pa.StringArray, idf: Mapping[str, float] | None
) -> "sparse.csr_array":
    """L2-normalised TF-IDF rows; columns are the (post, token) pairs that several comments hold.

    A token of one comment alone counts in its norm, and in no product of two.
    """
    from scipy import sparse  # the first process, which never gets here, loads in half the time

    rows, low, high = _tokens(texts)
    cells, counts = _count(posts, rows, low, high)
    row, column = cells.row, cells.column
    document_frequency = np.bincount(column)[column]
    if idf is None:
        size = np.bincount(posts)[posts]  # comments in the post of each comment
        weight = np.log((1 + size[row]) / (1 + document_frequency)) + 1
    else:
        names = [token for text in texts.to_pylist() for token in TOKEN.findall(text.lower())]
        known = np.array([idf[name] for name in names])
        weight = known[cells.first]
    data = counts * weight
    norm = np.sqrt(np.bincount(row, data * data, minlength=len(texts)))
    shared = np.flatnonzero(document_frequency > 1)
    row, column, data = row[shared], column[shared], data[shared]
    shape = (len(texts), int(column.max(initial=0)) + 1)
    return sparse.csr_array((data / norm[row], (row, column)), shape=shape)


@dataclass(frozen=True)
class _Cells:
    """Non-zero cells: comment, (post, token) column, and one occurrence of the token."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    first: NDArray[np.int64]


def _count(
    posts: NDArray[np.int64],
    rows: NDArray[np.int64],
    low: NDArray[np.uint64],
    high: NDArray[np.uint64],
) -> tuple[_Cells, NDArray[np.int64]]:
    """Group token occurrences into cells; exact, whatever the hash used for sorting."""
    post = posts[rows].astype(np.uint64)
    # the comment in the low bits: rows come out ascending within a token, whatever the sort
    bits = np.uint64(int(rows.max(initial=0)).bit_length())
    token_key = _mix(low, high, post) >> bits
    order = np.argsort(token_key << bits | rows.astype(np.uint64))
    new = _differs(order, low, high, post)
    if not np.array_equal(new, _differs(order, token_key)):  # two tokens met in one hash
        order = np.lexsort((rows, post, high, low))
        new = _differs(order, low, high, post)
    row = rows[order]
    token = np.cumsum(new) - 1
    cell = new.copy()
    cell[1:] |= row[1:] != row[:-1]
    starts = np.flatnonzero(cell)
    counts = np.diff(np.append(starts, len(order)))
    return _Cells(row[starts], token[starts], order[starts]), counts


def _differs(order: NDArray[np.int64], *keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """True where an entry, in this order, differs from the one before it in any key."""
    new = np.zeros(len(order), bool)
    new[:1] = True
    for key in keys:
        ordered = key[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    return new


def _mix(*values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One 64-bit hash of several columns (the finaliser of splitmix64 between them)."""
    key = np.zeros(len(values[0]), np.uint64)
    for value in values:
        key = (key ^ value) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def _tokens(
    texts: pa.StringArray,
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
    """(comment, low, high) of every token in order; low and high name the token exactly."""
    buffer, ends = _words(texts)
    edge = np.flatnonzero(_differs_from_next(buffer))
    start, stop = edge[::2] + 1, edge[1::2] + 1
    length = stop - start
    long_enough = np.flatnonzero(length > 1)
    start, length = start[long_enough], length[long_enough]
    rows = np.repeat(np.arange(len(texts)), np.diff(np.searchsorted(start, ends), prepend=0))
    # eight bytes from every place
    windows: NDArray[np.uint64] = np.ndarray(len(buffer) - 7, "<u8", buffer, strides=(1,))
    low = windows[start] & _MASK[np.minimum(length, 8)]
    high = np.zeros(len(start), np.uint64)
    longer = np.flatnonzero(length > 8)
    high[longer] = windows[start[longer] + 8] & _MASK[np.minimum(length[longer] - 8, 8)]
    table: dict[bytes, int] = {}
    for index in np.flatnonzero(length > _SHORT):
        token = buffer[start[index] : start[index] + length[index]].tobytes()
        # no UTF-8 text holds bytes of 255, so this cannot be a short token
        low[index], high[index] = table.setdefault(token, len(table)), np.uint64(2**64 - 1)
    return rows, low, high


def _words(texts: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The texts' words in one buffer, zeros before, between and behind them; where each ends."""
    plain = pc.string_is_ascii(texts)
    if not pc.all(plain).as_py():
        odd = pc.invert(plain)
        split = [" ".join(TOKEN.findall(text.lower())) for text in texts.filter(odd).to_pylist()]
        texts = pc.replace_with_mask(texts, odd, pa.array(split, pa.string()))
    lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    whole = pa.ListArray.from_arrays([0, len(texts)], texts.cast(pa.binary()))
    joined: bytes = pc.binary_join(whole, b"\n")[0].as_py()
    data = b"\0" + joined.translate(_WORD) + b"\0" * (2 * _SHORT)
    return np.frombuffer(data, np.uint8), np.cumsum(lengths + 1)


def _differs_from_next(buffer: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """True where a word begins or ends behind a byte."""
    word = buffer != 0
    return word[1:] != word[:-1]


_MASK = np.array([(1 << (8 * size)) - 1 for size in range(9)], np.uint64)
