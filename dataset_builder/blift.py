"""The loading script of the dataset card, used from the installed package.

`datasets` 4 and later refuse scripts inside dataset repositories, so the published folder has none
and `load_dataset(folder)` reads it by its card. This builder adds what the card cannot say: one
config per source over the same shards.

    from dataset_builder.blift import Blift
    builder = Blift("reddit", release="out/release")
    builder.download_and_prepare()
    builder.as_dataset(split="train")      # or as_streaming_dataset, without preparing
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets

from dataset_builder.samples.fields import shard_features
from dataset_builder.schema import SOURCES
from dataset_builder.shards.reader import read_samples
from dataset_builder.shards.writer import DEFAULT_CONFIG, SPLITS

REPOSITORY = "behavior-llava/blift"
CONFIGS = (DEFAULT_CONFIG, *SOURCES, "salicon_object", "salicon_region")


class BliftConfig(datasets.BuilderConfig):
    """`release` is a folder or a dataset repository of the Hub, `revision` its commit."""

    def __init__(
        self, *args: Any, release: str = REPOSITORY, revision: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.release = str(release)
        self.revision = revision


class Blift(datasets.GeneratorBasedBuilder):
    """Samples of one config, read from the shards of a release."""

    BUILDER_CONFIG_CLASS = BliftConfig
    BUILDER_CONFIGS = [BliftConfig(name=name, version="1.0.0") for name in CONFIGS]  # noqa: RUF012
    DEFAULT_CONFIG_NAME = DEFAULT_CONFIG

    def __init__(self, config_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(config_name=config_name, dataset_name="blift", **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=shard_features(self._has_media()))

    def _has_media(self) -> bool:
        """Posts have media in a `full` release only; eye tracking always has."""
        if self.config.name.startswith("salicon"):
            return True
        return self._manifest()["release"]["tier"] == "full"

    def _manifest(self) -> dict[str, Any]:
        manager = datasets.DownloadManager()
        path = manager.download(self._url("manifest.json"))
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (a path or a cached download)
            return json.load(file)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        """The shards of this config that the manifest lists, split by split."""
        manifest = self._manifest()
        listed = [f["path"] for f in manifest["files"] if f["path"].endswith(".tar")]
        sources = manifest["release"]["sources"]
        inside = f"data/{self.config.name}/" if self.config.name.startswith("salicon") else "data/"
        found = []
        for split in SPLITS:
            paths = [p for p in listed if p.startswith(f"{inside}{split}-")]
            if self.config.name in SOURCES and self.config.name not in sources.get(split, {}):
                continue  # a split without a sample of this source would be an error to load
            if paths:
                urls = [self._url(path) for path in paths]
                archives = [_open(dl_manager, dl_manager.download(url)) for url in urls]
                arguments = {"archives": archives, "urls": urls}
                found.append(datasets.SplitGenerator(split, gen_kwargs=arguments))
        if not found:
            raise ValueError(
                f"config {self.config.name!r}: {self.config.release} has no shards under {inside}; "
                f"it has {', '.join(listed) or 'none'}, sources {sources}"
            )
        return found

    def _generate_examples(
        self, archives: list[Any], urls: list[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for archive, url in zip(archives, urls, strict=True):
            found = read_samples(archive) if isinstance(archive, Path) else _samples(archive)
            for key, members in found:
                sample = json.loads(members["json"])
                if self.config.name in SOURCES and sample["source"] != self.config.name:
                    continue
                row: dict[str, Any] = {"__key__": key, "__url__": url, "json": sample}
                for name in ("jpg", "mp4"):
                    if name in self.info.features:
                        row[name] = {"path": f"{key}.{name}", "bytes": members[name]}
                yield key, row

    def _url(self, path: str) -> str:
        """Where one file of the release lies: in a folder, else on the Hub."""
        if self.config.release.count("/") == 1 and not self.config.release.startswith((".", "/")):
            revision = self.config.revision or "main"
            return f"hf://datasets/{self.config.release}@{revision}/{path}"
        return f"{self.config.release.rstrip('/')}/{path}"


def _open(dl_manager: Any, path: str) -> Any:
    """A local shard for our own reader; what streams from the Hub goes through `datasets`."""
    return Path(path) if Path(path).is_file() else dl_manager.iter_archive(path)


def _samples(archive: Any) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Groups of members with one key; a sample's members stand together in a shard."""
    key: str | None = None
    members: dict[str, bytes] = {}
    for name, file in archive:
        stem, _, extension = name.partition(".")
        if stem != key and key is not None:
            yield key, members
            members = {}
        key = stem
        members[extension] = file.read()
    if key is not None:
        yield key, members
