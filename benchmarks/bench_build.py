"""The text stage against the straightforward pipeline, on generated dumps; results to build.json.

    python benchmarks/bench_build.py [--comments 1000000] [--scale 5000000] [--workers 2]

Straightforward = what one writes first with the usual libraries: zstandard + json into HF
`datasets`, `map` and `filter` with Python functions, pandas groupby, scikit-learn TF-IDF per post.
Both get the same files; both keep the same Reddit comments, or the run fails.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
RESULTS = HERE / "build.json"
RUNS = 3


def measure(command: list[str], memory: bool) -> dict[str, Any]:
    """Run a command; its wall and CPU seconds, or the peak memory of its whole process tree.

    Memory is the proportional set size: pages that processes share count once. Asking for it ten
    times a second holds the processes up, so that time and memory come from runs of their own.
    """
    peak, cpu = 0, {}
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **QUIET})
    stop = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.1 if memory else 0.25):
            total = 0
            for one in tree(process):
                try:
                    if memory:
                        total += one.memory_full_info().pss
                    times = one.cpu_times()
                    cpu[one.pid, one.create_time()] = times.user + times.system
                except psutil.Error:
                    continue
            peak = max(peak, total)

    thread = threading.Thread(target=watch)
    thread.start()
    said, _ = process.communicate()
    code = process.returncode
    stop.set()
    thread.join()
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    if memory:
        return {"peak_bytes": peak}
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "cpu_seconds": sum(cpu.values()),
        "stages": json.loads(said) if said.startswith("{") else None,
    }


def measured(command: list[str], out: Path, times: int) -> dict[str, Any]:
    """The median run of `times`, by its seconds, and the peak memory of one more.

    `out` is emptied before each run; the last one's files stay.
    """
    runs = []
    for _ in range(times):
        shutil.rmtree(out, ignore_errors=True)
        runs.append(measure(command, memory=False))
    runs.sort(key=lambda run: run["seconds"])
    shutil.rmtree(out, ignore_errors=True)
    peak = measure(command, memory=True)
    seconds = [round(run["seconds"], 2) for run in runs]
    return {**runs[len(runs) // 2], **peak, "seconds_of_every_run": seconds}


QUIET = {"OMP_NUM_THREADS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}


def tree(process: psutil.Process) -> list[psutil.Process]:
    """The process and all below it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def dumps(folder: Path, comments: int) -> Path:
    """Generated dumps with `comments` comments and the paper's posts per comment."""
    out = folder / f"dumps-{comments}"
    posts = max(100, comments * 7 // 100)
    command = [sys.executable, "-m", "dataset_builder.synthetic", "--posts", str(posts)]
    command += ["--comments", str(comments), "--seed", "1", "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    os.sync()  # nobody's run shall pay for writing them back
    return out


def ours(source: Path, out: Path, workers: int) -> dict[str, Any]:
    """The product's text stage, in its own process."""
    script = HERE / "text_stage.py"
    return measured([sys.executable, str(script), str(source), str(out), str(workers)], out, RUNS)


def plain(source: Path, out: Path) -> dict[str, Any]:
    """The straightforward pipeline, in its own process; three minutes each time, so timed once."""
    return measured([sys.executable, str(HERE / "plain_build.py"), str(source), str(out)], out, 1)


def same_comments(first: Path, second: Path) -> int:
    """How many Reddit comments both kept. Raises SystemExit when they differ."""
    import pyarrow.parquet as pq

    rows = pq.read_table(first / "work/text/comments.parquet").to_pylist()
    mine = {(r["post_id"], r["id"]) for r in rows if r["post_id"].startswith("reddit-")}
    theirs = {tuple(row) for row in json.loads((second / "kept.json").read_text())}
    if mine != theirs:
        raise SystemExit(f"kept sets differ: {len(mine)} and {len(theirs)}")
    return len(mine)


def machine() -> dict[str, Any]:
    """Where and with what this was measured."""
    names = ("duckdb", "pyarrow", "datasets", "pandas", "scikit-learn", "zstandard")
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in names},
    }


