"""Run one script of `release/isolated` in a clean process and read what it found."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ISOLATED = Path(__file__).resolve().parents[1] / "isolated"
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "OMP_NUM_THREADS", "OMP_WAIT_POLICY",
        "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")  # fmt: skip


def run_child(
    script: str, task: dict[str, Any], seconds: float, extra: dict[str, str] | None = None
) -> dict[str, Any]:
    """Give `task` to a script as JSON; returns the JSON it printed, or {"error": why}.

    The process sees no variable of ours but the few named above, an empty home that is deleted
    afterwards, and the working directory `/`, so that nothing of this machine makes it work.
    """
    with tempfile.TemporaryDirectory(prefix="release-") as home:
        variables = {name: os.environ[name] for name in KEPT if name in os.environ}
        variables |= {"HOME": home, "HF_HOME": f"{home}/hf", "HF_MODULES_CACHE": f"{home}/modules",
                      "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
                      "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false",
                      "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                      "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip
        command = [sys.executable, "-I", "-W", "ignore", str(ISOLATED / script)]
        try:
            done = subprocess.run(
                command,
                input=json.dumps({**task, "home": home}),
                capture_output=True,
                text=True,
                cwd="/",
                env={**variables, **(extra or {})},
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"did not end within {seconds:g} s"}
    answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode == 0 and answers:
        return dict(json.loads(answers[-1]))
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return {"error": f"ended with {done.returncode}: {last}"}
