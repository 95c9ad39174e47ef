import csv
import gzip
import io
import json
import os
import re
import sys
import urllib.parse
from pathlib import Path

import pytest

from conflict_nlp import page as parts
from conflict_nlp.explain import WordWeight
from conflict_nlp.labels import LABELS
from conflict_nlp.results import Prediction
from conflict_nlp.rows import columns

TEXT = "Two rockets hit Orlan. Nine people were killed.\n\nThe match ended in a draw."
HOSTILE = "</style><img src=x onerror=document.title='x'> ${document.title='y'} {{value}} <b>&amp;"


@pytest.fixture
def tagged(tagger):
    return tagger.tag_article(TEXT, "Rockets hit Orlan")


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_new_thresholds_give_what_tagging_with_them_gives(tagger, tagged, threshold):
    thresholds = dict.fromkeys(LABELS, threshold)
    expected = tagger.tag_article(TEXT, "Rockets hit Orlan", thresholds=thresholds)
    assert tagger.relabel(tagged, thresholds) == expected


def test_downloads_are_what_the_command_line_writes(tagger, tagged):
    articles = [("a.txt", tagged), ("empty.txt", tagger.tag_article(""))]
    text = parts.download("csv", articles, LABELS)
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text[1:])))
    assert rows[0] == columns(LABELS)
    assert [(row[0], row[1], row[4]) for row in rows[1:3]] == [
        ("a.txt", "-1", "Rockets hit Orlan"),
        ("a.txt", "0", "Two rockets hit Orlan."),
    ]
    formula = [("=1+1", tagger.tag_article("- Two soldiers were killed."))]
    cells = list(csv.reader(io.StringIO(parts.download("csv", formula, LABELS))))[1]
    assert (cells[0], cells[4]) == ("'=1+1", "'- Two soldiers were killed.")
    lines = [json.loads(line) for line in parts.download("jsonl", articles, LABELS).splitlines()]
    assert lines[1] == {"article": "a.txt", "index": 0, **tagged.sentences[0].to_dict()}
    assert len(lines) == 4 == len(rows) - 1
    page = parts.download("html", articles, LABELS)
    assert page.startswith("<!DOCTYPE html>") and "Two rockets hit Orlan." in page


def test_an_explanation_names_the_strongest_words_and_stays_text():
    names = (*LABELS, HOSTILE)
    scores = dict.fromkeys(names, 0.5)
    words = [WordWeight(f"w{i}", 0, 1, weight) for i, weight in enumerate([4, 2, 0.01, -3])]
    weights = dict.fromkeys(names, words) | {LABELS[0]: [WordWeight(HOSTILE, 0, 9, 1.0)]}
    shown = parts.explanation(Prediction(f"{HOSTILE}\ud800\0", (), scores), weights)
    shown.encode("utf-8")
    assert "<img" not in shown and shown.count("&lt;img") == 3
    assert "w2" not in shown and shown.index("w0") < shown.index("w1") < shown.index("w3")
    assert "100%" in shown and "-3.0" in shown
    none = parts.explanation(Prediction("", (), scores), {name: [] for name in names})
    assert none.count("no single word") == len(names)


def test_files_are_read_with_notes_that_name_no_folder(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text("id,title,narrative\n1,A,Rockets.\n2,B\n,C,Shells.\n", encoding="utf-8")
    articles, notes = parts.read(path)
    assert articles == [] and str(tmp_path) not in str(notes)
    assert notes[1].startswith("cannot read news.csv: fill in “Column of the text”")
    articles, notes = parts.read(path, "narrative")
    assert [(a.id, a.title, a.text) for a in articles] == [
        ("1", "A", "Rockets."),
        ("news.csv:3", "C", "Shells."),
    ]
    assert notes[0] == "news.csv: 2 articles" and len(notes) == 2
    assert notes[1].startswith("cannot read news.csv:2: 2 values for 3 columns")


def test_too_much_text_is_left_out_aloud(tmp_path):
    path = tmp_path / "news.jsonl"
    line = json.dumps({"text": "Rockets hit. " * 20_000}) + "\n"
    path.write_text(line * 3, encoding="utf-8")
    articles, notes = parts.read(path)
    assert len(articles) == 1
    assert "article 1 is left out: this page takes 500,000 characters" in notes[1]
    line = json.dumps({"title": "Rockets hit. " * 20_000, "text": ""}) + "\n"
    path.write_text(line * 3, encoding="utf-8")
    assert len(parts.read(path)[0]) == 1
    path.write_text('{"text": "x"}\n' * 1001, encoding="utf-8")
    articles, notes = parts.read(path)
    assert len(articles) == 1000
    assert notes[1] == "what follows article 1000 is left out: this page takes 1,000 articles"


def test_a_compressed_file_is_not_unpacked(tmp_path):
    path = tmp_path / "news.txt"
    path.write_bytes(gzip.compress(bytes(1000)))
    assert parts.read(path) == ([], ["news.txt is compressed: unpack it first"])


def test_without_gradio_the_extra_is_named(monkeypatch):
    from conflict_nlp.app import build

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ImportError, match=re.escape('pip install "conflict-nlp[app]"')):
        build()


