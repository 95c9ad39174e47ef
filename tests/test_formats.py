import csv
import gzip
import io
import json
import subprocess
import sys
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conflict_nlp.formats import Article, Reader
from tests.conftest import ROOT

TEXT = "Rockets hit the Temirlan base. Four people were killed."
ACCENTED = "Leyla Arsan’s café was hit — four died. “Nobody knows,” Señor Müller said."
PAGE = f"""<!DOCTYPE html><html><head><title>Rockets hit base</title></head><body>
<nav><a href="/">Home</a> <a href="/sport">Sport</a></nav>
<article><h1>Rockets hit base</h1><p>{TEXT} The defence ministry gave no further details.</p>
<p>It was the third strike on the base this year, a spokesman for the ministry said.</p></article>
<footer>All rights reserved</footer></body></html>"""
ROWS = [
    {"id": "a1", "title": "Base hit", "text": TEXT},
    {"id": "a2", "title": None, "text": 'A "quoted", comma\r\nand line; end'},
    {"id": "a3", "title": "Blank", "text": ""},
]
EXPECTED = [Article(row["id"], row["title"], row["text"], {}) for row in ROWS]
NOTES = ["articles without text: 1 (a3)"]


def read(*names, **options):
    """Return articles, problems and notes."""
    notes = []
    reader = Reader(names, note=notes.append, **options)
    return list(reader), reader.problems, notes


def as_csv(rows, delimiter=","):
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def as_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows):
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


TABLES = {
    "rows.csv": as_csv(ROWS),
    "semicolon.csv": as_csv(ROWS, ";"),
    "rows.tsv": as_csv(ROWS, "\t"),
    "rows.jsonl": as_jsonl(ROWS),
    "rows.parquet": as_parquet(ROWS),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_tables_give_one_article_a_row(tmp_path, name, packed):
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(TABLES[name]) if packed else TABLES[name])
    assert read(path) == (EXPECTED, [], NOTES)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.txt.gz", "no-end", "A.TXT"])
def test_text_is_read_as_it_stands(tmp_path, name):
    text = f"\n{TEXT}\r\n\tThe end \u2028\n"
    data = text.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert read(path) == ([Article(str(path), None, text)], [], [])


def test_html_gives_title_and_main_text(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE, encoding="utf-8")
    [article], problems, _ = read(path)
    assert problems == [] and article.title == "Rockets hit base"
    assert article.text.startswith(TEXT) and "third strike" in article.text
    assert "Sport" not in article.text and "rights" not in article.text


