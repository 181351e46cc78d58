"""The loopback Hub of `../shared` as a process, and the kit's commands as processes against it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from places import ROOT, SHARED
from release.files import hashes_of, relative_files

SERVER = SHARED / "tools" / "hubserver"
OWNER = "behavior-llava"
TOKENS = {"write": "hf_test_write", "read": "hf_test_read", "other": "hf_test_other"}


@dataclass
class LoopbackHub:
    """A running server; `root` survives it, so a killed one can be started again."""

    root: Path
    xet: bool
    process: subprocess.Popen | None = None
    endpoint: str = ""
    homes: Path = field(default_factory=Path)

    def start(self) -> "LoopbackHub":
        self.root.mkdir(parents=True, exist_ok=True)
        ready = self.root / "ready.json"
        ready.unlink(missing_ok=True)
        words = [sys.executable, "-m", "hubserver", "--root", str(self.root / "store"),
                 "--ready-file", str(ready), *([] if self.xet else ["--no-xet"])]  # fmt: skip
        self.process = subprocess.Popen(words, cwd=SERVER, stdout=subprocess.DEVNULL)
        for _ in range(600):
            if ready.is_file() and ready.read_text():
                break
            time.sleep(0.05)
        self.endpoint = json.loads(ready.read_text())["endpoint"]
        self.homes = self.root / "homes"
        return self

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def admin(self, what: str, value: Any = None, method: str | None = None) -> Any:
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.endpoint}/_admin/{what}", data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def faults(self, *rules: dict[str, Any]) -> None:
        self.admin("faults", list(rules))

    def log(self) -> list[dict[str, Any]]:
        return self.admin("log")

    def clear_log(self) -> None:
        self.admin("log", method="DELETE")

    def get(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.endpoint}{path}", headers={"Authorization": f"Bearer {TOKENS['write']}"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def commits(self, repository: str) -> list[dict[str, Any]]:
        """Commits of `main` but the one that made the repository, newest first."""
        return self.get(f"/api/datasets/{repository}/commits/main")[:-1]

    def tree(self, repository: str, revision: str = "main") -> dict[str, str]:
        found = self.get(f"/api/datasets/{repository}/tree/{revision}?recursive=true&limit=1000")
        return {e["path"]: (e.get("lfs") or e)["oid"] for e in found if e["type"] == "file"}

    def environment(
        self, token: str | None = "write", home: str = "shared", **more: str
    ) -> dict[str, str]:
        found = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.homes / home),
            "HF_HUB_OFFLINE": "0",
            "BLIFT_HUB_TIMEOUT": "20",
        }
        if token:
            found["HF_TOKEN"] = TOKENS[token]
        if not self.xet:
            found["HF_HUB_DISABLE_XET"] = "1"
        return found | more

    def words(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "release", *map(str, words)]

    def run(
        self, *words: str | Path, token: str | None = "write", home: str = "shared", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """One command of the kit to its end."""
        environment = self.environment(token, home, **more)
        return subprocess.run(
            self.words(*words), env=environment, capture_output=True, text=True, cwd=ROOT
        )

    def publish(
        self, folder: Path, repository: str, *more: str, **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        """`publish` of a data set; its answer as JSON on stdout."""
        return self.run(
            "dataset",
            "publish",
            folder,
            "--repo",
            repository,
            "--json",
            "--verify",
            "none",
            *more,
            **settings,
        )


def names(folder: Path) -> dict[str, set[str]]:
    """Path -> the names a Hub may give its content."""
    return {p: set(hashes_of(folder / p)[1:]) for p in relative_files(folder)}


def holds(hub: LoopbackHub, repository: str, folder: Path, revision: str = "main") -> bool:
    """Whether a revision is exactly this folder."""
    tree = hub.tree(repository, revision)
    tree.pop(".gitattributes", None)
    wanted = names(folder)
    return set(tree) == set(wanted) and all(tree[p] in wanted[p] for p in wanted)
