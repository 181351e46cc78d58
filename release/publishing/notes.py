"""Release notes: the change log's entry, and what the manifest says has changed."""

import re

from release.manifest import Manifest


def changelog_entry(text: str, version: str) -> str:
    """The section of a change log under a heading with this version; empty without one."""
    found = re.search(
        rf"^##\s+\[?v?{re.escape(version)}(?![\d.])\]?[^\n]*\n(.*?)(?=^##\s|\Z)", text, re.M | re.S
    )
    return found[1].strip() if found else ""


def difference(old: Manifest | None, new: Manifest) -> str:
    """Files and samples that came, went or changed, in one line each."""
    if old is None:
        samples = sum(e.samples for e in new.files if e.path.startswith("data/"))
        return f"First release: {len(new.files)} files, {samples:,} samples."
    before = {e.path: e for e in old.files}
    after = {e.path: e for e in new.files}
    come = sorted(set(after) - set(before))
    gone = sorted(set(before) - set(after))
    changed = sorted(p for p in set(after) & set(before) if after[p].sha256 != before[p].sha256)
    was, now = (sum(e.samples for e in m.files if e.path.startswith("data/")) for m in (old, new))
    lines = [f"Samples: {was:,} before, {now:,} now."]
    lines += [
        f"{what}: {len(paths)} files"
        + (f" ({', '.join(paths[:5])}{', …' if len(paths) > 5 else ''})." if paths else ".")
        for what, paths in (("New", come), ("Removed", gone), ("Changed", changed))
    ]
    return "\n".join(lines)
