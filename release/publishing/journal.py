"""What a publisher had begun, beside the folder it publishes; it survives kill -9."""

import json
from pathlib import Path
from typing import Any

from release.files import write_json


class Journal:
    """FOLDER.publish.json: one entry per repository and release.

    An entry holds the release id, the head it was built on, and where it stands; and, once it is
    done, the commit and tag, by which `withdraw` knows which revisions to look after.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.with_name(f"{folder.name}.publish.json")
        self._entries: dict[str, Any] = {}
        if self.path.is_file():
            try:
                self._entries = json.loads(self.path.read_text("utf-8"))
            except ValueError:
                self._entries = {}  # the description of the head says the same; losing this is safe

    def entry(self, address: str, release: str) -> dict[str, Any]:
        """What is known of this release at this address."""
        return dict(self._entries.get(address, {}).get(release, {}))

    def note(self, address: str, release: str, **facts: Any) -> None:
        """Add facts, on disk when this returns."""
        of_address = self._entries.setdefault(address, {})
        of_address[release] = {**of_address.get(release, {}), **facts}
        write_json(self.path, self._entries)
