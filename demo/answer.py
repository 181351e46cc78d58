"""Ask a LlavaVid model Listing 1's questions about a picture or a video, as a stranger would.

    python answer.py --model DIR --media cat.jpg --title "A cat looking up"

Uses only `transformers` and the model folder: nothing of this repository is imported.
"""

import argparse
import json
from pathlib import Path
from typing import Any

SYSTEM = (
    "You are an AI visual assistant, you are given a detailed description of a media, followed by "
    "the actual media. Answer all questions as you are seeing the media"
)
# paper, Listing 1: its intro, and each of its questions as one that stands alone
INTRO = 'The {kind} is titled "{title}"'
QUESTIONS = {
    "likes": "What percentage of viewers would like this {kind}?",
    "comments": "What would be the top-5 popular comments on this {kind}?",
    "scenes": "Analyze this {kind} deeply, then write scene by scene description of the {kind}.",
}
RECORDS = ("training_manifest.json", "train_summary.json")  # what a trained folder says of itself
SHORT = 24  # tokens; a percentage needs no more
VIDEO_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi"}


def taught(model: str, kind: str) -> list[str]:
    """The tasks a model was trained to answer for a kind of media, by its own record.

    A folder without such a record is asked everything.
    """
    for name in RECORDS:
        path = Path(model) / name
        told = json.loads(path.read_text("utf-8")).get("tasks") if path.is_file() else None
        if told:
            return [task for task in QUESTIONS if told.get(kind, {}).get(task)]
    return list(QUESTIONS)


def conversation(media: Path, title: str, task: str) -> list[dict]:
    """Messages of one question about one file; the media stands after the text, as in Listing 1."""
    kind = kind_of(media)
    intro = INTRO.format(kind=kind, title=" ".join(title.replace('"', "'").split()))
    # a title that ends a sentence has brought its own mark
    intro = intro if title.rstrip().endswith((".", "!", "?", "…")) else f"{intro}."
    question = f"{intro}\n{QUESTIONS[task].format(kind=kind)}"
    return [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": question}, {"type": kind, kind: str(media)}],
        },
    ]


def kind_of(media: Path) -> str:
    """video or image, by the file's name."""
    return "video" if media.suffix.lower() in VIDEO_SUFFIXES else "image"


def main() -> None:
    """Print each question the model was taught, and its answer, for every --media file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="model folder or Hub id")
    parser.add_argument("--media", type=Path, action="append", required=True, help="repeatable")
    parser.add_argument("--title", action="append", default=[], help="one per --media, in order")
    parser.add_argument("--max_new_tokens", type=int, default=120, help="of one answer")
    # LLaMA-VID answers about films with these; greedy answers of a small model go round in circles
    parser.add_argument("--temperature", type=float, default=0.6, help="0 = greedy")
    parser.add_argument("--top_p", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    how: dict[str, Any] = {"do_sample": False}
    if args.temperature > 0:
        how = {"do_sample": True, "temperature": args.temperature, "top_p": args.top_p}

    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(args.model, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(args.model, trust_remote_code=True)
    for index, media in enumerate(args.media):
        title = args.title[index] if index < len(args.title) else media.stem
        kind = kind_of(media)
        tasks = taught(args.model, kind)
        print(f"\n  file    {media.name}")
        for task in sorted(QUESTIONS.keys() - set(tasks)):
            print(f"  (not asked for {task}: no {kind} taught this model that)")
        for task in tasks:
            messages = conversation(media, title, task)
            most = min(SHORT, args.max_new_tokens) if task == "likes" else args.max_new_tokens
            text = answered(model, processor, messages, {**how, "max_new_tokens": most}, args.seed)
            print(f"  asked   {messages[1]['content'][0]['text']}".replace("\n", "\n          "))
            print(f"  answer  {text}".replace("\n", "\n          "))


def answered(
    model: Any, processor: Any, messages: list[dict], how: dict[str, Any], seed: int
) -> str:
    """The model's answer to one conversation."""
    from transformers import set_seed

    inputs = processor.apply_chat_template(
        messages,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    set_seed(seed)
    tokens = model.generate(**inputs, **how)
    written = tokens[0, inputs["input_ids"].shape[1] :]
    return str(processor.tokenizer.decode(written, skip_special_tokens=True)).strip()


if __name__ == "__main__":
    main()
