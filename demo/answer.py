"""Ask a LlavaVid model Listing 1's question about a picture or a video, as a stranger would.

    python answer.py --model DIR --media cat.jpg --title "A cat looking up"

Uses only `transformers` and the model folder: nothing of this repository is imported.
"""

import argparse
from pathlib import Path
from typing import Any

SYSTEM = (
    "You are an AI visual assistant, you are given a detailed description of a media, followed by "
    "the actual media. Answer all questions as you are seeing the media"
)
# paper, Listing 1
INTRO = 'The {kind} is titled "{title}".'
QUESTION = (
    "Analyze this {kind} deeply, then write scene by scene description of the {kind} and answer "
    "the following questions. What percentage of viewers would like this {kind}, and what would be "
    "the top-5 popular comments on this {kind}?."
)
VIDEO_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi"}


def conversation(media: Path, title: str) -> list[dict]:
    """Messages of one question about one file; the media stands after the text, as in Listing 1."""
    kind = "video" if media.suffix.lower() in VIDEO_SUFFIXES else "image"
    question = f"{INTRO.format(kind=kind, title=title)}\n{QUESTION.format(kind=kind)}"
    return [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": question}, {"type": kind, kind: str(media)}],
        },
    ]


def main() -> None:
    """Print the question and the model's answer for every --media file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="model folder or Hub id")
    parser.add_argument("--media", type=Path, action="append", required=True, help="repeatable")
    parser.add_argument("--title", action="append", default=[], help="one per --media, in order")
    parser.add_argument("--max_new_tokens", type=int, default=200)
    # LLaMA-VID answers about films with these; greedy answers of a small model go round in circles
    parser.add_argument("--temperature", type=float, default=0.6, help="0 = greedy")
    parser.add_argument("--top_p", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    how: dict[str, Any] = {"max_new_tokens": args.max_new_tokens, "do_sample": False}
    if args.temperature > 0:
        how |= {"do_sample": True, "temperature": args.temperature, "top_p": args.top_p}

    from transformers import AutoModel, AutoProcessor, set_seed

    model = AutoModel.from_pretrained(args.model, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(args.model, trust_remote_code=True)
    for index, media in enumerate(args.media):
        title = args.title[index] if index < len(args.title) else media.stem
        messages = conversation(media, title)
        inputs = processor.apply_chat_template(
            messages,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        set_seed(args.seed)
        tokens = model.generate(**inputs, **how)
        answer = tokens[0, inputs["input_ids"].shape[1] :]
        print(f"\n  file    {media.name}")
        print(f"  asked   {messages[1]['content'][0]['text']}".replace("\n", "\n          "))
        text = processor.tokenizer.decode(answer, skip_special_tokens=True).strip()
        print(f"  answer  {text}".replace("\n", "\n          "))


if __name__ == "__main__":
    main()
