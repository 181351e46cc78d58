"""The text stage once more, slowly and in plain Python, as the standard the real one must meet.

Shares with the product only the cleaning of texts, the replacement of personal data and the word
lists (each tested by itself); dates, hosts, ranking, TF-IDF and order are written out again.
"""

import collections
import datetime
import gzip
import io
import json
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import zstandard
from sklearn.feature_extraction.text import TfidfVectorizer

from dataset_builder import vocabulary
from dataset_builder.text.language import foreign
from dataset_builder.text.normalise import normalise
from dataset_builder.text.pii import scrub


def day(text):
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp())


def zst_lines(path):
    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(
        path.open("rb"), read_across_frames=True
    )
    return io.TextIOWrapper(reader, encoding="utf-8")


def whole(value):
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return None


class Oracle:
    """`ends`: (kind, id) -> sorted list of reasons ("None" for kept); `kept`: post -> comments."""

    def __init__(self, folder, merge_duplicates=True):
        self.merge = merge_duplicates
        self.ends = collections.defaultdict(list)
        self.posts, self.comments = {}, []
        self.kept, self.titles = {}, {}
        self._read_reddit(folder)
        self._read_youtube(folder)
        self._judge_posts()
        self._judge_comments()

    def end(self, kind, id, reason):
        self.ends[kind, id].append(str(reason))

    def _rows(self, path, kind):
        for number, line in enumerate(zst_lines(path), 1):
            try:
                yield json.loads(line)
            except ValueError:
                self.end(kind, f"{path.name}:{number}", "malformed")

    def _read_reddit(self, folder):
        for row in self._rows(folder / "reddit_submissions.zst", "post"):
            id = f"reddit-{row['id']}"
            if row["subreddit"] not in ("pics", "videos"):
                self.end("post", id, "other_subreddit")
                continue
            row["source"], row["key"] = "reddit", id
            row["title"] = normalise(row["title"], False)
            self.posts[id] = row
        seen = set()
        for row in self._rows(folder / "reddit_comments.zst", "comment"):
            post = "reddit-" + row["link_id"].removeprefix("t3_")
            if post in self.posts and row["id"] in seen:
                self.end("comment", row["id"], "repeated")
                continue
            seen.add(row["id"])
            reply = row["parent_id"][:3] != "t3_"
            self.comments.append(
                (post, row["id"], row["body"], row["score"], int(row["created_utc"]), 0, reply, row)
            )

    def _read_youtube(self, folder):
        with gzip.open(folder / "youtube.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                id = f"youtube-{row['id']}"
                row["source"] = "youtube"
                row["title"] = normalise(row["title"], False)
                row["description"] = normalise(row["description"], False)
                if id in self.posts:
                    self.end("post", id, "repeated")
                    row["comments"] = self.posts[id]["comments"] + row["comments"]
                self.posts[id] = row
        for id, row in self.posts.items():
            if row["source"] == "youtube":
                for place, item in enumerate(row["comments"]):
                    reply = item["parent"] != "root"
                    likes = item["like_count"]
                    self.comments.append((id, item["id"], item["text"], likes, 0, place, reply, {}))

    def _judge_posts(self):
        self.verdicts = {}
        for id, row in self.posts.items():
            judge = self._reddit_post if row["source"] == "reddit" else self._youtube_post
            self.verdicts[id] = judge(row)
        self.moved = {}
        groups = collections.defaultdict(list)
        for id, row in self.posts.items():
            single = not row.get("is_self") and not row.get("is_gallery")
            if row["source"] == "reddit" and self.verdicts[id] is None and single:
                groups[row["subreddit"], self._same(row) or id].append(id)
        for ids in groups.values():
            able = [i for i in ids if self._hopeless(self.posts[i]) is None]
            if not able:  # none of them can be kept: none stands for the others
                continue
            best = min(able, key=lambda i: (-self.posts[i]["score"], self._created(i), i))
            for id in set(ids) - {best}:
                self.verdicts[id] = "duplicate"
                self.moved[id] = best
        for id, reason in self.verdicts.items():
            if reason is not None:
                self.end("post", id, reason)

    def _created(self, id):
        return whole(self.posts[id]["created_utc"])

    def _video_id(self, url):
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
        said = parse_qs(parts.query).get("v", [None])[0]
        if host == "youtu.be":
            return said or parts.path[1:12]
        if host != "youtube.com" or parts.path.startswith("/redirect"):
            return None
        return said or parts.path.split("/")[-1]

    def _same(self, row):
        parts = urlsplit(row["url"])
        if not parts.hostname:
            return None
        query = f"?{parts.query}" if parts.query and parts.hostname != "i.redd.it" else ""
        return self._video_id(row["url"]) or f"{parts.hostname}{parts.path}{query}"

    def _reddit_post(self, row):
        created = whole(row["created_utc"])
        marked = re.compile(r"\bnsfw\b", re.I)
        if created is None:
            return "no_date"
        if created < day("2015-02-01"):
            return "before_overlay_rule"
        if created < day("2018-01-01"):
            return "before_window"
        if created >= day("2022-02-01"):
            return "after_window"
        if row["over_18"] or marked.search(row["title"]):
            return "nsfw"
        if marked.search(row.get("link_flair_text") or ""):
            return "nsfw"
        if self._bot(row["author"], row["selftext"]):
            return "bot"
        if self._gone(row, row["title"], row["selftext"]) or row.get("removed_by_category"):
            return "deleted"
        return None

    def _bot(self, author, text):
        named = re.search(vocabulary.BOT_ACCOUNT, author)
        return (
            author.lower() in vocabulary.BOT_NAMES
            or (named and not re.search(vocabulary.NO_BOT_ACCOUNT, author))
            or re.search(vocabulary.BOT_SIGNATURE, text)
        )

    def _gone(self, row, *texts):
        meta = row.get("_meta") or {}
        marks = ("[deleted]", "[removed]", "[ removed by reddit ]", "[deleted by user]")
        return (
            row["author"] == "[deleted]"
            or any((text or "").strip().lower() in marks for text in texts)
            or meta.get("was_deleted_later")
            or meta.get("removal_type")
            or row.get("removal_type")
        )

    def _youtube_post(self, row):
        stamp = row["upload_date"]
        said = " | ".join([row["title"], *row["tags"]]).lower()
        letters = [c for c in row["title"] if c.isalpha()]
        latin = [c for c in letters if c < "\u0250"]
        if not stamp:
            return "no_date"
        if stamp < "20180101":
            return "before_window"
        if stamp >= "20240101":
            return "after_window"
        if row["categories"][0].lower() in ("music", "gaming", "news & politics"):
            return "category"
        if any(re.search(pattern, said) for pattern in vocabulary.TOPICS.values()):
            return "topic"
        if row["language"] is not None and row["language"].split("-")[0] != "en":
            return "language"
        if row["language"] is None and len(latin) < 0.5 * len(letters):
            return "language"
        if row["language"] is None and foreign(row["title"], ["en"], 0.5):
            return "language"
        if not row["comments"] and not row["comment_count"]:
            return "comments_disabled"
        if row["duration"] > 60:
            return "too_long"
        if row["view_count"] is None or row["view_count"] <= 10_000:
            return "few_views"
        if row["age_limit"] >= 18:
            return "nsfw"
        if self._listed(f"{row['title']} | {row['description']}"):
            return "nsfw_words"
        return None

    def _listed(self, text):
        return re.search(vocabulary.nsfw_pattern(), text)

    def _judge_comments(self):
        groups = collections.defaultdict(list)
        for comment in self.comments:
            post, id = comment[0], comment[1]
            if post not in self.posts:
                other = comment[-1]["subreddit"] not in ("pics", "videos")
                self.end("comment", id, "other_subreddit" if other else "no_post")
                continue
            reason = self.verdicts[post]
            if reason == "duplicate" and self.merge:
                post, reason = self.moved[post], None
            if reason is not None:
                self.end("comment", id, f"post_dropped:{reason}")
                continue
            groups[post].append(comment)
        for id, reason in self.verdicts.items():
            if reason is None:
                self._one_post(id, groups[id])

    def _one_post(self, id, comments):
        source = self.posts[id]["source"]
        passing = []
        for comment in comments:
            text = normalise(comment[2], source == "reddit")
            reason = self._comment(source, text, comment)
            if reason:
                self.end("comment", comment[1], reason)
            else:
                passing.append((-comment[3], comment[5], comment[4], comment[1], text))
        passing.sort()
        for row in passing[50:]:
            self.end("comment", row[3], "beyond_candidates")
        rows = [(*row[:4], scrub(row[4], collections.Counter())) for row in passing[:50]]
        rows = self._unlike(rows, 0.6 if source == "reddit" else 0.7)
        reason = self._late(self.posts[id], len(rows))
        if reason:
            self.end("post", id, reason)
            for row in rows:
                self.end("comment", row[3], f"post_dropped:{reason}")
            return
        for row in rows[5:]:
            self.end("comment", row[3], "beyond_top")
        self.end("post", id, None)
        self.kept[id] = [(row[3], row[4]) for row in rows[:5]]
        for row in rows[:5]:
            self.end("comment", row[3], None)

    def _comment(self, source, text, comment):
        words = len(text.split())
        if source == "reddit":
            author, body = comment[-1]["author"], comment[2]
            if re.search(r"\bnsfw\b", body, re.I):
                return "nsfw"
            if self._bot(author, body):
                return "bot"
            if self._gone(comment[-1], body):
                return "deleted"
            return "empty" if not text else "few_words" if words < 3 else None
        if comment[6]:
            return "reply"
        if not text:
            return "empty"
        if words < 4:
            return "few_words"
        if words > 100:
            return "many_words"
        return "nsfw_words" if self._listed(text) else None

    def _unlike(self, rows, threshold):
        seen = set()
        for row in rows:
            if row[4] in seen:
                self.end("comment", row[3], "exact_duplicate")
            seen.add(row[4])
        rows = [row for at, row in enumerate(rows) if row[4] not in [r[4] for r in rows[:at]]]
        if not rows:
            return rows
        try:
            matrix = TfidfVectorizer().fit_transform([row[4] for row in rows])
        except ValueError:  # scikit-learn's answer to an empty vocabulary
            return rows
        cosines = np.round((matrix @ matrix.T).toarray(), 9)
        kept = []
        for index, row in enumerate(rows):
            if any(cosines[index, other] >= threshold for other in kept):
                self.end("comment", row[3], "near_duplicate")
            else:
                kept.append(index)
        return [rows[index] for index in kept]

    def _late(self, row, comments):
        if row["source"] == "youtube":
            return "few_comments" if comments < 1 else None
        return "few_comments" if comments < 2 else self._hopeless(row)

    def _hopeless(self, row):
        seconds = ((row.get("media") or {}).get("reddit_video") or {}).get("duration", 0)
        host = (urlsplit(row["url"]).hostname or "").removeprefix("www.")
        if row["subreddit"] == "videos" and seconds > 500:
            return "too_long"
        if row.get("is_gallery") or "/gallery/" in row["url"]:
            return "gallery"
        hosts = ("i.redd.it",) if row["subreddit"] == "pics" else ("youtube.com", "youtu.be")
        if row["is_self"] or host not in hosts:
            return "not_hosted"
        video = row["subreddit"] == "videos" and not self._video_id(row["url"])
        return "not_hosted" if video else None
