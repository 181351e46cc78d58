"""Rows in the true form of each kind of input, written by hand, and a build of them."""

import json

from dataset_builder.cli import main


def submission(id, **changes):
    row = {
        "id": id, "subreddit": "pics", "author": f"by{id}", "title": f"A picture of {id}",
        "url": f"https://i.redd.it/{id}.jpg", "created_utc": 1_600_000_000, "score": 10,
        "num_comments": 3, "over_18": False, "is_self": False, "selftext": "",
        "permalink": f"/r/pics/comments/{id}/x/",
    }  # fmt: skip
    return row | changes


def comment(id, post, body, score=5, **changes):
    row = {
        "id": id, "link_id": f"t3_{post}", "parent_id": f"t3_{post}", "subreddit": "pics",
        "author": f"by{id}", "body": body, "score": score, "created_utc": 1_600_000_100,
    }  # fmt: skip
    return row | changes


POSTS_IN = [
    submission("aa"),
    submission("bb", over_18=True),
    submission("cc", url="https://i.redd.it/aa.jpg", score=3),
    submission("dd", subreddit="gardening"),
]


COMMENTS_IN = [
    comment("c1", "aa", "the river runs below the bridge", 9),
    comment("c2", "aa", "the river runs below the bridge today", 8),
    comment("c3", "aa", "nice", 7),
    comment("c4", "bb", "a garden with an old wall"),
    comment("c5", "cc", "write to tom@mail.example or u/some_one please", 6),
    comment("c6", "zz", "nobody knows this post"),
    comment("c7", "dd", "soil and seeds and water", subreddit="gardening"),
]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def run(folder, posts=POSTS_IN, comments=COMMENTS_IN, *set_):
    return main(
        [
            "build", "--media", "none", "--out", str(folder / "out"), "--workers", "1",
            "--reddit-submissions", lines(folder / "s.jsonl", posts),
            "--reddit-comments", lines(folder / "c.jsonl", comments),
            "--set", "media.duration_unknown=keep", *set_,
        ]
    )  # fmt: skip


INFO = {
    "id": "AAAAAAAAAAA",
    "extractor": "youtube",
    "title": "A title",
    "timestamp": 1_600_000_000,
    "duration": 31,
    "view_count": 100,
    "like_count": -1,
    "comment_count": 2,
    "categories": ["Education"],
    "tags": ["x", 3],
    "heatmap": [{"start_time": 0, "end_time": 1.5, "value": 0.25}],
    "comments": [
        {"id": "c1", "text": "first", "like_count": 3, "parent": "root", "author": "someone"},
        {"id": "c2", "text": "reply", "like_count": 1, "parent": "c1"},
    ],
}


RELEASED = {
    "url": "https://i.redd.it/x.jpg",
    "permalink": "/r/pics/comments/abc12/a_title/",
    "comments": ["one comment", "another comment"],
    "num_comments": 40,
    "subreddit": "pics",
    "title": "A title",
}


def api_pages(folder):
    statistics = {"viewCount": "20000", "likeCount": "400", "commentCount": "2"}
    videos = [
        {
            "kind": "youtube#video", "id": f"{letter * 11}", "statistics": statistics,
            "snippet": {"publishedAt": "2019-03-21T20:37:49Z", "title": f"Title {letter}",
                        "channelId": f"UC{letter * 22}", "channelTitle": "C"},
            "contentDetails": {"duration": "PT40S"},
        }
        for letter in "AB"
    ]  # fmt: skip
    threads = [
        {
            "kind": "youtube#commentThread",
            "snippet": {
                "videoId": "A" * 11,
                "topLevelComment": {
                    "id": f"t{n}",
                    "snippet": {"textOriginal": text, "likeCount": n},
                },
            },
        }
        for n, text in enumerate(["the river runs below", "a garden with an old wall"])
    ]
    for name, items in (("video", videos), ("commentThread", threads)):
        page = {"kind": f"youtube#{name}ListResponse", "items": items}
        (folder / f"{name}.json").write_text(json.dumps(page, indent=1))
