"""requirements.txt as it leaves: every line names a version, the one this kit was tested with."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from release.errors import ReleaseError
from release.staging.folder import ROOT

LINE = re.compile(r"^([A-Za-z0-9._-]+(?:\[[A-Za-z0-9,._-]+\])?)\s*(.*)$")


def pinned_requirements(path: Path, form: str) -> str:
    """The file's text, lines without a version filled in.

    form: `exact` makes each line NAME==VERSION (a Space is rebuilt from it years later); `minimum`
    gives bare names NAME>=VERSION and leaves ranges alone (a model shares its user's environment).
    Raises: ReleaseError for a library that is neither in constraints.txt nor installed.
    """
    tested = _tested()
    lines = []
    for line in path.read_text("utf-8").splitlines():
        words, _, comment = line.partition("#")
        found = LINE.match(words.strip())
        if not found:
            lines.append(line)
            continue
        name, given = found[1], found[2].strip()
        if (given and form == "minimum") or given.startswith("=="):
            lines.append(line.rstrip())
            continue
        number = _version(name, tested)
        note = f"  #{comment}" if comment else ""
        lines.append(f"{name}{'==' if form == 'exact' else '>='}{number}{note}")
    return "\n".join(lines).strip() + "\n"


def _tested() -> dict[str, str]:
    """Versions of constraints.txt, by plain name."""
    path = ROOT / "constraints.txt"
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    pairs = (line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    return {_plain(name): number.strip() for name, number in pairs}


def _version(name: str, tested: dict[str, str]) -> str:
    plain = _plain(name.split("[")[0])
    if plain in tested:
        return tested[plain]
    try:
        return version(plain).split("+")[0]
    except PackageNotFoundError:
        raise ReleaseError(
            f"requirements name {name}, which is neither in constraints.txt nor installed; pin it"
        ) from None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
