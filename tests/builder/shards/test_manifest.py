"""`verify` names every damaged, missing and foreign file; the root follows from the files."""

import errno
import json
import os
import random
from pathlib import Path

import pytest

from builder.help.media_samples import FAST, jpeg, post, write_text
from dataset_builder.errors import BuildError
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
from dataset_builder.shards.manifest import ReleaseFile, merkle_root, read_manifest
from dataset_builder.shards.verify import verify

TAR, PARQUET = "data/train-00000.tar", "metadata/train-00000.parquet"


@pytest.fixture
def release(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    for at in range(6):
        (media / f"p{at}.jpg").write_bytes(jpeg(at))
    posts = [post(f"reddit-p{at}", "image") for at in range(6)]
    write_text(tmp_path, posts, {p["id"]: ["good one", "so true"] for p in posts})
    media_stage(tmp_path, media, load_settings("seed", [*FAST]), [], 1)
    return tmp_path / "release"


def problems(release):
    """All problems of each file, joined."""
    found = {}
    for finding in verify(release).findings:
        found[finding.path] = f"{found.get(finding.path, '')} {finding.problem}".strip()
    return found


def test_a_whole_release_verifies(release):
    found = verify(release)
    assert (found.ok, found.samples, found.expected_samples) == (True, 6, 6)
    manifest = json.loads((release / "manifest.json").read_bytes())
    assert manifest["root"] == found.root
    assert manifest["root"] in (release / "README.md").read_text()
    assert {f["path"] for f in manifest["files"]} == {TAR, PARQUET, "README.md", "funnel.png"}
    assert all({"path", "bytes", "sha256", "samples"} == set(f) for f in manifest["files"])


@pytest.mark.parametrize(("at", "flip"), [(0.3, 0x01), (0.5, 0x80), (0.0, 0x02), (0.999, 0x10)])
def test_one_flipped_bit_is_found_anywhere(release, at, flip):
    data = bytearray((release / TAR).read_bytes())
    data[int(at * len(data))] ^= flip
    (release / TAR).write_bytes(data)
    assert "sha256" in problems(release)[TAR]


def whole_by_its_manifest(release):
    try:
        return verify(release).ok
    except BuildError:
        return False


def test_every_flipped_bit_of_the_manifest_is_found(release):
    path = release / "manifest.json"
    whole = path.read_bytes()
    draw = random.Random(5)
    # every byte of the parts that no other check looks at is among the first and last
    places = [
        *range(300),
        *range(len(whole) - 300, len(whole)),
        *draw.sample(range(len(whole)), 99),
    ]
    for at in places:
        data = bytearray(whole)
        data[at] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        assert not whole_by_its_manifest(release), (at, whole[at - 20 : at + 20])
    path.write_bytes(whole)
    assert verify(release).ok


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root", None), ("root", 5), ("files", 5), ("files", [5]), ("settings", []),
        ("files", [{"path": 5, "bytes": 1, "sha256": "", "samples": 0}]),
        ("files", [{"path": "../x", "bytes": 1, "sha256": "", "samples": 0}]),
        ("files", [{"path": "\ud800", "bytes": 1, "sha256": "", "samples": 0}]),
        ("inputs", {}), ("release", None),
    ],
)  # fmt: skip
def test_a_manifest_of_another_shape_is_one_clear_error(release, name, value):
    manifest = json.loads((release / "manifest.json").read_bytes())
    (release / "manifest.json").write_text(json.dumps({**manifest, name: value}))
    with pytest.raises(BuildError, match="is damaged"):
        verify(release)
    del manifest[name]
    (release / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BuildError, match="is damaged"):
        verify(release)


def test_a_changed_manifest_is_not_worked_on(release):
    manifest = json.loads((release / "manifest.json").read_bytes())
    manifest["settings"]["media"]["duplicate_bits"] = 60
    (release / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BuildError, match="its digest is"):
        read_manifest(release)
    assert "its digest is" in problems(release)["manifest.json"]


