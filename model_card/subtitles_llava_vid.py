"""Long videos whose frames stand between their subtitles."""

from collections.abc import Sequence

from .text_llava_vid import MEDIA, Piece


def with_subtitles(
    pieces: Sequence[Piece], subtitles: Sequence[Sequence[str] | None]
) -> list[Piece]:
    """Pieces with every subtitled placeholder opened: one per frame, its subtitles behind it.

    subtitles: per placeholder, one string per frame ("" = none), or None. All are joined by single
    spaces, and the text around stands next to them without the template's line breaks, as in the
    reference's long-video input. Text that touches is one piece.
    """
    opened: list[Piece] = []
    remaining = iter(subtitles)
    after = False
    for piece in pieces:
        lines = next(remaining, None) if piece.kind in MEDIA else None
        if lines is None:
            opened.append(_cut_break(piece, 0) if after else piece)
            after = False
            continue
        after = True
        if opened:
            opened[-1] = _cut_break(opened[-1], -1)
        for frame, line in enumerate(lines):
            gap = " " if frame + 1 < len(lines) else ""
            opened.append(Piece(piece.kind, piece.text, frame=frame))
            text = f" {line}{gap}" if line else gap
            if text:
                opened.append(Piece("text", text))
    merged: list[Piece] = []
    for piece in opened:
        before = merged[-1] if merged else None
        if before is not None and before.kind == piece.kind == "text":
            moved = [(a + len(before.text), b + len(before.text)) for a, b in piece.answer]
            merged[-1] = Piece("text", before.text + piece.text, (*before.answer, *moved))
        else:
            merged.append(piece)
    return merged


def _cut_break(piece: Piece, end: int) -> Piece:
    """A text piece without the line break at its start (end 0) or end (-1), if there is one."""
    if piece.kind != "text" or piece.text[end:][:1] != "\n":
        return piece
    moved = tuple((max(a - 1 - end, 0), max(b - 1 - end, 0)) for a, b in piece.answer)
    return Piece("text", piece.text[1:] if end == 0 else piece.text[:-1], moved)


__all__ = ["with_subtitles"]
