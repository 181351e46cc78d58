"""Where the repository and the shared files lie, and what to do when the latter are not here."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def needs_shared(*parts: str) -> pytest.MarkDecorator:
    """Skip where `../shared/<part>` is not here, or fail at collection if `NEED_SHARED` is set.

    A wrong path would otherwise skip every such test without a word.
    """
    missing = [part for part in parts if not (SHARED / part).exists()]
    if missing and os.environ.get("NEED_SHARED"):
        raise FileNotFoundError(f"NEED_SHARED is set, but {SHARED} holds no {', '.join(missing)}")
    return pytest.mark.skipif(bool(missing), reason=f"no {missing} in ../shared")
