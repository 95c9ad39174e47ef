"""The benchmarks run, in a short form; speed itself is measured, not tested."""

import json
import re
from pathlib import Path

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
    interval = r"0\.\d{3} \(0\.\d{3} to [01]\.\d{3}\)"
    assert re.search(rf"\| baseline, in article \| attack_event \|.*\| {interval} \|", written)
    for name in ("precision-recall", "reliability"):
        assert (tmp_path / "png" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    # Articles are counted once for a model: with its context, where it has one.
    _, articles = written.split("Whole articles: ")
    named = [line.split(" | ")[0] for line in articles.splitlines() if " | attack_event | " in line]
    assert named == ["| baseline, in article"]
    row = json.loads((tmp_path / "page.json").read_text())[-1]["articles"]["attack_event"]
    assert f"| {row['f1']:.3f} | {row['articles']} |" in articles


@pytest.mark.parametrize("output", ["v0.2", "v0.2.md"])
def test_an_output_may_have_points_in_its_name(tmp_path, output):
    data = tmp_path / "data" / "one.jsonl"
    data.parent.mkdir()
    data.write_text(Path(HELD_OUT).read_text(encoding="utf-8").splitlines()[0])
    options = ["--data", str(data), "--models", "baseline", "--rounds", "2"]
    benchmark.main([*options, "--output", str(tmp_path / "out" / output)])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"v0.2.md", "v0.2.json"}
    first = (tmp_path / "out" / "v0.2.md").read_text().splitlines()[0]
    assert first.startswith("1 held-out articles, ") and "40 are needed for intervals" in first


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
