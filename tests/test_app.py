"""The page of `conflict-nlp app`: its functions, and the page itself in headless Chromium."""

import csv
import json
import shutil
import urllib.error
import urllib.request

import pytest

from conflict_nlp.labels import LABELS
from conflict_nlp.predict import Tagger

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")

from conflict_nlp import app, server  # noqa: E402  # needs what was looked for above
from conflict_nlp import page as parts  # noqa: E402

TEXT = "Gunmen killed two men in Velm. The match ended in a draw. No group claimed the attack."


@pytest.fixture(scope="module")
def tagged():
    return Tagger.from_pretrained("baseline").tag_article(TEXT, "Two killed in Velm")


def test_thresholds_change_tags_without_the_model(tagged):
    all_given = parts.with_thresholds(tagged, dict.fromkeys(LABELS, 0.0))
    assert all(sentence.labels == LABELS for sentence in all_given.sentences)
    assert all_given.headline.labels == LABELS
    none_given = parts.with_thresholds(tagged, dict.fromkeys(LABELS, 1.01))
    assert not any(sentence.labels for sentence in none_given.sentences)
    assert [s.scores for s in none_given.sentences] == [s.scores for s in tagged.sentences]


def test_downloads_hold_every_sentence(tagged):
    articles = [("velm", tagged)]
    rows = list(csv.DictReader(parts.download("csv", articles, LABELS)[1:].splitlines()))
    lines = [json.loads(line) for line in parts.download("jsonl", articles, LABELS).splitlines()]
    texts = [tagged.title, *(sentence.text for sentence in tagged.sentences)]
    assert [row["text"] for row in rows] == [line["text"] for line in lines] == texts
    assert all(text in parts.download("html", articles, LABELS) for text in texts)


def test_uploads_are_read_as_far_as_the_page_takes_them(tmp_path):
    (tmp_path / "a.csv").write_text("id,body\none,Rockets hit the town.\ntwo,Nobody was hurt.\n")
    articles, notes = parts.read(tmp_path / "a.csv")
    assert [article.id for article in articles] == ["one", "two"] and notes == ["a.csv: 2 articles"]
    (tmp_path / "b.csv").write_text("id,words\none,Rockets hit the town.\n")
    articles, (_, note) = parts.read(tmp_path / "b.csv")
    assert articles == [] and "“Column of the text”" in note and str(tmp_path) not in note
    assert len(parts.read(tmp_path / "b.csv", "words")[0]) == 1
    (tmp_path / "c.txt").write_text("word " * (parts.MOST_CHARACTERS // 5 + 1))
    articles, notes = parts.read(tmp_path / "c.txt")
    assert articles == [] and "500,000 characters" in notes[-1]
    (tmp_path / "d.txt.gz").write_bytes(b"\x1f\x8b" + b"x" * 20)
    assert parts.read(tmp_path / "d.txt.gz") == ([], ["d.txt.gz is compressed: unpack it first"])


def test_an_explanation_escapes_what_it_shows():
    tagger = Tagger.from_pretrained("baseline")
    sentence = "<b>Gunmen</b> killed two men."
    shown = parts.explanation(tagger.predict(sentence), tagger.explain(sentence))
    assert "&lt;b&gt;Gunmen" in shown and "<b>Gunmen" not in shown
    assert all(label in shown for label in LABELS) and ">killed</mark> +" in shown


@pytest.fixture(scope="module")
def address():
    with app.running(app.build("baseline")) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page, freshly opened; it must ask nothing of any other address."""
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def paste(page, text=TEXT, title=""):
    page.get_by_label("Title (optional)").fill(title)
    page.get_by_label("Article", exact=True).first.fill(text)
    page.get_by_role("button", name="Tag", exact=True).click()


def sentence(page, start):
    return page.locator(".sentence", has_text=start).first


def upload(page, path):
    page.get_by_role("tab", name="Upload a file").click()
    page.locator("input[type=file]").set_input_files(path)


def test_paste_tag_slide_and_explain(page):
    paste(page, title="Two killed in Velm")
    expect = sync_api.expect
    expect(page.locator(".sentence")).to_have_count(4)
    tags = sentence(page, "Gunmen killed").locator(".tag")
    expect(tags.filter(has_text="casualty_report")).to_have_count(1)
    slider = page.get_by_label("number input for casualty_report")
    slider.fill("1")
    slider.press("Enter")
    expect(tags.filter(has_text="casualty_report")).to_have_count(0)
    page.get_by_role("button", name="Back to the model's own").click()
    expect(tags.filter(has_text="casualty_report")).to_have_count(1)
    sentence(page, "Gunmen killed").click()
    expect(page.locator(".words mark", has_text="killed").first).to_be_visible()


def test_another_model_tags_the_same_article(page):
    paste(page, "Four people were killed.")
    shown = sentence(page, "Four people")
    sync_api.expect(shown).to_be_visible()
    before = shown.locator(".scores").text_content()
    page.get_by_label("Model").click()
    page.get_by_role("option", name="minilm").click()
    sync_api.expect(shown.locator(".scores")).not_to_have_text(before)


def test_upload_and_download(page, tmp_path):
    (tmp_path / "news.csv").write_text(
        "id,text\none,Rockets hit the town.\ntwo,The minister resigned. A truce was signed.\n"
    )
    upload(page, tmp_path / "news.csv")
    sync_api.expect(sentence(page, "Rockets hit")).to_be_visible()
    for format in parts.FORMATS:
        with page.expect_download() as started:
            page.get_by_role("button", name=f"Download {format.upper()}").click()
        saved = tmp_path / started.value.suggested_filename
        started.value.save_as(saved)
        assert saved.name == f"tagged-articles.{format}"
        text = saved.read_text(encoding="utf-8-sig")
        assert "A truce was signed." in text
        if format == "csv":
            rows = list(csv.DictReader(text.splitlines()))
            assert [row["article"] for row in rows] == ["one", "two", "two"]


def test_a_wrong_file_and_no_text_are_told_in_the_page(page, tmp_path):
    page.get_by_role("button", name="Tag", exact=True).click()
    sync_api.expect(page.get_by_text("paste an article.")).to_be_visible()
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    upload(page, tmp_path / "wrong.csv")
    sync_api.expect(page.get_by_text("it has 'a', 'b'")).to_be_visible()
    assert "Traceback" not in page.content()


def test_a_file_over_the_limit_is_refused(page, tmp_path):
    (tmp_path / "big.txt").write_bytes(b"word " * (server.MOST_BYTES // 5 + 1))
    upload(page, tmp_path / "big.txt")
    sync_api.expect(page.get_by_text("exceed the maximum").first).to_be_visible()
    sync_api.expect(page.locator(".sentence")).to_have_count(0)


@pytest.mark.parametrize(
    "path",
    [
        *("gradio_api/file=/etc/hostname", "file=/etc/hostname", "gradio_api/file=../../etc/hosts"),
        "gradio_api/proxy=http://127.0.0.1:1/x",
    ],
)
def test_no_file_of_the_server_is_readable(address, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/{path}")
    assert refused.value.code in (400, 403, 404)


def test_a_page_elsewhere_cannot_reach_this_one_by_another_name(address):
    request = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)
