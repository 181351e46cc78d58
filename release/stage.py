"""Copy a finished artefact into a folder fit to be a Hub repository, or say why it is not."""

import hashlib
import json
import shutil
from pathlib import Path

# a loader that unpickles, or a script that runs on load, never leaves this house
FORBIDDEN_WEIGHTS = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack"}
AUTO_CLASSES = ("AutoConfig", "AutoModel", "AutoModelForImageTextToText", "AutoProcessor")


class StageError(Exception):
    """An artefact is not fit to publish: names the file, what was expected and the remedy."""


def stage_dataset(source: Path, out: Path) -> list[str]:
    """Copy a release folder whose every file equals its manifest entry.

    Args: source: `BUILD/release` of `blift build`. Returns: relative paths staged, sorted.
    Raises: StageError on a missing manifest, a damaged, missing or unlisted file, or any script.
    """
    manifest_path = source / "manifest.json"
    if not manifest_path.is_file():
        raise StageError(
            f"{source} has no manifest.json; expected the release folder of `blift build`"
        )
    listed = {e["path"]: e["sha256"] for e in json.loads(manifest_path.read_text())["files"]}
    present = set(relative_files(source)) - {"manifest.json"}
    for path in sorted(present | set(listed)):
        if path.endswith(".py"):
            raise StageError(f"{path}: a dataset repository with a script does not load; remove it")
        if path not in listed:
            raise StageError(f"{path} is not in manifest.json; remove it or build again")
        if path not in present or sha256_of(source / path) != listed[path]:
            raise StageError(f"{path} differs from manifest.json; run `blift verify {source}`")
    return copy_files(source, out, [*sorted(listed), "manifest.json"])


def stage_model(source: Path, out: Path) -> list[str]:
    """Copy a model folder that loads by its own code and holds safetensors only.

    Raises: StageError on pickled weights, a missing weight file, or an incomplete `auto_map`.
    """
    config_path = source / "config.json"
    if not config_path.is_file():
        raise StageError(f"{source} has no config.json; expected a model folder, as sft.py writes")
    files = relative_files(source)
    pickled = [path for path in files if Path(path).suffix in FORBIDDEN_WEIGHTS]
    if pickled:
        raise StageError(f"{pickled[0]} may hold a pickle; publish safetensors only")
    if not any(path.endswith(".safetensors") for path in files):
        raise StageError(f"{source} holds no .safetensors file; save the model first")
    mapped = json.loads(config_path.read_text()).get("auto_map", {})
    processor_path = source / "processor_config.json"
    if processor_path.is_file():
        mapped = {**json.loads(processor_path.read_text()).get("auto_map", {}), **mapped}
    missing = [name for name in AUTO_CLASSES if name not in mapped]
    if missing:
        raise StageError(f"auto_map of {source} lacks {', '.join(missing)}; save it with sft.py")
    crossing = [value for value in mapped.values() if "--" in str(value)]
    if crossing:
        raise StageError(f"auto_map points into another repository ({crossing[0]}): not pinnable")
    return copy_files(source, out, [path for path in files if "checkpoint-" not in path])


def stage_space(source: Path, out: Path) -> list[str]:
    """Copy the Space: card with front matter, requirements and the one app file.

    Raises: StageError when one of the three is missing.
    """
    needed = ["README.md", "requirements.txt", "app.py"]
    missing = [name for name in needed if not (source / name).is_file()]
    if missing:
        raise StageError(f"{source} lacks {', '.join(missing)}; expected the folder space/")
    return copy_files(source, out, needed)


def relative_files(folder: Path) -> list[str]:
    """Every regular file below a folder as a sorted POSIX path; caches are left out."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in files if "__pycache__" not in path.parts)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_files(source: Path, out: Path, paths: list[str]) -> list[str]:
    """Copy the named files into an empty or absent folder.

    Raises: StageError when the folder already holds something.
    """
    if out.exists() and any(out.iterdir()):
        raise StageError(f"{out} is not empty; name a new folder, so that nothing stale is staged")
    for path in paths:
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, target)
    return paths