def compare(folder: Path, comments: int, workers: int) -> dict[str, Any]:
    """Ours and the straightforward one on the same dumps."""
    source = dumps(folder, comments)
    mine = ours(source, folder / "ours", workers)
    theirs = plain(source, folder / "plain")
    kept = same_comments(folder / "ours", folder / "plain")
    return {
        "comments": comments,
        "ours": mine,
        "plain": theirs,
        "kept_by_both": kept,
        "comments_per_second": comments / mine["seconds"],
        "times_faster": theirs["seconds"] / mine["seconds"],
        "times_less_cpu": theirs["cpu_seconds"] / mine["cpu_seconds"],
        "share_of_memory": mine["peak_bytes"] / theirs["peak_bytes"],
    }


def largest_window(path: Path) -> int:
    """Bytes the decoder must keep: 2 GiB, or the largest frame where all are smaller."""
    import zstandard

    largest = current = 0
    with path.open("rb") as file:
        frame = zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj()
        pending = b""
        while pending or (pending := file.read(1 << 16)):
            if pending[:4] == b"\x50\x2a\x4d\x18" and not current:  # the skippable frame
                pending = pending[20:]
                continue
            current += len(frame.decompress(pending))
            largest = max(largest, current)
            pending = b""
            if frame.eof:
                pending, current = frame.unused_data, 0
                frame = zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj()
    return min(largest, 2**31)


def scaling(folder: Path, sizes: list[int], workers: int) -> list[dict[str, Any]]:
    """Ours on growing dumps: cost per comment and peak memory."""
    rows = []
    for size in sizes:
        source = dumps(folder, size)
        found = ours(source, folder / f"ours-{size}", workers)
        window = largest_window(source / "reddit_comments.zst")
        rows.append(
            {
                "comments": size,
                **found,
                "cpu_us": 1e6 * found["cpu_seconds"] / size,
                "decoder_bytes": window,
                "peak_without_decoder": found["peak_bytes"] - window,
            }
        )
        shutil.rmtree(source)
        shutil.rmtree(folder / f"ours-{size}")
    return rows


def ratios(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was aimed at, and what came out."""
    rows: dict[str, dict[str, Any]] = {}

    def row(name: str, value: float, least: float, most: float) -> None:
        met = least <= value <= most
        rows[name] = {"value": round(value, 3), "least": least, "most": most, "met": met}

    if pair := found.get("comparison"):
        row("times faster than the straightforward pipeline", pair["times_faster"], 15, 1e9)
        row("share of its peak memory", pair["share_of_memory"], 0, 0.25)
        runs = list(pair["ours"]["seconds_of_every_run"])
        for one in found.get("scaling", []):  # the same dumps once more
            runs += one["seconds_of_every_run"] if one["comments"] == pair["comments"] else []
        rate = pair["comments"] / statistics.median(runs)
        row("comments per second, median of every run", rate, 100_000, 1e9)
    if sizes := found.get("scaling"):
        small, large = sizes[0], sizes[-1]
        row("CPU per comment, largest / smallest", large["cpu_us"] / small["cpu_us"], 0.85, 1.15)
        growth = large["peak_without_decoder"] / small["peak_without_decoder"]
        row("peak without decoder, largest / smallest", growth, 0.9, 1.1)
        row("peak in GB at the largest", large["peak_bytes"] / 1e9, 0, 3)
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="Measure the text stage.",
        epilog="example: python benchmarks/bench_build.py --comments 200000 --scale 0",
    )
    parser.add_argument("--comments", type=int, default=1_000_000, help="of the comparison")
    parser.add_argument("--scale", type=int, default=5_000_000, help="largest size; 0 = no scaling")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "workers": arguments.workers}
    with tempfile.TemporaryDirectory(prefix="blift-bench-") as name:
        if arguments.comments:
            found["comparison"] = compare(Path(name), arguments.comments, arguments.workers)
        if arguments.scale:
            sizes = [arguments.scale // 5, arguments.scale]
            found["scaling"] = scaling(Path(name), sizes, arguments.workers)
    found["machine"]["load_after"] = [round(value, 2) for value in os.getloadavg()]
    found["ratios"] = ratios(found)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    for name, row in found["ratios"].items():
        print(f"{'met ' if row['met'] else 'MISS'} {name}: {row['value']:,}")


if __name__ == "__main__":
    main()
