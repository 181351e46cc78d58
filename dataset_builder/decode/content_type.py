"""What a file is, read from its first bytes. Names and server headers are never believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dataset_builder.ledger.reasons import NOT_MEDIA, UNSUPPORTED

HEAD_BYTES = 32


@dataclass(frozen=True)
class ContentType:
    """`kind` is image or video, `name` ours, `reader` the one decoder that may open the file."""

    kind: str
    name: str
    reader: str


JPEG = ContentType("image", "jpeg", "JPEG")
PNG = ContentType("image", "png", "PNG")
GIF = ContentType("image", "gif", "GIF")
WEBP = ContentType("image", "webp", "WEBP")
BMP = ContentType("image", "bmp", "BMP")
MP4 = ContentType("video", "mp4", "mp4")
MATROSKA = ContentType("video", "matroska", "matroska")
AVI = ContentType("video", "avi", "avi")
PREFIXES = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"\x1aE\xdf\xa3", MATROSKA),
)
# still-picture brands of the MP4 family: Pillow builds differ in whether they can read them
STILL_BRANDS = {
    b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC",
    b"mif1": "HEIF", b"msf1": "HEIF",
}  # fmt: skip
# media that is not read: known, so that the ledger can name it
UNREAD = (
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"FLV\x01", "Flash video"),
    (b"\x00\x00\x01\xba", "MPEG program stream"),
    (b"OggS", "Ogg"),
    (b"8BPS", "Photoshop"),
)


def sniff(head: bytes) -> ContentType | None:
    """The type of a file that starts with `head`, or None where it is no picture or video we read.

    Playlists, SVG, TIFF, archives and documents are None on purpose: they can name other files.
    """
    if head[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"AVI ": AVI}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return None if head[8:12] in STILL_BRANDS else MP4
    for prefix, content in PREFIXES:
        if head.startswith(prefix):
            return content
    return None


def why_not(head: bytes) -> tuple[str, str]:
    """Ledger reason and value of a file whose start `sniff` does not know."""
    if head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS:
        return UNSUPPORTED, STILL_BRANDS[head[8:12]]
    for start, name in UNREAD:
        if head.startswith(start):
            return UNSUPPORTED, name
    return NOT_MEDIA, f"starts with {head[:12].hex(' ')}" if head else "empty"


def sniff_file(path: Path) -> ContentType | None:
    """`sniff` of the first bytes of the file at `path`."""
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))