@pytest.mark.parametrize("name", ["post", "entry", "article__body", "plain"])
def test_headings_of_a_live_blog_are_kept(tmp_path, name):
    text = (
        "Gunmen attacked a base near the town, killing two, the army said. It was not the first."
        * 2
    )
    post = f"<div class={name!r}><h2>Two killed in strike {{}} on Velm</h2><p>{text}</p></div>"
    posts = "".join(post.format(number) for number in range(3))
    page = f"<html><body><article><h1>Live</h1>{posts}</article></body></html>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    [article], _, _ = read(tmp_path / "page.html")
    assert [article.text.count(f"strike {number} on Velm\n") for number in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv", "rows.jsonl"])
def test_tables_under_the_name_of_a_text_are_tables(tmp_path, name):
    (tmp_path / "export.txt").write_bytes(TABLES[name])
    (tmp_path / "prose.md").write_text(f"| text | label |\n{TEXT}", encoding="utf-8")
    articles, problems, _ = read(tmp_path)
    assert [article.text for article in articles[:-1]] == [article.text for article in EXPECTED]
    assert articles[-1].text.endswith(TEXT) and problems == []
    assert read(tmp_path / "export.txt", text_column="nonsense")[0] == [] or name != "rows.csv"


@pytest.mark.parametrize(
    "start",
    ['{"@type":"NewsArticle","headline":"Base hit"}', "[\n Photo\n]", "Home\tArticle", "News;Text"],
)
def test_an_article_may_begin_like_something_else(tmp_path, start):
    (tmp_path / "a.txt").write_text(f"{start}\n\n{TEXT}", encoding="utf-8")
    [article], problems, _ = read(tmp_path / "a.txt")
    assert article.text.endswith(TEXT) and problems == []


def test_what_holds_of_many_files_is_told_of_a_few(tmp_path):
    for number in range(9):
        (tmp_path / f"{number}.txt").write_bytes(ACCENTED.encode("cp1252"))
    articles, _, notes = read(tmp_path)
    assert len(articles) == 9 and len(notes) == 6
    assert notes[-1] == "the same of 4 more: is not UTF-8; read as cp1252"


def test_html_without_text_is_a_problem(tmp_path):
    (tmp_path / "page.html").write_text("<html></html>", encoding="utf-8")
    articles, problems, _ = read(tmp_path / "page.html")
    assert articles == [] and "no article text" in problems[0]


def test_folders_are_read_in_order_and_what_is_left_out_is_told(tmp_path):
    for name in (
        "b.txt",
        "a.md",
        ".hidden.txt",
        "picture.png",
        "in/c.txt",
        "saved.html",
        "saved_files/frame.html",
        "other_files/e.txt",
        ".git/d.txt",
        "out.csv",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(PAGE if path.suffix == ".html" else TEXT, encoding="utf-8")
    articles, problems, notes = read(tmp_path, leave_out=tmp_path / "out.csv")
    found = [article.id.removeprefix(str(tmp_path)).replace("\\", "/") for article in articles]
    assert found == ["/a.md", "/b.txt", "/saved.html", "/in/c.txt", "/other_files/e.txt"]
    assert problems == [] and len(notes) == 2 and notes[1].endswith(": picture.png")
    assert "saved_files: left out" in notes[0]
    assert list(Reader(str(tmp_path / "a.md"))) == list(Reader([tmp_path / "a.md"]))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_links_to_folders_are_left_out_and_told(tmp_path):
    (tmp_path / "link").symlink_to(ROOT / "docs", target_is_directory=True)
    assert read(tmp_path) == ([], [], [f"{tmp_path / 'link'}: left out, as a link to a folder"])


@pytest.mark.parametrize("data", [*TABLES.values(), gzip.compress(TABLES["rows.jsonl"])])
def test_standard_input_is_told_by_its_first_bytes(data):
    code = (
        "from conflict_nlp.formats import Reader; import json;"
        "r = Reader(['-'], text_column='text');"
        "print(json.dumps([list(r), r.problems]))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert json.loads(done.stdout) == [[list(article) for article in EXPECTED], []]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    "parts", [["id", ",text\n1,One.\n"], ["id,text\n1", ",One.\n"], ["id", ",text", "\n1,One.\n"]]
)
def test_a_writer_may_pause_within_a_line(parts):
    code = "from conflict_nlp.formats import Reader; print([a.text for a in Reader('-')])"
    written = "; sleep 0.2; ".join(f"printf '{part}'" for part in parts).replace("\n", "\\n")
    command = ["bash", "-c", f'({written}) | "{sys.executable}" -c "{code}"']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "['One.']\n"


@pytest.mark.parametrize(
    ("data", "options", "texts"),
    [
        (b'id,"Text"\n1,One.\n2,Two.\n', {}, ["One.", "Two."]),
        (b"n;words\n1;One.\n", {"text_column": "words"}, ["One."]),
        (b"Text, body and soul\nof it.", {}, ["Text, body and soul\nof it."]),
        (b"<?xml version='1.0'?>\n" + PAGE.encode(), {}, None),
        (b"<!-- saved -->\n" + PAGE.encode(), {}, None),
        (b'{ "id": 1, "text": "One." }\n{ "text": "Two." }\n', {}, ["One.", "Two."]),
        (b"id,published at,text\n1,May,One.\n", {}, ["One."]),
        ("überschrift;author.name;text\nA;B;One.\n".encode(), {}, ["One."]),
        (b",text\n0,One.\n", {}, ["One."]),
        (b"Date,Headline,Full Text\nMay,A hit,One.\n", {}, ["One."]),
        (b"sep=;\r\nid;story\r\n1;One.\r\n", {}, ["One."]),
        (b"id,source's name,% share,relevant?,text\n1,a,b,c,One.\n", {}, ["One."]),
        (b'"Two died," he said, text', {}, ['"Two died," he said, text']),
        (b"From: us\nSubject: text\n\nOne.", {}, ["From: us\nSubject: text\n\nOne."]),
        ("id,text\r\n1,One.\r\n".encode("utf-16"), {}, ["One."]),
    ],
)
def test_a_name_without_an_end_is_told_by_its_first_bytes(tmp_path, data, options, texts):
    path = tmp_path / "download"
    path.write_bytes(data)
    articles, problems, _ = read(path, **options)
    assert problems == []
    if texts is None:
        assert articles[0].title == "Rockets hit base"
    else:
        assert [article.text for article in articles] == texts


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_columns_are_guessed_or_named(tmp_path, name):
    rows = [{"URL": "x/1", "Headline": "H", "summary": "short", "Body": TEXT, "n": 7}]
    write = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}[name.partition(".")[2]]
    path = tmp_path / name
    path.write_bytes(write(rows))
    assert read(path)[0] == [Article("x/1", "H", TEXT)]
    options = {"text_column": "summary", "title_column": "Body", "id_column": "n"}
    assert read(path, **options)[0] == [Article("7", TEXT, "short")]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_rows_without_id_are_numbered(tmp_path, name):
    write = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}[name.partition(".")[2]]
    path = tmp_path / name
    path.write_bytes(write([{"text": "a"}, {"text": "b"}]))
    assert [article.id for article in read(path)[0]] == [f"{path}:1", f"{path}:2"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize("options", [{}, {"text_column": "words"}, {"id_column": "number"}])
def test_a_missing_column_is_told_with_those_there(tmp_path, name, options):
    write = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}[name.partition(".")[2]]
    path = tmp_path / name
    path.write_bytes(write([{"date": "1 May", "text" if options else "note": TEXT}]))
    articles, [problem], _ = read(path, **options)
    if name == "rows.jsonl" and "id_column" in options:  # a row of those may lack a field
        assert [article.text for article in articles] == [TEXT]
    else:
        assert articles == [] and "'date'" in problem
    assert str(path) in problem
    assert f"--{next(iter(options), 'text_column')}".replace("_", "-") in problem


