"""The words: what the model is asked, the vocabularies, and how its answers are read.

Questions of training are those of the data (paper, Listing 1), those of Understand those of the
evaluation; tests keep the twins equal. Whatever an answer does not state is None or an empty list.
"""

import re
from typing import Any

SYSTEM = (
    "You are an AI visual assistant, you are given a detailed description of a media, followed by "
    "the actual media. Answer all questions as you are seeing the media"
)
QUESTIONS = {
    "likes": "What percentage of viewers would like this {medium}?",
    "comments": "What would be the top-5 popular comments on this {medium}?",
    "scenes": "Analyze this {medium} deeply, "
    "then write scene by scene description of the {medium}.",
}
LIKES_ANSWER = "The {medium} will be liked by {share}%"
CAPTION = "Describe this {medium} in detail."
EMOTIONS = {
    "image": (
        *("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"),
    ),
    "video": (
        *("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust"),
    ),
}
PERSUASION = (
    *("social identity", "concreteness", "anchoring and comparison", "overcoming reactance"),
    *("reciprocity", "foot-in-the-door", "authority", "social impact", "anthropomorphism"),
    *("scarcity", "social proof", "unclear"),
)
# topics of the Pitt ads
TOPICS = (
    *("restaurant", "chocolate", "chips", "seasoning", "petfood", "alcohol", "coffee", "soda"),
    *("cars", "electronics", "phone_tv_internet_providers", "financial", "education"),
    *("security", "software", "other_service", "beauty", "healthcare", "clothing", "baby"),
    *("game", "cleaning", "home_improvement", "home_appliance", "travel", "media", "sports"),
    *("shopping", "gambling", "environment", "animal_right", "human_right", "safety"),
    *("smoking_alcohol_abuse", "domestic_violence", "self_esteem", "political", "charities"),
)
ASK = {
    "emotion": "Which emotion does this {medium} evoke? Answer with one of: {options}.",
    "topic": "What is the topic of this advertisement? Answer with one of: {options}.",
    "persuasion": "Which persuasion strategy does this advertisement use? Answer with one of: "
    "{options}.",
    "memorability": "Return the short term memorability score of the {medium} on a scale of 00 to "
    "99 without any explanation.",
}
COMMENT = re.compile(r"^\s*\d{1,2}\s*[.):]\s+(\S.*)$")
SCENE = re.compile(r"^\s*scene\s+\d+\s*[:.]\s*(\S.*)$", re.IGNORECASE)
PERCENT = re.compile(
    r"(?<![\d.,-])(?<!\d[eE])(\d{1,3}(?:\.\d+)?)\s*(?:%|per ?cent\b)", re.IGNORECASE
)
# the sentences of a scene in Listing 1
CAPTIONED = re.compile(r"The scene shows (.+?)\.(?:\s|$)")
FRONT = re.compile(r"foreground colors(?: of the scene)? are ([\w.]+(?:,[\w.]+)*)")
BACK = re.compile(r"background colors(?: of the scene)? are ([\w.]+(?:,[\w.]+)*)")
TONE = re.compile(r"dominant tone of the scene is (.+?)\.(?:\s|$)")
TAGS = re.compile(r"categorized by the tags (.+?)\.?$")
# a sentence whose last quotation brought its own end; quotes inside quotes
ENDED = re.compile("[.?!\u2026\u3002\uff01\uff1f][)\"'\u2019\u201d]*$")
INNER_QUOTES = re.compile(r'(?<!\w)"([^"]+)"(?!\w)')  # not the sign for inches
SINGLE = r"'\1'"


def options(name: str, medium: str) -> tuple[str, ...]:
    """The answers that are weighed for one question of Understand."""
    if name == "memorability":
        return tuple(f"{score:02d}" for score in range(100))
    labels = {"emotion": EMOTIONS[medium], "topic": TOPICS, "persuasion": PERSUASION}[name]
    return tuple(label.replace("_", " ") for label in labels)


def weighing(name: str, medium: str) -> str:
    """The question of Understand under a name."""
    return ASK[name].format(medium=medium, options=", ".join(options(name, medium)))


def intro_text(medium: str, title: str, brand: str, speech: str) -> str:
    """What is told about the medium, in the words of the training data."""
    name, said = quoted(title), quoted(speech)
    sentences = []
    if brand:
        titled = f"titled {name} " if name else ""
        sentences.append(f"The {medium} advertisement is {titled}for the brand {flat(brand)}")
    elif name:
        sentences.append(f"The {medium} is titled {name}")
    if said:
        sentences.append(f"The audio in the {'ad' if brand else medium} says {said}")
    return " ".join(text if ENDED.search(text) else f"{text}." for text in sentences)


def quoted(text: str) -> str:
    """The text on one line in double quotes, with single ones inside; "" where there is none."""
    line = flat(text)
    return f'"{INNER_QUOTES.sub(SINGLE, line)}"' if line else ""


def flat(text: str) -> str:
    """One line: a title's line breaks are not the conversation's."""
    return " ".join(text.split())


def read_percent(text: str) -> float | None:
    """The percentage a reply states, None where it states none between 0 and 100."""
    found = PERCENT.search(text)
    return float(found[1]) if found and float(found[1]) <= 100 else None


def read_lines(text: str, line: re.Pattern[str], finished: bool, most: int) -> list[str]:
    """The numbered lines of a reply, repeated ones once; a cut last line ends with an ellipsis."""
    found = [match[1].strip() for match in map(line.match, text.splitlines()) if match]
    if found and not finished and line.match(text.splitlines()[-1]):
        found[-1] += " …"
    return list(dict.fromkeys(found))[:most]


def read_scene(text: str) -> dict[str, Any]:
    """The parts of one scene's sentences; `text` is the whole of them."""

    def first(pattern: re.Pattern[str]) -> str:
        found = pattern.search(text)
        return found[1] if found else ""

    return {
        "text": text,
        "caption": first(CAPTIONED),
        "foreground_colors": [name for name in first(FRONT).strip(".").split(",") if name],
        "background_colors": [name for name in first(BACK).strip(".").split(",") if name],
        "tone": first(TONE),
        "tags": [tag for tag in first(TAGS).split(", ") if tag],
    }
