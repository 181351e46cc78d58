"""`verify`: a folder, a snapshot of a Hub cache, or a repository."""

import argparse
import re
from pathlib import Path
from typing import Any

from release.errors import CouldNotLook, ReleaseError
from release.hub.connect import open_hub
from release.hub.folder_hub import FolderHub
from release.hub.remote import RemoteHub
from release.hub.waiting import reach
from release.manifest import NAME, Manifest, parse_manifest, read_manifest
from release.publishing.commit import patiently
from release.publishing.plan import say
from release.verifying.folder import verify_folder
from release.verifying.loaders import check_loading
from release.verifying.report import Finding, Report
from release.verifying.repository import verify_repository


class Damaged(ReleaseError):
    """Something is not as the manifest says; the report goes with it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(told(report))


def add_verify(command: argparse.ArgumentParser) -> None:
    """Options of `KIND verify`."""
    add = command.add_argument
    add("target", help="ORGANISATION/NAME, or a folder (a snapshot of a Hub cache is one)")
    add("--revision", default="main", help="commit, tag or branch (default: main)")
    add("--quick", action="store_true", help="no download: paths, sizes and hashes only")
    add("--against", type=Path, help="staged folder whose manifest it must equal")
    add("--no-load", action="store_true", help="compare bytes; do not try the loaders")
    command.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> dict[str, Any]:
    """Verify one target; exit 1 names the damage, exit 2 says why nothing could be seen."""
    folder = Path(arguments.target)
    report = _folder(folder, arguments) if folder.is_dir() else _repository(arguments)
    if not report.ok:
        raise Damaged(report)
    return {**report.as_dict(), "text": told(report)}


def _folder(folder: Path, given: argparse.Namespace) -> Report:
    report = verify_folder(folder, given.against)
    if report.ok and not given.quick and not given.no_load:
        check_loading(given.kind, str(folder.resolve()), None, read_manifest(folder), None, report)
    return report


def _repository(given: argparse.Namespace) -> Report:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", given.target):
        raise CouldNotLook(f"{given.target}: neither a folder nor a repository id")
    try:
        hub = open_hub(given.target, given.kind)
        if isinstance(hub, RemoteHub):
            reach(hub.endpoint)
    except ReleaseError as error:
        raise CouldNotLook(str(error)) from error
    report = verify_repository(hub, given.revision, given.quick, given.against)
    readable = all(finding.path != NAME for finding in report.findings)
    if given.kind == "dataset" and readable:
        _gating(hub, report)
    elif given.kind == "space" and readable:
        _pin(hub, report)
    if report.ok and not given.quick and not given.no_load:
        _load(hub, given, report)
    return report


def _pin(hub: Any, report: Report) -> None:
    """The model revision that a Space names is there."""
    manifest = _manifest(hub, report)
    told = manifest.facts.get("release") or {}
    model, revision = str(told.get("model")), str(told.get("revision"))
    try:
        found = open_hub(model, "model").resolve(revision)
        report.notes.append(f"shows {model} at {found}, which is there")
    except (LookupError, ReleaseError) as error:
        remedy = "publish the model, then stage the Space with its hash"
        report.add(Finding("app.py", f"its model is not there: {error}", remedy))


def _manifest(hub: Any, report: Report) -> Manifest:
    """The manifest at the verified revision."""
    sha = str(report.revision)
    return parse_manifest(patiently(lambda: hub.read(NAME, sha), "reading the manifest", say), NAME)


def _load(hub: Any, given: argparse.Namespace, report: Report) -> None:
    sha = str(report.revision)
    manifest = _manifest(hub, report)
    if isinstance(hub, FolderHub):
        check_loading(given.kind, str(hub.snapshot(sha)), None, manifest, None, report)
        return
    token = None
    if not patiently(hub.is_open, "reading settings", say):
        from huggingface_hub import get_token

        token = get_token()
        report.notes.append("private or gated: loaded with this account's token")
    check_loading(given.kind, given.target, sha, manifest, token, report)


def _gating(hub: Any, report: Report) -> None:
    """Tier `full` is gated by a setting; a public repository without it is open to everybody."""
    if not isinstance(hub, RemoteHub):
        return
    manifest = _manifest(hub, report)
    tier = (manifest.facts.get("release") or {}).get("tier")
    info = patiently(
        lambda: hub.api.repo_info(hub.repository, repo_type="dataset"), "settings", say
    )
    if tier == "full" and not info.private and not getattr(info, "gated", False):
        remedy = "publish again, which sets it, or set it on the site"
        report.add(Finding("settings", "tier full is public and not gated", remedy))


def told(report: Report) -> str:
    """The report for people."""
    at = f" at {report.revision}" if report.revision else ""
    lines = [
        f"{report.target}{at}: " + ("sound" if report.ok else f"{len(report.findings)} findings")
    ]
    lines += [f"  {finding}" for finding in report.findings]
    lines.append(
        f"  {report.files} files, {report.samples} samples, {report.bytes:,} bytes read, Merkle "
        f"root {report.root}"
    )
    for config, splits in report.loaded.get("configs", {}).items():
        rows = ", ".join(f"{split} {facts['rows']}" for split, facts in splits.items())
        lines.append(f"  load_dataset {config}: {rows} (whole and streamed alike)")
    if "answer" in report.loaded:
        lines.append(
            f"  AutoModel: {report.loaded['classes'][-1]}, answered {report.loaded['answer']!r}"
        )
    lines += [f"  note: {note}" for note in report.notes]
    return "\n".join(lines)
