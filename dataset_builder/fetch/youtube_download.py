"""Videos through yt-dlp, where its extra is installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from dataset_builder.fetch.safe_http import FetchError
from dataset_builder.fetch.store import Wanted
from dataset_builder.ledger.addresses import youtube_video


def download_youtube(wanted: Wanted, partial: Path, max_bytes: int, seconds: float) -> None:
    """One video by yt-dlp, from an address built from its id alone, in a limited process."""
    if find_spec("yt_dlp") is None:
        raise FetchError("no_downloader", "YouTube needs yt-dlp; pip install 'blift[youtube]'")
    video = youtube_video(wanted.url)
    if video is None:
        raise FetchError("forbidden_url", f"no video id in {wanted.url[:80]!r}")
    address = f"https://www.youtube.com/watch?v={video}"
    run_downloader(address, partial, max_bytes, seconds)


def run_downloader(address: str, partial: Path, max_bytes: int, seconds: float) -> None:
    """What yt-dlp makes of `address`, as `partial`. It guards no address: give it none of others'.

    Raises FetchError: too_slow, too_large, or unavailable with yt-dlp's own last line.
    """
    with tempfile.TemporaryDirectory(dir=partial.parent) as folder:
        command = [
            sys.executable, "-m", "yt_dlp", "--ignore-config", "--no-playlist", "--no-cache-dir",
            "--no-exec", "--no-progress", "--no-warnings", "--retries", "2",
            "--format", "mp4[height<=720]/bestvideo[height<=720]+bestaudio/best",
            "--merge-output-format", "mp4", "--max-filesize", str(max_bytes),
            "--paths", folder, "--output", "video.%(ext)s",
            "--", address,
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise FetchError("too_slow", f"yt-dlp took more than {seconds:g} s") from None
        files = sorted(Path(folder).iterdir())
        if not done.returncode and not files and "max-filesize" in done.stdout:
            raise FetchError("too_large", f"more than {max_bytes} bytes")
        if done.returncode or not files:
            lines = done.stderr.strip().splitlines() or ["yt-dlp gave no file"]
            raise FetchError("unavailable", lines[-1])
        files[0].replace(partial)
