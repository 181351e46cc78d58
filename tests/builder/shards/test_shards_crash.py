"""kill -9 at any moment and a full disk leave no torn file; the next run ends as if nothing was."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.help.media_samples import FAST, jpeg, post, write_text, write_video
from dataset_builder.shards.verify import verify

BUILD = f"""
import sys
from pathlib import Path
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
if __name__ == "__main__":
    settings = load_settings("seed", [*{FAST}, "shards.max_mb=0.05"])
    media_stage(Path(sys.argv[1]), Path(sys.argv[2]), settings, [], int(sys.argv[3]))
"""


def start(out: Path, media: Path, workers: int) -> subprocess.Popen:
    """A build in a process group of its own."""
    script = media.parent / "build.py"
    if not script.is_file():
        script.write_text(BUILD)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(script), str(out), str(media), str(workers)],
        start_new_session=True,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(out: Path, media: Path, workers: int) -> tuple[int, str]:
    process = start(out, media, workers)
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Media, texts, and the release of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("crash")
    media = folder / "media"
    media.mkdir()
    posts = []
    for at in range(18):
        (media / f"p{at}.jpg").write_bytes(jpeg(at, size=(320, 240)))
        posts.append(post(f"reddit-p{at}", "image"))
    for at in range(18):
        write_video(media / f"v{at}.mp4", [100 + at, 200 + at], size=(160, 120))
        posts.append(post(f"youtube-v{at}", "video", likes=1, views=50))
    texts = {p["id"]: ["a fine thing", "what a day"] for p in posts}
    write_text(folder / "whole", posts, texts)
    begun = time.monotonic()
    code, errors = run(folder / "whole", media, 1)
    assert code == 0, errors
    return folder, media, time.monotonic() - begun


def fresh(folder: Path, name: str) -> Path:
    out = folder / name
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folder / "whole" / "work" / "text", out / "work" / "text")
    return out


def contents(release: Path) -> dict[str, bytes]:
    """Files under their final names."""
    return {
        path.relative_to(release).as_posix(): path.read_bytes()
        for path in sorted(release.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def check_no_torn_file(out: Path, whole: dict[str, bytes]) -> None:
    for name, data in contents(out / "release").items():
        assert data == whole[name], f"{name} is not what an undisturbed run writes"


@pytest.mark.parametrize(
    ("workers", "kills"),
    [
        (1, 1),
        pytest.param(1, 10, marks=pytest.mark.slow),
        pytest.param(2, 10, marks=pytest.mark.slow),
    ],
)
def test_kill_9_at_random_moments(reference, workers, kills):
    folder, media, seconds = reference
    whole = contents(folder / "whole" / "release")
    draw = random.Random(workers * 100 + kills)
    out = fresh(folder, f"killed-{workers}-{kills}")
    struck = 0
    for _ in range(kills):
        process = start(out, media, workers)
        try:
            process.wait(timeout=draw.uniform(0.1, 1.1) * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            struck += 1
        process.communicate()
        check_no_torn_file(out, whole)
        if (out / "release" / "manifest.json").is_file():
            out = fresh(folder, f"killed-{workers}-{kills}")  # it got through: begin anew
    assert struck
    code, errors = run(out, media, workers)
    assert code == 0, errors
    assert contents(out / "release") == whole
    assert verify(out / "release").ok
    assert not list(out.rglob("*.partial"))


def test_place_locale_clock_umask_and_hash_seed_change_nothing(reference):
    folder, media, _ = reference
    whole = contents(folder / "whole" / "release")
    out = fresh(folder, "plačé with space 🎬")
    elsewhere = folder / "other mediä"
    shutil.copytree(media, elsewhere, copy_function=shutil.copy)  # new modification times
    odd = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "7"}
    script = folder / "build.py"
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$0" "$@"', sys.executable, script, out, elsewhere, "1"],
        env={**os.environ, "OMP_NUM_THREADS": "1", **odd},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert contents(out / "release") == whole


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a disk of so many KiB, and grows it."""
    point = tmp_path / "disk"
    point.mkdir()

    def mount(kib: int) -> Path:
        again = (
            ["-o", f"remount,size={kib}k"]
            if point.is_mount()
            else ["-t", "tmpfs", "-o", f"size={kib}k"]
        )
        command = ["mount", *again, *([] if point.is_mount() else ["tmpfs"]), str(point)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small disk is not allowed here")
        return point

    yield mount
    if point.is_mount():
        subprocess.run(["umount", str(point)], check=True)


@pytest.mark.parametrize(
    "share",
    [pytest.param(0.25, marks=pytest.mark.slow), 0.5, pytest.param(0.9, marks=pytest.mark.slow)],
)
def test_a_full_disk_is_loud_and_the_next_run_completes(reference, small_disk, share):
    folder, media, _ = reference
    whole = contents(folder / "whole" / "release")
    needed = sum(p.stat().st_size for p in (folder / "whole").rglob("*") if p.is_file())
    disk = small_disk(max(160, int(needed * share / 1024)))
    shutil.copytree(folder / "whole" / "work" / "text", disk / "work" / "text")
    code, errors = run(disk, media, 1)
    assert code != 0
    assert "No space left on device" in errors
    check_no_torn_file(disk, whole)
    assert not (disk / "release" / "manifest.json").exists()
    small_disk(int(needed * 4 / 1024))
    code, errors = run(disk, media, 1)
    assert code == 0, errors
    assert contents(disk / "release") == whole
