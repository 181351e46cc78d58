"""The Space as it runs: started as a script from another folder, asked through its endpoints."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from places import ROOT

ENDPOINTS = {"/audience", "/scenes", "/understand", "/caption", "/chat", "/attention", "/look"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)> <|im_start|>system <image> ${1}"


def ask(client, tab: str, path: Path, *words: Any, **named: Any):
    from gradio_client import handle_file

    return client.predict(handle_file(str(path)), *words, **named, api_name=f"/{tab}")


def post(url: str, body: Any, timeout: float = 60) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def test_the_endpoints_are_named_and_only_they_are_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == ENDPOINTS


def test_a_video_is_asked_what_the_model_was_taught(client, media: dict[str, Path]):
    panel, data = ask(client, "audience", media["clip.mp4"], "Walls", model="behavior", seed=3)
    (column,) = data["columns"]
    assert set(column["asked"]) == {"likes", "comments"}
    assert sum(column["distribution"]) == pytest.approx(1.0)
    assert len(column["distribution"]) == 101
    question = 'The video is titled "Walls".\nWhat percentage of viewers would like this video?'
    assert column["asked"]["likes"]["question"] == question
    assert data["simulated"] is True
    assert "Simulated by a model" in panel
    assert 'role="img"' in panel


def test_a_picture_is_not_asked_for_a_share_that_the_data_never_teaches(client, media):
    _, data = ask(client, "audience", media["red.png"], model="behavior")
    assert set(data["columns"][0]["asked"]) == {"comments"}
    assert "Not asked for likes" in data["columns"][0]["notes"][0]
    _, data = ask(client, "scenes", media["red.png"], model="behavior")
    assert data["columns"][0]["asked"] == {}


def test_all_user_text_stays_text(client, media: dict[str, Path]):
    for tab in ("audience", "scenes", "understand", "caption"):
        panel, data = ask(client, tab, media["clip.mp4"], EVIL, EVIL[:90], EVIL)
        assert "<script" not in panel
        assert "<img src=x" not in panel
        for asked in data["columns"][0]["asked"].values():
            assert EVIL in asked["question"]
    panel, _ = client.predict(EVIL, _handle(media["clip.mp4"]), api_name="/chat")
    assert "<script" not in panel
    assert "&lt;script&gt;" in panel
    panel = ask(client, "attention", media["red.png"], EVIL, 1) if published(client, media) else ""
    assert "<script" not in panel


def _handle(path: Path):
    from gradio_client import handle_file

    return handle_file(str(path))


def published(client, media: dict[str, Path]) -> bool:
    """Whether the model's code says where it looks."""
    try:
        ask(client, "attention", media["red.png"], "What?", 1)
    except Exception as error:
        if "does not publish" in str(error):
            return False
        raise
    return True


def test_where_it_looks_is_drawn_over_the_frame(client, media: dict[str, Path]):
    if not published(client, media):
        pytest.skip("the model's code does not publish its attention")
    first = ask(client, "attention", media["clip.mp4"], "Where is the red?", 1)
    assert "data:image/jpeg" in first
    assert "Frame 1 of 4 for: Where is the red?" in first
    assert first == ask(client, "attention", media["clip.mp4"], "Where is the red?", 1)
    assert first != ask(client, "attention", media["clip.mp4"], "Where is the red?", 3)
    with pytest.raises(Exception, match="There are frames 1 to 4"):
        ask(client, "attention", media["clip.mp4"], "Where is the red?", 5)


def test_understand_gives_shares_over_the_vocabularies(client, media: dict[str, Path]):
    panel, data = ask(client, "understand", media["red.png"])
    column = data["columns"][0]
    sizes = {"emotion": 8, "topic": 38, "persuasion": 12}
    for name, size in sizes.items():
        assert len(column[name]) == size
        assert sum(column[name].values()) == pytest.approx(1.0)
    assert len(column["memorability"]["distribution"]) == 100
    assert "Zero-shot" in panel


def test_two_models_stand_side_by_side(client, media: dict[str, Path]):
    panel, data = ask(client, "audience", media["clip.mp4"], model="base", versus="behavior")
    assert [column["model"] for column in data["columns"]] == ["base", "behavior"]
    assert panel.count('class="column"') == 2
    assert "points</mark> from the other model" in panel
    with pytest.raises(Exception, match=r"base, behavior|not in the list"):
        ask(client, "audience", media["clip.mp4"], model="nobody")


