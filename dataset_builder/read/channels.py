"""The YouTube channel list: the Wikidata query (property P2397) and its results.

Run `blift channels --query` and paste the query at query.wikidata.org, then give the downloaded
JSON or CSV to `blift build --channels FILE` (paper sec. 2.1.2: about 6,000 channels).
"""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from dataset_builder.errors import DamagedInput

QUERY = """\
# Items with a YouTube channel id (P2397), English label, and for brands the company or product
SELECT ?item ?itemLabel ?channel ?official WHERE {
  ?item p:P2397 ?statement .
  ?statement ps:P2397 ?channel .
  OPTIONAL { ?item wdt:P856 ?official . }
  SERVICE wikibase:label { bd:serviceParam wikibase:language "en". }
}
ORDER BY ?channel
"""
EXPECTED = (
    "expected a Wikidata query result as JSON or CSV in UTF-8 (see `blift channels --query`), "
    "or one id a line"
)
MOST_BYTES = 256 << 20  # the list of the paper has 6,000 channels
_CHANNEL = re.compile(r"UC[0-9A-Za-z_-]{22}")


def read_channels(path: Path) -> dict[str, str]:
    """Channel id -> label, from a SPARQL result (JSON or CSV), or a plain list of ids.

    Raises DamagedInput when the file names no channel at all, or is no text of these forms.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8-sig")
        rows = _json_rows(text) if text.lstrip()[:1] in "[{" and text.strip() else _csv_rows(text)
    except (ValueError, csv.Error, RecursionError) as error:
        raise DamagedInput(f"{path}: no channel list ({error}); {EXPECTED}") from error
    found = {}
    for row in rows:
        values = [str(value) for value in row.values() if value]
        channel = next((hit.group() for value in values if (hit := _CHANNEL.search(value))), None)
        if channel:
            found[channel] = _label(row)
    if not found:
        raise DamagedInput(
            f"{path}: no YouTube channel id (UC and 22 characters) in it; {EXPECTED}"
        )
    return dict(sorted(found.items()))


def _label(row: dict[str, Any]) -> str:
    label = str(row.get("itemLabel") or row.get("label") or row.get("name") or "")
    # an item without an English label is labelled by its own Q number
    return "" if re.fullmatch(r"Q\d+", label) else label


def _json_rows(text: str) -> list[dict[str, Any]]:
    document = json.loads(text)
    if isinstance(document, list):
        return [row if isinstance(row, dict) else {"channel": row} for row in document]
    results = document.get("results")
    bindings = results.get("bindings") if isinstance(results, dict) else None
    if not isinstance(bindings, list):
        raise ValueError("a JSON object without results.bindings")
    return [_values(row) for row in bindings if isinstance(row, dict)]


def _values(row: dict[str, Any]) -> dict[str, Any]:
    return {name: cell.get("value") for name, cell in row.items() if isinstance(cell, dict)}


def _csv_rows(text: str) -> list[dict[str, Any]]:
    first = text.split("\n", 1)[0]
    if _CHANNEL.search(first):  # no header: one id a line
        return [{"channel": line} for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text)))
