"""croissant.json: the data set in the terms of MLCommons, with a hash per file.

mlcroissant reads the metadata by it and refuses a file of another hash: a second, independent
check.
"""

from collections.abc import Sequence
from typing import Any

from release.manifest import Entry

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
KINDS = {".parquet": "application/x-parquet", ".tar": "application/x-tar"}
# flat columns of the metadata, which every reader understands
FIELDS = {
    "id": "sc:Text", "source": "sc:Text", "media_type": "sc:Text", "url": "sc:Text",
    "permalink": "sc:Text", "title": "sc:Text", "created": "sc:Text", "duration": "sc:Float",
    "width": "sc:Integer", "height": "sc:Integer", "likes": "sc:Integer", "views": "sc:Integer",
    "score": "sc:Integer", "percent_liked": "sc:Float", "media_sha256": "sc:Text",
    "shard": "sc:Text",
}  # fmt: skip


def croissant(
    repository: str, version: str, description: str, files: Sequence[Entry], rai: dict[str, str],
    cite: str, published: str | None,
) -> dict[str, Any]:  # fmt: skip
    """The JSON-LD of a release; `rai` are its responsible-AI statements."""
    url = f"https://huggingface.co/datasets/{repository}"
    objects = [_file(entry, url) for entry in files if _suffix(entry.path) in KINDS]
    tables = [entry.path for entry in files if entry.path.startswith("metadata/")]
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": repository.rpartition("/")[2],
        "description": description,
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "license": f"{url}/blob/main/LICENSE",
        "url": url,
        "version": version if version.count(".") == 2 else f"{version}.0",
        "citeAs": cite,
        "creator": {"@type": "Organization", "name": repository.partition("/")[0]},
        "isLiveDataset": False,
        **{f"rai:{name}": text for name, text in sorted(rai.items())},
        "distribution": objects,
        "recordSet": [_record_set(path) for path in tables],
    }
    return found | ({"datePublished": published} if published else {})


def _suffix(path: str) -> str:
    return "." + path.rpartition(".")[2]


def _file(entry: Entry, url: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": entry.path,
        "name": entry.path,
        "contentUrl": entry.path,
        "contentSize": f"{entry.bytes} B",
        "encodingFormat": KINDS[_suffix(entry.path)],
        "sha256": entry.sha256,
    }


def _record_set(path: str) -> dict[str, Any]:
    name = path.removeprefix("metadata/").removesuffix(".parquet").replace("/", "-")
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": f"{name}/{column}",
            "dataType": kind,
            "source": {"fileObject": {"@id": path}, "extract": {"column": column}},
        }
        for column, kind in FIELDS.items()
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}
