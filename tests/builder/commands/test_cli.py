"""The command line: exit codes, one message per failure, help with examples, dry runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from builder.help.dumps import COMMENTS_IN, POSTS_IN, lines
from dataset_builder.cli import main
from dataset_builder.errors import UsageError
from dataset_builder.sections import MACHINE, field_notes
from dataset_builder.settings import SECTIONS, load_settings


def blift(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "dataset_builder", *map(str, arguments)],
        capture_output=True, text=True, check=False, **more,
    )  # fmt: skip


@pytest.fixture
def inputs(tmp_path):
    posts = ["--reddit-submissions", lines(tmp_path / "s.jsonl", POSTS_IN)]
    comments = ["--reddit-comments", lines(tmp_path / "c.jsonl", COMMENTS_IN)]
    return [*posts, *comments]


COMMANDS = ("build", "estimate", "why", "stats", "channels", "verify")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  blift {command}" in text


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "--media", "none"], "--out"),
        (["build", "--media", "none", "--out", "x"], "nothing to build from"),
        (["build", "--media", "nowhere", "--out", "x", "--youtube", "y"], "no such folder"),
        (["build", "--media", __file__, "--out", "x", "--youtube", "y"], "is a file, not a folder"),
        (["build", "--media", "none", "--out", "x", "--youtube", "absent.gz"], "no such file"),
        (["build", "--media", "none", "--out", "x", "--set", "reddit.strat=1"],
         "did you mean 'reddit.start'"),
        (["build", "--media", "none", "--out", "x", "--set", "reddit.min_words=many"],
         "expected a whole number"),
        (["build", "--media", "none", "--out", "x", "--set", "reddit.start"], "KEY=VALUE"),
        (["build", "--media", "none", "--out", "x", "--workers", "0"], "expected 1 or more"),
        (["build", "--preset", "best"], "invalid choice"),
        (["fly"], "invalid choice"),
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_cut_dump_stops_the_build_with_one_message(inputs, tmp_path):
    data = zstandard.compress((tmp_path / "c.jsonl").read_bytes() * 50)
    cut = tmp_path / "cut.zst"
    cut.write_bytes(data[:-7])
    done = blift("build", *inputs[:2], "--reddit-comments", cut, "--media", "none",
                 "--out", tmp_path / "out", "--workers", 2)  # fmt: skip
    assert done.returncode == 1
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("blift:")]
    assert "cut.zst" in line
    assert f"offset {len(data) - 7:,} of the file" in line
    assert "Traceback" not in done.stderr
    # mended, the same command goes on
    cut.write_bytes(data)
    arguments = ["build", *inputs[:2], "--reddit-comments", str(cut), "--media", "none"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--workers", "1"]) == 0


def test_debug_shows_the_traceback(inputs, tmp_path):
    bad = tmp_path / "bad.zst"
    bad.write_bytes(b"no zstd at all")
    done = blift("build", *inputs[:2], "--reddit-comments", bad, "--media", "none",
                 "--out", tmp_path / "out", "--workers", 1, "--debug")  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_too_many_bad_lines_stop_the_build(inputs, tmp_path, capsys):
    path = tmp_path / "c.jsonl"
    good = path.read_text() * 100
    arguments = ["build", *inputs, "--media", "none", "--out", str(tmp_path / "out")]
    arguments += ["--workers", "1"]
    path.write_text(good + "{bad\n" * 20)
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert "20 of 720 lines are malformed" in message
    assert "line 701" in message
    assert main([*arguments, "--set", "build.max_bad_lines=0.05"]) == 0
    path.write_text(good + "{bad\n" * 7)  # 7 of 707: not more than 1 %
    assert main(arguments) == 0


def test_a_build_that_keeps_nothing_says_so(inputs, tmp_path, capsys):
    arguments = ["build", *inputs, "--media", "none", "--out", str(tmp_path / "out")]
    arguments += ["--json", "--set", "reddit.end=2018-01-02"]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "no sample was kept; blift stats" in said.err
    assert "--allow-empty" in said.err
    assert json.loads(said.out)["samples"] == {}  # all the same it is done, and told
    assert main([*arguments, "--allow-empty"]) == 0
    assert "no sample was kept; blift stats" in capsys.readouterr().err


def test_too_little_memory_names_our_setting(inputs, tmp_path, capsys):
    arguments = ["build", *inputs, "--media", "none", "--out", str(tmp_path / "out")]
    for workers in ("1", "2"):
        assert main([*arguments, "--workers", workers, "--set", "build.memory_mb=1"]) == 1
        said = capsys.readouterr().err
        assert "build.memory_mb" in said
        assert "SET " not in said  # DuckDB's own advice, which no option of ours follows
        assert said.count("\n") == 1


def test_dry_run_writes_nothing(inputs, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    out = tmp_path / "out"
    assert main(["build", *inputs, "--media", "none", "--out", str(out), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "nothing was written" in text
    assert "before_overlay_rule" in text
    assert sorted(tmp_path.iterdir()) == before


def test_json_on_stdout_is_json_alone(inputs, tmp_path, capsys):
    done = blift("build", *inputs, "--media", "none", "--out", tmp_path / "out", "--json",
                 "--workers", 1)  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) >= {"root", "samples", "comments", "ledger", "seconds"}
    out = str(tmp_path / "out")
    for command in (["stats", "--build", out], ["why", "--build", out, "aa"], ["channels"],
                    ["verify", f"{out}/release"]):  # fmt: skip
        capsys.readouterr()
        assert main([*command, "--json"]) == 0
        json.loads(capsys.readouterr().out)


def test_verify_finds_a_damaged_file(inputs, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["build", *inputs, "--media", "none", "--out", str(out), "--workers", "1"]) == 0
    assert main(["verify", str(out / "release")]) == 0
    (shard,) = (out / "release/data").glob("train*.tar")
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    capsys.readouterr()
    assert main(["verify", str(out / "release")]) == 1
    assert shard.name in capsys.readouterr().err


def test_two_builds_in_one_folder_do_not_mix(inputs, tmp_path):
    import fcntl

    work = tmp_path / "out/work"
    work.mkdir(parents=True)
    with (work / "build.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = blift("build", *inputs, "--media", "none", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "another build is running" in done.stderr


def test_other_settings_in_the_same_folder_start_afresh(inputs, tmp_path, capsys):
    def build(*more):
        capsys.readouterr()
        out = str(tmp_path / "out")
        arguments = [
            "build",
            *inputs,
            "--media",
            "none",
            "--out",
            out,
            "--workers",
            "1",
            "--allow-empty",
        ]
        assert main([*arguments, "--json", *more]) == 0
        return json.loads(capsys.readouterr().out)

    first, other, back = build(), build("--set", "reddit.min_comments=9"), build()
    assert other["samples"] == {}
    assert first["root"] == back["root"] != other["root"]
    assert first["ledger"] == back["ledger"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(inputs, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    done = blift("build", *inputs, "--media", "none", "--out", locked / "out")
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_estimate_of_a_small_build_is_exact_in_rows(inputs, tmp_path, capsys):
    capsys.readouterr()
    assert main(["estimate", *inputs, "--workers", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == {"posts": 4, "comments": 7}
    assert found["samples"] == 1
    assert found["disk_bytes"] > found["release_bytes"] > 0
    assert not list(tmp_path.glob("out*"))


class TestSettings:
    def test_presets(self):
        assert load_settings("seed", []).youtube.max_seconds == 60
        assert load_settings("v3", []).youtube.max_seconds is None
        assert load_settings("authors", []).reddit.start is None

    def test_values_are_yaml(self):
        chosen = load_settings("seed", ["reddit.start=2014-01-01", "reddit.image_hosts=[a, b]"])
        assert chosen.reddit.start == "2014-01-01"
        assert chosen.reddit.image_hosts == ["a", "b"]

    def test_frozen(self):
        settings = load_settings("seed", [])
        with pytest.raises(AttributeError, match="cannot assign"):
            settings.reddit.min_words = 1
        with pytest.raises(AttributeError, match="absent"):
            _ = settings.reddit.absent

    def test_the_machine_is_no_part_of_the_identity(self):
        plain = load_settings("seed", [])
        here = load_settings("seed", ["build.executor=ray", "build.memory_mb=1"])
        assert plain.digest() == here.digest()
        assert plain.digest() != load_settings("seed", ["reddit.min_words=4"]).digest()
        machine = {
            k for s in SECTIONS.values() for k, note in field_notes(s).items() if MACHINE in note
        }
        assert {"executor", "memory_mb"} <= machine
        assert not machine & set(here.as_dict()["build"])

    def test_unknown_preset(self):
        with pytest.raises(UsageError, match="seed"):
            load_settings("best", [])


LONG_QUERY = """
import os, signal, sys, threading
import duckdb
from dataset_builder import cli
from dataset_builder.commands import ask
def query(arguments):
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    duckdb.sql("set threads = 1")  # the main thread, which looks for signals, does the work
    duckdb.sql("select sum(sin(a.range * b.range)) from range(100000) a, range(100000) b").show()
ask._stats = query
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.main(["stats", "--build", "out"]))
"""


IMPORTING = """
import os, signal, sys
from dataset_builder import cli
from dataset_builder.commands import ask
def imports(arguments):
    exec("os.kill(os.getpid(), signal.SIGINT)", {"os": os, "signal": signal})
ask._stats = imports
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.main(["stats", "--build", "out"]))
"""


@pytest.mark.parametrize("script", [LONG_QUERY, IMPORTING], ids=["query", "import"])
def test_ctrl_c_is_ctrl_c_wherever_it_falls(script, tmp_path):
    """DuckDB answers it with a RuntimeError; a module run by -m dies of it after an `exec`."""
    (tmp_path / "interrupted.py").write_text(script)
    found = subprocess.run(
        [sys.executable, "-m", "interrupted"], capture_output=True, text=True, check=False,
        timeout=60, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"},
    )  # fmt: skip
    assert found.returncode == 130, found.stderr
    assert "interrupted; run the same command again" in found.stderr
