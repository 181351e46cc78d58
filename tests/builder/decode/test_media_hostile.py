"""Hostile files end as a ledger reason: in bounded time and memory, and nothing else is touched."""

import io
import random
import socket
import struct
import tarfile
import time
import zlib
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from builder.help.media_samples import FAST, jpeg, ledger, picture, post, write_text, write_video
from dataset_builder.decode.decoder import Decoder
from dataset_builder.ledger.reasons import RejectedMedia
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
from dataset_builder.shards.verify import count_samples
from dataset_builder.work.ustar import header, read_members

SETTINGS = load_settings("seed", [*FAST])
LIMITS = SETTINGS.media
MOST_SECONDS, MOST_BYTES = 10.0, 2**30


def chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *extra: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * min(height, 400)))
    data = [chunk(b"IHDR", head), *extra, chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(data)


def long_gif(frames: int) -> bytes:
    out = io.BytesIO()
    picture(1, (4, 4)).convert("1").save(out, "GIF")
    first = out.getvalue()
    at = first.index(b"\x2c")
    return first[:at] + first[at:-1] * frames + b";"


def video(tmp_path: Path, **options) -> bytes:
    return write_video(tmp_path / "made.mp4", [1, 2], **options).read_bytes()


def patched(data: bytes, box: bytes, offset: int, value: int) -> bytes:
    """`data` with four bytes inside an MP4 box set to `value`."""
    at = data.index(box) + 4 + offset
    return data[:at] + struct.pack(">I", value) + data[at + 4 :]


def day_long(tmp_path: Path) -> bytes:
    path = tmp_path / "day.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for at in (0, 24 * 86_400):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture(at % 7)), format="rgb24")
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def sound_only(tmp_path: Path) -> bytes:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        wave = np.zeros((1, 16_000), np.float32)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


BOMB = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(30 * 2**20)))
PROFILE = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(30 * 2**20)))
PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\nhttp://127.0.0.1:{port}/x\n"
CONCAT = b"ffconcat version 1.0\nfile '/etc/passwd'\nfile 'http://127.0.0.1:{port}/x'\n"
FILES = {
    "huge.png": lambda _: png(50_000, 50_000),
    "large.png": lambda _: png(12_000, 12_000),
    "text_bomb.png": lambda _: png(64, 64, BOMB),
    "profile_bomb.png": lambda _: png(64, 64, PROFILE),
    "frames.gif": lambda _: long_gif(100_000),
    "vector.jpg": lambda _: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/>',
    "tiff.jpg": lambda _: b"II*\x00" + bytes(1000),
    "cut.jpg": lambda _: jpeg(1)[:900],
    "empty.mp4": lambda _: b"",
    "cut.mp4": lambda t: video(t)[:-2000],
    "no_index.mp4": lambda t: video(t).replace(b"moov", b"junk"),
    "fast.mp4": lambda t: patched(video(t), b"mdhd", 12, 1_000_000_000),
    "wide.mp4": lambda t: video(t, size=(4352, 2304), seconds_each=0.1, rate=10),
    "day.mp4": day_long,
    "sound.mp4": sound_only,
    "edits.mp4": lambda t: patched(video(t), b"elst", 4, 0x7FFFFFFF),
    "samples.mp4": lambda t: patched(video(t), b"stsz", 8, 0x7FFFFFFF),
    "picture.mp4": lambda _: png(96, 64, BOMB),
    "playlist.mp4": lambda _: PLAYLIST,
    "concat.mp4": lambda _: CONCAT,
    "random.mp4": lambda _: b"\0\0\0\x18ftypisom" + random.Random(1).randbytes(100_000),
}
# some of these a decoder may honestly read; all others must be turned away
MAY_PASS = {"frames.gif", "fast.mp4", "edits.mp4", "picture.mp4"}
MAY_PASS |= {"text_bomb.png", "profile_bomb.png"}  # what is no picture is not opened