def test_the_same_request_gives_the_same_answer_and_a_link(client, media: dict[str, Path]):
    first, second = (ask(client, "audience", media["clip.mp4"], "T", seed=5) for _ in range(2))
    assert first == second
    assert "Link to this result" in first[0]
    assert first[1]["link"]["seed"] == 5


def test_a_talk_goes_on(client, media: dict[str, Path]):
    from gradio_client import Client

    own = Client(client.src, verbose=False)
    own.predict("What is this?", _handle(media["red.png"]), api_name="/chat")
    panel, data = own.predict("And what else?", _handle(media["red.png"]), api_name="/chat")
    assert [question for question, _ in data["talk"]] == ["What is this?", "And what else?"]
    assert panel.count('class="you"') == 2


def test_look_tells_what_a_file_is(client, media: dict[str, Path]):
    panel, told = ask(client, "look", media["clip.mp4"])
    assert (told["kind"], told["frames"], len(told["scenes"])) == ("video", 4, 2)
    assert panel.count("<img") == 4


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("text.mp4", {}, "is not a JPEG"),
        ("cut.mp4", {}, "damaged|cut off"),
        ("clip.mp4", {"title": "x" * 301}, "title has 301 characters; the limit is 300"),
        ("clip.mp4", {"brand": "x" * 300}, "brand has 300 characters; the limit is 100"),
        ("clip.mp4", {"speech": "x" * 2001}, "speech has 2001 characters"),
        ("clip.mp4", {"seed": -1}, "seed|minimum|less than"),
    ],
)
def test_refusals_reach_the_client_as_clear_messages(client, media, name, words, message):
    with pytest.raises(Exception, match=message):
        ask(client, "audience", media[name], **words)


def test_a_cut_video_is_refused_when_it_is_added(client, media: dict[str, Path]):
    with pytest.raises(Exception, match=r"damaged|cut off"):
        ask(client, "look", media["cut.mp4"])


def test_an_upload_over_the_limit_is_turned_away(server):
    boundary = "synthetic"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n'
    body = head.encode() + b"Content-Type: video/mp4\r\n\r\n" + bytes(51 * 2**20)
    body += f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{server.address}/gradio_api/upload", body, kind)
    with pytest.raises(OSError, match=r"413|reset|[Bb]roken pipe"):
        urllib.request.urlopen(request, timeout=60)


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "/proc/self/environ", "../../etc/passwd", "..%2f..%2fetc%2fpasswd"),
        *("app.py", "./app.py", "%2e%2e/app.py", "..%252fapp.py", "log", "/tmp", "\\etc\\passwd"),
        *("http://127.0.0.1:9/x", "file:///etc/passwd", "/etc/passwd%00.png"),
    ],
)
def test_no_file_of_the_server_is_served(server, path: str):
    for route in ("file=", "file/", "stream/", "proxy="):
        assert status_of(f"{server.address}/gradio_api/{route}{path}") in (400, 403, 404, 405, 422)


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except ValueError:  # the client does not send such an address
        return 400


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"no json", b"[" * 9000, b"null", b"[]", b'{"data": 3}', b'{"data": [[[[]]]]}'),
        *({"data": []}, {"data": [3, 4, 5]}, {"data": [None] * 40}, {"data": [{"path": 3}]}),
        {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]},
        {"data": [{"path": "http://127.0.0.1:9/x.png", "meta": {"_type": "gradio.FileData"}}]},
        {"data": [{"path": "x", "url": "http://127.0.0.1:9/x.png"}, "", "", "", "", "", 0]},
        {"data": [None, {"a": 1}, [], 7, "base", "", "many"]},
        {"data": [{"path": "x" * 70000}]},
    ],
    ids=lambda body: str(body)[:40],
)
def test_bad_input_is_told_and_leaves_no_traceback(server, body: Any):
    before = server.log.read_text().count("Traceback")
    call = f"{server.address}/gradio_api/call/audience"
    status, answer = post(call, body)
    if status == 200:
        with urllib.request.urlopen(f"{call}/{answer['event_id']}", timeout=120) as stream:
            told = stream.read().decode()
        assert "event: error" in told
        assert "Simulated by a model" not in told
    else:
        assert status in (400, 403, 413, 422), answer
    assert server.log.read_text().count("Traceback") == before, server.log.read_text()[-3000:]


