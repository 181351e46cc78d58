"""Real posts and comments through the paper's settings and through overrides (where present)."""

import json
import subprocess
import sys

import pyarrow.parquet as pq

from builder.help.builds import ledger
from places import SHARED, needs_shared

REAL = SHARED / "data/real"


@needs_shared("data/real")
class TestRealData:
    def build(self, out, *set_):
        done = subprocess.run(
            [
                sys.executable, "-m", "dataset_builder", "build", "--json",
                "--reddit-submissions", str(REAL / "reddit/pics_submissions.zst"),
                "--reddit-comments", str(REAL / "reddit/pics_comments.zst"),
                "--youtube", str(REAL / "youtube/info.jsonl.gz"),
                "--media", "none", "--out", str(out), "--allow-empty",
                *(["--set", *set_] if set_ else []),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def test_paper_settings_keep_no_r_pics_post(self, tmp_path):
        result = self.build(tmp_path / "out")
        assert result["samples"] == {}
        assert result["ledger"]["post"] == {"in": 960, "kept": 0, "dropped": 960}
        assert result["ledger"]["comment"] == {"in": 14_205, "kept": 0, "dropped": 14_205}
        ends = ledger(tmp_path / "out")
        pics = [ends[key] for key in ends if key[0] == "post" and key[1].startswith("reddit")]
        assert pics == [["before_window"]] * 25
        films = [ends[key][0] for key in ends if key[0] == "post" and key[1].startswith("youtube")]
        assert films.count("duration_unknown") > 600  # the source has no lengths

    def test_overrides_keep_them(self, tmp_path):
        result = self.build(
            tmp_path / "out", "reddit.overlay_start=null", "reddit.start=null",
            "reddit.image_hosts=null", "media.duration_unknown=keep", "youtube.max_seconds=null",
        )  # fmt: skip
        assert sum(result["samples"].values()) > 600
        for kind in ("post", "comment"):
            total = result["ledger"][kind]
            assert total["in"] == total["kept"] + total["dropped"]
        posts = pq.read_table(tmp_path / "out/work/text/posts.parquet").to_pylist()
        assert sum(post["source"] == "reddit" for post in posts) == 25
