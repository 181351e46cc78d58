"""The platform's seconds decide how long a video is; a file runs on for some frames of sound."""

import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import FAST, ledger, post, write_text, write_video
from dataset_builder.media.judge import _length, deciding_seconds
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings

SEED = load_settings("seed", [])
LENGTHS = [  # source, what the record says, the file's own length, dropped for
    ("youtube", 60.0, 60.08, None),
    ("youtube", 60.0, 60.9, None),
    ("youtube", 60.0, 61.5, "too_long"),
    ("youtube", 15.0, 95.0, "too_long"),  # another video
    ("youtube", 59.0, 60.7, None),
    ("youtube", None, 60.08, None),  # nobody said anything: whole seconds, as platforms count
    ("youtube", None, 60.99, None),
    ("youtube", None, 61.0, "too_long"),
    ("youtube", 60.0, None, None),  # a container that does not say
    ("youtube", 60.0, 0.0, None),
    ("youtube", None, None, "duration_unknown"),
    ("youtube", 0.0, 30.0, None),  # live: no length
    ("youtube", 0.0, None, "duration_unknown"),
    ("reddit", None, 500.6, None),
    ("reddit", 500.0, 500.9, None),
    ("reddit", None, 501.2, "too_long"),
    ("reddit", 501.0, 500.2, "too_long"),  # the record decides
]


@pytest.mark.parametrize(("source", "said", "found", "reason"), LENGTHS)
def test_which_seconds_decide(source, said, found, reason):
    row = {"source": source, "media_type": "video", "duration": said, "file_duration": found}
    drop = _length(row, deciding_seconds(row, True), SEED)
    assert (drop and drop[0]) == reason


def test_a_file_that_runs_on_is_kept_and_cut_into_scenes(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    for name, seconds in (("said", 2.2), ("unsaid", 2.6), ("other", 3.4)):
        write_video(media / f"{name}.mp4", [len(name)], seconds_each=seconds, rate=10)
    posts = [post("youtube-said", "video", duration=2.0), post("youtube-unsaid", "video")]
    posts.append(post("youtube-other", "video", duration=2.0))
    write_text(tmp_path, posts, {p["id"]: ["one comment of words"] for p in posts})
    settings = load_settings("seed", [*FAST, "youtube.max_seconds=2", "youtube.duplicates=keep"])
    media_stage(tmp_path, media, settings, [], 1)
    ends = {row["id"]: row["reason"] for row in ledger(tmp_path) if row["kind"] == "post"}
    assert ends == {"youtube-said": None, "youtube-unsaid": None, "youtube-other": "too_long"}
    rows = [r for f in tmp_path.glob("release/metadata/*") for r in pq.read_table(f).to_pylist()]
    assert all(row["scenes"] for row in rows)
