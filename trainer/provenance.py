"""What a result must name to be checked: code, model and library versions, memory used.

torch and transformers are imported where they are used: scoring needs neither.
"""

import hashlib
import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "evaluate")
OPTIONAL = ("deepspeed", "bitsandbytes", "trackio")
HASH_BLOCK = 1 << 20
# what a run writes about itself beside the model
RECORDS = {"train_summary.json", "training_manifest.json"}


def library_versions() -> dict[str, str | None]:
    """Return the versions of the libraries a run depends on; None for one not installed."""
    found: dict[str, str | None] = {}
    for name in (*LIBRARIES, *OPTIONAL):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def code_commit() -> str | None:
    """Return the git commit of this code, `-dirty` with local changes; None outside git."""
    here = Path(__file__).resolve().parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *command], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def model_revision(model: str, revision: str | None) -> str | None:
    """Return what pins a model: the commit of a Hub model, or a digest of a folder's files.

    The digest covers configuration, code and weights, by name and content, so that two folders
    have the same one exactly when they hold the same model. The commit is that of the cached
    files which were loaded.
    """
    folder = Path(model)
    if not folder.is_dir():
        from transformers.utils.hub import cached_file, extract_commit_hash

        return extract_commit_hash(cached_file(model, "config.json", revision=revision), None)
    digest = hashlib.sha256()
    kinds = {".json", ".py", ".safetensors", ".jinja", ".txt", ".model"}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts[0]
        if inside.startswith(("checkpoint-", ".")):
            continue  # of the run that wrote the model, not the model
        if path.suffix in kinds and path.name not in RECORDS and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def unplaced(value: Any) -> Any:
    """Return a record without places of this machine: of an absolute path only its name is left.

    What a folder says of itself is published with it; revisions and digests say which files they
    were.
    """
    if isinstance(value, Mapping):
        return {key: unplaced(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unplaced(item) for item in value]
    if isinstance(value, str):
        option, equals, given = value.partition("=")
        if equals and option.startswith("--"):
            return f"{option}={unplaced(given)}"
        return Path(value).name if Path(value).expanduser().is_absolute() else value
    return unplaced(str(value)) if isinstance(value, Path) else value


def write_json(path: Path, value: object) -> None:
    """Write JSON in one step: a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def peak_memory() -> int:
    """Return this process's peak resident memory, or the accelerator's, in bytes."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
