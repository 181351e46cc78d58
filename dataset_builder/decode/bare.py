"""The bytes of a picture file that make its picture: no tags, no second picture, nothing behind it.

What is needed is listed, what is not is left out: a list of bad segments is never complete.
"""

from __future__ import annotations

import re
import struct

START, END = b"\xff\xd8", b"\xff\xd9"
# frames of every coding, their tables, the restart interval and the scans (ITU-T T.81 table B.1)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SCAN = 0xDA
NEEDED = FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, SCAN}
NOTES = frozenset({*range(0xE0, 0xF0), 0xFE})
# what decides how the numbers become colours, written anew: no thumbnail, no version
JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # and one byte: the colour transform
EXIF = b"Exif\0\0"
# in a scan 0xFF stands before 0x00, restart marks and fill bytes alone
SCAN_END = re.compile(rb"\xff+(?![\x00\xd0-\xd7\xff])")
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def bare_jpeg(data: bytes, orientation: bool = False) -> bytes:
    """`data` up to its own end-of-image mark, with the segments that its picture needs.

    `orientation`: with its Exif segment as well. Raises ValueError where the structure is not
    plain: such a picture must be encoded anew.
    """
    if not data.startswith(START):
        raise ValueError("no start-of-image mark")
    out = bytearray(START)
    at, frames, kept = len(START), 0, set[int]()
    while True:
        marker, at = _marker(data, at)
        if marker == END[1]:
            if frames != 1:
                raise ValueError(f"{frames} frames in one picture")
            return bytes(out + END)
        body = data[at : at + _length(data, at)]
        at += len(body)
        frames += marker in FRAMES
        if marker in NEEDED:
            out += bytes((0xFF, marker)) + body
        elif marker not in NOTES:
            raise ValueError(f"JPEG segment 0x{marker:02x}")
        elif marker not in kept and (note := _note(marker, body, orientation)):
            kept.add(marker)
            out += note
        if marker == SCAN:
            end = SCAN_END.search(data, at)
            if end is None:
                raise ValueError("no end-of-image mark")
            out += data[at : end.start()]
            at = end.start()


def bare_png(data: bytes) -> bytes:
    """`data` with the chunks that its first picture needs. Raises ValueError at a cut chunk."""
    if not data.startswith(PNG_START):
        raise ValueError("no PNG signature")
    out, at = bytearray(PNG_START), len(PNG_START)
    while True:
        if at + 12 > len(data):
            raise ValueError(f"no PNG chunk at byte {at}")
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise ValueError(f"a cut PNG chunk at byte {at}")
        if name in PNG_NEEDED:
            out += data[at:end]
        if name == b"IEND":
            return bytes(out)
        at = end


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at `at` and the place behind it; fill bytes may stand before it."""
    end = at
    while data[end : end + 1] == b"\xff":
        end += 1
    if end == at or end == len(data):
        raise ValueError(f"no JPEG segment at byte {at}")
    return data[end], end + 1


def _length(data: bytes, at: int) -> int:
    """Bytes of the segment whose length stands at `at`, those two included."""
    found = int.from_bytes(data[at : at + 2])
    if found < 2 or at + found > len(data):
        raise ValueError(f"a cut JPEG segment at byte {at}")
    return found


def _note(marker: int, body: bytes, orientation: bool) -> bytes:
    """What is kept of an application segment: what colours depend on, and nothing else."""
    if marker == 0xE0 and body[2:7] == b"JFIF\0":
        return JFIF
    if marker == 0xEE and body[2:7] == b"Adobe" and len(body) >= 14:
        return ADOBE + body[13:14]
    if orientation and marker == 0xE1 and body[2:8] == EXIF:
        return bytes((0xFF, marker)) + body
    return b""
