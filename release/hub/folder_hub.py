"""A Hub that is a folder, in the form of the Hub client's cache, so that stock loaders read it.

KIND--ORG--NAME/{blobs,snapshots/COMMIT,refs}; `hub.json` holds commits, tags and settings. With
HF_HUB_CACHE on that folder and HF_HUB_OFFLINE=1, `from_pretrained(ID, revision=…)` works.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from release.errors import ReleaseError
from release.files import hashes_of, write_json, write_whole
from release.hub.repository import Addition, Commit, Refs, RemoteFile, Tree

LARGE = 10 << 20  # as the Hub decides for texts; here it only names the hash


class StaleHead(Exception):
    """The head is not the parent: what an HTTP Hub says with 412, in the shape of its errors."""

    response = SimpleNamespace(status_code=412, headers={})


class FolderHub:
    """One repository of a folder."""

    def __init__(self, repository: str, kind: str, root: Path) -> None:
        self.repository, self.kind, self.root = repository, kind, root
        self.folder = root / f"{kind}s--{repository.replace('/', '--')}"
        self.address = str(self.folder)

    def check(self) -> str:
        """The folder can be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReleaseError(f"{self.root} cannot be a Hub: {error}") from error
        return os.environ.get("USER") or "local"

    def _state(self) -> dict[str, Any]:
        path = self.folder / "hub.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Any]]:
        """The state, to be changed; one writer at a time, and the change appears whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._state()
            yield state
            write_json(self.folder / "hub.json", state)

    def head(self) -> str | None:
        """Commit of `main`."""
        return self._state().get("heads", {}).get("main")

    def create(self, private: bool) -> None:
        """Make the repository with one empty commit; one that exists stays as it is."""
        with self._writing() as state:
            if not state:
                state |= {
                    "heads": {},
                    "tags": {},
                    "commits": {},
                    "private": private,
                    "gated": False,
                }
                self._append(state, "main", {}, None, "initial commit", "")

    def _append(
        self, state: dict[str, Any], branch: str, files: dict[str, Any], parent: str | None,
        title: str, message: str,
    ) -> str:  # fmt: skip
        body = {"parent": parent, "title": title, "message": message, "author": self.check(),
                "files": files, "time": time.time()}  # fmt: skip
        sha = hashlib.sha1(json.dumps(body, sort_keys=True).encode()).hexdigest()
        self._snapshot(sha, files)
        state["commits"][sha] = body
        state["heads"][branch] = sha
        write_whole(self.folder / "refs" / branch, sha.encode())
        return sha

    def _snapshot(self, sha: str, files: dict[str, Any]) -> None:
        folder = self.folder / "snapshots" / sha
        for path, entry in files.items():
            link = folder / path
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                blob = self.folder / "blobs" / (entry["sha256"] or entry["blob"])
                link.symlink_to(os.path.relpath(blob, link.parent))
        folder.mkdir(parents=True, exist_ok=True)

    def resolve(self, revision: str) -> str:
        """The commit that a branch, tag or hash names."""
        state = self._state()
        heads, tags = state.get("heads", {}), state.get("tags", {})
        sha = str(heads.get(revision) or tags.get(revision) or revision)
        if sha not in state.get("commits", {}):
            raise LookupError(f"{self.address} has no revision {revision}")
        return sha

    def _files(self, revision: str) -> dict[str, Any]:
        return dict(self._state()["commits"][self.resolve(revision)]["files"])

    def tree(self, revision: str) -> Tree:
        """Every file at a revision."""
        return {path: RemoteFile(**entry) for path, entry in self._files(revision).items()}

    def commits(self, revision: str) -> list[Commit]:
        """Commits from `revision` down."""
        state, sha = self._state(), self.resolve(revision)
        found = []
        while sha:
            body = state["commits"][sha]
            found.append(Commit(sha, body["title"], body["message"], body["author"]))
            sha = body["parent"]
        return found

    def send(self, files: Sequence[Addition], revision: str) -> None:
        """Copy contents in; what is there already is not copied again."""
        for file in files:
            self._store(file)

    def forget_sent(self) -> None:
        """Nothing is remembered here."""

    def _store(self, file: Addition) -> dict[str, Any]:
        size, sha256, blob = hashes_of(file.source)
        to = self.folder / "blobs" / sha256
        if not to.is_file() or to.stat().st_size != size:
            to.parent.mkdir(parents=True, exist_ok=True)
            part = to.with_name(f".{sha256}.{os.getpid()}.part")
            shutil.copyfile(file.source, part)
            part.replace(to)
        return {"size": size, "blob": blob, "sha256": sha256}

    def commit(
        self, files: Sequence[Addition], deletions: Sequence[str], parent: str, title: str,
        message: str, branch: str,
    ) -> str:  # fmt: skip
        """One commit, if the head still is `parent`."""
        stored = {file.path: self._store(file) for file in files}
        with self._writing() as state:
            if state["heads"].get(branch) != parent:
                raise StaleHead(f"the head of {branch} is {state['heads'].get(branch)}")
            before = state["commits"][parent]["files"]
            after = {p: e for p, e in before.items() if p not in set(deletions)} | stored
            return self._append(state, branch, after, parent, title, message)

    def refs(self) -> Refs:
        """Branches and tags; a folder has no pull requests."""
        state = self._state()
        return Refs(dict(state.get("heads", {})), dict(state.get("tags", {})), {}, {})

    def tag(self, name: str, revision: str, message: str) -> None:
        """Name a revision."""
        with self._writing() as state:
            if state["tags"].get(name, revision) != revision:
                raise ReleaseError(f"tag {name} exists on {state['tags'][name]}")
            state["tags"][name] = revision
            write_whole(self.folder / "refs" / name, revision.encode())

    def settle(self, private: bool | None, gated: bool | None) -> None:
        """Note who may read; a folder's rights are the file system's."""
        with self._writing() as state:
            given = {"private": private, "gated": gated}
            state |= {name: value for name, value in given.items() if value is not None}

    def read(self, path: str, revision: str) -> bytes:
        """The bytes of a file at a revision."""
        entry = self._files(revision).get(path)
        if entry is None:
            raise LookupError(f"{self.address} holds no {path} at {revision}")
        return (self.folder / "blobs" / entry["sha256"]).read_bytes()

    def fetch(self, path: str, revision: str, folder: Path, route: int) -> Path:
        """The blob itself: there is one route, and nothing to download."""
        return self.folder / "blobs" / self._files(revision)[path]["sha256"]

    def snapshot(self, revision: str) -> Path:
        """The folder of a revision, which stock loaders read."""
        return self.folder / "snapshots" / self.resolve(revision)