@pytest.fixture(scope="module")
def address():
    pytest.importorskip("gradio", reason="the page needs gradio")
    from conflict_nlp.app import build, running

    with running(build()) as address:
        yield address


def test_a_port_that_is_taken(address):
    from conflict_nlp.app import running

    port = int(address.rpartition(":")[2])
    with pytest.raises(OSError, match=f"port {port}: .*choose others"), running(None, port=port):
        pass


@pytest.fixture(scope="module")
def client(address):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(base_url=address) as client:
        yield client


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../etc/passwd", "pyproject.toml"])
def test_no_file_of_the_server_can_be_read(client, path):
    for route in ("file=", "file/"):
        answer = client.get(f"/gradio_api/{route}{urllib.parse.quote(path, safe='')}")
        assert answer.status_code == 403 and "root:" not in answer.text


@pytest.mark.parametrize(
    "route",
    ["file=http://127.0.0.1:1/", "file/HTTP://127.0.0.1:1/", "proxy=https://example.org/"],
)
def test_nothing_is_fetched_from_elsewhere(client, route):
    assert client.get(f"/gradio_api/{route}").status_code == 403


def test_only_this_computer_s_own_names_are_answered(client, address):
    for name, status in (("127.0.0.1", 200), ("localhost:80", 200), ("evil.example", 400)):
        assert client.get("/", headers={"Host": name}).status_code == status
    for origin, status in (("http://evil.example", 403), ("null", 403), (address, 200)):
        assert client.get("/config", headers={"Origin": origin}).status_code == status
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'self'" in policy
    assert client.get("/gradio_api/info").json()["named_endpoints"] == {}


def test_an_upload_cannot_name_a_file_of_the_server(client, tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("Rockets hit the secret base.", encoding="utf-8")
    config = client.get("/config").json()
    files = {part["id"] for part in config["components"] if part["type"] == "file"}
    [event] = [each for each in config["dependencies"] if files & set(each["inputs"])]
    given = {"path": str(path), "meta": {"_type": "gradio.FileData"}, "orig_name": "secret.txt"}
    data = ["minilm", given, "", *[0.5] * len(LABELS)]
    body = {"data": data, "fn_index": event["id"], "session_hash": "s"}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    answer = client.get("/gradio_api/queue/data", params={"session_hash": "s"}).text
    assert '"process_completed"' in answer and '"success":false' in answer
    assert "secret base" not in answer and path.exists()


def test_a_file_beyond_the_limit_is_refused(client):
    answer = client.post("/gradio_api/upload", files={"files": ("a.txt", bytes(11 * 2**20))})
    assert answer.status_code == 413 and "maximum allowed size" in answer.text


@pytest.fixture
def page(address, browser):
    """The page as a visitor first sees it; in the end it has asked nothing of others."""
    requests, errors = [], []
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.get_by_label("Title").wait_for()
    yield page
    page.close()
    elsewhere = [url for url in requests if not url.startswith((f"{address}/", "blob:", "data:"))]
    assert len(requests) > 5 and not elsewhere and not errors


def paste(page, text=TEXT, title=""):
    page.get_by_label("Title").fill(title)
    page.get_by_label("Article", exact=True).first.fill(text)
    page.get_by_role("button", name="Tag", exact=True).click()


def upload(page, path, content):
    path.write_bytes(content)
    page.get_by_role("tab", name="Upload a file").click()
    page.locator("input[type=file]").set_input_files(path)


def counts(page):
    """Return how many sentences have each label, as the legend says."""
    found = re.findall(r"(\w+) (\d+)", page.locator(".filter").inner_text().replace("\n", " "))
    return {label: int(number) for label, number in found}


def saved(page, format):
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {format.upper()}").click()
    assert download.value.suggested_filename == f"tagged-articles.{format}"
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_paste_slide_and_download(page, tagger):
    from playwright.sync_api import expect

    paste(page, title="Rockets hit Orlan")
    expect(page.locator(".sentence")).to_have_count(4)
    article = tagger.tag_article(TEXT, "Rockets hit Orlan")
    assert saved(page, "html") == parts.download("html", [("article", article)], LABELS)
    label = page.locator(".filter label").first
    expected = sum("attack_event" in s.labels for s in (article.headline, *article.sentences))
    assert counts(page)["attack_event"] == expected

    page.locator(".filter input").first.check()
    slider = page.get_by_role("slider", name="attack_event")
    slider.fill("0")
    expect(label).to_contain_text("attack_event 4")
    expect(page.locator(".filter input").first).to_be_checked()
    thresholds = tagger.thresholds | {"attack_event": 0}
    lower = tagger.tag_article(TEXT, "Rockets hit Orlan", thresholds=thresholds)
    for format in ("csv", "jsonl"):
        assert saved(page, format) == parts.download(format, [("article", lower)], LABELS)
    slider.fill("1")
    expect(label).to_contain_text("attack_event 0")
    page.get_by_role("spinbutton", name="attack_event").fill("0")
    page.keyboard.press("Tab")
    expect(label).to_contain_text("attack_event 4")
    page.get_by_role("button", name="Back to the model's own").click()
    expect(label).to_contain_text(f"attack_event {expected}")
    assert saved(page, "jsonl") == parts.download("jsonl", [("article", article)], LABELS)


def test_a_chosen_sentence_is_explained(page):
    from playwright.sync_api import expect

    paste(page, title="Orlan")
    page.get_by_text("Two rockets hit Orlan.").last.click()
    expect(page.locator(".words summary")).to_have_text("Two rockets hit Orlan.")
    expect(page.locator(".words dt")).to_have_count(len(LABELS))
    assert "rockets" in page.locator(".words dd").first.inner_text()
    page.locator(".sentence").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".words summary")).to_have_text("Orlan")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(".words summary")).to_have_text("Two rockets hit Orlan.")


