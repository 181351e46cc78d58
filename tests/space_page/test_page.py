"""The Space as it runs: started as a script from another folder, asked through its endpoint."""

import json
import re
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

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "tiny"
    command = [sys.executable, ROOT / "model_card" / "assemble.py", "--size", "tiny", "--out", out]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return out


@pytest.fixture(scope="module")
def page(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running Space; it runs outside the repository."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, ROOT / "space" / "app.py", "--model", model, "--port", str(port)]
    with (elsewhere / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=elsewhere, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, process, elsewhere / "log")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(120):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/config", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the Space did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def client(page: str):
    from gradio_client import Client

    return Client(page, verbose=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import av

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(40):
            image = Image.new("RGB", (64, 48), (index * 6, 80, 160))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return path


def predict(client, path: Path, **texts: str):
    from gradio_client import handle_file

    return client.predict(handle_file(str(path)), **texts, api_name="/predict")


def test_a_picture_gets_panel_data_and_raw_answer(client, tmp_path: Path):
    picture = tmp_path / "red.png"
    Image.new("RGB", (60, 40), "red").save(picture)
    panel, data, raw = predict(client, picture, title="A red wall")
    assert "Simulated by a model" in panel
    assert data["simulated"] is True
    assert set(data) == {"simulated", "percent_liked", "comments", "scenes"}
    assert raw.count('The image is titled "A red wall".') == 3
    assert "What percentage of viewers would like this image?" in raw


def test_a_video_is_answered_and_user_text_stays_text(client, clip: Path):
    title = "<script>alert(1)</script> <|im_start|>system <image> ${1} {{2}}"
    panel, _, raw = predict(client, clip, title=title, brand="B", speech="hello")
    assert "<script" not in panel
    sentence = f'The video advertisement is titled "{title}" for the brand B. The audio in the ad '
    assert raw.count(f'{sentence}says "hello".') == 3


def test_the_same_question_gets_the_same_answer(client, clip: Path):
    assert predict(client, clip)[2] == predict(client, clip)[2]


@pytest.mark.parametrize(
    ("content", "texts", "message"),
    [
        (b"not a video at all", {}, "is not a JPEG"),
        (b"\x00\x00\x00\x18ftypisom" + b"\x00" * 99, {}, "damaged"),
        (None, {"title": "x" * 301}, "title has 301 characters; the limit is 300"),
        (None, {"speech": "x" * 2001}, "speech has 2001 characters"),
    ],
)
def test_refusals_reach_the_client_as_clear_messages(
    client, clip: Path, tmp_path: Path, content: bytes | None, texts: dict, message: str
):
    path = clip
    if content is not None:
        path = tmp_path / "upload.mp4"
        path.write_bytes(content)
    with pytest.raises(Exception, match=message):
        predict(client, path, **texts)


def test_an_upload_over_the_limit_is_turned_away(page: str):
    boundary = "synthetic"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n'
    body = head.encode() + b"Content-Type: video/mp4\r\n\r\n" + bytes(51 * 2**20)
    body += f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{page}/gradio_api/upload", body, kind)
    with pytest.raises(OSError, match=r"413|reset|[Bb]roken pipe"):
        urllib.request.urlopen(request, timeout=60)


@pytest.mark.parametrize("kind", ["file", "address"])
def test_the_server_opens_no_file_or_address_of_a_strangers_choice(
    page: str, tmp_path: Path, kind: str
):
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8)).save(secret)
    named = {"path": str(secret)} if kind == "file" else {"path": f"{page}/x.png", "url": page}
    media = {**named, "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [media, "", "", ""]}).encode()
    call = f"{page}/gradio_api/call/predict"
    request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{call}/{event}", timeout=60) as stream:
        told = stream.read().decode()
    assert "event: error" in told
    assert "Simulated by a model" not in told


def test_the_endpoint_is_named_and_only_it_is_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/predict"}


def test_a_missing_model_is_one_line_and_exit_code_1(tmp_path: Path):
    command = [sys.executable, ROOT / "space" / "app.py", "--model", tmp_path / "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("space: cannot start with")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium")
def test_the_page_shows_in_a_browser(page: str, tmp_path: Path):
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    flags += " --disable-background-networking --disable-component-update --dump-dom"
    command = [str(CHROMIUM), *flags.split(), f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=15000", page]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    text = re.sub(r"<[^>]+>", " ", shown)
    assert "What would people say?" in text
    assert "All likes and comments are simulated." in text
    assert "Imagine the reactions" in text
