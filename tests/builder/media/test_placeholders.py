"""Pictures that stand for missing ones: no medium of any post, and no repost of each other."""

import hashlib
import io

import pytest
from PIL import Image, ImageDraw

from builder.help.media_samples import FAST, jpeg, ledger, post, write_text
from dataset_builder.errors import UsageError
from dataset_builder.fetch.placeholders import named_placeholder
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings


def card(text: str, size: tuple[int, int]) -> bytes:
    image = Image.new("RGB", size, (34, 34, 34))
    ImageDraw.Draw(image).text((10, 30), text, fill=(240, 240, 240))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def ends(tmp_path, files: dict[str, bytes], *changes: str, **titles: str):
    """(reason, value) of each post after the media stage."""
    media = tmp_path / "media"
    media.mkdir()
    posts = []
    for name, data in files.items():
        (media / f"{name}.png").write_bytes(data)
        title = {"title": titles[name]} if name in titles else {}
        posts.append(post(f"reddit-{name}", "image", **title))
    write_text(tmp_path, posts, {p["id"]: ["good one", "so true"] for p in posts})
    media_stage(tmp_path, media, load_settings("seed", [*FAST, *changes]), [], 1)
    rows = [row for row in ledger(tmp_path) if row["kind"] == "post"]
    return {row["id"].removeprefix("reddit-"): (row["reason"], row["value"]) for row in rows}


@pytest.mark.parametrize("size", [(161, 81), (130, 60)])
def test_known_sizes_are_unavailable_and_never_merged(tmp_path, size):
    removed = card("removed", size)
    found = ends(tmp_path, {"p1": removed, "p2": removed, "good": jpeg(1, size=size)})
    assert found["p1"] == found["p2"]
    assert found["p1"][0] == "unavailable"
    assert found["p1"][1].startswith("placeholder: ")


def test_a_large_file_of_that_size_is_a_picture(tmp_path):
    noise = Image.effect_noise((161, 81), 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "PNG")
    assert len(out.getvalue()) > 8192
    assert ends(tmp_path, {"p1": out.getvalue()})["p1"][0] is None


def test_listed_hashes_are_unavailable(tmp_path):
    data = card("this content is gone", (400, 300))
    listed = hashlib.sha256(data).hexdigest()
    found = ends(tmp_path, {"p1": data, "p2": jpeg(3)}, f"media.placeholders=[{listed}]")
    assert found["p1"] == ("unavailable", "placeholder: listed in media.placeholders")
    assert found["p2"] == (None, None)
    with pytest.raises(UsageError, match="64 hex digits"):
        load_settings("seed", ["media.placeholders=[abc]"])


def test_one_file_under_many_titles_is_its_own_reason(tmp_path):
    gone = card("no longer here", (400, 300))
    files = {**{f"p{at}": gone for at in range(4)}, "q1": jpeg(5), "q2": jpeg(5)}
    titles = {"p0": "A cat", "p1": "My sister's wedding", "p2": "Sunset", "p3": "Ukraine, 2014"}
    titles |= {"q1": "The same dog!", "q2": "the SAME dog"}
    found = ends(tmp_path, files, "media.max_titles=3", **titles)
    assert {found[f"p{at}"] for at in range(4)} == {("many_titles", "4 titles of one file")}
    assert sorted([str(found["q1"][0]), str(found["q2"][0])]) == ["None", "duplicate_media"]


@pytest.mark.parametrize("change", ["media.max_titles=4", "media.max_titles=null"])
def test_without_the_setting_reposts_are_merged(tmp_path, change):
    files = {f"p{at}": jpeg(5) for at in range(4)}
    found = ends(tmp_path, files, change, **{f"p{at}": f"Title {'abcd'[at]}" for at in range(4)})
    assert sorted(str(reason) for reason, _ in found.values()) == ["None"] + ["duplicate_media"] * 3


@pytest.mark.parametrize(
    ("asked", "given", "etag", "is_one"),
    [
        ("https://i.imgur.com/a1b2.jpg", "https://i.imgur.com/removed.png", "", True),
        ("https://i.imgur.com/a1b2.jpg", "https://i.imgur.com/a1b2.jpg",
         '"d835884373f4d6c8f24742ceabe74946"', True),
        ("https://x.test/1.jpg", "https://y.test/pw/images/photo_unavailable.png", "", True),
        ("https://x.test/1.jpg", "https://y.test/static/image-not-found.webp", "", True),
        ("https://x.test/1.jpg", "https://x.test/404.jpg", "", True),
        ("http://x.test/removed.png", "https://x.test/removed.png", "", False),
        ("https://x.test/1.jpg", "https://cdn.x.test/1.jpg", '"abc"', False),
        ("https://x.test/1.jpg", "https://x.test/removed-the-snow.jpg", "", False),
        ("https://x.test/1.jpg", "https://x.test/not-deleted.jpg", "", False),
    ],
)  # fmt: skip
def test_where_an_answer_comes_from(asked, given, etag, is_one):
    assert bool(named_placeholder(asked, given, etag)) == is_one
