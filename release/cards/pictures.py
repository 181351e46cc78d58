"""Pictures of a card: a contact sheet of samples, and the funnel as the build drew it."""

import io
from collections.abc import Iterator
from pathlib import Path

from release.shards import read_content, read_members

COLUMNS, ROWS, SIDE, GAP = 6, 3, 160, 6


def sample_pictures(shards: list[Path], most: int) -> Iterator[bytes]:
    """The jpg members of the first samples, from every shard in turn."""
    left = most
    for path in shards:
        share = max(1, most // max(1, len(shards)))
        with path.open("rb") as file:
            for member in read_members(file):
                if member.field == "jpg" and member.size and share and left:
                    yield read_content(file, member)
                    share, left = share - 1, left - 1
                if not share or not left:
                    break


def contact_sheet(shards: list[Path]) -> bytes | None:
    """A PNG of up to 18 samples, cropped to squares; None where the shards hold no pictures."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    tiles = []
    for data in sample_pictures(shards, COLUMNS * ROWS):
        try:
            with Image.open(io.BytesIO(data)) as picture:
                tiles.append(ImageOps.fit(picture.convert("RGB"), (SIDE, SIDE)))
        except (UnidentifiedImageError, OSError):
            continue  # refused by the gate on shards, which names it
    if not tiles:
        return None
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    step = SIDE + GAP
    sheet = Image.new("RGB", (columns * step + GAP, rows * step + GAP), "white")
    for at, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + at % columns * step, GAP + at // columns * step))
    return png(sheet)


def clean_png(data: bytes) -> bytes:
    """The same picture without text chunks: plotting libraries sign theirs."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        return png(picture.convert("RGB"))


def png(picture: "object") -> bytes:
    """PNG bytes of a Pillow picture, with nothing beside the pixels."""
    found = io.BytesIO()
    picture.save(found, "PNG", optimize=True)  # type: ignore[attr-defined]
    return found.getvalue()
