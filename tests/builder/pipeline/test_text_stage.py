"""The text stage end to end: against the oracle, whatever the workers, order and environment."""

import bz2
import collections
import contextlib
import gzip
import json
import lzma
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pyarrow.parquet as pq
import pytest
import zstandard

from builder.help.builds import KEEP, build, command, ledger, release_digests
from builder.help.text_oracle import Oracle, zst_lines
from dataset_builder.synthetic.dumps import generate
from dataset_builder.work.whole_files import UNFINISHED


@pytest.fixture(scope="module")
def dumps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dumps")
    generate(200, 3000, 5, folder)
    return folder


@pytest.fixture(scope="module")
def reference(dumps, tmp_path_factory):
    out = tmp_path_factory.mktemp("reference") / "out"
    return out, build(dumps, out, "--workers", "1")


def sorted_ends(ends):
    return {key: sorted(reasons) for key, reasons in ends.items()}


def check_against_oracle(dumps, out):
    oracle = Oracle(dumps)
    mine, want = sorted_ends(ledger(out)), sorted_ends(oracle.ends)
    differing = {
        key: (mine.get(key), want.get(key))
        for key in mine.keys() | want.keys()
        if mine.get(key) != want.get(key)
    }
    assert not differing, list(differing.items())[:10]
    rows = pq.read_table(out / "work/text/comments.parquet").to_pylist()
    kept = collections.defaultdict(list)
    for row in rows:
        kept[row["post_id"]].append((row["id"], row["text"]))
    assert dict(kept) == {id: texts for id, texts in oracle.kept.items() if texts}


