"""The same build through a cluster executor: same bytes (needs Ray, which is no dependency)."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from builder.help.builds import build, release_digests
from dataset_builder.cli import main
from dataset_builder.run import stage
from dataset_builder.synthetic.dumps import generate


@pytest.mark.slow
def test_ray_gives_the_same_bytes(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
    generate(150, 2000, 8, tmp_path / "dumps")
    build(tmp_path / "dumps", tmp_path / "here", "--workers", "1")
    build(tmp_path / "dumps", tmp_path / "ray", "--workers", "2", "--executor", "ray")
    assert release_digests(tmp_path / "ray") == release_digests(tmp_path / "here")


def build_a_video(folder, executor):
    """The exit code of the smallest build."""
    video = {"id": "AAAAAAAAAAA", "title": "x", "extractor": "youtube", "view_count": 3}
    (folder / "v.jsonl").write_text(json.dumps(video) + "\n")
    given = ["--youtube", str(folder / "v.jsonl"), "--media", "none", "--workers", "1"]
    return main(["build", *given, "--executor", executor, "--out", str(folder / "out")])


def test_without_ray_the_message_says_what_to_do(tmp_path, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "ray" else find(n))
    assert build_a_video(tmp_path, "ray") == 1
    assert "pip install 'ray" in capsys.readouterr().err


SBATCH = """#!/bin/bash
# stand-in for Slurm's sbatch: runs the job array on this machine, one task after the other
script="${@: -1}"
range=$(grep -o -- '--array=[0-9-]*' "$script" | head -1 | cut -d= -f2)
copy=$(mktemp); cp "$script" "$copy"
(for i in $(seq "${range%-*}" "${range#*-}"); do SLURM_ARRAY_TASK_ID=$i bash "$copy"; done) \\
  > /dev/null 2>&1 &
echo "Submitted batch job 1"
"""
SRUN = """#!/bin/bash
while [[ "$1" == -* ]]; do if [[ "$1" == -n ]]; then shift; fi; shift; done
exec "$@"
"""


@pytest.mark.slow
def test_the_slurm_path_gives_the_same_bytes(tmp_path):
    """No Slurm here: `sbatch` and `srun` are stand-ins that run the very job scripts locally."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    generate(150, 2000, 8, tmp_path / "dumps")
    build(tmp_path / "dumps", tmp_path / "here", "--workers", "1")
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    slurm = ["--workers", "2", "--executor", "slurm"]
    build(tmp_path / "dumps", tmp_path / "slurm", *slurm, env={"PATH": path})
    assert release_digests(tmp_path / "slurm") == release_digests(tmp_path / "here")


def test_a_dead_slurm_job_ends_the_wait(tmp_path, capsys, monkeypatch):
    """A job killed from outside leaves neither a marker nor an error."""
    tools = tmp_path / "bin"
    tools.mkdir()
    gone = "#!/bin/bash\necho 'slurm_load_jobs error: Invalid job id specified' >&2\nexit 1\n"
    for name, text in (("sbatch", "#!/bin/bash\necho Submitted batch job 7\n"), ("squeue", gone)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(stage, "ASK_SLURM", 0.1)
    assert build_a_video(tmp_path, "slurm") == 1
    assert "Slurm job 7 ended, but 1 of 1 tasks left no result" in capsys.readouterr().err
