"""`blift estimate` on a share of the inputs, against the build itself."""

import gzip
import json

import pytest

from builder.help.dumps import INFO
from dataset_builder.cli import main
from dataset_builder.pipeline import input_share
from dataset_builder.pipeline.build import build
from dataset_builder.pipeline.estimate import estimate
from dataset_builder.pipeline.text_stage import Request
from dataset_builder.settings import load_settings
from dataset_builder.synthetic.dumps import generate


@pytest.fixture(scope="module")
def dumps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dumps")
    generate(2500, 25_000, 9, folder)
    return folder


def request(dumps, out):
    return Request(
        out=out,
        submissions=(dumps / "reddit_submissions.zst",),
        comments=(dumps / "reddit_comments.zst",),
        youtube=(dumps / "youtube.jsonl.gz",),
        channels=(),
        media=None,
        workers=2,
    )


def test_rows_samples_and_disk_of_a_part_of_the_inputs(dumps, tmp_path, monkeypatch):
    """The dumps are in no order: the first comments speak of posts from everywhere."""
    monkeypatch.setattr(input_share, "SAMPLE_BYTES", 4 << 20)
    settings = load_settings("seed", ["media.required=false", "media.duration_unknown=keep"])
    found = estimate(request(dumps, tmp_path / "unused"), settings)
    true = build(request(dumps, tmp_path / "out"), settings)
    assert found["sampled"] < 0.5
    assert found["rows"]["posts"] == pytest.approx(true["ledger"]["post"]["in"], rel=0.02)
    assert found["rows"]["comments"] == pytest.approx(true["ledger"]["comment"]["in"], rel=0.02)
    assert found["samples"] == pytest.approx(sum(true["samples"].values()), rel=0.2)
    assert found["release_bytes"] == pytest.approx(true["bytes"], rel=0.2)
    assert found["disk_bytes"] == pytest.approx(true["peak_disk"], rel=0.2)


def test_comments_come_with_their_posts(dumps, tmp_path, monkeypatch):
    monkeypatch.setattr(input_share, "SAMPLE_BYTES", 4 << 20)
    asked = request(dumps, tmp_path)
    roles = {"posts": asked.submissions, "comments": asked.comments, "youtube": asked.youtube}
    taken = input_share.extract(roles, tmp_path, load_settings("seed", []))
    posts = [json.loads(line) for line in taken["posts"][0].path.read_bytes().splitlines()]
    ids = {f"t3_{post['id']}" for post in posts}
    lines = [
        line for line in taken["comments"][0].path.read_bytes().splitlines() if b"link_id" in line
    ]
    links = [json.loads(line)["link_id"] for line in lines]
    assert len(links) > 1000
    assert sum(link in ids for link in links) > 0.95 * len(links)  # some posts are nowhere


def test_a_document_of_many_lines_is_taken_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(input_share, "SAMPLE_BYTES", 2000)
    text = json.dumps({"id": "A" * 11, "title": "x" * 40}, indent=1)
    files = []
    for number in range(40):
        files.append(tmp_path / f"{number}.info.json.gz")
        files[-1].write_bytes(gzip.compress(text.encode()))
    taken = input_share.extract({"youtube": files}, tmp_path / "out", load_settings("seed", []))
    whole = [one for one in taken["youtube"] if one.lines]
    assert 0 < len(whole) < 40
    assert all(one.path.read_text().strip() == text for one in whole)
    assert input_share.share_of(taken["youtube"]) == len(whole) / 40


def test_a_folder_as_yt_dlp_leaves_it_is_estimated_as_it_is_built(tmp_path, capsys):
    """Videos and thumbnails beside the info.json files are no inputs."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for letter in "ABCD":
        name = letter * 11
        record = INFO | {"id": name, "title": f"A title of {letter}", "view_count": 20_000}
        (folder / f"{name}.info.json").write_text(json.dumps(record))
        (folder / f"{name}.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 40)
        (folder / f"{name}.webp").write_bytes(b"RIFF" + bytes(200))
    assert main(["estimate", "--youtube", str(folder), "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["posts"] == 4
