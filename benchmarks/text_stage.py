"""Run the text stage alone (no release) on a folder of generated dumps: DUMPS OUT WORKERS.

Prints the seconds and CPU seconds of each stage as JSON.
"""

import json
import sys
from pathlib import Path

from dataset_builder.run.pool import start_server


def cpu_seconds(logs: Path) -> dict[str, float]:
    """CPU seconds of every stage's tasks, without the start of their processes."""
    found: dict[str, float] = {}
    for file in sorted(logs.glob("*/cpu/?????")):
        stage = file.parent.parent.name
        found[stage] = found.get(stage, 0.0) + float(file.read_text(encoding="ascii"))
    return found


if __name__ == "__main__":
    start_server()  # as the command line does
    from dataset_builder.pipeline.text_stage import Request, build_text
    from dataset_builder.settings import load_settings
    from dataset_builder.work.layout import Layout

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
    seconds = build_text(request, load_settings("seed", []))
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds(Layout(out.absolute()).logs)}))
