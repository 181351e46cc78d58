"""Limits of the machine: memory of decoders, a full disk, rows that would go missing."""

import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from builder.help.builds import build, command, release_digests
from dataset_builder.errors import BuildError
from dataset_builder.pipeline import build as pipeline
from dataset_builder.read.compressed import window_bytes
from dataset_builder.read.read_stage import readers
from dataset_builder.run.pool import run_within
from dataset_builder.settings import load_settings
from dataset_builder.synthetic.dumps import generate
from dataset_builder.work.layout import Layout


def written(path, window_log):
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=window_log)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(compressor.compress(b"x\n" * 1000) + compressor.flush())
    return path


@pytest.mark.parametrize(
    ("window_log", "gigabytes", "expected"),
    [(31, 2.5, (1, 4)), (31, 4.5, (2, 2)), (31, 0.5, (1, 4)), (27, 2.5, (4, 1))],
)
def test_decoders_share_the_memory_they_are_given(tmp_path, window_log, gigabytes, expected):
    """One decoder of a 2 GiB window takes 2.1 GB: two at once only where there is room."""
    windows = [window_bytes(written(tmp_path / f"{n}.zst", window_log)) for n in range(4)]
    settings = load_settings("seed", [f"build.decoder_memory_gb={gigabytes}"])
    assert readers(windows, settings, 4) == expected


def test_heavy_tasks_wait_for_each_other_and_light_ones_do_not():
    """Two decoders of 2 GiB windows never run at once; what has none runs beside either."""
    weights = {0: 20, 1: 20, 2: 0, 3: 5, 4: 30}  # 4 is too heavy: it runs alone among the heavy
    running, seen, ended = set(), [], []
    lock = threading.Lock()

    def work(task):
        with lock:
            running.add(task)
            seen.append(frozenset(running))
        time.sleep(0.02)
        with lock:
            running.discard(task)

    with ThreadPoolExecutor(3) as pool:
        run_within(lambda task: pool.submit(work, task), weights, 25, 3, ended.append)
    assert sorted(ended) == sorted(weights)
    assert all(len(together) <= 3 for together in seen)
    for together in seen:
        heavy = [weights[task] for task in together if weights[task]]
        assert sum(heavy) <= 25 or len(heavy) == 1, together
    assert any({0, 2} <= together for together in seen)  # 2 overtook 1


def test_a_ledger_that_misses_rows_is_a_failed_build(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "items_read", lambda layout: {"comment": 8})
    with pytest.raises(BuildError, match="7 rows of kind comment for 8 read"):
        pipeline._check_balance(Layout(tmp_path), {"comment": {"in": 7}})


def mounted(folder, megabytes):
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    return subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_named_and_the_build_goes_on_with_more_room(tmp_path):
    generate(300, 6000, 4, tmp_path / "dumps")
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted(disk, 1):
        pytest.skip("tmpfs cannot be mounted here")
    try:
        arguments = command(tmp_path / "dumps", disk / "out", "--workers", "1")
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "No space left" in done.stderr or "not enough" in done.stderr.lower(), done.stderr
        assert "defect" not in done.stderr
        remount = ["mount", "-o", "remount,size=200m", str(disk)]
        subprocess.run(remount, check=True)
        build(tmp_path / "dumps", disk / "out", "--workers", "1")
        reference = tmp_path / "reference"
        build(tmp_path / "dumps", reference, "--workers", "1")
        assert release_digests(disk / "out") == release_digests(reference)
        shutil.rmtree(disk / "out")
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_no_raw_file_handle_is_left_open(tmp_path):
    generate(20, 50, 1, tmp_path / "dumps")
    from dataset_builder.cli import main

    dumps = tmp_path / "dumps"
    arguments = ["build", "--reddit-submissions", str(dumps / "reddit_submissions.zst")]
    arguments += ["--reddit-comments", str(dumps / "reddit_comments.zst"), "--media", "none"]
    open_files = []
    for name in ("first", "second"):  # the first one's fork server and trackers stay
        assert main([*arguments, "--out", str(tmp_path / name), "--workers", "1"]) == 0
        open_files.append(len(list(Path("/proc/self/fd").iterdir())))
    assert open_files[1] == open_files[0]