def test_a_cut_shard_is_named_with_what_is_left(release):
    data = (release / TAR).read_bytes()
    (release / TAR).write_bytes(data[: int(len(data) * 0.6)])
    findings = [f.problem for f in verify(release).findings if f.path == TAR]
    assert any("bytes, expected" in problem for problem in findings)
    assert any("samples readable, expected 6" in problem for problem in findings)


def footer_with(release, old, new):
    """Exchange bytes inside the footer of the Parquet file."""
    data = (release / PARQUET).read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert old in data[start:]
    (release / PARQUET).write_bytes(data[:start] + data[start:].replace(old, new, 1))


def test_a_footer_that_is_no_text_is_named_and_the_rest_is_checked(release):
    """The name of the writing program, read as UTF-8 by the library."""
    (release / "zz.txt").write_text("foreign, and later in the order")
    (release / "README.md").unlink()
    for old in (b"parquet-cpp-arrow", b"percent_liked"):
        footer_with(release, old, b"\xff" + old[1:])
    found = problems(release)
    assert "sha256" in found[PARQUET]
    assert found["zz.txt"] == "not in the manifest"
    assert found["README.md"] == "missing"
    assert TAR not in found


def test_every_damage_of_a_footer_is_named(release):
    path = release / PARQUET
    whole, draw = path.read_bytes(), random.Random(7)
    length = int.from_bytes(whole[-8:-4], "little") + 8
    places = [
        *range(len(whole) - 8, len(whole)),
        *draw.sample(range(len(whole) - length, len(whole)), 60),
    ]
    for at in places:
        data = bytearray(whole)
        data[at] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        assert "sha256" in problems(release)[PARQUET]


def test_files_that_cannot_be_read_or_named_do_not_stop_the_check(release, monkeypatch):
    (release / os.fsdecode(b"data/\xff.tar")).write_bytes(b"x")
    (release / "elsewhere").symlink_to(release.parent)
    whole = Path.open

    def failing(path, *rest, **named):
        if path.name.endswith(".tar"):
            raise OSError(errno.EIO, "Input/output error")
        return whole(path, *rest, **named)

    monkeypatch.setattr(Path, "open", failing)  # a disk that does not give its bytes
    found = problems(release)
    assert found[TAR] == "cannot be read: Input/output error"
    assert found["data/\\xff.tar"] == found["elsewhere"] == "not in the manifest"
    assert PARQUET not in found
    json.dumps(verify(release).as_dict()).encode()


def test_missing_foreign_and_card_changes_are_named(release):
    (release / PARQUET).unlink()
    (release / "blift.py").write_text("import os\n")
    (release / "funnel.png").write_bytes(b"another picture")
    with (release / "README.md").open("a") as card:
        card.write("more\n")
    found = problems(release)
    assert found[PARQUET] == "missing"
    assert found["blift.py"] == "not in the manifest"
    assert "sha256" in found["README.md"]
    assert "sha256" in found["funnel.png"]


def test_a_forged_list_does_not_have_the_root(release):
    manifest = json.loads((release / "manifest.json").read_bytes())
    manifest["files"][-1]["samples"] += 1
    (release / "manifest.json").write_text(json.dumps(manifest))
    assert "does not follow" in problems(release)["manifest.json"]


def test_no_or_broken_manifest_is_a_clear_error(release, tmp_path):
    with pytest.raises(BuildError, match="give the release folder"):
        verify(tmp_path)
    (release / "manifest.json").write_text("{")
    with pytest.raises(BuildError, match="damaged"):
        read_manifest(release)


def test_the_root_depends_on_every_field_and_not_on_order():
    files = [ReleaseFile(f"data/{at}.tar", at, "0" * 64, at) for at in range(5)]
    root = merkle_root(files)
    assert merkle_root(files[::-1]) == root
    for change in ({"path": "x"}, {"bytes": 9}, {"sha256": "1" * 64}, {"samples": 9}):
        changed = ReleaseFile(**{**files[2].__dict__, **change})
        assert merkle_root([*files[:2], changed, *files[3:]]) != root
    assert merkle_root(files[:4]) != root
