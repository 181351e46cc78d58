"""Readers of dumps: checked ends, budgets, bad lines, drifting types, every container format."""

import bz2
import gzip
import json
import lzma
import random
import struct
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from dataset_builder.errors import DamagedInput
from dataset_builder.read.compressed import Budget, decompressed, window_bytes
from dataset_builder.read.documents import is_release_file, records
from dataset_builder.read.ndjson import Tally, loads, tables
from dataset_builder.read.streams import line_blocks
from dataset_builder.settings import load_settings

BUDGET = Budget.of(load_settings("seed", []))
LINES = [json.dumps({"id": f"a{n}", "body": f"text {n} ü 😀"}) for n in range(5000)]
TEXT = ("\n".join(LINES) + "\n").encode()
LONG = zstandard.ZstdCompressionParameters.from_level(3, window_log=31)


def packed(data, checksum=False):
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=31, write_checksum=checksum
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(data) + compressor.flush()


def skippable(size):
    return struct.pack("<II", 0x184D2A5A, size) + b"\x28" * size


def read(path, tally=None, columns=("id", "body")):
    tally = tally or Tally()
    found = list(tables(path, columns, "id", BUDGET, tally))
    return [row for table in found for row in table.to_pylist()], tally


@pytest.fixture
def dump(tmp_path):
    def write(data, name="dump.zst"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def bomb(name):
    """300 MiB of nothing, packed."""
    part = bytes(1 << 20)
    packer = bz2.BZ2Compressor() if name == "bz2" else lzma.LZMACompressor(preset=1)
    return b"".join(packer.compress(part) for _ in range(300)) + packer.flush()


@pytest.mark.parametrize(("name", "pack"), [("bz2", bz2.compress), ("xz", lzma.compress)])
class TestOlderDumps:
    """What Pushshift published until 2018."""

    def test_streams_behind_each_other(self, dump, name, pack):
        half = len(TEXT) // 2
        between = bytes(4) if name == "xz" else b""
        path = dump(pack(TEXT[:half]) + between + pack(TEXT[half:]) + between, f"dump.{name}")
        assert b"".join(decompressed(path, BUDGET)) == TEXT
        assert read(path)[1].rows == len(LINES)

    def test_no_name_is_needed(self, dump, name, pack):
        assert b"".join(decompressed(dump(pack(TEXT), "dump"), BUDGET)) == TEXT

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.33, 0.67, 1.0])
    def test_a_cut_file_is_an_error_with_file_and_offset(self, dump, name, pack, share):
        data = pack(TEXT) + pack(TEXT[:100])
        cut = min(len(data) - 1, int(len(data) * share))
        path = dump(data[:cut], f"dump.{name}")
        with pytest.raises(DamagedInput, match=rf"dump.{name}.*offset {cut:,} of the file"):
            read(path)

    def test_bytes_behind_the_last_stream(self, dump, name, pack):
        with pytest.raises(DamagedInput, match=f"no {name} stream"):
            list(decompressed(dump(pack(TEXT) + b"garbage!", f"dump.{name}"), BUDGET))

    def test_flipped_bits_never_pass(self, dump, name, pack):
        data, draw = pack(TEXT), random.Random(4)
        for _ in range(60):
            flipped = bytearray(data)
            flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            try:
                text = b"".join(decompressed(dump(bytes(flipped), f"dump.{name}"), BUDGET))
            except DamagedInput:
                continue
            assert text == TEXT

    def test_a_bomb_stops_at_the_ratio(self, dump, name, pack):
        with pytest.raises(DamagedInput, match=r"build\.max_ratio"):
            list(decompressed(dump(bomb(name), f"dump.{name}"), BUDGET))


def test_the_memory_that_xz_takes(dump):
    lzma2 = {"id": lzma.FILTER_LZMA2, "dict_size": 3 << 16}
    for filters in ([lzma2], [{"id": lzma.FILTER_DELTA}, lzma2]):
        path = dump(lzma.compress(TEXT, filters=filters), "dump.xz")
        assert window_bytes(path) == 3 << 16
    # a header that asks for 3 GiB: refused before any of it is taken
    head = bytearray(lzma.compress(TEXT))
    assert head[14] == lzma.FILTER_LZMA2
    head[16] = 39
    head[20:24] = zlib.crc32(bytes(head[12:20])).to_bytes(4, "little")
    path = dump(bytes(head), "dump.xz")
    assert window_bytes(path) == 3 << 30
    with pytest.raises(DamagedInput, match=r"[Mm]emory"):
        list(decompressed(path, BUDGET))


