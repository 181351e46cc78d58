"""The release stage holds a batch at a time: more posts need more disk, not more memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from builder.help.media_samples import post, write_text

MEASURE = """
import resource, sys
from pathlib import Path
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
settings = load_settings("seed", ["media.required=false", "annotate.language=null"])
media_stage(Path(sys.argv[1]), None, settings, [], 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(folder: Path, count: int) -> int:
    """Peak memory in MiB of `finish` over that many posts with three comments each."""
    titles = [f"a title of some length about the thing number {at}" for at in range(count)]
    posts = [post(f"reddit-{at:07}", "image", title=title) for at, title in enumerate(titles)]
    said = ["first words said of it", "some others after that", "and a third remark"]
    write_text(folder, posts, {row["id"]: said for row in posts})
    run = [sys.executable, "-c", MEASURE, str(folder)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_posts(tmp_path):
    small, large = (peak_mb(tmp_path / str(count), count) for count in (4_000, 40_000))
    assert large - small < 150, (small, large)  # 72 as measured; 328 when posts were held in memory
