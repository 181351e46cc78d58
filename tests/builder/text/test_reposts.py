"""Posts of one picture or video: which may stand for the others, and whose comments they get."""

import pytest

from builder.help.builds import ledger
from builder.help.dumps import comment, run, submission

WORDS = (("river", "bridge", "boat", "weir"), ("garden", "wall", "seed", "rake"))
FILM = "https://www.youtube.com/watch?v=AAAAAAAAAAA"


def film(id, url=FILM, **changes):
    return submission(id, subreddit="videos", url=url, **changes)


def talk(*posts):
    """Two comments under each post, none like another."""
    return [
        comment(f"{post}{n}", post, " ".join(f"{post}{word}" for word in words), 9 - n)
        for post in posts
        for n, words in enumerate(WORDS)
    ]


def ends(folder):
    return {id.removeprefix("reddit-"): reasons[0] for (_, id), reasons in ledger(folder).items()}


def built(folder, posts, *set_):
    assert run(folder, posts, talk(*(post["id"] for post in posts)), *set_, "--allow-empty") == 0
    return ends(folder / "out")


def test_a_picture_post_takes_no_video_with_it(tmp_path):
    """The better scored one is on r/pics, where no video is hosted: it can never be kept."""
    found = built(tmp_path, [submission("pp", url=FILM, score=900), film("vv", score=10)])
    assert (found["pp"], found["vv"]) == ("not_hosted", "None")
    assert (found["vv0"], found["pp0"]) == ("None", "post_dropped:not_hosted")


def test_comments_are_pooled_in_posts_of_one_medium_only(tmp_path):
    posts = [submission("pp", url=FILM, score=900), film("vv", score=10), film("ww", score=5)]
    found = built(tmp_path, posts, "reddit.image_hosts=null")
    assert (found["pp"], found["vv"], found["ww"]) == ("None", "None", "duplicate")
    assert (found["pp0"], found["vv0"], found["ww0"]) == ("None", "None", "None")  # of ww by vv


def long_film(id, seconds, **changes):
    media = {"reddit_video": {"duration": seconds}} if seconds else None
    return film(id, f"https://v.redd.it/{changes.pop('at')}", media=media, **changes)


def test_the_best_of_those_that_may_stay_stands_for_all(tmp_path):
    posts = [
        # one video: the best scored record knows that it is too long by itself
        long_film("la", 900, at="x", score=900),
        long_film("lb", 30, at="x", score=10),
        # of two that are too long none stands for the other
        long_film("lc", 900, at="y", score=90),
        long_film("ld", 900, at="y", score=80),
        # hosted elsewhere: the same, each for its own reason
        submission("ia", url="https://i.imgur.com/x.jpg", score=90),
        submission("ib", url="https://i.imgur.com/x.jpg", score=80),
    ]
    found = built(tmp_path, posts, "reddit.video_hosts=null")
    assert (found["la"], found["lb"], found["la0"]) == ("duplicate", "None", "None")
    assert (found["lc"], found["ld"]) == ("too_long", "too_long")
    assert (found["ia"], found["ib"]) == ("not_hosted", "not_hosted")


@pytest.mark.parametrize(
    "shape",
    ["/r/gardening/comments/{}/a_title/", "", "https://i.redd.it/?{}", "https://www.example.com/",
     "//", "x", "https://i.redd.it"],
)  # fmt: skip
def test_addresses_that_say_nothing_are_not_the_same(tmp_path, shape):
    posts = [submission(id, url=shape.format(id)) for id in ("aa", "bb")]
    found = built(tmp_path, posts, "reddit.image_hosts=null")
    assert (found["aa"], found["bb"], found["aa0"]) == ("None", "None", "None")


def test_one_video_has_many_addresses(tmp_path):
    shapes = [FILM, "https://youtu.be/watch?v=AAAAAAAAAAA", "https://www.youtube.com/e/AAAAAAAAAAA",
              "https://www.youtube.com/watch/AAAAAAAAAAA"]  # fmt: skip
    posts = [film(f"v{n}", url, score=9 - n) for n, url in enumerate(shapes)]
    away = "https://www.youtube.com/redirect?q=https%3A%2F%2Fshop.example&v=AAAAAAAAAAA"
    found = built(tmp_path, [*posts, film("ra", away)])
    assert [found[f"v{n}"] for n in range(4)] == ["None", *["duplicate"] * 3]
    assert found["ra"] == "not_hosted"
