"""Run every gate of a kind of repository over a folder; nothing passes that a gate did not read."""

from collections.abc import Sequence
from pathlib import Path

from release.files import relative_files
from release.gates.gate import Refused, Subject
from release.gates.order import GATES


def check_folder(folder: Path, kind: str, canaries: Sequence[str] = ()) -> int:
    """Run the gates of `kind`, cheap ones first; returns how many files passed.

    A later group runs only on what the earlier ones let through: nothing imports or decodes a
    file whose name and content were not found sound. Raises: Refused.
    """
    subject = Subject(folder, kind, tuple(relative_files(folder)), tuple(canaries))
    for group in GATES[kind]:
        refusals = [refusal for gate in group for refusal in gate(subject)]
        if refusals:
            raise Refused(kind, refusals)
    return len(subject.files)