def test_bad_lines_of_json_do_not_stop_the_others(tmp_path):
    path = tmp_path / "a.jsonl"
    good = '{"text": "%s"}\n'
    deep = "[" * 100_000
    lines = [good % 1, "{bad\n", "[1]\n", "\n", '{"text": null}\n', '{"text": 3}\n', f"{deep}\n"]
    path.write_text("".join([*lines, '{"text": "x", "title": [5]}\n', good % 2]), encoding="utf-8")
    articles, problems, _ = read(path)
    assert [article.text for article in articles] == ["1", "2"]
    places = [problem.removeprefix(f"{path}:").partition(":")[0] for problem in problems]
    assert places == ["2", "3", "5", "6", "7", "8"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "without_end"])
@pytest.mark.parametrize("indent", [None, 1])
def test_one_document_of_json_is_read(tmp_path, name, indent):
    path = tmp_path / name
    path.write_text(json.dumps(ROWS, indent=indent), encoding="utf-8")
    assert read(path) == (EXPECTED, [], NOTES)
    path.write_text(json.dumps(ROWS[0], indent=indent), encoding="utf-8")
    assert read(path) == (EXPECTED[:1], [], [])
    path.write_text("\n" + json.dumps(ROWS, indent=indent) + "\n\n", encoding="utf-8")
    assert read(path) == (EXPECTED, [], NOTES)
    path.write_text(json.dumps(ROWS, indent=indent) + '\n{"text": "x"}\n', encoding="utf-8")
    assert len(read(path)[1]) == 1
    cut = json.dumps(ROWS, indent=indent)[:-2]
    path.write_text(f"{cut}\n{cut}", encoding="utf-8")
    assert read(path)[0] == [] and len(read(path)[1]) == 1
    path.write_text(json.dumps([ROWS[0], 3, {"note": ""}], indent=indent), encoding="utf-8")
    articles, problems, _ = read(path, text_column="text")
    assert articles == EXPECTED[:1]
    assert [problem.partition(": ")[0] for problem in problems] == [f"{path}:2", f"{path}:3"]