def test_assistive_technology_is_told_what_there_is_and_what_happened(page):
    from playwright.sync_api import expect

    paste(page)
    first = page.get_by_role("button", name="Two rockets hit Orlan.")
    expect(first).to_have_count(1)
    tagged = re.compile(r"^Model \w+: 3 sentences tagged\.")
    told = page.get_by_role("status").filter(has_text=tagged)
    expect(told).to_have_count(1)
    first.press("Enter")
    expect(page.get_by_role("status").filter(has_text="log-odds")).to_have_count(1)


def test_a_model_that_is_chosen_while_another_tags_tags_in_the_end(page, baseline):
    from playwright.sync_api import expect

    paste(page, f"{TEXT}\n\n" * 200)
    page.get_by_label("Model").click()
    page.get_by_role("option", name="baseline").click()
    expect(page.get_by_role("status").first).to_contain_text("Model baseline: 600 sentences")
    page.locator(".sentence").nth(599).wait_for()
    assert json.loads(saved(page, "jsonl").splitlines()[0])["scores"] == pytest.approx(
        baseline.tag_article(f"{TEXT}\n\n" * 200).sentences[0].scores
    )


def test_hostile_text_stays_text(page):
    from playwright.sync_api import expect

    paste(page, f"{HOSTILE}. Rockets hit.", HOSTILE)
    expect(page.locator(".sentence").first).to_contain_text(HOSTILE)
    page.locator(".sentence").first.click()
    expect(page.locator(".words summary")).to_have_text(HOSTILE)
    assert page.title() == "conflict_nlp" and page.locator("img[src=x]").count() == 0


def test_a_table_is_tagged_article_by_article(page, tmp_path):
    from playwright.sync_api import expect

    table = "title,text\nOne,Two rockets hit Orlan.\nTwo,It rained. It snowed.\n"
    upload(page, tmp_path / "news.csv", table.encode())
    expect(page.locator(".block.said")).to_contain_text("news.csv: 2 articles")
    expect(page.locator(".sentence")).to_have_text([re.compile("^One"), re.compile("^Two rockets")])
    chooser = page.get_by_label("Article", exact=True).last
    chooser.click()
    page.get_by_role("option", name="2. Two").click()
    expect(page.locator(".sentence")).to_have_count(3)
    rows = list(csv.DictReader(io.StringIO(saved(page, "csv")[1:])))
    assert [row["article"] for row in rows] == ["news.csv:1"] * 2 + ["news.csv:2"] * 3
    assert not list(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("news.csv"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("news.csv", b"when,narrative\n1,Rockets.\n", "“Column of the text”; it has 'when'"),
        ("news.parquet", b"no parquet", "cannot read news.parquet"),
        ("news.pdf", b"%PDF-1.4", "Invalid file type: news.pdf"),
        ("news.txt", bytes(11 * 2**20), "exceed the maximum allowed size of 10"),
    ],
)
def test_a_wrong_file_is_answered_with_a_message(page, tmp_path, name, content, message):
    upload(page, tmp_path / name, content)
    page.get_by_text(message).wait_for()
    assert "Traceback" not in page.inner_text("body") and not page.locator(".sentence").count()


def test_text_that_is_missing_or_too_long_is_answered_with_a_message(page):
    paste(page, " \n")
    page.get_by_text("There is no text yet").wait_for()
    paste(page, "Rockets. " * 60_000)
    page.get_by_text("takes 500,000 characters at a time, not 540,000").wait_for()


def test_another_model_tags_the_same_text_anew(page, baseline):
    from playwright.sync_api import expect

    paste(page)
    expect(page.locator(".sentence")).to_have_count(3)
    page.get_by_label("Model").click()
    page.get_by_role("option", name="baseline").click()
    expected = f"{baseline.tag_article(TEXT).sentences[0].scores['attack_event']:.2f}"
    expect(page.locator(".scores").first).to_contain_text(expected)
    for label in LABELS:
        own = f"{baseline.thresholds[label]:.2f}".rstrip("0")
        expect(page.get_by_role("slider", name=label)).to_have_value(own)


def test_visitors_do_not_see_each_other(browser, address, page):
    from playwright.sync_api import expect

    paste(page)
    expect(page.locator(".sentence")).to_have_count(3)
    other = browser.new_page()
    other.goto(address)
    other.get_by_label("Title").wait_for()
    assert other.locator(".sentence").count() == 0
    other.close()
