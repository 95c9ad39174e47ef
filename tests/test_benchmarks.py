"""The benchmarks run, in a short form; speed itself is measured, not tested."""

import re

import pytest

from tests.conftest import ROOT
from training import (
    annotations,
    benchmark,
    benchmark_limits,
    benchmark_robustness,
    benchmark_speed,
    export_onnx,
    train_baseline,
)

HELD_OUT = str(ROOT / "training" / "corpus" / "heldout.jsonl")


def test_benchmark_writes_tables_and_pictures(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- table -->\n<!-- end of table -->\nAfter.\n")
    options = ["--data", HELD_OUT, "--models", "baseline", "--rounds", "20"]
    benchmark.main([*options, "--output", str(tmp_path / "page"), "--plots", str(tmp_path / "png")])
    written = page.read_text()
    assert written.startswith("Before.") and written.endswith("After.\n")
    assert re.search(r"\| baseline \| 0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)", written)
    assert "| source | sentences | baseline |" in written
    for name in ("precision-recall", "reliability"):
        assert (tmp_path / "png" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_robustness(capsys):
    benchmark_robustness.main(["--data", HELD_OUT, "--models", "baseline"])
    header, _, row = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in header.split("|")[3:-1]] == list(benchmark_robustness.COPIES)
    changes = [float(cell) for cell in row.split("|")[3:-1]]
    assert changes[:2] == [0, 0]  # the baseline reads lower case alone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said: "It\'s over." ("No.")', "He said: “It’s over.” (“No.”)"),
        ("'Yes', she said.", "‘Yes’, she said."),
    ],
)
def test_curly_quotes(text, expected):
    assert benchmark_robustness.curly(text) == expected
    assert benchmark_robustness.straight(expected) == text


def test_limits(capsys):
    short = ["--sentences", "40", "--longest", "10000", "--stream", "40"]
    benchmark_limits.main(["--data", HELD_OUT, *short])
    shown = capsys.readouterr().out
    share = re.search(r"share of the floor \| (\d+)%", shown)
    assert share and 0 < int(share[1]) < 100
    assert "| 10000 |" in shown and re.search(r"\| 40 \| \d+ \|", shown)


def test_speed(capsys):
    short = ["--sentences", "40", "--rounds", "1", "--models", "baseline", "minilm"]
    benchmark_speed.main(["--data", HELD_OUT, *short])
    shown = capsys.readouterr().out
    for name in ("baseline", "minilm", "peak memory", "import of conflict_nlp.predict"):
        assert re.search(rf"\| {name}[^|]*\| \d", shown), name


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (annotations.main, ["strip", "nowhere.jsonl", "--out", "a"]),
        (benchmark.main, ["--data", "nowhere.jsonl"]),
        (benchmark_limits.main, ["--data", "nowhere.jsonl"]),
        (benchmark_robustness.main, ["--data", "nowhere.jsonl"]),
        (benchmark_speed.main, ["--data", "nowhere.jsonl"]),
        (export_onnx.main, ["--checkpoint", "nowhere.jsonl", "--output", "a"]),
        (train_baseline.main, ["--data", "nowhere.jsonl", "--output", "a"]),
    ],
)
def test_a_missing_file_is_named_in_one_line(command, options, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        command(options)
    shown = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 1 and "nowhere.jsonl" in shown[-1]
    assert not any(line.startswith("Traceback") for line in shown)
    assert list(tmp_path.iterdir()) == []
