"""The data set's repository, made from the release folder of a build."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.cards.croissant import croissant
from release.cards.dataset import BIBTEX, GATE_PROMPT, DatasetFacts, dataset_card
from release.cards.front_matter import split_card
from release.cards.pictures import clean_png, contact_sheet
from release.errors import ReleaseError
from release.files import copy_in, sha256_of, write_json, write_whole
from release.manifest import CARD, NAME, Manifest, list_folder, read_manifest, write_manifest
from release.staging.folder import VERSION, Staged, source_files, stage_folder
from release.staging.repack import Repacked, repack, write_records
from release.staging.terms import TERMS

REPOSITORY = "behavior-llava/blift"
CONTACT = "the discussion page of this repository"
RAI = {
    "dataCollection": "Public posts, comments and media of Reddit and YouTube, filtered by stated "
    "rules.",
    "dataBiases": "Likes and comments show who watched and what platforms ranked, not quality or "
    "truth.",
    "personalSensitiveInformation": "Names of authors are removed; classes of personal data in "
    "texts are replaced and counted in the card.",
    "dataUseCases": "Research on content understanding and on how audiences react.",
    "dataLimitations": "Top comments only; languages and years as counted in the card.",
    "dataReleaseMaintenancePlan": "Withdrawn items leave every file and every old revision.",
}


@dataclass(frozen=True)
class DatasetOptions:
    """What the command line says about a data set; the build's folder says the rest."""

    repository: str = REPOSITORY
    version: str = VERSION
    contact: str = CONTACT
    attributions: Path | None = None
    changelog: Path | None = None
    withdrawals: Path | None = None
    license: Path | None = None
    date: str | None = None
    canaries: Sequence[str] = ()


def stage_dataset(source: Path, out: Path, options: DatasetOptions) -> Staged:
    """Stage a release folder whose every file equals its manifest entry.

    Args: source: `BUILD/release` of `blift build`; funnel and media list are looked for beside it.
    Raises: ReleaseError for a missing manifest or a damaged, missing or unlisted file; Refused.
    """
    build = checked_build(source)
    return stage_folder(
        "dataset", out, lambda target: _fill(source, build, target, options), options.canaries
    )


def checked_build(source: Path) -> Manifest:
    """The build's manifest, after every file was compared with it."""
    paths = source_files("dataset", source)
    build = read_manifest(source)
    listed = {entry.path: entry for entry in build.files}
    for path in sorted({*paths, *listed} - {NAME}):
        if path.endswith(".py"):
            raise ReleaseError(
                f"{path}: a dataset repository with a script does not load; remove it"
            )
        if path not in listed:
            raise ReleaseError(f"{path} is not in {NAME}; remove it or build again")
        if path not in paths or sha256_of(source / path) != listed[path].sha256:
            raise ReleaseError(f"{path} differs from {NAME}; run `blift verify {source}`")
    missing = [
        name for name in ("release", "settings", "inputs", "code") if name not in build.facts
    ]
    if missing:
        raise ReleaseError(
            f"{source / NAME} lacks {', '.join(missing)}; build it with `blift build`"
        )
    return build


def _fill(source: Path, build: Manifest, target: Path, options: DatasetOptions) -> list[str]:
    tars = [entry.path for entry in build.files if entry.path.endswith(".tar")]
    if not tars:
        raise ReleaseError(f"{source} holds no shards: the build kept nothing; see its funnel.json")
    sources = sources_of(build)
    packed = repack(source, target, tars, multiple=len(sources) > 1)
    copy_in(source / CARD, target / CARD)
    for name in ("funnel.json", "funnel.png"):
        beside = source.parent / name
        if beside.is_file():
            data = beside.read_bytes()
            write_whole(target / name, clean_png(data) if name.endswith(".png") else data)
    _documents(source, build, target, options)
    describe(target, build, packed, options)
    return []


def sources_of(build: Manifest) -> set[str]:
    """Platforms that the default config's samples come from."""
    return {source for split in build.facts["release"]["sources"].values() for source in split}


def describe(target: Path, build: Manifest, packed: Repacked, options: DatasetOptions) -> None:
    """Everything about data that lie in `target` already: records, pictures, card, manifest.

    `target` holds shards, metadata, documents, and a README.md that declares the features.
    """
    sources = sources_of(build)
    for split in list(packed.shards["default"]):
        write_records(target, split, packed)
    if len(sources) == 1:  # the whole default config is this source's
        packed.shards[next(iter(sources))] = packed.shards["default"]
    sheet = contact_sheet(
        [target / p for paths in packed.shards["default"].values() for p in paths]
    )
    if sheet:
        write_whole(target / "contact_sheet.png", sheet)
    funnel = target / "funnel.json"
    facts = DatasetFacts(
        folder=target,
        build=build,
        entries=list_folder(target, packed.samples),
        configs=_configs(target, packed, sources),
        repository=options.repository,
        version=options.version,
        contact=options.contact,
        changelog=_changes(target),
        funnel=json.loads(funnel.read_text("utf-8")) if funnel.is_file() else None,
        canaries=options.canaries,
        sheet=sheet is not None,
    )
    _close(target, facts, packed, options)


