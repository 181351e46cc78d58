"""Which annotators a build runs: an explicit list, made from the settings and what is installed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

from dataset_builder.annotate.asr import Transcript
from dataset_builder.annotate.base import Annotator
from dataset_builder.annotate.captioner import Captions
from dataset_builder.annotate.colors import Colors
from dataset_builder.annotate.language import annotator_missing
from dataset_builder.annotate.nsfw import NsfwImage
from dataset_builder.annotate.ocr import FrameText
from dataset_builder.annotate.tags import ImageNetTags
from dataset_builder.settings import Settings

# the key in settings `annotate.*` -> the class; to add an annotator, add its line here
ANNOTATORS: dict[str, type[Annotator]] = {
    "tags": ImageNetTags,
    "colors": Colors,
    "ocr": FrameText,
    "asr": Transcript,
    "nsfw": NsfwImage,
    "captioner": Captions,
}


@dataclass(frozen=True)
class AnnotatorChoice:
    """Enough to load one annotator in another process."""

    kind: str
    argument: str
    field: str
    name: str
    version: str

    def as_row(self) -> dict[str, str]:
        """What a sample's `annotators` list says of it."""
        return {"field": self.field, "name": self.name, "version": self.version}


@lru_cache(maxsize=8)
def load_annotator(choice: AnnotatorChoice) -> Annotator:
    """The annotator itself; loaded once per process."""
    return ANNOTATORS[choice.kind].load(choice.argument)


def choose_annotators(settings: Settings) -> tuple[list[AnnotatorChoice], dict[str, str]]:
    """The annotators that will run, and kind -> why it will not."""
    chosen: list[AnnotatorChoice] = []
    absent: dict[str, str] = {}
    arguments = asdict(settings.annotate)
    for kind, cls in ANNOTATORS.items():
        argument = arguments[kind]
        reason = "switched off" if argument is None else cls.why_not(argument)
        if reason is None:
            name = cls.title(argument)
            chosen.append(AnnotatorChoice(kind, argument, cls.field, name, cls.version))
        else:
            absent[kind] = reason
    if missing := annotator_missing(settings):
        absent["language"] = missing
    return chosen, absent