def test_a_document_of_json_is_known_by_its_name(tmp_path):
    text = '{"text": "A.",\n "title": "B"}'
    for name in ("a.json", "A.JSON", "a.json.gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
        assert read(path) == ([Article(f"{path}:1", "B", "A.", {})], [], [])


def test_lines_behind_a_bad_one_are_read_though_the_name_is_that_of_a_document(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"text": "x"\n{"text": "y"}\n', encoding="utf-8")
    articles, problems, _ = read(path)
    assert [article.text for article in articles] == ["y"] and len(problems) == 1


def test_columns_are_kept(tmp_path):
    rows = [{"text": "a", "date": "1 May", "n": 1.5}, {"text": "b", "date": "2 May", "n": 2}]
    for name, write in (("r.csv", as_csv), ("r.jsonl", as_jsonl), ("r.parquet", as_parquet)):
        path = tmp_path / name
        path.write_bytes(write(rows))
        articles, problems, _ = read(path, keep=["date", "n"])
        assert problems == [] and [a.kept["date"] for a in articles] == ["1 May", "2 May"]
        assert [float(a.kept["n"]) for a in articles] == [1.5, 2]
        problem = read(path, keep=["outlet"])[1][-1]
        assert "'outlet'" in problem and "--keep" in problem
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert read(path, keep=["date"])[0][0].kept == {"date": None}
    path = tmp_path / "c.jsonl"
    lines = ['{"text": "a", "url": "1", "link": "2"}', '{"text": "b", "link": "3"}']
    path.write_text("\n".join(lines), encoding="utf-8")
    found = read(path, keep=["url"])[0]
    assert [(a.id, a.kept["url"]) for a in found] == [("1", "1"), ("3", None)]
    path = tmp_path / "b.jsonl"
    path.write_text('{"text": "a", "n": NaN}\n{"text": "b", "n": {"x": 1}}\n', encoding="utf-8")
    assert [a.kept["n"] for a in read(path, keep=["n"])[0]] == [None, '{"x": 1}']


GERMAN = "Die Rebellen haben in der Nacht das Dorf angegriffen und zwölf Menschen getötet. " * 5


def test_what_is_odd_about_articles_is_told_when_all_are_read(tmp_path):
    path = tmp_path / "a.csv"
    texts = [GERMAN, "", "The army shelled the town on Monday, and six were killed. " * 5, " "]
    path.write_bytes(as_csv([{"id": str(i), "text": text} for i, text in enumerate(texts)]))
    assert read(path)[2] == ["articles without text: 2 (1, 3)"]
    notes = read(path, path, expects_english=True)[2]
    assert [note.split(":")[0] for note in notes] == [
        "articles not in English, it seems, the language of the model",
        "articles without text",
        "articles with the name of an earlier one",
    ]
    tags = tmp_path / "b.csv"
    tags.write_text("id,text\n1,<p>One.</p>\n2,a < b or c > d<e\n3,One.<br/>Two.\n", "utf-8")
    assert read(tags)[2] == ["articles with HTML tags, which the model reads as words: 2 (1, 3)"]
    assert notes[1].endswith(": 4 (1, 3, ...)") and notes[2].endswith(": 4 (0, 1, 2, ...)")


def test_bad_rows_of_csv_do_not_stop_the_others(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,one\n2\n3,a,b\n4,"x"y\n5,five\n6,"never closed\n7,z\n', "utf-8")
    articles, problems, _ = read(path)
    assert [article.text for article in articles] == ["one", "five", "z"]
    assert len(problems) == 4 and all(p.startswith(f"{path}:") for p in problems)


def test_quotes_in_tab_separated_values_may_be_text(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(
        'id\ttext\n1\t"We heard them.\n2\tThen he died."\n3\t"We fight," he said.\n'
        '4\t"It ""fell""\nat noon,\tthey\tsay."\n5\t"Whole."\n',
        "utf-8",
    )
    articles, problems, _ = read(path)
    assert [(article.id, article.text) for article in articles] == [
        ("1", '"We heard them.'),
        ("2", 'Then he died."'),
        ("3", '"We fight," he said.'),
        ("4", 'It "fell"\nat noon,\tthey\tsay.'),
        ("5", "Whole."),
    ]
    assert problems == []


def test_rows_may_have_empty_cells_more_than_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text,notes\n1,One.,x\n2,Two.\n4,Four.,,,\n5,Five.,,x\n", "utf-8")
    articles, problems, _ = read(path)
    assert [article.text for article in articles] == ["One.", "Four."]
    assert [problem.removeprefix(f"{path}:")[:1] for problem in problems] == ["2", "4"]
    assert "2 values for 3 columns: give the last column a value" in problems[0]


@pytest.mark.parametrize("name", ["a.csv", "download"])
def test_lines_may_end_in_a_carriage_return_alone(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(
        'id,text\r1,"Shells hit, twice."\r2,Leyla Arsan’s café burned.\r'.encode("mac_roman")
    )
    articles, problems, _ = read(path)
    assert [article.text for article in articles] == [
        "Shells hit, twice.",
        "Leyla Arsan’s café burned.",
    ]
    assert problems == []


@pytest.mark.parametrize(
    "text", ["Bogotá’s mayor was shot.", "The “café” burned.", "José’s, Ana’s"]
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "page.html"])
def test_accents_before_quotes_are_no_halves_of_letters(tmp_path, text, name):
    path = tmp_path / name
    page = PAGE.replace("Temirlan", text).replace("<head>", '<head><meta charset="windows-1252">')
    whole = {"a.txt": text, "a.csv": f'text\nRain fell.\n"{text}"\n', "page.html": page}[name]
    path.write_bytes(whole.encode("cp1252"))
    articles, problems, _ = read(path)
    assert text in articles[-1].text and problems == []


@pytest.mark.parametrize("half", [b"\xe2\x80", b"\xc3"])
@pytest.mark.parametrize("row", ["Señor Müller’s “café” burned —", "He said it", "café"])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_letter_cut_in_two_does_not_change_the_encoding(tmp_path, row, place, half):
    rows = ["Rain fell.", "“Nobody knows” she said.", "Leyla’s house."]
    lines = ["id,text", *(f"{i},{text}" for i, text in enumerate(rows))]
    data = [line.encode() for line in lines]
    if half == b"\xc3" and row.isascii():  # that could be a letter of other encodings, at first
        place = 3
    data.insert(place, b"9," + row.encode() + half)
    path = tmp_path / "a.csv"
    path.write_bytes(b"\n".join(data) + b"\n")
    articles, [problem], notes = read(path)
    expected = [*rows[: place - 1], f"{row}\ufffd", *rows[place - 1 :]]
    assert [article.text for article in articles] == expected and notes == []
    assert problem == f"{path}, line {place + 1}: some bytes are not utf-8, and became U+FFFD"


@pytest.mark.parametrize(
    "beginning",
    [
        b"%PDF-1.7",
        b"{\\rtf1\\ansi",
        b"PK\x03\x04",
        b"From: us\r\nTo: a,\r\n b\r\nMIME-Version: 1\r\n",
    ],
)
def test_documents_are_no_text(tmp_path, beginning):
    (tmp_path / "download").write_bytes(beginning + b" Rockets hit the base.")
    articles, [problem], _ = read(tmp_path / "download")
    assert articles == [] and "save it as text" in problem
    (tmp_path / "download").rename(tmp_path / "download.txt")
    assert len(read(tmp_path / "download.txt")[0]) == (b"MIME" in beginning)


def test_an_archive_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.txt")
    articles, [problem], _ = read(tmp_path / "all.tar.gz")
    assert articles == [] and "tar archive" in problem


def test_a_table_may_have_one_column_and_blank_lines_before_it(tmp_path):
    path = tmp_path / "one.tsv"
    path.write_text("\n\ntext\nTwo died, three were hurt.\n", encoding="utf-8")
    articles, problems, _ = read(path)
    assert [article.text for article in articles] == ["Two died, three were hurt."]
    assert problems == []


def test_parquet_of_values_that_python_lacks_is_a_problem(tmp_path):
    table = pa.table({"id": pa.array([10**7], pa.date32()), "text": [TEXT]})
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": [b"a1"], "text": [TEXT]}), tmp_path / "b.parquet")
    [article], [problem], _ = read(tmp_path)
    assert article == Article("a1", None, TEXT) and "bad parquet: date value" in problem


def test_a_stray_quote_costs_its_own_row(tmp_path):
    rows = "".join(f"{n},Part {n} burned.\n" for n in range(3, 50))
    path = tmp_path / "a.csv"
    path.write_text(f'id,text\n1,one\n2,"Rebels shot two.\n{rows}', encoding="utf-8")
    articles, [problem], _ = read(path)
    assert [article.id for article in articles] == ["1", *map(str, range(3, 50))]
    assert problem == f"{path}:2: a quote that opens here is never closed"
    path.write_text(f'id,text\n2,"Rebels shot two.\n{rows}\n50,"One ""two"".\nThree."\n', "utf-8")
    articles, [problem], _ = read(path)
    assert [article.id for article in articles] == [*map(str, range(3, 51))]


def test_pieces_of_a_bad_row_are_no_rows(tmp_path):
    lines = ('1,"Two died.', "The army, which denied it, left", "on Sunday, he said", 'and "fled".')
    text = "\n".join(["id,text", *lines, ""])
    path = tmp_path / "a.csv"
    path.write_text(f"{text}2,Rain fell.\n", encoding="utf-8")
    articles, [problem], _ = read(path)
    assert [article.id for article in articles] == ["2"]
    assert problem.startswith(f"{path}:1: ") and problem.endswith("that are left out: 3")


def test_many_bad_rows_take_no_longer_than_good_ones(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + 'foo",bar,"baz\n' * 100_000, encoding="utf-8")
    assert read(path)[0] == []


def test_a_title_may_be_a_number_or_none(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = ['{"title": NaN, "text": "One."}\n', '{"title": 1984, "text": "Two."}\n']
    path.write_text("".join(lines), encoding="utf-8")
    articles, problems, _ = read(path)
    assert [(a.title, a.text) for a in articles] == [(None, "One."), ("1984", "Two.")]
    assert problems == []


def test_spreadsheets_may_tell_the_separator_and_write_names_with_blanks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\nArticle;Full Text\n17;Rebels, they say, fled.\n", encoding="utf-8")
    articles, problems, _ = read(path)
    assert [article.text for article in articles] == ["Rebels, they say, fled."] and problems == []


def test_lines_of_a_page_break_nowhere_but_where_it_says(tmp_path):
    path = tmp_path / "a.html"
    body = "Rebels shelled the northern\ntown of Darv on Monday,\r\nthe army said."
    path.write_text(f"<html><body><div>{body}</div><div>Nobody\nelse fired.</div></body></html>")
    (article,), problems, _ = read(path)
    flowing = "Rebels shelled the northern town of Darv on Monday, the army said."
    assert article.text.splitlines() == [flowing, "Nobody else fired."] and problems == []


def test_rows_of_json_may_lack_a_title(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_jsonl([{"text": "a", "head": "H"}, {"text": "b"}]))
    articles, problems, _ = read(path, title_column="head")
    assert [article.title for article in articles] == ["H", None] and problems == []
    path.write_bytes(as_jsonl([{"text": "a", "head": None}]))
    assert read(path, title_column="head")[1] == []


def test_names_that_stand_for_two_columns_are_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,note,text\na,b,c\n", encoding="utf-8")
    assert read(path)[:2] == ([], [f"{path}: 2 columns have the name 'text'"])
    assert read(path, text_column="note")[0][0].text == "b"


def test_bad_files_do_not_stop_the_others(tmp_path):
    good = tmp_path / "good.txt"
    good.write_text(TEXT, encoding="utf-8")
    bad = {
        "cut.txt.gz": gzip.compress(TEXT.encode() * 9)[:-9],
        "damaged.txt.gz": gzip.compress(TEXT.encode())[:12] + b"\xff" * 30,
        "bytes.txt": bytes(range(256)) * 20,
        "no.parquet": b"PAR1 and nothing else",
        "cut.json": json.dumps(ROWS, indent=1).encode()[:-9],
        "empty.csv": b"",
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in ("missing.txt", *bad, "good.txt")]
    articles, problems, _ = read(*paths)
    assert articles == [Article(str(good), None, TEXT)]
    assert [problem.partition(": ")[0] for problem in problems] == [str(p) for p in paths[:-1]]


def test_many_problems_are_counted_and_the_first_kept(tmp_path):
    (tmp_path / "a.jsonl").write_text("x\n" * 200, encoding="utf-8")
    reader = Reader([tmp_path / "a.jsonl"])
    assert list(reader) == []
    assert reader.problem_count == 200 and 0 < len(reader.problems) < 200


def test_a_euro_is_no_letter_of_mac_roman(tmp_path):
    text = "The port was bought for €300m. Nobody was hurt."
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert read(tmp_path / "a.txt")[0][0].text == text


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac_roman", "utf-16", "utf-16-le"])
def test_other_encodings_are_found_and_told(tmp_path, encoding):
    text = ACCENTED
    if encoding == "latin-1":
        text = "Señor Müller’s café".replace("’", "'")
    path = tmp_path / "old.txt"
    path.write_bytes(text.encode(encoding))
    [article], problems, [note] = read(path)
    assert article.text == text and problems == []
    assert str(path) in note and "not UTF-8" in note


@pytest.mark.parametrize(
    ("declared", "encoding"), [("windows-1254", "cp1254"), ("zip", "cp1252"), ("utf-16", "cp1252")]
)
def test_a_page_may_declare_its_encoding(tmp_path, declared, encoding):
    place = "Şırnak" if declared == "windows-1254" else "Müller"
    page = PAGE.replace("Temirlan", place).replace("<head>", f'<head><meta charset="{declared}">')
    path = tmp_path / "page.html"
    path.write_bytes(page.encode(encoding))
    [article], problems, notes = read(path)
    assert f"the {place} base" in article.text
    assert problems == [] and len(notes) == (declared != "windows-1254")


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_of_tables(tmp_path, name, encoding):
    texts = ["Plain."] * 3 + [ACCENTED] * 3
    if name == "rows.csv":
        data = as_csv([{"text": text} for text in texts])
    else:
        lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts]
        data = "".join(lines).encode()
    path = tmp_path / name
    path.write_bytes(data.decode().encode(encoding))
    articles, problems, notes = read(path)
    assert [article.text for article in articles] == texts
    assert problems == [] and len(notes) == (encoding != "utf-8-sig")


@given(st.binary(max_size=300), st.sampled_from([".txt", ".jsonl", ".csv", ".parquet", "", ".gz"]))
def test_any_bytes_give_articles_or_problems(tmp_path_factory, data, end):
    path = tmp_path_factory.mktemp("any") / f"file{end}"
    path.write_bytes(data)
    articles, problems, _ = read(path, text_column=None)
    assert all(isinstance(article.text, str) for article in articles)
    assert articles or problems or end in (".jsonl", "") or not data.strip()


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_tables_bring_back_what_was_written(tmp_path_factory, cells):
    rows = [{"title": title, "text": text} for title, text in cells]
    folder = tmp_path_factory.mktemp("rows")
    wanted = [(title if title.strip() else None, text) for title, text in cells]
    for name, write in (("a.csv", as_csv), ("a.jsonl", as_jsonl), ("a.parquet", as_parquet)):
        (folder / name).write_bytes(write(rows))
        articles, problems, _ = read(folder / name)
        assert [(article.title, article.text) for article in articles] == wanted
        assert problems == []


def test_progress_is_counted_in_bytes(tmp_path):
    for name, data in TABLES.items():
        (tmp_path / name).write_bytes(data)
    reader = Reader([tmp_path], note=str)
    positions = [reader.position for _ in reader]
    assert positions == sorted(positions) and reader.position == reader.size
