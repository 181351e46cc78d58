"""Which file of a folder is a post's: names of downloaders, and what they leave beside media."""

import subprocess
import sys

import pytest

from builder.help.media_samples import FAST, jpeg, ledger, post, write_text, write_video
from dataset_builder.errors import BuildError
from dataset_builder.media.folder import MediaFolder
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings

SETTINGS = load_settings("seed", [*FAST])
VIDEO, REDDIT = "dQw4w9WgXcQ", "7abc12"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("content")
    film = write_video(folder / "a.mp4", [1, 2]).read_bytes()
    short = write_video(folder / "b.mp4", [1], sound=True).read_bytes()
    web = write_video(folder / "c.mkv", [3]).read_bytes()
    made = {"mp4": film, "m4a": short, "webm": web, "mkv": web, "webp": jpeg(2)}
    texts = ["info.json", "description", "en.vtt", "live_chat.json"]
    return {**made, "jpg": jpeg(1), "png": jpeg(4), **dict.fromkeys(texts, b"{}"), "part": film}


def fill(folder, names, content):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = next((k for k in content if name.endswith(f".{k}")), None)
        path.write_bytes(content[kind] if kind else b"{}")


@pytest.mark.parametrize(
    ("kind", "names", "wanted"),
    [
        ("image", ["abc.jpg", "abc.png"], "abc.jpg"),
        ("video", ["abc.info.json", "abc.jpg", "abc.webp", "abc.description", "abc.en.vtt",
                   "abc.f137.mp4.part", "abc.mp4.ytdl", "abc.temp.mp4", "abc.mp4"], "abc.mp4"),
        ("video", ["abc.f140.m4a", "abc.f137.mp4"], "abc.f137.mp4"),
        ("video", ["abc.jpg", "abc.webm"], "abc.webm"),
        ("image", ["abc.mp4", "abc.jpg"], "abc.jpg"),
        ("video", [f"A title [{VIDEO}].mp4"], None),
        ("video", ["One.two... [x] (v1.2) [abc].f137.mp4", "One.two... [x] (v1.2) [abc].mp4"],
         "One.two... [x] (v1.2) [abc].mp4"),
        ("video", ["a title [abc].info.json", "a title [abc].jpg", "a title [abc].mkv"],
         "a title [abc].mkv"),
        ("image", ["pics/abc A title. And more.jpg"], "pics/abc A title. And more.jpg"),
        ("image", ["abc 02 Title.jpg", "abc 01 Title.jpg"], "abc 01 Title.jpg"),
        ("image", ["abc_A title.png"], "abc_A title.png"),
        ("image", ["abc-A_title_-x8fj3.jpg"], "abc-A_title_-x8fj3.jpg"),
        ("image", ["t3_abc.jpg"], "t3_abc.jpg"),
        ("image", ["abc Someone else's.jpg", "abc.jpg"], "abc.jpg"),
        ("image", ["abcd.jpg", "xabc.jpg", "title abc.jpg", ".abc.jpg"], None),
        ("video", ["abc.mp4.part", "abc.part", "abc.info.json"], None),
        ("video", ["abc.jpg"], "abc.jpg"),  # what it is, examining it says
        ("image", ["sub/abc.description", "abc.txt"], None),
    ],
)  # fmt: skip
def test_the_file_of_a_post(tmp_path, content, kind, names, wanted):
    fill(tmp_path, names, content)
    found = MediaFolder(tmp_path).find(kind, "reddit-abc", "abc")
    assert found == (wanted and tmp_path / wanted)


def test_ids_of_youtube(tmp_path, content):
    for name in (f"{VIDEO}.mp4", f"A title [{VIDEO}].mp4", f"A title-{VIDEO}.mp4"):
        fill(tmp_path, [name], content)
        folder = MediaFolder(tmp_path)
        assert folder.find("video", f"youtube-{VIDEO}", VIDEO) == tmp_path / name
        (tmp_path / name).unlink()
    fill(tmp_path, ["a title [-_b4w9WgXc-].webm"], content)
    assert MediaFolder(tmp_path).find("video", "-_b4w9WgXc-")
    assert not MediaFolder(tmp_path).find("video", VIDEO)


def test_content_counts_not_the_name(tmp_path):
    (tmp_path / "abc.json").write_bytes(jpeg(1))
    (tmp_path / "abc.jpg").write_bytes(b"{}")
    assert MediaFolder(tmp_path).find("image", "abc") == tmp_path / "abc.json"


def build_of(tmp_path, names, content, *posts):
    fill(tmp_path / "media", names, content)
    write_text(tmp_path, posts, {p["id"]: ["good one", "so true"] for p in posts})
    media_stage(tmp_path, tmp_path / "media", SETTINGS, [], 1)
    return {r["id"]: r["reason"] for r in ledger(tmp_path) if r["kind"] == "post"}


def test_a_build_of_a_downloaders_folder(tmp_path, content, capsys):
    beside = ["info.json", "jpg", "webp", "description", "en.vtt", "f137.mp4.part", "mp4"]
    names = [f"My film [{VIDEO}].{end}" for end in beside] + [f"{REDDIT} A cat.jpg"]
    posts = [post(f"youtube-{VIDEO}", "video"), post(f"reddit-{REDDIT}", "image")]
    posts.append(post("reddit-7abc13", "image"))
    found = build_of(tmp_path, names, content, *posts)
    assert found == {
        f"youtube-{VIDEO}": None, f"reddit-{REDDIT}": None, "reddit-7abc13": "unavailable"
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "1 of 3 posts have no file" in said
    assert "reddit-7abc13 is the first. Files of a media folder are named ID.EXT" in said


@pytest.mark.parametrize("names", [[], ["one.jpg", "two.jpg", "three.png", "zz.jpg"]])
def test_a_folder_in_which_nothing_matches_stops_the_build(tmp_path, content, names):
    (tmp_path / "media").mkdir()
    posts = [post(f"reddit-7abc{at}", "image") for at in range(5)]
    with pytest.raises(BuildError) as caught:
        build_of(tmp_path, names, content, *posts)
    said = str(caught.value)
    assert "looked for names with reddit-7abc0, reddit-7abc1, reddit-7abc2" in said
    assert ("'one.jpg', 'three.png', 'two.jpg'" if names else "no file at all") in said
    assert "zz.jpg" not in said
    assert "yt-dlp (Title [ID].mp4)" in said


@pytest.mark.parametrize("command", ["build", "hydrate"])
def test_help_says_how_files_are_named(command):
    line = [sys.executable, "-m", "dataset_builder", command, "--help"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert "yt-dlp (Title [ID].mp4)" in " ".join(shown.split())
