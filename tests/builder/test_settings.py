"""Settings are held to what they may be before anything is read."""

import pytest
import yaml

from dataset_builder.cli import main
from dataset_builder.errors import UsageError
from dataset_builder.sections import field_notes
from dataset_builder.settings import FILE, SECTIONS, load_settings

DOCUMENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_every_setting_has_its_line_and_every_default_keeps_to_it():
    for section, values in DOCUMENT["settings"].items():
        notes = field_notes(SECTIONS[section])
        assert sorted(values) == sorted(notes)
        for name, value in values.items():
            assert notes[name][0].holds(value), (section, name, value)
    assert sorted(DOCUMENT["settings"]) == sorted(SECTIONS)


@pytest.mark.parametrize("preset", DOCUMENT["presets"])
def test_every_preset_loads(preset):
    assert load_settings(preset, []).preset == preset


REFUSED = [
    ("reddit.start=foo", "a day that exists"),
    ("reddit.start=2018-13-01", "a day that exists"),
    ("reddit.start=2018-02-30", "a day that exists"),
    ("reddit.overlay_start=2018-W01-1", "a day that exists"),
    ("youtube.end=2018-01-01T10:00:00+02:00", "a day that exists"),
    ("reddit.end=2018", "a day that exists"),
    ("reddit.duplicates=foo", "one of merge, drop, keep"),
    ("youtube.duplicates=foo", "one of merge, drop, keep"),
    ("reddit.galleries=foo", "one of drop, first"),
    ("youtube.comments_disabled=foo", "one of drop, keep"),
    ("youtube.language_detect=some", "one of off, missing, all"),
    ("comments.idf=foo", "one of per_post, corpus"),
    ("turns.reddit_like=foo", "one of none, upvote_ratio"),
    ("media.duration_unknown=foo", "one of drop, keep"),
    ("annotate.tags=foo", "one of imagenet-lite0, or null"),
    ("annotate.ocr=true", "one of auto, or null"),
    ("splits.method=dice", "one of hash, quota, time"),
    ("shards.tier=half", "one of full, ids"),
    ("build.executor=cloud", "one of local, ray, slurm"),
    ("comments.keep=0", "1 or more, or null"),
    ("reddit.tfidf_threshold=2", "a number from 0 to 1"),
    ("youtube.tfidf_threshold=-1", "a number from 0 to 1"),
    ("reddit.tfidf_threshold=.nan", "a number from 0 to 1"),
    ("reddit.max_seconds=.inf", "a number above 0"),
    ("reddit.max_seconds=0", "a number above 0"),
    ("splits.test=1.5", "below 1"),
    ("splits.test=1", "below 1"),
    ("splits.validation=-1", "0 or more"),
    ("splits.seed=0.5", "a whole number"),
    ("reddit.min_comments=-1", "a whole number, 0 or more"),
    ("reddit.min_comments=2.5", "a whole number, 0 or more"),
    ("reddit.min_words=true", "a whole number"),
    ("reddit.nsfw=1", "true or false"),
    ("reddit.nsfw=null", "true or false"),
    ("reddit.image_subreddits=pics", "a list of words"),
    ("youtube.languages=[no]", "a list of words"),  # YAML reads Norwegian as false
    ("youtube.excluded_topics=[foo]", "a list of music, gaming"),
    ("build.max_bad_lines=5", "a number from 0 to 1"),
    ("build.max_line_mb=0", "a number above 0"),
    ("build.partitions=-3", "0 to 99999"),
    ("build.partitions=100000", "0 to 99999"),
    ("shards.max_mb=0", "a number above 0"),
    ("scenes.max_scenes=0", "a whole number, 1 or more"),
    ("media.duplicate_bits=65", "0 to 64, or null"),
    ("fetch.allowed_networks=[home]", "a list of networks"),
]


@pytest.mark.parametrize(("override", "expected"), REFUSED)
def test_a_value_a_setting_may_not_have_is_named(override, expected):
    key = override.partition("=")[0]
    with pytest.raises(UsageError) as refused:
        load_settings("seed", [override])
    assert str(refused.value).startswith(f"setting {key}=")
    assert expected in str(refused.value).partition(": expected ")[2]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["splits.test=0.6", "splits.validation=0.4"], "a sum below 1"),
        (["reddit.start=2022-01-01", "reddit.end=2022-01-01"], "a start before the end"),
        (["reddit.image_subreddits=[pics, Videos]"], "both name videos"),
    ],
)
def test_values_that_cannot_be_together(overrides, message):
    with pytest.raises(UsageError, match=message):
        load_settings("seed", overrides)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("build.slurm_time=12:30:00", "12:30:00"),  # YAML reads it as a number to the base 60
        ("build.slurm_partition=7", "7"),
        ("youtube.language_detect=off", "off"),
        ("reddit.max_seconds=null", None),
        ("comments.keep=null", None),
        ("annotate.tags=null", None),
        ("annotate.colors=masks/u2net.onnx", "masks/u2net.onnx"),
        ("reddit.min_comments=0", 0),
        ("splits.test=0", 0),
    ],
)
def test_values_that_are_allowed(override, value):
    section, name = override.partition("=")[0].split(".")
    assert getattr(getattr(load_settings("seed", [override]), section), name) == value


def test_the_command_line_says_it_and_exits_with_2(tmp_path, capsys):
    arguments = ["build", "--media", "none", "--out", str(tmp_path / "out"), "--youtube", "y"]
    assert main([*arguments, "--set", "reddit.start=2018-13-01"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "reddit.start='2018-13-01'" in said
    assert "YYYY-MM-DD" in said