def _configs(target: Path, packed: Repacked, sources: set[str]) -> list[dict[str, Any]]:
    """Every config with its features, patterns and files; `default` first."""
    built, _ = split_card((target / CARD).read_text("utf-8"))
    infos = built.get("dataset_info") or []
    infos = infos if isinstance(infos, list) else [infos]
    features = {info.get("config_name", "default"): info["features"] for info in infos}
    found = []
    for name in sorted(packed.shards, key=lambda n: (n != "default", n == "metadata", n)):
        splits = packed.shards[name]
        ordered = {s: splits[s] for s in ("train", "validation", "test") if s in splits}
        declared = features.get(name) or features["default"]
        found.append(
            {
                "name": name,
                "paths": ordered,
                "patterns": {s: _patterns(name, s, sources, packed) for s in ordered},
                "features": _record_features(target) if name == "metadata" else declared,
            }
        )
    return found


def _patterns(config: str, split: str, sources: set[str], packed: Repacked) -> list[str]:
    if config == "metadata":
        return [f"records/{split}-*.tar"]
    if config == "default" or (config in sources and len(sources) == 1):
        return [f"data/{split}-*.tar"]
    if config in sources:
        return [f"data/{split}-*-{config}.tar"]
    return [f"data/{config}/{split}-*.tar"]


def _record_features(target: Path) -> list[dict[str, Any]]:
    """Features of the records, from the columns of the metadata they repeat."""
    import pyarrow.parquet as pq
    from datasets import Features, Value

    table = next(iter(sorted((target / "metadata").glob("*.parquet"))))
    columns = Features.from_arrow_schema(pq.read_schema(table))
    plain = {"__key__": Value("string"), "__url__": Value("string"), "json": dict(columns)}
    return list(Features(plain)._to_yaml_list())


def _documents(source: Path, build: Manifest, target: Path, options: DatasetOptions) -> None:
    terms = options.license.read_text("utf-8") if options.license else TERMS
    write_whole(target / "LICENSE", terms.encode())
    media = options.attributions or source.parent / "MEDIA.md"
    if media.is_file():
        text = media.read_text("utf-8")
    elif options.attributions:
        raise ReleaseError(f"{media}: no such file; --attributions names a Markdown file")
    else:
        text = (
            "# Where the media come from\n\nEvery sample names its page in `permalink` and its "
            "file in `url`"
            " (columns of `metadata/*.parquet`): that is the attribution of each picture and "
            "video.\n"
        )
    write_whole(target / "MEDIA.md", text.encode())
    first = (
        f"# Changes\n\n## {options.version}\n\nFirst version staged from build `{build.root}`.\n"
    )
    write_whole(target / "CHANGELOG.md", _given(options.changelog, first).encode())
    none = "# Withdrawals\n\nNone so far.\n"
    write_whole(target / "WITHDRAWALS.md", _given(options.withdrawals, none).encode())


def _given(path: Path | None, default: str) -> str:
    if path is not None and not path.is_file():
        raise ReleaseError(f"{path}: no such file")
    return path.read_text("utf-8") if path else default


def _changes(target: Path) -> str:
    """The change log without its title, one level down, for the card."""
    text = (target / "CHANGELOG.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in lines).strip()


def _close(target: Path, facts: DatasetFacts, packed: Repacked, options: DatasetOptions) -> None:
    """Card, privacy report, croissant, manifest: in the order in which they name each other."""
    card, report = dataset_card(facts)
    write_whole(target / CARD, card.encode())
    write_json(target / "privacy.json", report)
    tier = facts.build.facts["release"]["tier"]
    description = f"BLIFT, tier {tier}: media with likes and comments of their viewers."
    json_ld = croissant(
        options.repository,
        options.version,
        description,
        facts.entries,
        {**RAI, "dataUseTerms": GATE_PROMPT},
        BIBTEX,
        options.date,
    )
    write_json(target / "croissant.json", json_ld)
    kept = {name: facts.build.facts[name] for name in ("inputs", "settings", "code", "release")}
    told = {"kind": "dataset", "version": options.version, "built_from": facts.build.root,
            "repository": options.repository}  # fmt: skip
    write_manifest(target, list_folder(target, packed.samples), {**kept, **told})
