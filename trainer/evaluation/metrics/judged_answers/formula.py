"""Reading a judge's reply. A reply is data: what it quotes is never the verdict."""

import ast
import json
import math
import re
from collections.abc import Sequence
from typing import Any

NUMBER = r"(?<![\d.])\d+(?:\.\d+)?(?![\d.]*\d)"
SCALE = re.compile(
    r"\(\s*1\s*[-\u2013]\s*10\s*\)|on a scale (?:of|from) 1 (?:to|[-\u2013]) 10\s*:?", re.IGNORECASE
)
RANGE = re.compile(rf"(?:{NUMBER})\s*(?:-|\u2013|to|and|or)\s*(?:{NUMBER})", re.IGNORECASE)
OUT_OF_TEN = re.compile(rf"(?<!-)({NUMBER})\s*(?:/\s*10\b|out of (?:10|ten)\b)", re.IGNORECASE)
AFTER = rf"\b[\s*_:=]*(?:is|of)?[\s*_:=]*(-?{NUMBER})"
NAMED = re.compile(rf"\b(?:score|rating){AFTER}", re.IGNORECASE)
CRITERION = re.compile(rf"\b(?:correctness|detail|quality){AFTER}", re.IGNORECASE)
ALONE = re.compile(rf"[\s*_]*(-?{NUMBER})[\s*_.]*")


def braces(reply: str) -> list[str]:
    """Every outermost {...} of a reply; quotes inside are respected, an open one is left out."""
    found, depth, start, quote, skip = [], 0, 0, "", False
    for index, letter in enumerate(reply):
        if skip:
            skip = False
        elif quote:
            skip = letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "\"'" and depth:
            quote = letter
        elif letter == "{":
            start = index if depth == 0 else start
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0:
                found.append(reply[start : index + 1])
    return found


def _literal(text: str) -> Any:
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def yes_no(reply: str | None) -> dict[str, Any] | None:
    """{pred: yes|no, score: 0..5} of a reply with exactly one {...}; None for anything else."""
    parts = braces(reply or "")
    value = _literal(parts[0]) if len(parts) == 1 else None
    if not isinstance(value, dict):
        return None
    word, score = value.get("pred", value.get("predicted")), value.get("score")
    if not isinstance(word, str) or word.strip().lower() not in ("yes", "no"):
        return None
    if isinstance(score, bool) or not isinstance(score, int | float | str):
        return None
    try:
        number = float(score)
    except ValueError:
        return None
    if not math.isfinite(number) or not 0 <= number <= 5:
        return None
    return {"pred": word.strip().lower(), "score": number}


def one_to_ten(reply: str | None) -> float | None:
    """A score that stands alone, before "/10" or "out of 10", or after score, rating, detail...

    A scale such as (1-10) is skipped. None: a range, two candidates of one form, outside 1..10.
    """
    text = SCALE.sub(" ", reply or "")
    if RANGE.search(text):
        return None
    alone = ALONE.fullmatch(text)
    forms = [[alone.group(1)] if alone else []]
    forms += [form.findall(text) for form in (OUT_OF_TEN, NAMED, CRITERION)]
    for candidates in forms:
        values = {float(value) for value in candidates}
        if len(values) > 1:
            return None
        if values:
            value = values.pop()
            return value if 1 <= value <= 10 else None
    return None


def summary(verdicts: Sequence[dict[str, Any] | None]) -> dict[str, float | int | None]:
    """Accuracy and scores of parsed verdicts; accuracy_all counts unparsed as not right."""
    parsed = [verdict for verdict in verdicts if verdict is not None]
    yes = sum(verdict["pred"] == "yes" for verdict in parsed)
    n = len(parsed)
    return {
        "n": len(verdicts),
        "unparsed": len(verdicts) - n,
        "accuracy": yes / n if n else None,
        "accuracy_all": yes / len(verdicts) if verdicts else None,
        "score": sum(v["score"] for v in parsed) / n if n else None,
        "score_cut_to_int": sum(int(v["score"]) for v in parsed) / n if n else None,
    }
