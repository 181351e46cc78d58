# ruff: noqa: E501  (one offence, one line)
"""A data set with one hostile thing in it is refused; a sound one is staged by source and loads."""

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

from places import ROOT
from publishing.made import entry_of, make_build, seal
from release.errors import ReleaseError
from release.gates.check import check_folder
from release.gates.gate import Refused
from release.gates.payload import payload
from release.manifest import read_manifest, write_manifest
from release.personal_data import find_personal_data
from release.shards import count_samples, read_records
from release.staging.dataset import DatasetOptions, stage_dataset
from release.staging.space import SpaceOptions, stage_space


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def staged(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("staged") / "dataset"
    stage_dataset(build, out, DatasetOptions())
    return out


@pytest.fixture
def dataset(staged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(staged, tmp_path / "dataset"))


def reseal(folder: Path) -> None:
    """Write the manifest anew around a planted offence."""
    old = read_manifest(folder)
    samples = {e.path: e.samples for e in old.files}
    paths = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    entries = [
        entry_of(folder, p, samples.get(p, 0)) for p in sorted(paths) if p != "manifest.json"
    ]
    facts = {k: v for k, v in old.facts.items() if k not in ("root", "git_blobs")}
    write_manifest(folder, entries, facts)


def rewrite_tar(path: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    with tarfile.open(path) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            new = change(name, data)
            if new is not None:
                info = tarfile.TarInfo(name)
                info.size = len(new)
                tar.addfile(info, io.BytesIO(new))


def record(**values: object) -> Callable[[Path], None]:
    """Change fields of every json member of one shard."""

    def spoil(folder: Path) -> None:
        def change(name: str, data: bytes) -> bytes:
            return json.dumps(json.loads(data) | values).encode() if name.endswith("json") else data

        rewrite_tar(folder / "data/train-00000-reddit.tar", change)

    return spoil


def picture(data: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        rewrite_tar(
            folder / "data/train-00000-reddit.tar", lambda n, d: data if n.endswith("jpg") else d
        )

    return spoil


def with_exif(gps: bool) -> bytes:
    image, exif, found = Image.new("RGB", (8, 8)), Image.Exif(), io.BytesIO()
    if gps:
        exif.get_ifd(0x8825)[1] = "N"
        exif[0x8825] = exif.get_ifd(0x8825)
    else:
        exif[0x010F] = "Camera of somebody"
    image.save(found, "JPEG", exif=exif)
    return found.getvalue()


def jpeg() -> bytes:
    found = io.BytesIO()
    Image.new("RGB", (8, 8)).save(found, "JPEG")
    return found.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    data = jpeg()
    return data[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def png_with_text() -> bytes:
    found, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    Image.new("RGB", (8, 8)).save(found, "PNG", pnginfo=info)
    return found.getvalue()


def box(kind: bytes, body: bytes = b"") -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def mp4(*boxes: bytes) -> bytes:
    return box(b"ftyp", b"isom\0\0\2\0isom") + b"".join(boxes)


def add_member(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        with tarfile.open(
            folder / "data/train-00000-reddit.tar", "a", format=tarfile.USTAR_FORMAT
        ) as tar:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd" if kind != tarfile.REGTYPE else ""
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(data))

    return spoil


def tail(folder: Path) -> None:
    with (folder / "data/train-00000-reddit.tar").open("ab") as file:
        file.write(b"hidden".ljust(512, b"!"))


def without_inputs(folder: Path) -> None:
    old = read_manifest(folder)
    facts = {k: v for k, v in old.facts.items() if k not in ("root", "git_blobs")} | {"inputs": []}
    write_manifest(folder, old.files, facts)


TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3f"
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "script": (lambda f: (f / "blift.py").write_text("x = 1"), r"blift\.py: \.py does not leave"),
    "token in a comment": (record(title=f"my key {TOKEN}"), r"reddit-s00000\.json: looks like a Hugging Face token"),
    "e-mail in a title": (record(title="write to jo.doe@example.org"), r"personal data of class email"),
    "card number in a comment": (record(comments=[{"text": "pay 4111 1111 1111 1111", "likes": 1}]), r"class card"),
    "EXIF GPS": (picture(with_exif(gps=True)), r"jpg: EXIF GPS"),
    "EXIF of a camera": (picture(with_exif(gps=False)), r"EXIF tags 0x010f"),
    "XMP": (picture(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")), r"XMP"),
    "IPTC": (picture(segment(0xED, b"Photoshop 3.0\0x")), r"IPTC"),
    "C2PA": (picture(segment(0xEB, b"JP\0\1jumbc2pa")), r"C2PA"),
    "second picture": (picture(segment(0xE2, b"MPF\0MM")), r"second picture"),
    "comment in a picture": (picture(segment(0xFE, b"taken by somebody")), r"a comment of 17 bytes"),
    "bytes after a picture": (picture(jpeg() + b"PK hidden"), r"9 bytes after the picture's end"),
    "picture that is cut": (picture(jpeg()[:-30]), r"the picture is cut"),
    "PNG text": (picture(png_with_text()), r"PNG chunk 'tEXt'"),
    "no picture": (picture(b"GIF8 nothing"), r"neither JPEG"),
    "zip in place of a picture": (picture(b"PK\3\4" + bytes(40)), r"zip in a shard"),
    "pickle in place of a picture": (picture(b"\x80\x04K\x01."), r"pickle in a shard"),
    "link in a shard": (add_member("a.json", b"", tarfile.SYMTYPE), r"no regular file"),
    "device in a shard": (add_member("a.json", b"", tarfile.CHRTYPE), r"no regular file"),
    "path in a shard": (add_member("../../x.json", b"{}"), r"expected KEY\.FIELD"),
    "same name twice": (add_member("reddit-s00000.json", b"{}"), r"two members are named"),
    "strange member": (add_member("reddit-s00000.exe.json", b"{}"), r"kind 'exe\.json'"),
    "tail of a shard": (tail, r"bytes follow the end mark"),
    "a shard that is cut": (
        lambda f: (f / "data/train-00000-reddit.tar").write_bytes((f / "data/train-00000-reddit.tar").read_bytes()[:700]),
        r"is cut|no end mark"),
    "sample too few": (
        lambda f: rewrite_tar(f / "data/train-00000-reddit.tar", lambda n, d: None if n.startswith("reddit-s00002") else d),
        r"holds 2 samples, manifest\.json says 3"),
    "sample without json": (
        lambda f: rewrite_tar(f / "data/train-00000-reddit.tar", lambda n, d: None if n == "reddit-s00002.json" else d),
        r"has no json member"),
    "no inputs named": (without_inputs, r"names no inputs"),
    "two defaults": (
        lambda f: (f / "README.md").write_text((f / "README.md").read_text().replace("config_name: reddit\n", "config_name: reddit\n  default: true\n", 1)),
        r"2 configs are the default"),
    "no licence name": (
        lambda f: (f / "README.md").write_text((f / "README.md").read_text().replace("license_name: blift-terms\n", "")),
        r"license_name and license_link"),
    "licence link to nothing": (
        lambda f: (f / "README.md").write_text((f / "README.md").read_text().replace("license_link: LICENSE", "license_link: TERMS.md")),
        r"license_link names 'TERMS\.md'"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_dataset_is_refused_by_name(name: str, dataset: Path):
    spoil, expected = HOSTILE[name]
    spoil(dataset)
    if name != "no inputs named":
        reseal(dataset)
    with pytest.raises(Refused, match=expected):
        check_folder(dataset, "dataset")


def test_a_canary_that_came_through_is_refused(dataset: Path):
    record(title="purple-canary-7")(dataset)
    reseal(dataset)
    assert check_folder(dataset, "dataset")
    with pytest.raises(Refused, match="a planted canary came through"):
        check_folder(dataset, "dataset", ["purple-canary-7"])


WORDS = {
    "title": {"title": "words"},
    "channel": {"channel": "Somebody"},
    "comments.text": {"comments": [{"text": "words", "likes": 1}]},
    "turns (comments)": {"turns": [{"task": "comments", "question": "q", "answer": "a"}]},
    "permalink": {"permalink": "https://www.reddit.com/r/pics/comments/abc/words_of_the_title/"},
}


@pytest.mark.parametrize("field", WORDS)
def test_the_ids_tier_holds_no_word_of_a_user(field: str, tmp_path: Path):
    staged = tmp_path / "staged"
    stage_dataset(make_build(tmp_path, tier="ids"), staged, DatasetOptions())
    record(**WORDS[field])(staged)
    reseal(staged)
    with pytest.raises(
        Refused,
        match=rf"a word of a user in tier 'ids': {field}".replace("(", r"\(").replace(")", r"\)"),
    ):
        check_folder(staged, "dataset")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (mp4(box(b"moov", box(b"udta", box(b"\xa9xyz", b"+48.8+002.3/")))), "a place"),
        (mp4(box(b"moov", box(b"udta", box(b"loci", b"Paris")))), "a place"),
        (mp4(box(b"uuid", b"XMP")), "unknown box 'uuid'"),
        (mp4(box(b"moov", box(b"uuid", b"XMP"))), "uuid box"),
        (mp4(box(b"free", b"hidden" * 90)), "hidden in a free box"),
        (mp4(box(b"moov"), b"PK trailing bytes"), "past its parent"),
        (mp4(box(b"moov", box(b"meta", box(b"keys", b"com.apple.quicktime.location.ISO6709")))), "location"),
    ],
)  # fmt: skip
def test_what_a_video_carries_beside_its_frames_is_named(data: bytes, expected: str):
    assert expected in "; ".join(payload(data))


def test_plain_media_carry_nothing():
    assert list(payload(jpeg())) == []
    assert (
        list(
            payload(
                mp4(box(b"free", bytes(4000)), box(b"moov", box(b"udta")), box(b"mdat", b"x" * 99))
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail me: a.b+c@mail.example.co.uk", {"email": 1}),
        ("call +49 170 1234567 now", {"phone": 1}),
        ("by @some_body and u/other", {"handle": 2}),
        ("from 8.8.8.8 not 192.168.0.1 nor version 1.2.3.4.5", {"ip": 1}),
        ("5500 0000 0000 0004", {"card": 1, "phone": 0}),
        ("in 2019-2021, 1,000,000 of 12:30", {}),
    ],
)
def test_classes_of_personal_data(text: str, expected: dict[str, int]):
    found = find_personal_data(text)
    for name, count in expected.items():
        assert found.get(name, 0) == count, name
    assert expected or not found


def test_shards_are_split_by_source_and_nothing_is_lost(build: Path, staged: Path):
    before = dict(read_records(build / "data/train-00000.tar"))
    after = {}
    for source in ("reddit", "youtube"):
        records = dict(read_records(staged / f"data/train-00000-{source}.tar"))
        assert {r["source"] for r in records.values()} == {source}
        rows = pq.read_table(staged / f"metadata/train-00000-{source}.parquet").to_pylist()
        assert [r["id"] for r in rows] == list(records)
        assert {r["shard"] for r in rows} == {f"data/train-00000-{source}.tar"}
        after |= records
    assert after == before
    assert count_samples(staged / "records/train-00000.tar") == len(before)


def test_staging_twice_gives_the_same_bytes(build: Path, staged: Path, tmp_path: Path):
    stage_dataset(build, tmp_path / "again", DatasetOptions())
    assert (tmp_path / "again/manifest.json").read_bytes() == (
        staged / "manifest.json"
    ).read_bytes()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda f: (f / "data/train-00000.tar").write_bytes(b"x"), r"data/train-00000\.tar differs from manifest"),
        (lambda f: (f / "data/train-00000.tar").unlink(), r"data/train-00000\.tar differs from manifest"),
        (lambda f: (f / "stray.md").write_text("x"), r"stray\.md is not in manifest"),
        (lambda f: (f / "blift.py").write_text("x"), r"blift\.py"),
        (lambda f: (f / "link.md").symlink_to("/etc/passwd"), r"link\.md: a symbolic link"),
        (lambda f: (f / "manifest.json").unlink(), r"has no manifest\.json"),
        (lambda f: (f / ".env").write_text("x"), r"\.env never leaves"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_build_is_not_staged(
    harm: Callable[[Path], object], expected: str, tmp_path: Path
):
    build = make_build(tmp_path)
    harm(build)
    with pytest.raises(ReleaseError, match=expected):
        stage_dataset(build, tmp_path / "out", DatasetOptions())
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_staging_never_mixes_with_what_is_there(build: Path, staged: Path):
    with pytest.raises(ReleaseError, match="is not empty"):
        stage_dataset(build, staged, DatasetOptions())


def test_a_space_is_pinned_to_one_revision(tmp_path: Path):
    with pytest.raises(ReleaseError, match="expected the full hash"):
        stage_space(ROOT / "space", tmp_path / "space", SpaceOptions())
    stage_space(ROOT / "space", tmp_path / "space", SpaceOptions("org/model", "ab" * 20))
    texts = "".join(p.read_text() for p in (tmp_path / "space").glob("*.py"))
    reader = r"(?:os\.environ\.get|env)"
    assert re.search(rf'{reader}\("MODEL_REVISION", "{"ab" * 20}"\)', texts)
    assert re.search(rf'{reader}\("MODEL_ID", "org/model"\)', texts)
    lines = (tmp_path / "space/requirements.txt").read_text().split()
    assert lines
    assert all("==" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("requirements.txt", "torch\n", r"'torch' names no fixed version"),
        ("app.py", "import trainer\n", r"imports trainer"),
        ("app.py", "import os\nos.system('x')\n", r"calls os\.system"),
        ("secrets.txt", "password is xoxb-1234567890-abcdef", r"Slack"),
    ],
)
def test_a_hostile_space_is_refused(name: str, text: str, expected: str, tmp_path: Path):
    space = tmp_path / "space"
    stage_space(ROOT / "space", space, SpaceOptions("org/model", "ab" * 20))
    (space / name).write_text(text)
    seal(space, "space")
    with pytest.raises(Refused, match=expected):
        check_folder(space, "space")


def test_command_line_exit_codes(build: Path, tmp_path: Path):
    command = [sys.executable, "-m", "release", "dataset", "stage", "--from", str(build), "--json"]
    good = subprocess.run(
        [*command, "--out", str(tmp_path / "a")], cwd=ROOT, capture_output=True, text=True
    )
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["files"] > 10
    bad = subprocess.run(
        [*command, "--out", str(tmp_path / "a")], cwd=ROOT, capture_output=True, text=True
    )
    assert bad.returncode == 1
    assert bad.stderr.startswith("release: ")
    assert "Traceback" not in bad.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "release", "dataset", "fly"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 2
