"""The stock loaders, in a clean process, on exactly one revision."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from release.gates.child import run_child
from release.hub.connect import endpoint, folder_of
from release.manifest import Manifest
from release.verifying.report import Finding, Report

SECONDS = 3600


def check_loading(
    kind: str,
    target: str,
    revision: str | None,
    manifest: Manifest,
    token: str | None,
    report: Report,
) -> None:
    """Load what was verified as strangers do: every config, or the model and one answer."""
    extra = loader_environment(target, token)
    task: dict[str, Any] = {"target": target, "revision": revision, "kind": kind}
    if kind == "dataset":
        result = run_child("load_rows.py", task, SECONDS, extra)
        _rows(result, manifest, report)
    elif kind == "model":
        result = run_child("load_model.py", task, SECONDS, extra)
        _model(result, manifest, report)
    else:
        return
    report.loaded = {name: value for name, value in result.items() if name != "error"}


def loader_environment(target: str, token: str | None) -> dict[str, str]:
    """Variables of the loading process: the endpoint, and a token where nothing opens without."""
    if Path(target).is_dir() or folder_of(endpoint()) is not None:
        return {}
    found = {"HF_ENDPOINT": endpoint(), "HF_HUB_OFFLINE": "0"}
    if os.environ.get("HF_HUB_DISABLE_XET"):
        found["HF_HUB_DISABLE_XET"] = os.environ["HF_HUB_DISABLE_XET"]
    return found | ({"HF_TOKEN": token} if token else {})


def _rows(result: Mapping[str, Any], manifest: Manifest, report: Report) -> None:
    if error := result.get("error"):
        report.add(Finding("README.md", f"load_dataset failed: {error}", "stage and publish again"))
        return
    for config, splits in result["configs"].items():
        for split, facts in splits.items():
            if facts["rows"] != facts["streamed"] or facts["digest"] != facts["streamed_digest"]:
                problem = f"config {config}, split {split}: loaded and streamed rows differ"
                report.add(Finding("README.md", problem, "report it with this output"))
    expected = sum(e.samples for e in manifest.files
                   if e.path.startswith("data/") and e.path.count("/") == 1)  # fmt: skip
    loaded = sum(facts["rows"] for facts in result["configs"].get("default", {}).values())
    if loaded != expected:
        problem = f"the default config loads {loaded} rows, the manifest counts {expected}"
        report.add(Finding("README.md", problem, "stage and publish again"))


def _model(result: Mapping[str, Any], manifest: Manifest, report: Report) -> None:
    if error := result.get("error"):
        report.add(
            Finding("config.json", f"the model does not load or answer: {error}", "publish again")
        )
        return
    stored = manifest.facts.get("answer") or {}
    if stored and result["tensors"] != stored.get("tensors"):
        report.add(Finding("model.safetensors", "other weights than at staging", "publish again",
                           stored.get("tensors"), result["tensors"]))  # fmt: skip
    elif stored and result["answer"] != stored.get("answer"):
        report.notes.append(
            "the greedy answer differs from the one at staging (other libraries or processor)"
        )
