"""Run the text stage alone (no release) on a folder of generated dumps: DUMPS OUT WORKERS."""

import sys
from pathlib import Path

from dataset_builder.pipeline import Request, build_text
from dataset_builder.settings import load_settings

if __name__ == "__main__":
    source, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    request = Request(
        out,
        (source / "reddit_submissions.zst",),
        (source / "reddit_comments.zst",),
        (source / "youtube.jsonl.gz",),
        (),
        None,
        workers,
    )
    print(build_text(request, load_settings("seed", [])))