class TestZstd:
    def test_two_gigabyte_window(self, dump):
        path = dump(packed(TEXT))
        assert window_bytes(path) == 2**31
        assert b"".join(decompressed(path, BUDGET)) == TEXT

    def test_several_frames_and_skippable_frames(self, dump):
        half = len(TEXT) // 2
        data = skippable(3) + packed(TEXT[:half]) + skippable(70_000) + packed(TEXT[half:])
        path = dump(data + skippable(0))
        assert b"".join(decompressed(path, BUDGET)) == TEXT
        assert window_bytes(path) == 2**31

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.33, 0.67, 1.0])
    def test_a_cut_file_is_an_error_with_file_and_offset(self, dump, share):
        """A plain stream_reader ends here without a word and with fewer rows."""
        data = packed(TEXT)
        cut = min(len(data) - 1, int(len(data) * share))
        path = dump(data[:cut])
        with pytest.raises(DamagedInput, match=rf"dump.zst.*offset {cut:,} of the file"):
            read(path)

    def test_twenty_random_cuts(self, dump):
        data, draw = packed(TEXT) + packed(TEXT), random.Random(1)
        ends = {len(packed(TEXT)), len(data)}
        for cut in draw.sample(range(len(data)), 20):
            if cut not in ends:
                with pytest.raises(DamagedInput):
                    list(decompressed(dump(data[:cut]), BUDGET))

    def test_cut_skippable_frame(self, dump):
        with pytest.raises(DamagedInput, match="skippable"):
            list(decompressed(dump(packed(TEXT) + skippable(100)[:-1]), BUDGET))

    def test_bytes_behind_the_last_frame(self, dump):
        with pytest.raises(DamagedInput, match="no zstd frame"):
            list(decompressed(dump(packed(TEXT) + b"garbage!"), BUDGET))

    def test_flipped_bits_never_pass_with_a_checksum(self, dump):
        data, draw = packed(TEXT, checksum=True), random.Random(2)
        for _ in range(100):
            place = draw.randrange(len(data))
            flipped = bytearray(data)
            flipped[place] ^= 1 << draw.randrange(8)
            try:
                text = b"".join(decompressed(dump(bytes(flipped)), BUDGET))
            except DamagedInput:
                continue
            assert text == TEXT  # a bit that says nothing, such as of the window's size

    def test_a_bomb_stops_at_the_ratio(self, dump):
        path = dump(zstandard.ZstdCompressor(level=1).compress(bytes(300 << 20)))
        with pytest.raises(DamagedInput, match=r"build\.max_ratio"):
            list(decompressed(path, BUDGET))

    def test_a_total_budget(self, dump):
        small = Budget(ratio=float("inf"), total=1000, line=1000)
        with pytest.raises(DamagedInput, match="expands to more than 1,000 bytes"):
            list(decompressed(dump(packed(TEXT)), small))


