"""A repository on a Hub that is reached over HTTP, through the Hub's own client."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import (
    build_hf_headers,
    disable_progress_bars,
    get_session,
    hf_raise_for_status,
    set_client_factory,
)

from release.errors import ReleaseError
from release.hub.repository import Addition, Commit, Refs, RemoteFile, Tree
from release.hub.waiting import READ_SECONDS, client_that_ends, in_time, reach

# a .gitignore in the repository would silently drop files; content of our own overrides it
IGNORE_NOTHING = "# nothing is ignored\n"


class RemoteHub:
    """One repository, by id and kind (`model`, `dataset`, `space`)."""

    def __init__(self, repository: str, kind: str, endpoint: str, token: str | bool | None) -> None:
        self.repository, self.kind, self.endpoint = repository, kind, endpoint.rstrip("/")
        prefix = "" if kind == "model" else f"{kind}s/"
        self.address = f"{self.endpoint}/{prefix}{repository}"
        self.api = HfApi(endpoint=self.endpoint, token=token)
        self._operations: dict[str, CommitOperationAdd] = {}
        set_client_factory(client_that_ends)
        if not sys.stderr.isatty():
            disable_progress_bars()  # the client's own redraw themselves into logs

    def check(self) -> str:
        """Reach the endpoint within seconds, and see that the token may write."""
        reach(self.endpoint)
        try:
            me = self.api.whoami()
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", None)
            if status == 401:
                raise ReleaseError(
                    f"{self.endpoint} does not accept this token; set HF_TOKEN or run `hf auth "
                    "login`"
                ) from error
            raise
        role = me.get("auth", {}).get("accessToken", {}).get("role")
        if role == "read":
            raise ReleaseError(
                f"the token of {me['name']} may only read; use one with write access"
            )
        return str(me["name"])

    def head(self) -> str | None:
        """Commit of `main`."""
        try:
            info = self.api.repo_info(self.repository, repo_type=self.kind, timeout=READ_SECONDS)
        except RepositoryNotFoundError:
            return None
        return str(info.sha)

    def create(self, private: bool) -> None:
        """Make the repository; one that exists stays as it is."""
        sdk = "gradio" if self.kind == "space" else None
        self.api.create_repo(
            self.repository, repo_type=self.kind, private=private, exist_ok=True, space_sdk=sdk
        )

    def tree(self, revision: str) -> Tree:
        """Every file at a revision."""
        entries = self.api.list_repo_tree(
            self.repository, recursive=True, revision=revision, repo_type=self.kind
        )
        return {
            entry.path: RemoteFile(
                entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None
            )
            for entry in entries
            if isinstance(entry, RepoFile)
        }

    def commits(self, revision: str) -> list[Commit]:
        """Commits from `revision` down, newest first."""
        found = self.api.list_repo_commits(self.repository, repo_type=self.kind, revision=revision)
        return [Commit(c.commit_id, c.title, c.message, ", ".join(c.authors)) for c in found]

    def send(self, files: Sequence[Addition], revision: str) -> None:
        """Store large files through the client, which skips what the Hub holds already."""
        operations = [self._operation(file) for file in files]
        self.api.preupload_lfs_files(
            self.repository, operations, repo_type=self.kind, revision=revision, free_memory=False,
            gitignore_content=IGNORE_NOTHING,
        )  # fmt: skip

    def forget_sent(self) -> None:
        """Ask again which files are stored: a commit said that one was not."""
        self._operations.clear()

    def _operation(self, file: Addition) -> CommitOperationAdd:
        """One object per file: the client notes on it what was stored and how it is committed."""
        if file.path not in self._operations:
            made = CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=str(file.source))
            self._operations[file.path] = made
        return self._operations[file.path]

    def commit(
        self, files: Sequence[Addition], deletions: Sequence[str], parent: str, title: str,
        message: str, branch: str,
    ) -> str:  # fmt: skip
        """One commit; the client never repeats it by itself."""
        operations: list[Any] = [self._operation(file) for file in files]
        operations += [CommitOperationDelete(path, is_folder=False) for path in deletions]
        info = self.api.create_commit(
            self.repository, operations, commit_message=title, commit_description=message,
            repo_type=self.kind, revision=branch, parent_commit=parent,
        )  # fmt: skip
        return str(info.oid)

    def open_pull_request(self, title: str, message: str) -> str:
        """An empty pull request on `main`; returns its ref."""
        made = self.api.create_pull_request(
            self.repository, title=title, description=message, repo_type=self.kind
        )
        return f"refs/pr/{made.num}"

    def merge_pull_request(self, ref: str, comment: str) -> None:
        """Merge it into `main`."""
        number = int(ref.rpartition("/")[2])
        self.api.merge_pull_request(self.repository, number, comment=comment, repo_type=self.kind)

    def refs(self) -> Refs:
        """Everything that keeps a revision alive."""
        found = self.api.list_repo_refs(
            self.repository, repo_type=self.kind, include_pull_requests=True
        )
        return Refs(
            {r.name: r.target_commit for r in found.branches},
            {r.name: r.target_commit for r in found.tags},
            {r.ref: r.target_commit for r in found.pull_requests or []},
            {r.ref: r.target_commit for r in found.converts},
        )

    def tag(self, name: str, revision: str, message: str) -> None:
        """Name a revision; a name that exists is an error."""
        self.api.create_tag(
            self.repository, tag=name, revision=revision, tag_message=message, repo_type=self.kind
        )

    def settle(self, private: bool | None, gated: bool | None) -> None:
        """Who may read; `gated` is by hand: somebody looks at every request."""
        known = {
            "private": private,
            "gated": None if gated is None else "manual" if gated else False,
        }
        asked = {name: value for name, value in known.items() if value is not None}
        if asked:
            self.api.update_repo_settings(self.repository, repo_type=self.kind, **asked)  # type: ignore[arg-type]

    def resolve(self, revision: str) -> str:
        """The commit that a branch, tag or hash names."""
        try:
            info = self.api.repo_info(self.repository, repo_type=self.kind, revision=revision)
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise LookupError(
                f"{self.address} has no revision {revision}, or this token may not see it"
            ) from error
        return str(info.sha)

    def is_open(self) -> bool:
        """Whether anyone may read it without a token."""
        info = self.api.repo_info(self.repository, repo_type=self.kind)
        return not info.private and not getattr(info, "gated", False)

    def read(self, path: str, revision: str) -> bytes:
        """The bytes of a small file at that very revision."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                return self.fetch(path, revision, Path(folder), 0).read_bytes()
            except EntryNotFoundError as error:
                raise LookupError(f"{self.address} holds no {path} at {revision}") from error

    def fetch(self, path: str, revision: str, folder: Path, route: int) -> Path:
        """Download over plain HTTP, which ends in time, or by the client's usual way (Xet)."""
        if route == 1:
            return in_time(
                lambda: self.api.hf_hub_download(
                    self.repository, path, repo_type=self.kind, revision=revision, local_dir=folder
                ),
                f"{path} by the client",
            )
        to = folder / "plain"
        with self._get(path, revision, {}) as response, to.open("wb") as file:
            if response.is_error:
                response.read()
            hf_raise_for_status(response)
            for block in response.iter_bytes():
                file.write(block)
        return to

    def _get(self, path: str, revision: str, headers: dict[str, str]) -> Any:
        """The streamed answer for one file, with our token."""
        url = hf_hub_url(
            self.repository,
            path,
            repo_type=self.kind,
            revision=revision,
            endpoint=self.endpoint,
        )
        every = {**build_hf_headers(token=self.api.token), **headers}
        return get_session().stream("GET", url, headers=every)

    def permanently_delete(self, keep: set[str]) -> list[str]:
        """Delete every large object but `keep` from all revisions; returns their hashes."""
        found = self.api.list_lfs_files(self.repository, repo_type=self.kind)
        gone = [file for file in found if file.file_oid not in keep]
        if gone:
            self.api.permanently_delete_lfs_files(
                self.repository, gone, rewrite_history=True, repo_type=self.kind
            )
        return sorted({str(file.file_oid) for file in gone})

    def squash(self, branch: str, message: str) -> None:
        """Leave one commit on a branch."""
        self.api.super_squash_history(
            self.repository, branch=branch, commit_message=message, repo_type=self.kind
        )

    def delete_ref(self, kind: str, name: str) -> None:
        """Delete a tag or a branch."""
        if kind == "tag":
            self.api.delete_tag(self.repository, tag=name, repo_type=self.kind)
        else:
            self.api.delete_branch(self.repository, branch=name, repo_type=self.kind)

    def status(self, path: str, revision: str) -> int:
        """What a reader is answered for one file: 200 or 206 when the bytes come.

        Asked with our token, so that a private or gated repository hides nothing from us.
        """
        with self._get(path, revision, {"Range": "bytes=0-0"}) as response:
            return int(response.status_code)
