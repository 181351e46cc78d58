"""Dataset folder or Hub id -> rows, with errors that say what is missing."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any


class DatasetProblem(ValueError):
    """The dataset, its split or its columns are not what training and evaluation need."""


def load_rows(
    dataset: str, config: str | None, split: str, revision: str | None, *, streaming: bool
) -> Any:
    """Load one split of a dataset folder or Hub dataset (`datasets.Dataset` or Iterable…).

    Rows have `json` (the sample) and, outside the metadata tier, `jpg` and `mp4`. DatasetProblem
    names a missing dataset, split or column.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    if is_local_path(dataset) and not Path(dataset).is_dir():
        raise DatasetProblem(
            f"dataset {dataset!r}: no such folder; give the release folder that `blift build` "
            "wrote (the one with data/ and README.md) or the id of a dataset on the Hub"
        )
    try:
        rows = load_dataset(
            dataset,
            config,
            split=split,
            revision=revision,
            streaming=streaming,
            cache_dir=local_cache(Path(dataset)) if Path(dataset).is_dir() else None,
        )
    except (DatasetNotFoundError, ConnectionError) as error:
        raise DatasetProblem(
            f"dataset {dataset!r} is neither a folder here nor reachable on the Hub: {error}"
        ) from error
    except ValueError as error:
        if "split" not in str(error):
            raise
        raise DatasetProblem(f"dataset {dataset!r} has no split {split!r}: {error}") from error
    return checked(rows, dataset)


def local_cache(folder: Path) -> str:
    """Return a cache folder of this state of a local dataset.

    The library's own key for a local folder holds its name and card, neither path nor content: a
    rebuilt release, or another one of the same name, would silently give the old rows.
    """
    from datasets import config

    state = hashlib.sha256(str(folder.resolve()).encode())
    for path in sorted(folder.rglob("*")):
        facts = path.stat()
        state.update(f"{path.name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return str(Path(config.HF_DATASETS_CACHE) / "blift" / state.hexdigest()[:24])


def checked(rows: Any, dataset: str) -> Any:
    """Return the rows when their columns are a sample's; DatasetProblem otherwise."""
    columns = list(rows.features or next(iter(rows)))
    if "json" not in columns:
        raise DatasetProblem(
            f"dataset {dataset!r} has the columns {columns}, expected `json` (and `jpg`, `mp4`): "
            "is this a BLIFT release?"
        )
    return rows


def is_local_path(name: str) -> bool:
    """Return whether a name means a folder: one that exists, or one no Hub id can be."""
    return Path(name).exists() or name.startswith((".", "/", "~")) or name.count("/") > 1


def dataset_revision(dataset: str, revision: str | None) -> str | None:
    """Return what pins the data: the manifest's Merkle root, or the commit of a Hub dataset."""
    manifest = Path(dataset) / "manifest.json"
    if manifest.is_file():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["root"])
    if Path(dataset).is_dir():
        return revision
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(dataset, revision=revision).sha)


def shard_counts(dataset: str, config: str | None, split: str, revision: str | None) -> int | None:
    """Return how many samples a split's shards hold, without reading them; None when nothing says.

    The manifest says it; without one a local folder's tar headers do, and a Hub card may.
    """
    manifest = _manifest(dataset, revision)
    inside = "data/" if config in (None, "default") else f"data/{config}/"
    counted = [
        int(file["samples"])
        for file in (manifest or {}).get("files", [])
        if file["path"].startswith(f"{inside}{split}-") and file["path"].endswith(".tar")
    ]
    if counted:
        return sum(counted)
    if not Path(dataset).is_dir():
        return None
    found = 0
    for path in sorted((Path(dataset) / inside).glob(f"{split}-*.tar")):
        with tarfile.open(path) as tar:
            found += sum(name.endswith(".json") for name in tar.getnames())
    return found or None


def _manifest(dataset: str, revision: str | None) -> dict[str, Any] | None:
    if Path(dataset).is_dir():
        path = Path(dataset) / "manifest.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        found = hf_hub_download(dataset, "manifest.json", repo_type="dataset", revision=revision)
    except EntryNotFoundError:
        return None
    return dict(json.loads(Path(found).read_text(encoding="utf-8")))