class TestGzip:
    def test_members(self, dump):
        path = dump(gzip.compress(TEXT) + gzip.compress(b"x\n") + b"\0\0", "a.gz")
        assert b"".join(decompressed(path, BUDGET)) == TEXT + b"x\n"

    @pytest.mark.parametrize("cut", [1, 5, 500, -1, -8])
    def test_cut(self, dump, cut):
        with pytest.raises(DamagedInput, match=r"a\.gz.*offset"):
            list(decompressed(dump(gzip.compress(TEXT)[:cut], "a.gz"), BUDGET))

    def test_damaged(self, dump):
        data = bytearray(gzip.compress(TEXT))
        data[len(data) // 2] ^= 255
        with pytest.raises(DamagedInput):
            list(decompressed(dump(bytes(data), "a.gz"), BUDGET))


class TestLineBlocks:
    def test_lines_stay_whole_and_numbered(self, monkeypatch):
        monkeypatch.setattr("dataset_builder.read.streams.BLOCK_BYTES", 1000)
        chunks = (TEXT[at : at + 77] for at in range(0, len(TEXT), 77))
        blocks = list(line_blocks(chunks, 10_000))
        assert b"".join(block.data for block in blocks) == TEXT
        lines = 1
        for block in blocks:
            assert block.first == lines
            lines += block.data.count(b"\n")

    def test_memory_used_again_shows_nothing_of_the_block_before(self, monkeypatch):
        """Long and short blocks, and skipped lines, each closed before the next is read."""
        monkeypatch.setattr("dataset_builder.read.streams.BLOCK_BYTES", 300)
        draw = random.Random(5)
        parts = [b"%d " % at * draw.choice([1, 5, 90, 400]) + b"\n" for at in range(200)]
        text = b"".join(parts)
        chunks = (text[at : at + 64] for at in range(0, len(text), 64))
        found, long = [], 0
        for block in line_blocks(chunks, 900):
            if block.too_long:
                long += 1
                assert block.data == b""
            assert len(block.data) == block.size
            found.append(block.data)
            block.close()
        assert b"".join(found) == b"".join(part for part in parts if len(part) <= 900)
        assert long == sum(len(part) > 900 for part in parts) > 10

    def test_no_newline_at_the_end(self):
        (block,) = line_blocks(iter([b"a\nb"]), 10)
        assert (block.data, block.size, block.first) == (b"a\nb\n", 4, 1)

    def test_a_line_over_the_limit_is_counted_not_kept(self, monkeypatch):
        monkeypatch.setattr("dataset_builder.read.streams.BLOCK_BYTES", 100)
        chunks = [b"one\n"] + [b"x" * 50] * 10 + [b"\nthree\n"]
        blocks = list(line_blocks(iter(chunks), 200))
        assert [block.first for block in blocks if block.too_long] == [2]
        assert b"".join(b.data for b in blocks) == b"one\nthree\n"
        assert blocks[-1].first == 3


BAD = {
    b"{broken": "not JSON",
    b"[1, 2]": "a list",
    b'"text"': "a str",
    b"null": "NoneType",
    b'{"body": "no id"}': "without 'id'",
    b'{"id": "x", "body": "\xff\xfe"}': "not UTF-8",
    b'{"id": "x"} trailing': "Extra data",
    b'{"id": "x", "body": "a\tb"}': "control character",
    b"\x00\x00": "not JSON",
    b'{"id": "x", "body": ' + b"[" * 100_000: "nested too deeply",
}


@pytest.mark.parametrize(("line", "error"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_line_is_set_apart_and_the_rest_goes_on(dump, line, error):
    lines = TEXT.split(b"\n")[:10]
    data = b"\n".join([*lines[:4], line, *lines[4:]])
    rows, tally = read(dump(data, "a.jsonl"))
    assert [row["id"] for row in rows] == [f"a{n}" for n in range(10)]
    assert [(bad.line, bad.bytes) for bad in tally.bad] == [(5, len(line))]
    assert error in tally.bad[0].error
    assert tally.rows == 10


def test_odd_but_good_lines(dump):
    """Lone surrogates fail in DuckDB and orjson; they are text all the same."""
    lines = [
        b'\xef\xbb\xbf{"id": "bom", "body": "x"}',
        b'{"id": "lone", "body": "a \\ud83d b"}',
        b'{"id": "pair", "body": "\\ud83d\\ude00"}',
        b'{"id": "nan", "body": NaN}',
        b"",
        b'{"id": "twice", "id": "again", "body": null}',
        b'{"id": "crlf", "body": "x"}\r',
        b'{"id": 12, "body": {"a": [1]}}',
        b'{"id": "nul", "body": "a\\u0000b"}',
        b'{"id": "long", "body": "' + b"y" * 10_000_000 + b'"}',
    ]
    rows, tally = read(dump(b"\n".join(lines), "a.jsonl"))
    found = {row["id"]: row["body"] for row in rows}
    assert not tally.bad
    assert len(found.pop("long")) == 10_000_000
    assert found == {
        "bom": "x", "lone": "a \ufffd b", "pair": "😀", "nan": "NaN", "twice": None, "crlf": "x",
        "12": '{"a":[1]}', "nul": "a\0b",
    }  # fmt: skip


def test_line_numbers_across_blocks(dump, monkeypatch):
    monkeypatch.setattr("dataset_builder.read.streams.BLOCK_BYTES", 2000)
    lines = [*TEXT.splitlines()]
    for place in (7, 1999, 4000):
        lines[place] = b"{bad"
    lines[100] = b"   "
    rows, tally = read(dump(packed(b"\n".join(lines))))
    assert [bad.line for bad in tally.bad] == [8, 2000, 4001]
    assert len(rows) == 5000 - 4


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"id": ["x", None, "z"], "created_utc": [1.5e9, 2.0, None], "media": [{"a": 1}, None, None]}
    )
    pq.write_table(table, path)
    rows, tally = read(path, columns=("id", "created_utc", "media", "absent"))
    assert rows[0] == {"id": "x", "created_utc": "1500000000.0", "media": '{"a":1}', "absent": None}
    assert [bad.line for bad in tally.bad] == [2]


def test_damaged_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["x"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedInput, match=r"a\.parquet.*fetch it again"):
        read(path)
    with pytest.raises(DamagedInput, match=r"a\.parquet.*fetch it again"):
        is_release_file(path, BUDGET)
    with pytest.raises(DamagedInput, match=r"a\.parquet.*fetch it again"):
        list(records(path, BUDGET, Tally()))


def test_a_repeated_key_means_the_same_on_both_paths():
    assert loads(b'{"id": 1, "id": 2}')["id"] == 1


@pytest.mark.parametrize("form", ["zst", "jsonl", "gz"])
@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutations_never_crash(dump, form, count):
    """Whatever a mutated file is, it reads, or it is a DamagedInput."""
    draw = random.Random(form)
    short = b"\n".join(TEXT.split(b"\n")[:200])
    good = {"zst": packed(short), "jsonl": short, "gz": gzip.compress(short)}[form]
    for _ in range(count):
        data = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(data))
            change = draw.randrange(3)
            if change == 0:
                data[place] = draw.randrange(256)
            elif change == 1:
                del data[place : place + draw.randint(1, 40)]
            else:
                data[place:place] = draw.randbytes(draw.randint(1, 20))
        try:
            rows, tally = read(dump(bytes(data), f"m.{form}"))
        except DamagedInput:
            continue
        assert len(rows) + len(tally.bad) > 0