def test_equals_the_oracle(dumps, reference):
    check_against_oracle(dumps, reference[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_equals_the_oracle_on_more_seeds(seed, tmp_path):
    generate(1500, 30_000, seed, tmp_path / "dumps")
    build(tmp_path / "dumps", tmp_path / "out", set_=["build.partitions=3"])
    check_against_oracle(tmp_path / "dumps", tmp_path / "out")


def test_every_planted_victim_has_exactly_its_reason(dumps, reference):
    ends = ledger(reference[0])
    want = collections.defaultdict(list)
    for line in (dumps / "planted.jsonl").read_text().splitlines():
        row = json.loads(line)
        want[row["kind"], row["id"]].append(str(row["reason"]))
    assert {key: sorted(ends[key]) for key in want} == sorted_ends(want)


def test_ledger_balances(dumps, reference):
    totals = reference[1]["ledger"]
    for kind in ("post", "comment"):
        assert totals[kind]["in"] == totals[kind]["kept"] + totals[kind]["dropped"]
    oracle = Oracle(dumps)
    for kind in ("post", "comment"):
        read = sum(len(reasons) for key, reasons in oracle.ends.items() if key[0] == kind)
        assert totals[kind]["in"] == read
    assert totals["post"]["kept"] == sum(reference[1]["samples"].values())
    assert totals["comment"]["kept"] == reference[1]["comments"]


@pytest.mark.parametrize(
    ("more", "set_", "env"),
    [
        (["--workers", "2"], ["build.partitions=3"], {"PYTHONHASHSEED": "7", "LC_ALL": "C"}),
        (
            ["--workers", "2"],
            ["build.memory_mb=300"],
            {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "0"},
        ),
    ],
)
def test_same_bytes_whatever_the_machine(dumps, reference, tmp_path, more, set_, env):
    build(dumps, tmp_path / "o ü", *more, set_=set_, env=env)
    assert release_digests(tmp_path / "o ü") == release_digests(reference[0])


def test_same_bytes_whatever_the_input_order(dumps, reference, tmp_path):
    """Lines shuffled and spread over files of every kind: plain, gzip, zstd, bzip2, xz."""
    spread(dumps, tmp_path / "dumps")
    out = tmp_path / "out"
    done = subprocess.run(
        [
            sys.executable, "-m", "dataset_builder", "build", "--workers", "2",
            "--reddit-submissions", str(tmp_path / "dumps/submissions"),
            "--reddit-comments", str(tmp_path / "dumps/comments"),
            "--youtube", str(tmp_path / "dumps/youtube"),
            "--media", "none", "--out", str(out), "--set", *KEEP,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = sorted((out / "release/data").iterdir()) + sorted((out / "release/metadata").iterdir())
    for file in files:
        twin = reference[0] / "release" / file.relative_to(out / "release")
        assert file.read_bytes() == twin.read_bytes(), file.name


def spread(dumps, target):
    draw = random.Random(3)
    sources = {
        "submissions": list(zst_lines(dumps / "reddit_submissions.zst")),
        "comments": list(zst_lines(dumps / "reddit_comments.zst")),
        "youtube": gzip.decompress((dumps / "youtube.jsonl.gz").read_bytes())
        .decode()
        .splitlines(keepends=True),
    }
    for name, lines in sources.items():
        folder = target / name
        folder.mkdir(parents=True)
        draw.shuffle(lines)
        data = ["".join(lines[part::5]).encode() for part in range(5)]
        (folder / "a.jsonl").write_bytes(data[0])
        (folder / "b.jsonl.gz").write_bytes(gzip.compress(data[1]))
        (folder / "c.zst").write_bytes(zstandard.compress(data[2]))
        (folder / "d.bz2").write_bytes(bz2.compress(data[3]))
        (folder / "e.xz").write_bytes(lzma.compress(data[4]))


def test_partition_count_changes_nothing(dumps, reference, tmp_path):
    build(dumps, tmp_path / "out", set_=["build.partitions=7"])
    assert release_digests(tmp_path / "out")[0] == release_digests(reference[0])[0]


def kill_once(dumps, out, delay):
    """Start a build, kill its whole process group after `delay` s; True when it was still alive."""
    process = subprocess.Popen(
        command(dumps, out, "--workers", "2", set_=["build.partitions=4"]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout=delay)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def run_kills(dumps, out, reference, kills, seed):
    draw = random.Random(seed)
    started = time.monotonic()
    build(dumps, out.with_name("timed"), "--workers", "2", set_=["build.partitions=4"])
    whole = time.monotonic() - started
    hits = sum(kill_once(dumps, out, draw.uniform(0.3, whole * 0.9)) for _ in range(kills))
    assert hits >= 1
    for part in (*(out / "ledger").glob("*.parquet"), *(out / "work").rglob("*.parquet")):
        if UNFINISHED not in str(part):
            pq.read_metadata(part)  # whatever has its real name is whole
    build(dumps, out, "--workers", "2", set_=["build.partitions=4"])
    assert release_digests(out) == release_digests(reference[0])
    assert sorted_ends(ledger(out)) == sorted_ends(ledger(reference[0]))


def test_kill_and_go_on(dumps, reference, tmp_path):
    run_kills(dumps, tmp_path / "out", reference, 2, 1)


@pytest.mark.slow
def test_kill_at_ten_random_moments(dumps, reference, tmp_path):
    run_kills(dumps, tmp_path / "out", reference, 10, 2)


@pytest.mark.parametrize(
    ("number", "group", "code"),
    # a terminal's Ctrl-C reaches every process, a scheduler's `kill` often the first one alone
    [(signal.SIGINT, True, 130), (signal.SIGTERM, True, 143), (signal.SIGTERM, False, 143)],
)
def test_interrupt_exits_and_leaves_no_process(dumps, tmp_path, number, group, code):
    process = subprocess.Popen(
        command(dumps, tmp_path / "out", "--workers", "2", set_=["build.partitions=6"]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell's background jobs ignore SIGINT and hand that on to their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(600):  # interrupt it in the middle of its stages
        if (tmp_path / "out/work/parts").exists():
            break
        time.sleep(0.1)
    (os.killpg if group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    time.sleep(0.5)
    assert not alive(process.pid)


def alive(group):
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found


def test_v3_and_settings_change_what_they_say(dumps, reference, tmp_path):
    build(dumps, tmp_path / "out", "--preset", "v3")
    before, after = ledger(reference[0]), ledger(tmp_path / "out")
    count = lambda ends, reason: sum(reasons.count(reason) for reasons in ends.values())  # noqa: E731
    assert count(before, "too_long") > count(after, "too_long") > 0  # Reddit's 500 s stay


def test_corpus_idf_does_not_depend_on_partitions(dumps, tmp_path):
    one, three = tmp_path / "one", tmp_path / "three"
    build(dumps, one, "--workers", "1", set_=["comments.idf=corpus"])
    build(dumps, three, "--workers", "1", set_=["comments.idf=corpus", "build.partitions=3"])
    assert sorted_ends(ledger(one)) == sorted_ends(ledger(three))


def test_no_author_name_anywhere(dumps, reference):
    """Every byte of every artefact, decompressed where it is compressed."""
    out = reference[0]
    names = [b"writer", b"reader", b"AutoModerator"]
    for file in out.rglob("*"):
        if not file.is_file():
            continue
        data = file.read_bytes()
        if file.suffix == ".parquet":
            data = json.dumps(pq.read_table(file).to_pylist(), default=str).encode()
        found = [name for name in names if name in data]
        assert not found, (file, found)
