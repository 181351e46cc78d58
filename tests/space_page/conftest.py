"""A running Space with two models, its client, and media of every kind."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from places import ROOT

SPACE = ROOT / "space"
# as `python space/app.py` finds its neighbours
sys.path.insert(0, str(SPACE))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random tiny model: no record of training."""
    out = tmp_path_factory.mktemp("model") / "tiny"
    command = [sys.executable, ROOT / "model_card" / "assemble.py", "--size", "tiny", "--out", out]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return out


@pytest.fixture(scope="session")
def taught(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a record: taught comments for pictures, all three for videos."""
    out = tmp_path_factory.mktemp("taught") / "tiny"
    shutil.copytree(model, out)
    tasks = {"image": {"comments": 9}, "video": {"likes": 4, "comments": 5, "scenes": 5}}
    record = {"samples_seen": 23, "tasks": tasks}
    (out / "training_manifest.json").write_text(json.dumps(record))
    return out


class Server:
    """A Space in a process of its own. address, log (a file), process."""

    def __init__(self, folder: Path, *words: object, **env: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address, self.log = f"http://127.0.0.1:{port}", folder / "log"
        command = [sys.executable, SPACE / "app.py", "--port", port, *words]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*map(str, command)], cwd=folder, stdout=log, stderr=log, env=os.environ | env
            )

    def wait(self) -> "Server":
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(f"{self.address}/config", timeout=5):
                    return self
            except OSError:
                time.sleep(0.5)
        raise AssertionError(f"the Space did not start: {self.log.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def server(model: Path, taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two models; it runs outside the repository."""
    folder = tmp_path_factory.mktemp("elsewhere")
    models = f"base={model},behavior={taught}"
    running = Server(folder, "--models", models, "--no-warm").wait()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def client(server: Server):
    from gradio_client import Client

    return Client(server.address, verbose=False)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """clip.mp4 (4 s, one cut), hevc.mp4, cut.mp4 (its second half is missing), red.png, photo.heic,
    photo.avif, moving.gif, liar.mp4 (a picture), text.mp4."""
    folder = tmp_path_factory.mktemp("media")
    found = {name: folder / name for name in ("clip.mp4", "hevc.mp4", "cut.mp4", "red.png")}
    write_video(found["clip.mp4"])
    write_video(found["hevc.mp4"], codec="libx265")
    write_video(found["cut.mp4"], options={"movflags": "faststart"})
    whole = found["cut.mp4"].read_bytes()
    found["cut.mp4"].write_bytes(whole[: len(whole) * 2 // 3])
    red = Image.new("RGB", (60, 40), "red")
    red.save(found["red.png"])
    frames = [Image.new("RGB", (32, 24), (40 * n, 0, 90)) for n in range(5)]
    found["moving.gif"] = folder / "moving.gif"
    frames[0].save(
        found["moving.gif"], save_all=True, append_images=frames[1:], duration=700, loop=0
    )
    for name in ("photo.heic", "photo.avif"):
        found[name] = folder / name
    red.save(found["photo.avif"])
    try:
        import pillow_heif
    except ImportError:
        del found["photo.heic"]
    else:
        pillow_heif.from_pillow(red).save(found["photo.heic"])
    for name, content in (("liar.mp4", found["red.png"].read_bytes()), ("text.mp4", b"plain")):
        found[name] = folder / name
        found[name].write_bytes(content)
    return found


def write_video(
    path: Path,
    seconds: int = 4,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    rate: int = 10,
    options: dict[str, str] | None = None,
) -> Path:
    """A video with one cut in its middle, noisy enough that a byte is worth something."""
    import av
    import numpy as np

    dice = np.random.default_rng(0)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(seconds * rate):
            color = (220, 40, 40) if index < seconds * rate // 2 else (30, 60, 220)
            pixels = np.full((size[1], size[0], 3), color, np.int16)
            pixels += dice.integers(-20, 20, pixels.shape, np.int16)
            frame = av.VideoFrame.from_ndarray(pixels.clip(0, 255).astype(np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
