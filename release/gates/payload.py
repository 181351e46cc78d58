"""What pictures and videos carry beside their pictures: places, serials, second images, tails."""

import struct
from collections.abc import Iterator

# EXIF that says how to show a picture and nothing about who took it where
HARMLESS_EXIF = {
    *(
        0x0100,
        0x0101,
        0x0102,
        0x0103,
        0x0106,
        0x0112,
        0x0115,
        0x011A,
        0x011B,
        0x0128,
        0x0213,
        0x0214,
    ),
    *(0x8769, 0x9000, 0x9101, 0xA000, 0xA001, 0xA002, 0xA003),
}
GPS = 0x8825
PNG_HARMLESS = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"bKGD"),
    *(b"pHYs", b"sBIT", b"hIST", b"acTL", b"fcTL", b"fdAT", b"cICP"),
}
BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"edts", b"meta", b"ilst", b"dinf"}
TOP = {
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"sidx", b"styp"),
    *(b"pdin", b"emsg", b"prft", b"tfra", b"ssix"),
}
PLACES = {b"\xa9xyz", b"loci", b"GPS ", b"gps "}
LARGEST_FREE = 1 << 16


def payload(data: bytes) -> Iterator[str]:
    """Everything in a picture's or a video's bytes that is not the picture or the video.

    Yields one short cause each; a form it does not know is itself a cause.
    """
    if data.startswith(b"\xff\xd8\xff"):
        yield from _jpeg(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        yield from _png(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _webp(data)
    elif data[:6] in (b"GIF87a", b"GIF89a"):
        yield from _gif(data)
    elif data[4:8] == b"ftyp":
        yield from _boxes(data, 0, len(data), top=True)
    else:
        yield f"neither JPEG, PNG, WebP, GIF nor mp4 (begins {data[:8]!r})"


def _jpeg(data: bytes) -> Iterator[str]:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            yield f"no JPEG marker at byte {at}"
            return
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        size = struct.unpack(">H", data[at + 2 : at + 4])[0]
        body = data[at + 4 : at + 2 + size]
        yield from _jpeg_segment(marker, body)
        at += 2 + size
        if marker == 0xDA:
            at = _scan_end(data, at)
    if data[at : at + 2] != b"\xff\xd9":
        yield "no end mark: the picture is cut"
    elif len(data) > at + 2:
        yield f"{len(data) - at - 2:,} bytes after the picture's end"


def _scan_end(data: bytes, at: int) -> int:
    """Where the next marker stands after entropy-coded data; restarts and stuffing are inside."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8)):
            return at
        at += 2 if data[at + 1] != 0xFF else 1
    return len(data)


def _jpeg_segment(marker: int, body: bytes) -> Iterator[str]:
    if marker == 0xE1 and body.startswith(b"Exif\0\0"):
        yield from _exif(body[6:])
    elif marker == 0xE1:
        yield "XMP" if b"ns.adobe.com/xap" in body[:40] else "an unknown APP1 segment"
    elif marker == 0xE2 and body.startswith(b"MPF\0"):
        yield "a second picture (MPF)"
    elif marker == 0xE2 and not body.startswith(b"ICC_PROFILE\0"):
        yield "an unknown APP2 segment"
    elif marker == 0xEB:
        yield "a C2PA or other JUMBF manifest"
    elif marker == 0xED:
        yield "IPTC or Photoshop data"
    elif marker == 0xFE and not body.startswith((b"CREATOR: gd-jpeg", b"Lavc", b"LEAD Tech")):
        yield f"a comment of {len(body)} bytes"
    elif 0xE3 <= marker <= 0xEF and marker != 0xEE:
        yield f"an unknown APP{marker - 0xE0} segment"


def _exif(block: bytes) -> Iterator[str]:
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + block)
        tags = set(exif) | set(exif.get_ifd(0x8769))
    except Exception:  # Pillow's readers raise many kinds on a damaged block
        yield "an EXIF block that does not parse"
        return
    if GPS in tags:
        yield "EXIF GPS: where it was taken"
    strange = sorted(tags - HARMLESS_EXIF - {GPS})
    if strange:
        yield "EXIF tags " + ", ".join(f"0x{tag:04x}" for tag in strange[:6])


def _png(data: bytes) -> Iterator[str]:
    at = 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        kind = data[at + 4 : at + 8]
        if kind == b"eXIf":
            yield from _exif(data[at + 8 : at + 8 + size])
        elif kind not in PNG_HARMLESS:
            yield f"a PNG chunk {kind.decode('latin-1')!r}"
        at += 12 + size
        if kind == b"IEND":
            if len(data) > at:
                yield f"{len(data) - at:,} bytes after the picture's end"
            return
    yield "no end mark: the picture is cut"


def _webp(data: bytes) -> Iterator[str]:
    end = 8 + struct.unpack("<I", data[4:8])[0]
    at = 12
    while at + 8 <= min(end, len(data)):
        kind, size = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])[0]
        if kind == b"EXIF":
            yield from _exif(data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0"))
        elif kind not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"):
            yield f"a WebP chunk {kind.decode('latin-1')!r}"
        at += 8 + size + size % 2
    if len(data) > end + end % 2:
        yield f"{len(data) - end:,} bytes after the picture's end"


def _gif(data: bytes) -> Iterator[str]:
    if b"\x21\xfe" in data:
        yield "a GIF comment"
    if b"XMP DataXMP" in data:
        yield "XMP"
    if not data.rstrip(b"\0").endswith(b"\x3b"):
        yield "no end mark, or bytes after it"


def _boxes(data: bytes, at: int, end: int, top: bool) -> Iterator[str]:
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if size == 1 and at + 16 <= end:
            size, head = struct.unpack(">Q", data[at + 8 : at + 16])[0], 16
        size = size or end - at
        if size < head or at + size > end:
            yield f"box {kind.decode('latin-1')!r} at byte {at} reaches past its parent"
            return
        yield from _box(data, kind, at + head, at + size, top)
        at += size
    if at != end and data[at:end].strip(b"\0"):
        yield f"{end - at} bytes that belong to no box at byte {at}"


def _box(data: bytes, kind: bytes, first: int, last: int, top: bool) -> Iterator[str]:
    if top and kind not in TOP:
        yield f"an unknown box {kind.decode('latin-1')!r}"
    elif kind in PLACES:
        yield f"a place ({kind.decode('latin-1')})"
    elif kind == b"uuid":
        yield "a uuid box (XMP, C2PA or vendor data)"
    elif kind in (b"free", b"skip"):
        hidden = data[first : min(last, first + LARGEST_FREE)].strip(b"\0")
        if len(hidden) > 256:
            yield f"{last - first:,} bytes hidden in a {kind.decode()} box"
    elif kind == b"keys" and b"location" in data[first:last].lower():
        yield "a place (metadata key location)"
    elif kind in BOXES:
        # `meta` is a full box (version and flags first) in mp4, a plain one in QuickTime
        full = kind == b"meta" and data[first : first + 4] == bytes(4)
        inner = first + 4 if full else first
        yield from _boxes(data, inner, last, top=False)