def test_entries_that_nobody_listens_to_delay_nobody(server, client, media: dict[str, Path]):
    uploaded = client.predict(_handle(media["clip.mp4"]), api_name="/look")  # it is decoded now
    assert uploaded
    call = f"{server.address}/gradio_api/call/caption"
    path = upload(server.address, media["clip.mp4"])
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    answers = [post(call, {"data": [file, f"t{n}", "", "", "", "", 0]})[0] for n in range(8)]
    assert answers.count(429) >= 3, answers  # one client has its share
    for _ in range(200):  # they leave the queue by themselves
        if post(call, {"data": [None, "", "", "", "", "", 0]})[0] == 200:
            break
        time.sleep(0.2)
    else:
        raise AssertionError("abandoned entries stayed in the queue")


def upload(address: str, path: Path) -> str:
    boundary = "synthetic"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"'
    body = head.encode() + b"\r\n\r\n" + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{address}/gradio_api/upload", body, kind)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)[0]


def test_work_ends_when_the_client_is_gone(server, media: dict[str, Path]):
    path = upload(server.address, media["clip.mp4"])
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = f"{server.address}/gradio_api/call/caption"
    process = psutil.Process(server.process.pid)
    for _ in range(200):  # entries of the tests before leave within seconds
        status, answer = post(call, {"data": [file, f"gone {time.time()}", "", "", "", "", 0]})
        if status == 200:
            break
        time.sleep(0.2)
    assert status == 200
    stream = urllib.request.urlopen(f"{call}/{answer['event_id']}", timeout=60)
    stream.readline()
    stream.close()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        used = process.cpu_times().user
        time.sleep(1)
        if process.cpu_times().user - used < 0.2:
            return
    raise AssertionError("the server still works for a client that is gone")


def test_a_busy_port_and_a_missing_model_are_one_line(tmp_path: Path, model: Path, capsys):
    import app

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = str(taken.getsockname()[1])
        for words, message in (
            (
                ["--model", str(tmp_path / "nothing")],
                f"model folder {tmp_path}/nothing is not there",
            ),
            (["--model", str(model), "--port", busy], f"port {busy} cannot be used"),
            (["--models", "a"], "write NAME=ID@REVISION"),
            (["--models", f"a={model},a={model}"], "give each name once"),
        ):
            assert app.main(words) == 1
            errors = capsys.readouterr().err
            assert errors.startswith("space: cannot start: ")
            assert message in errors
            assert len(errors.splitlines()) == 1


def test_a_missing_model_ends_the_process_with_one_line(tmp_path: Path):
    command = [sys.executable, ROOT / "space" / "app.py", "--model", tmp_path / "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("space: cannot start: model folder")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_fifty_at_once(server, client, media: dict[str, Path]):
    """No crossed answers, refusals at once, the server alive, memory back."""
    ask(client, "look", media["clip.mp4"])
    path = upload(server.address, media["clip.mp4"])
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = f"{server.address}/gradio_api/call/caption"
    process = psutil.Process(server.process.pid)
    crowd(call, file, 8)  # what is allocated once
    before = process.memory_info().rss
    answers = crowd(call, file, 50)
    assert len(answers) == 50
    given = [told for status, told, _ in answers if status == 200]
    refused = [seconds for status, _, seconds in answers if status != 200]
    for marker, told in given:
        assert f"user {marker}." in told or "event: error" in told
    assert sum("event: complete" in told for _, told in given) >= 2
    assert refused
    assert max(refused) < 1
    assert ask(client, "look", media["red.png"])
    assert process.memory_info().rss < before * 1.05


def crowd(call: str, file: Any, count: int) -> list[tuple[int, Any, float]]:
    found: list[tuple[int, Any, float]] = []

    def one(number: int) -> None:
        started = time.monotonic()
        status, answer = post(call, {"data": [file, f"user {number}.", "", "", "", "", 0]}, 30)
        seconds = time.monotonic() - started
        told: Any = answer
        if status == 200:
            with urllib.request.urlopen(f"{call}/{answer['event_id']}", timeout=300) as stream:
                told = (number, stream.read().decode())
        found.append((status, told, seconds))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_door_counts_and_frees_listeners():
    import door

    async def nothing(*_: Any) -> None:
        return None

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/gradio_api/queue/data",
        "query_string": b"session_hash=abc",
    }

    async def seen() -> tuple[int, int]:
        inside = []

        async def app(*_: Any) -> None:
            inside.append(front.listening["abc"])

        front = door.Door(app, page=None)  # type: ignore[arg-type]
        await front(scope, nothing, nothing)
        assert front.sweeper
        front.sweeper.cancel()
        return inside[0], front.listening["abc"]

    assert asyncio.run(seen()) == (1, 0)