class Canary:
    """A listening socket that must hear nothing."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.socket.close()

    def heard(self) -> bool:
        try:
            self.socket.accept()
        except BlockingIOError:
            return False
        return True


def examine(decoder: Decoder, path: Path, out: Path) -> str:
    """What the media stage does with one file; `ok` or the reason."""
    try:
        facts = decoder.inspect(path, out)
        if facts["kind"] == "video":
            decoder.scenes(path, out, facts, SETTINGS.scenes)
    except RejectedMedia as rejected:
        return rejected.reason
    return "ok"


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_hostile_file_is_cheap_and_has_a_reason(name, tmp_path):
    made, out = tmp_path / "made", tmp_path / "out"
    made.mkdir()
    out.mkdir()
    with Canary() as canary, Decoder(LIMITS) as decoder:
        data = FILES[name](made).replace(b"{port}", str(canary.port).encode())
        path = tmp_path / name
        path.write_bytes(data)
        child = psutil.Process(decoder._running().pid)
        before, begun = sum(child.cpu_times()[:2]), time.monotonic()
        found = examine(decoder, path, out)
        alive = child.is_running() and child.status() != psutil.STATUS_ZOMBIE
        spent = sum(child.cpu_times()[:2]) - before if alive else 0.0
        peak = _peak(child.pid) if alive else 0
        assert not canary.heard()
    assert found != "ok" or name in MAY_PASS
    assert spent < MOST_SECONDS
    assert time.monotonic() - begun < 6 * MOST_SECONDS
    assert peak < MOST_BYTES
    assert {p.name for p in tmp_path.iterdir()} == {"made", "out", name}
    assert all(p.suffix in {".jpg", ".mp4"} for p in out.iterdir())


def _peak(pid: int) -> int:
    """Bytes of memory a process has held at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def test_the_whole_set_is_in_the_ledger_and_good_posts_go_on(tmp_path):
    media, made = tmp_path / "media", tmp_path / "made"
    media.mkdir()
    made.mkdir()
    posts = []
    for name, make in FILES.items():
        stem = name.replace(".", "_")
        (media / f"{stem}.bin").write_bytes(make(made))
        kind = "video" if name.endswith("mp4") else "image"
        posts.append(post(f"reddit-{stem}", kind))
    (media / "good.jpg").write_bytes(jpeg(9))
    posts.append(post("reddit-good", "image"))
    write_text(tmp_path / "out", posts, {})
    media_stage(tmp_path / "out", media, SETTINGS, [], 1)
    rows = {r["id"]: r for r in ledger(tmp_path / "out") if r["kind"] == "post"}
    assert len(rows) == len(FILES) + 1
    assert rows["reddit-good"]["kept"]
    passed = {i.removeprefix("reddit-") for i, r in rows.items() if r["kept"]} - {"good"}
    assert passed <= {name.replace(".", "_") for name in MAY_PASS}
    assert all(r["reason"] and r["value"] for r in rows.values() if not r["kept"])


@pytest.mark.parametrize("rounds", [40, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["jpg", "png", "mp4"])
def test_random_damage_never_crashes_or_hangs(kind, rounds, tmp_path):
    if kind == "mp4":
        whole = video(tmp_path)
    else:
        out = io.BytesIO()
        picture(5).save(out, {"jpg": "JPEG", "png": "PNG"}[kind])
        whole = out.getvalue()
    draw = random.Random(7)
    path, out_folder = tmp_path / f"x.{kind}", tmp_path / "out"
    out_folder.mkdir()
    reasons = set()
    with Decoder(LIMITS) as decoder:
        for _ in range(rounds):
            data = bytearray(whole)
            for _ in range(draw.randint(1, 12)):
                data[draw.randrange(len(data))] = draw.randrange(256)
            if draw.random() < 0.2:
                del data[draw.randrange(len(data)) :]
            path.write_bytes(data)
            reasons.add(examine(decoder, path, out_folder))
    assert reasons <= {"ok", "corrupt", "not_media", "too_large", "too_long", "decode_limit"}
    assert len(reasons) > 1


def member(name: str, kind: bytes = b"0", size: int = 0) -> bytes:
    block = bytearray(header("x", size))
    block[:100] = name.encode().ljust(100, b"\0")
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(size + -size % 512)


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6", b"L", b"x", b"g", b"S"])
def test_links_devices_and_giant_headers_in_a_shard_are_refused(kind, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(member("ok.json") + member("evil.json", kind, 512) + bytes(1024))
    samples, problem = count_samples(path)
    assert (samples, "expected regular files" in (problem or "")) == (1, True)


def test_duplicate_names_and_odd_sizes_in_a_shard_are_refused(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(member("a.json") + member("a.json") + bytes(1024))
    assert "two members" in (count_samples(path)[1] or "")
    block = bytearray(member("b.json"))
    block[124:136] = b"-0000000001\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(ValueError, match="byte"):
        list(read_members(io.BytesIO(bytes(block) + bytes(1024))))


def test_reading_a_shard_writes_nothing_anywhere(tmp_path):
    path = tmp_path / "in" / "a.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("../up.json", "/abs.json", "down/x.json"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    count_samples(path)
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "a.tar"]
