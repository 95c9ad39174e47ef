import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from conflict_nlp.cli import main
from conflict_nlp.labels import LABELS
from tests.conftest import ROOT
from training.tables import read_table

COMMAND = [sys.executable, "-m", "conflict_nlp.cli"]
TEXT = "At least 30 rockets hit the base. The match ended in a draw.\nFour people were killed.\n"
SENTENCES = [
    "At least 30 rockets hit the base.",
    "The match ended in a draw.",
    "Four people were killed.",
]
COLUMNS = [
    *("article", "index", "start", "end", "text", *LABELS),
    *(f"{label}_score" for label in LABELS),
    *("uncertain", "truncated"),
]


@pytest.fixture
def run(capsys):
    """Run the command line in this process; return status, standard output and error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return stopped.value.code or 0, out, err

    return run


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.jsonl"
    rows = [{"id": f"a{i}", "title": f"Title {i}", "text": f"{TEXT}Part {i}."} for i in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_json_lines_where_there_is_no_terminal(run, story, tagger):
    status, out, err = run("tag", story)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    expected = [sentence.to_dict() for sentence in tagger.tag_article(TEXT).sentences]
    for index, (row, sentence) in enumerate(zip(rows, expected, strict=True)):
        assert list(row) == ["article", "index", *sentence]
        assert row["article"] == str(story) and row["index"] == index
        assert row["text"] == TEXT[row["start"] : row["end"]] == SENTENCES[index]
        assert row["labels"] == sentence["labels"]
        assert row["scores"] == pytest.approx(sentence["scores"], abs=1e-5)


def test_csv_and_parquet_have_one_row_a_sentence(run, story, tmp_path):
    status, out, _ = run("tag", story, "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert status == 0 and list(rows[0]) == COLUMNS
    assert [row["text"] for row in rows] == SENTENCES
    assert [row["attack_event"] for row in rows][:2] == ["1", "0"]
    assert [row["casualty_report"] for row in rows][1:] == ["0", "1"]
    assert run("tag", story, "--output", tmp_path / "out.parquet")[0] == 0
    stored = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert list(stored[0]) == COLUMNS
    for row, record in zip(rows, stored, strict=True):
        assert [record[name] for name in COLUMNS[:9]] == [
            int(value) if value.isdigit() else value for value in list(row.values())[:9]
        ]
        assert float(row["attack_event_score"]) == pytest.approx(
            record["attack_event_score"], abs=1e-4
        )
    names = ["out.parquet", "out.parquet.meta.json", "story.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_title_stands_before_its_article(run, table):
    _, out, _ = run("tag", table, "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))[:5]
    assert [row["index"] for row in rows] == ["-1", "0", "1", "2", "3"]
    assert rows[0]["text"] == "Title 0" and rows[0]["start"] == rows[0]["end"] == "0"
    assert {row["article"] for row in rows} == {"a0"}


def test_html_page_shows_every_sentence(run, story, tmp_path):
    assert run("tag", story, "--output", tmp_path / "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and all(text in page for text in SENTENCES)
    assert run("tag", story, "--format", "html")[1] == page


def test_table_shows_every_sentence_and_its_labels(run, story):
    status, out, _ = run("tag", story, "--format", "table")
    lines = out.splitlines()
    assert status == 0 and "story.txt" in lines[0]
    [line] = [line for line in lines if SENTENCES[0] in line]
    assert "attack_event 0." in line or "attack_event 1." in line


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet", "table"])
def test_summary_has_one_row_an_article(run, story, tmp_path, format):
    blank = tmp_path / "blank.txt"
    blank.write_text(" \n", encoding="utf-8")
    output = tmp_path / f"out.{format}"
    arguments = ("--summary", "--output", output, "--format", format)
    assert run("tag", story, blank, *arguments)[0] == 0
    if format == "table":
        text = output.read_text(encoding="utf-8")
        assert " of 3" in text and "33%" in text and SENTENCES[2] in text and "0 of 0" in text
        return
    if format == "parquet":
        first, second = pq.read_table(output).to_pylist()
    elif format == "csv":
        with output.open(encoding="utf-8", newline="") as stream:
            first, second = csv.DictReader(stream)
    else:
        first, second = map(json.loads, output.read_text(encoding="utf-8").splitlines())
    assert list(first)[:7] == [
        *("article", "title", "sentences", "attack_event"),
        *(f"attack_event_{end}" for end in ("share", "expected", "first")),
    ]
    assert 0.5 < float(first["attack_event_expected"]) < 2.5
    assert int(first["sentences"]) == 3 and 1 <= int(first["attack_event"]) <= 2
    share = int(first["attack_event"]) / 3
    assert float(first["attack_event_share"]) == pytest.approx(share, abs=1e-3)
    assert first["attack_event_first"] == SENTENCES[0]
    assert first["casualty_report_first"] == SENTENCES[2]
    assert int(second["sentences"]) == 0 and not second["attack_event_share"]


def test_thresholds_decide_which_labels_are_given(run, story):
    every = [f"--threshold={label}=0" for label in LABELS]
    _, out, _ = run("tag", story, *every)
    assert all(json.loads(line)["labels"] == list(LABELS) for line in out.splitlines())
    _, out, _ = run("tag", story, "--threshold", "attack_event=1")
    assert "attack_event" not in json.loads(out.splitlines()[0])["labels"]


def test_resume_goes_on_where_the_output_ends(run, table, tmp_path):
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    run("tag", table, "--output", whole)
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    status, _, err = run("tag", table, "--output", cut, "--resume")
    assert status == 0 and " articles; going on" in err
    keys = [
        [
            (row["article"], row["index"], row["text"])
            for row in csv.DictReader(path.open(newline=""))
        ]
        for path in (whole, cut)
    ]
    assert keys[0] == keys[1]
    assert run("tag", table, "--output", tmp_path / "new.csv", "--resume")[0] == 0
    assert (tmp_path / "new.csv").read_bytes() == content


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("rows", ["sentences", "articles"])
def test_columns_are_kept(run, tmp_path, format, rows):
    table, output = tmp_path / "t.csv", tmp_path / f"out.{format}"
    table.write_text("text,date,n\nShells fell. Two died.,1 May,3\nIt rained.,,\n", "utf-8")
    summary = ["--summary"] if rows == "articles" else []
    keep = ["--keep", "date", "--keep", "n"]
    assert run("tag", table, "--output", output, *keep, *summary) == (0, "", "")
    if format == "parquet":
        found = pq.read_table(output).to_pylist()
    elif format == "csv":
        found = list(csv.DictReader(output.read_text(encoding="utf-8").splitlines()))
    else:
        found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    kept = [("1 May", "3"), ("", "")]
    assert [(row["date"], row["n"]) for row in found] == (kept if summary else [kept[0], *kept])
    assert list(found[0])[-2:] == ["date", "n"]
    told = json.loads((tmp_path / f"out.{format}.meta.json").read_text(encoding="utf-8"))
    assert (told["rows"], told["keep"], told["model"]) == (rows, ["date", "n"], "minilm")
    if format != "parquet":
        whole = output.read_bytes()
        assert run("tag", table, "--output", output, *keep, *summary, "--resume")[0] == 0
        assert output.read_bytes() == whole


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_kept_columns_may_have_any_name(run, tmp_path, format):
    table, output = tmp_path / "t.jsonl", tmp_path / f"out.{format}"
    row = {"text": "Shells fell.", "x": "y", "x_score": 1700000000.123456, "text_score": "z"}
    table.write_text(json.dumps(row) + "\n", encoding="utf-8")
    keep = [word for name in ("x", "x_score", "text_score") for word in ("--keep", name)]
    assert run("tag", table, "--output", output, *keep)[0] == 0
    if format == "parquet":
        assert pq.read_table(output).to_pylist()[0]["x_score"] == "1700000000.123456"
        return
    whole = output.read_bytes()
    assert b"1700000000.123456" in whole
    assert run("tag", table, "--output", output, *keep, "--resume")[0] == 0
    assert output.read_bytes() == whole


def test_what_made_the_output_is_no_reason_to_fail(run, story, tmp_path):
    output = tmp_path / "out.csv"
    (tmp_path / "out.csv.meta.json").mkdir()
    status, _, err = run("tag", story, "--output", output)
    assert status == 0 and "out.csv.meta.json, which tells what made" in err
    assert len(output.read_text(encoding="utf-8").splitlines()) == 4
    own = tmp_path / "news"
    own.mkdir()
    shutil.copy(story, own)
    for _ in range(2):
        assert run("tag", own, "--output", own / "tags.csv") == (0, "", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", "text", "--format", "csv"], "the output has a column 'text' of its own"),
        (["--keep", "labels", "--format", "jsonl"], "a column 'labels' of its own: rename yours"),
        (["--keep", "day", "--format", "html"], "--keep needs csv, jsonl or parquet"),
    ],
)
def test_columns_that_cannot_be_kept_are_named(run, table, options, message):
    status, out, err = run("tag", table, *options)
    assert (status, out) == (2, "") and message in err


def test_resume_refuses_what_another_model_or_threshold_made(run, table, tmp_path):
    output = tmp_path / "out.csv"
    assert run("tag", table, "--output", output)[0] == 0
    before = output.read_bytes()
    for options, told in (
        (["--model", "baseline"], "model 'minilm', not 'baseline'"),
        (["--threshold", "attack_event=0.9"], "thresholds"),
    ):
        status, _, err = run("tag", table, "--output", output, "--resume", *options)
        assert status == 2 and told in err and "or a new --output" in err
        assert output.read_bytes() == before
    (tmp_path / "out.csv.meta.json").unlink()
    assert run("tag", table, "--output", output, "--resume", "--model", "baseline")[0] == 0


def test_resume_leaves_other_files_alone(run, story, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text("a note\n", encoding="utf-8")
    status, out, err = run("tag", story, "--output", other, "--resume")
    assert status == 2 and out == "" and str(other) in err
    assert other.read_text(encoding="utf-8") == "a note\n"


def test_what_cannot_be_read_is_told_at_the_end(run, story, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "One."}\nnonsense\n{"text": "Two."}\n', encoding="utf-8")
    status, out, err = run("tag", tmp_path / "missing.txt", bad, story)
    assert status == 1
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["One.", "Two.", *SENTENCES]
    assert "missing.txt: No such file" in err and "bad.jsonl:2: bad JSON" in err
    assert err.splitlines()[-1] == "conflict-nlp: 2 files or rows could not be read"


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet", "out.html"])
def test_where_nothing_can_be_read_the_old_output_stays(run, story, table, tmp_path, name):
    output = tmp_path / name
    assert run("tag", story, "--output", output)[0] == 0
    before = output.read_bytes()
    status, _, err = run("tag", table, "--text-column", "bodyy", "--output", output)
    assert status == 1 and "bodyy" in err and f"{output} stays as it is" in err
    (tmp_path / "empty").mkdir()
    status, _, err = run("tag", tmp_path / "empty", "--output", output)
    assert status == 0 and "no articles to tag" in err
    assert output.read_bytes() == before
    sheet = tmp_path / "sheet.csv"
    assert run("review", table, "--text-column", "bodyy", "--out", sheet)[0] == 1
    assert not sheet.exists()


def test_resume_tells_apart_rows_that_are_numbered_alike(run, tmp_path):
    folder, output = tmp_path / "news", tmp_path / "out.csv"
    folder.mkdir()
    old = "id,text\n1,Rockets hit the port.\n2,Talks went on.\n3,It rained.\n"
    (folder / "b.csv").write_text(old, encoding="utf-8")
    assert run("tag", folder, "--output", output)[0] == 0
    new = "id,text\n1,Snow fell.\n2,A bomb went off.\n"
    (folder / "a.csv").write_text(new, encoding="utf-8")
    assert run("tag", folder, "--output", output, "--resume")[0] == 0
    with output.open(encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    expected = ["Rockets hit the port.", "Talks went on.", "Snow fell.", "A bomb went off."]
    assert texts == [*expected, "It rained."]
    whole = output.read_bytes()
    for name in ("a.csv", "b.csv"):
        (folder / name).unlink()
    assert "stays as it is" in run("tag", folder, "--output", output, "--resume")[2]
    assert output.read_bytes() == whole


def test_a_folder_holding_the_output_can_be_tagged(run, story, tmp_path):
    output = tmp_path / "out.jsonl"
    for _ in range(2):
        assert run("tag", tmp_path, "--output", output)[0] == 0
        assert len(output.read_text(encoding="utf-8").splitlines()) == len(SENTENCES)


def test_tags_are_not_read_as_articles(run, story, tmp_path):
    for name in ("a.csv", "b.jsonl", "c.parquet", "d.html", "e.csv"):
        options = ["--summary"] if name == "e.csv" else []
        assert run("tag", story, "--output", tmp_path / name, *options)[0] == 0
    assert run("review", story, "--out", tmp_path / "f.csv")[0] == 0
    status, out, err = run("tag", tmp_path)
    assert status == 0 and len(out.splitlines()) == len(SENTENCES)
    assert err.count("it holds what conflict-nlp wrote, no articles") == 6
    status, out, err = run("tag", tmp_path / "a.csv", tmp_path / "d.html")
    assert status == 1 and out == "" and err.count("it holds what conflict-nlp wrote") == 2
    status, out, _ = run("tag", tmp_path / "a.csv", "--text-column", "text")
    assert status == 0 and len(out.splitlines()) == len(SENTENCES)
    _, out, err = run("tag", tmp_path, "--text-column", "text")
    assert len(out.splitlines()) == len(SENTENCES) and "a.csv: it holds what" in err


def test_articles_in_a_folder_are_not_written_over(run, story, tmp_path):
    table = tmp_path / "articles.csv"
    table.write_text("text\nRockets hit the base.\n", encoding="utf-8")
    status, out, err = run("tag", tmp_path, "--output", table)
    assert (status, out) == (2, "") and "is not known as output of this program" in err
    assert table.read_text(encoding="utf-8") == "text\nRockets hit the base.\n"
    archive = "Ref,Body Text\n1,Rockets hit the base.\n"  # read only with its --text-column
    table.write_text(archive, encoding="utf-8")
    options = ["--text-column", "Body Text", "--output", table]
    assert run("tag", tmp_path, *options)[0] == 2 and table.read_text("utf-8") == archive
    table.unlink()
    for name in ("tags.log", "tags.txt"):  # the second run goes on, or replaces what is never read
        options = ["--format", "jsonl", *(["--resume"] if name == "tags.txt" else [])]
        for _ in range(2):
            assert run("tag", tmp_path, "--output", tmp_path / name, *options)[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="redirection of POSIX")
def test_standard_output_may_lie_in_the_folder_that_is_read(story, tmp_path):
    for _ in range(2):
        command = f"{shlex.join(COMMAND)} tag {tmp_path} > {tmp_path}/tags.jsonl"
        subprocess.run(["bash", "-c", command], check=True)
        assert len((tmp_path / "tags.jsonl").read_text().splitlines()) == len(SENTENCES)


@pytest.mark.skipif(sys.platform == "win32", reason="redirection of POSIX")
@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ("tag STORY >&-", 2, "standard input or output is closed"),
        ("models >&-", 2, "standard output is closed"),
        ("tag STORY --output tags.csv 2>&-", 0, ""),
    ],
)
def test_closed_streams(story, tmp_path, arguments, status, told):
    command = f"{shlex.join(COMMAND)} {arguments.replace('STORY', str(story))}"
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, **options)
    assert done.returncode == status and told in done.stderr and "Traceback" not in done.stderr
    if status == 0:
        assert len((tmp_path / "tags.csv").read_text().splitlines()) == 1 + len(SENTENCES)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
@pytest.mark.parametrize("format", ["html", "parquet"])
def test_whole_files_go_through_links_and_pipes(run, story, tmp_path, format):
    real, link, pipe = tmp_path / "real", tmp_path / f"link.{format}", tmp_path / "pipe"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    assert run("tag", story, "--output", link)[0] == 0
    assert link.is_symlink() and real.stat().st_mode & 0o777 == 0o600
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reading:
        assert run("tag", story, "--format", format, "--output", pipe)[0] == 0
        assert reading.stdout.read() == real.read_bytes()
    assert pipe.is_fifo() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("columns", [60, 80])
def test_a_table_cuts_nothing_off(story, columns):
    address = "https://news.example/2024/05/" + "a_long_name_" * 8
    story.write_text(f"Rebels shelled 東京 and 大阪 on Sunday.\n{address}", encoding="utf-8")
    environment = {**os.environ, "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"}
    command = [*COMMAND, "tag", story, "--format", "table"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    shown = "".join(done.stdout.decode().split())
    assert "…" not in shown and address in shown.replace("-", "")  # which stands for no label


def test_a_table_where_letters_lack(story):
    story.write_text("Rebels shelled Şırnak on Sunday.", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [*COMMAND, "tag", story, "--format", "table"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"Rebels shelled ??rnak on Sunday." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tag", "--nonsense"], "--nonsense"),
        (["tag", "STORY", "--model"], "--model"),
        (["nonsense"], "nonsense"),
        (["tag", "STORY", "--format", "xml"], "jsonl"),
        (["tag", "STORY", "--model", "nonsense"], "minilm"),
        (["tag", "STORY", "--threshold", "attack_event"], "LABEL=VALUE"),
        (["tag", "STORY", "--threshold", "attack=0.5"], "casualty_report"),
        (["tag", "STORY", "--threshold", "attack_event=x"], "'x' is not a number"),
        (["tag", "STORY", "--threshold", "attack_event=nan"], "0..1"),
        (["tag", "STORY", "--format", "csv", "--output", "STORY"], "files to read"),
        (["tag", "STORY", "--output", "a.xlsx"], ".csv"),
        (["tag", "Rebels shelled the town. " * 50], "no such file or folder: Rebels"),
        (["tag", "missing.txt", "missing.csv"], "no such file or folder: missing.txt, missing.csv"),
        (["review", "STORY", "--out", "a.xlsx"], "--format"),
        (["tag", "STORY", "--output", "no/such/folder.csv"], "folder.csv"),
        (["tag", "STORY", "--output", ".", "--format", "html"], "is a folder"),
        (["tag", "STORY", "--model", "m" * 300], "no model 'mmm"),
        (["tag", "STORY", "--output", "out.csv.gz"], ".gz"),
        (["tag", "STORY", "--output", "-"], "leave it out"),
        (["tag", "STORY", "--format", "parquet"], "--output"),
        (["tag", "STORY", "--format", "html", "--summary"], "--summary"),
        (["tag", "STORY", "--resume"], "--output"),
        (["tag", "STORY", "--resume", "--output", "a.html"], "jsonl or csv"),
        (["tag", "-", "-"], "only once"),
        (["tag", "STORY", "--explain"], "--explain needs html"),
        (["review", "STORY"], "--out"),
        (["review", "STORY", "--out", "STORY"], "STORY exists"),
        (["review", "STORY", "--out", "-"], "names no file"),
        (["review", "STORY", "--out", "no/such/sheet.csv"], "no folder no/such"),
        (["review", "STORY", "--out", "a.csv", "--format", "xml"], "csv, label-studio, doccano"),
        (["review", "STORY", "--out", "a.csv", "--limit", "0"], "--limit"),
        (["review", "STORY", "--out", "a.csv", "--model", "nonsense"], "minilm"),
        (["review", "-", "-", "--out", "a.csv"], "only once"),
    ],
)
def test_bad_usage_is_told_in_one_line(run, story, arguments, told):
    status, out, err = run(*[str(story) if item == "STORY" else item for item in arguments])
    assert (status, out) == (2, "")
    assert err.startswith("conflict-nlp: ") and err.count("\n") == 1
    assert told.replace("STORY", str(story)) in err
    assert story.read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("command", ["", "tag", "review", "app", "models"])
def test_help_fits_a_small_terminal(run, command):
    status, out, _ = run(*command.split(), "--help")
    if not command:
        assert run()[1] == out
    lines = out.splitlines()
    assert status == 0 and len(lines) <= 24 and max(map(len, lines)) <= 80
    assert "Example: conflict-nlp" in out


def test_explained_page_underlines_the_words_that_carried_a_label(run, story, tmp_path):
    assert run("tag", story, "--output", tmp_path / "page.html", "--explain")[0] == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.search(r"<mark[^>]*>[^/]*<u>[^<]*rockets", page)
    assert re.search(r"attack_event\??: <u>", page) and "Underlined: the words" in page
    assert "<u>" not in run("tag", story, "--format", "html")[1]


def test_review_writes_a_sheet_of_the_articles_that_can_be_read(run, story, table, tmp_path):
    sheet = tmp_path / "sheet.csv"
    status, out, err = run("review", story, table, "--out", sheet, "--limit", "12")
    assert (status, out) == (0, "") and err == f"conflict-nlp: {sheet}: 12 sentences to look at\n"
    rows = read_table(sheet).records
    assert len({row["text"] for row in rows}) == 12
    assert {"a0", str(story)} & {row["article"] for row in rows}
    assert all(set(row["labels"]) <= set(LABELS) for row in rows)
    status, _, err = run("review", story, tmp_path / "missing.txt", "--out", tmp_path / "b.csv")
    assert status == 1 and "missing.txt: No such file" in err
    rows = read_table(tmp_path / "b.csv").records
    assert sorted(row["text"] for row in rows) == sorted(SENTENCES)


def test_the_end_of_the_name_tells_the_format_of_a_sheet(run, story, tmp_path):
    for arguments, labels in (
        (["--out", "a.json"], lambda text: json.loads(text)[0]["predictions"]),
        (["--out", "a.jsonl"], lambda text: json.loads(text.splitlines()[0])["label"]),
        (["--out", "a.txt", "--format", "doccano"], lambda text: json.loads(text.splitlines()[0])),
        (["--out", "b"], lambda text: next(csv.DictReader(text.splitlines()))["attack_event"]),
    ):
        path = tmp_path / arguments[1]
        assert run("review", story, "--out", path, *arguments[2:])[0] == 0
        assert labels(path.read_text(encoding="utf-8-sig"))


def test_models_lists_what_is_shipped(run):
    status, out, _ = run("models")
    assert status == 0 and "minilm (default)" in out and "baseline" in out


def test_version(run):
    assert run("--version")[:2] == (0, "0.1.0\n")


@pytest.fixture
def started():
    process = subprocess.Popen(
        [*COMMAND, "tag"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    yield process
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def feed(process, articles):
    """Write articles to standard input, and leave it open."""
    line = json.dumps({"text": TEXT * 10}).encode() + b"\n"
    process.stdin.write(line * articles)
    process.stdin.flush()


def test_rows_come_before_the_input_ends(started):
    feed(started, 10)
    assert json.loads(started.stdout.readline())["text"] == SENTENCES[0]
    assert started.poll() is None


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_interruption_is_told_in_one_line(started):
    feed(started, 10)
    started.stdout.readline()
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 130 and err == b"conflict-nlp: interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_closed_pipe_ends_quietly(started):
    feed(started, 100)
    started.stdout.readline()
    started.stdout.close()
    started.stdin.close()
    assert started.wait(timeout=60) == 1 and started.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_terminal_shows_a_table(story):
    ours, theirs = os.openpty()
    subprocess.run([*COMMAND, "tag", story], stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "labels and scores" in shown and "attack_event" in shown and "\x1b[" in shown


def test_resume_knows_files_under_another_name(run, story, tmp_path, monkeypatch):
    other = tmp_path / "other.txt"
    other.write_text("Rain fell.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    options = ["--output", tmp_path / "out.jsonl", "--resume"]
    assert run("tag", "other.txt", story.name, *options)[0] == 0
    before = (tmp_path / "out.jsonl").read_bytes()
    status, _, err = run("tag", other, story, *options)
    assert status == 2 and f"it has {other} as other.txt: name the files as before" in err
    assert (tmp_path / "out.jsonl").read_bytes() == before
    _, _, err = run("tag", story.name, *options)
    assert "holds 1 articles that are not among those read now" in err
