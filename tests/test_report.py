import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conflict_nlp.explain import WordWeight
from conflict_nlp.labels import HTML_COLOURS, LABELS, OTHER_HTML_COLOURS
from conflict_nlp.report import html_fragment, html_page
from conflict_nlp.results import Prediction, TaggedArticle, TaggedSentence

VOID = {"meta", "input", "br"}
HOSTILE = "</style></title><script>alert(1)</script>\"' onfocus=alert(1) <!-- <b>&amp;"


class Page(HTMLParser):
    """Reads a page as a browser would, and refuses tags that do not pair."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.found, self.text = [], [], ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.text += data

    def tags(self, tag):
        return [attributes for found, attributes in self.found if found == tag]

    def sentences(self):
        return [a for a in self.tags("span") if "sentence" in a.get("class", "").split()]


def tagged(*sentences, gap=" ", title=None, headline=None):
    """Build an article of predictions."""
    text, placed = "", []
    for one in sentences:
        text += gap if text else ""
        start, text = len(text), text + one.text
        placed.append(
            TaggedSentence(
                one.text,
                one.labels,
                one.scores,
                truncated=one.truncated,
                uncertain_labels=one.uncertain_labels,
                start=start,
                end=len(text),
            )
        )
    return TaggedArticle(text, tuple(placed), title, headline)


def predicted(text, *labels, uncertain=(), truncated=False):
    scores = {label: 0.9 if label in labels else 0.05 for label in LABELS}
    scores |= dict.fromkeys(uncertain, 0.5)
    return Prediction(text, labels, scores, uncertain_labels=tuple(uncertain), truncated=truncated)


FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(c) for c in range(0x110000) if c & 0xFFFE == 0xFFFE)
    + "]"
)


def shown(text):
    """Return text as a page shows it: white space run together, forbidden characters replaced."""
    text = re.sub(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", " ", text)
    return " ".join(FORBIDDEN.sub("\ufffd", text).split())


NASTY = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ["a\r\nb", "\x00", "\ud800", "\ufffe", "\x85", "]]>", "&lt;", "&#0;", "<", "-->", HOSTILE]
)
SCORES = st.dictionaries(NASTY, st.floats(0, 1), max_size=6)


@st.composite
def articles(draw):
    sentences = []
    for scores in draw(st.lists(SCORES, max_size=4)):
        names = st.lists(st.sampled_from(sorted(scores)), unique=True) if scores else st.just([])
        labels, doubts = tuple(draw(names)), tuple(draw(names))
        text, cut = draw(NASTY), draw(st.booleans())
        sentences.append(Prediction(text, labels, scores, uncertain_labels=doubts, truncated=cut))
    gap, title = draw(st.sampled_from([" ", "\n", "\n\n", "\r\n \r\n"])), draw(st.none() | NASTY)
    headline = sentences[0] if title is not None and sentences else None
    return tagged(*sentences, gap=gap, title=title, headline=headline)


SPANS = st.lists(st.tuples(st.integers(-3, 50), st.integers(-3, 50)), max_size=4)


@given(st.lists(st.tuples(NASTY, articles()), max_size=3), NASTY, st.data())
def test_every_page_parses_and_holds_every_sentence(named, title, data):
    sentences = [sentence for _, article in named for sentence in article.sentences]
    words = {s.text: {label: data.draw(SPANS) for label in s.labels} for s in sentences}
    page = html_page(named, title=title, words=words)
    page.encode("utf-8")
    assert not FORBIDDEN.search(page)
    read = Page(page)
    text = " ".join(read.text.split())
    for _, article in named:
        for sentence in article.sentences:
            assert shown(sentence.text) in text
    expected = sum(len(article.sentences) for _, article in named)
    headlines = [a.headline for _, a in named if a.headline and a.headline.text.strip()]
    assert len(read.sentences()) == expected + len(headlines)
    assert {tag for tag, _ in read.found}.isdisjoint({"script", "img", "iframe", "link"})
    allowed = {"class", "style", "tabindex", "hidden", "type", "disabled", "lang"}
    head = {"charset", "name", "content", "http-equiv"}
    assert {name for _, attributes in read.found for name in attributes} <= allowed | head


@given(articles())
def test_every_fragment_parses_and_is_one_element(article):
    fragment = article._repr_html_()
    fragment.encode("utf-8")
    read = Page(fragment)
    assert fragment == html_fragment(article)
    assert fragment.startswith("<div ") and fragment.endswith("</div>")
    text = " ".join(read.text.split())
    assert all(shown(sentence.text) in text for sentence in article.sentences)


def test_style_of_a_fragment_holds_only_inside_it():
    fragment = html_fragment(tagged(predicted("Shells fell.", "attack_event")))
    style = fragment[fragment.index("<style>") + 7 : fragment.index("</style>")]
    style = re.sub(r"@keyframes[^}]*\}\}", "", style)
    style = re.sub(r"@[^{]*\{", "", style)
    selectors = [rule.strip(" }\n") for rule in re.findall(r"[^{}]*(?=\{)", style)]
    selectors = [selector for selector in selectors if selector]
    assert len(selectors) > 20
    assert all(re.match(r"(body)?\.conflict-nlp", selector) for selector in selectors)
    assert "id=" not in fragment


def test_a_page_needs_nothing_but_itself():
    page = tagged(predicted("Shells fell."), title="Orlan & after").to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert '<html lang="en">' in page and "<title>Orlan &amp; after</title>" in page
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|url\(|@import|src=|href=", page)


def test_hostile_text_stays_text():
    headline = Prediction(HOSTILE, (HOSTILE,), {HOSTILE: 0.5}, uncertain_labels=(HOSTILE,))
    article = tagged(headline, title=HOSTILE, headline=headline)
    read = Page(html_page([(HOSTILE, article)], title=HOSTILE))
    assert not read.tags("script")
    assert not [a for _, a in read.found if any(name.startswith("on") for name in a)]
    assert read.text.count(HOSTILE) >= 4


def test_labels_doubts_and_cuts_are_words_too():
    article = tagged(
        predicted("Shells fell.", "attack_event", uncertain=["political_context"]),
        predicted("Two died.", "attack_event", "casualty_report", uncertain=["casualty_report"]),
        predicted("It rained.", truncated=True),
    )
    text = " ".join(Page(article.to_html()).text.split())
    body = text[text.index("Shells fell.") :]
    assert re.match(r"Shells fell\. attack_event ✓ attack_event 0\.90 casualty_report 0\.05", body)
    assert "political_context 0.50?" in body
    assert "Two died. attack_event casualty_report? ✓ attack_event 0.90" in body
    assert "It rained. truncated attack_event 0.05" in body
    assert "wrong more often than one time in four" in text and "too long for the model" in text


def test_words_that_carried_a_label_are_underlined_and_named():
    shells = predicted("Shells <b>fell</b> & two died.", "attack_event", "casualty_report")
    article = tagged(shells, predicted("It rained."), title="T", headline=predicted("T"))
    spans = {"attack_event": [(0, 14)], "casualty_report": [(21, 24), (10, 14)]}
    page = html_page([("", article)], words={shells.text: spans})
    assert re.search(
        r"<mark[^>]*><u>Shells &lt;b&gt;fell</u>&lt;/b&gt; &amp; <u>two</u> died\.</mark> "
        r"<b[^>]*>attack_event: <u>Shells &lt;b&gt;fell</u></b> "
        r"<b[^>]*>casualty_report: <u>two</u>, <u>fell</u></b>",
        page,
    )
    assert page.count("Underlined: ") == 1 and "It rained.<span" in page
    plain = html_page([("", article)], words={shells.text: {"attack_event": []}})
    assert plain == html_page([("", article)]) and "<u>" not in plain


def test_the_words_of_an_explanation_are_asked_for_once():
    asked = []

    def explain(sentence):
        asked.append(sentence)
        weights = {"Shells": 2.0, "fell": 1.0, "again": 0.9, "Shells fell": 2.1}
        found = [
            WordWeight(w, sentence.find(w), sentence.find(w) + len(w), v)
            for w, v in sorted(weights.items(), key=lambda pair: -pair[1])
            if w in sentence
        ]
        return {"attack_event": found, "casualty_report": [WordWeight("fell", 7, 11, 0.01)]}

    one = predicted("Shells fell again.", "attack_event", "casualty_report")
    other = predicted("Shells.", "attack_event")
    unlabelled = predicted("It rained.")
    page = tagged(one, unlabelled, one, other, title="Shells.", headline=other).to_html(
        explain=explain
    )
    assert sorted(asked) == ["Shells fell again.", "Shells."]
    assert page.count("attack_event: <u>Shells fell</u></b>") == 2
    assert page.count("attack_event: <u>Shells</u></b>") == 2
    assert "casualty_report:" not in page


def test_a_sentence_too_long_to_explain_is_shown_plainly(tagger):
    text = "bombed " * 10_001
    page = tagged(predicted(text, "attack_event")).to_html(explain=tagger.explain)
    assert text.strip() in page and "<u>" not in page


def test_notes_on_what_does_not_occur_are_left_out():
    text = Page(tagged(predicted("It rained.")).to_html()).text
    assert "one time in four" not in text and "too long" not in text


def test_each_sentence_can_be_reached_and_each_label_filtered():
    article = tagged(
        predicted("Shells fell.", "attack_event"),
        predicted("Two died.", "attack_event", "casualty_report"),
        predicted("It rained.", uncertain=["attack_event"]),
    )
    page = article.to_html()
    read = Page(page)
    assert [a["tabindex"] for a in read.sentences()] == ["0"] * 3
    assert ".sentence:focus>.scores" in page and ".sentence:hover>.scores" in page
    boxes = {a["class"].removeprefix("f-"): "disabled" in a for a in read.tags("input")}
    assert list(boxes.values()) == [False, False, True, True, False, False]
    kinds = [set(a["class"].split()) & set(boxes) for a in read.sentences()]
    assert kinds == [{"l0"}, {"l0", "l1"}, {"none", "unsure"}]
    assert all(f":has(.f-{kind}:checked) .{kind}{{" in page for kind in boxes)
    assert "attack_event 2\n" in read.text and "no label 1\n" in read.text


def test_paragraphs_are_kept():
    first, second = predicted("Shells fell."), predicted("Two died.")
    for gap, number in ((" ", 1), ("\n", 2), ("\r\n\r\n", 2), ("\n\n\n\n", 2), ("\u2029", 2)):
        read = Page(tagged(first, second, gap=gap).to_html())
        assert len([a for a in read.tags("p") if "part" in a.get("class", "")]) == number
    wrapped = predicted("Shells fell on the\nvillage of Orlan.")
    for gap, number in (("\n", 1), ("\n\n", 2)):
        read = Page(tagged(wrapped, second, gap=gap).to_html())
        assert len([a for a in read.tags("p") if "part" in a.get("class", "")]) == number


def test_text_outside_the_sentences_is_not_lost():
    sentence = TaggedSentence("Two died.", (), {}, start=6, end=15)
    text = Page(TaggedArticle("Alas! Two died. Who?", (sentence,)).to_html()).text
    assert re.search(r"Alas!\s+Two died\.\s+Who\?", text)


def test_headings():
    plain = tagged(predicted("It rained."))
    titled = tagged(predicted("It rained."), title="Rain", headline=predicted("Rain"))
    for named, headings in (
        ([("", plain)], ["Tagged articles"]),
        ([("a.txt", plain)], ["a.txt"]),
        ([("a.txt", titled)], ["Rain"]),
        (enumerate([plain, plain]), ["Tagged articles", "0", "1"]),
        ([("a.txt", plain), ("b.txt", titled)], ["Tagged articles", "a.txt", "Rain"]),
        ([(" ", tagged(title=" ", headline=predicted(" ")))], ["Tagged articles"]),
        ([], ["Tagged articles"]),
    ):
        page = html_page(named)
        found = re.findall(r"<h[12]>(?:<span[^>]*>)?([^<]+)", page)
        assert found == headings and page.count("<h1>") == 1
        assert f"<title>{headings[0]}</title>" in page
    assert '<p class="name">b.txt</p>' in html_page([("b.txt", titled)])


@pytest.mark.parametrize("article", [tagged(), tagged(title="Rain")])
def test_an_article_without_sentences_says_so(article):
    assert "No sentences." in Page(article.to_html()).text
    assert "No articles." in Page(html_page([])).text


def test_labels_of_other_models_get_colours_of_their_own():
    names = [f"label {i}" for i in range(len(OTHER_HTML_COLOURS))]
    scores = dict.fromkeys([*names, "attack_event"], 0.9)
    page = tagged(Prediction("Shells fell.", tuple(scores), scores)).to_html()
    [colours] = [a["style"] for a in Page(page).tags("body")]
    assert len(set(re.findall(r"--light\d:(#\w+)", colours))) == len(scores)
    assert HTML_COLOURS["attack_event"][0] in colours


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_from_every_background():
    page = tagged(predicted("It rained.")).to_html()
    sets = [
        dict(re.findall(r"--(\w+):(#\w{3,6})", part)) for part in page.split("@media screen", 1)
    ]
    for mode, colours in enumerate(sets):
        colours = {
            k: v if len(v) == 7 else "#" + "".join(c * 2 for c in v[1:]) for k, v in colours.items()
        }
        shades = [pair[mode] for pair in (*HTML_COLOURS.values(), *OTHER_HTML_COLOURS)]
        for background in (*shades, colours["page"], colours["panel"], colours["bar"]):
            assert contrast(colours["ink"], background) >= 7
        assert contrast(colours["soft"], colours["page"]) >= 4.5


def test_colours_cover_the_labels():
    assert set(HTML_COLOURS) == set(LABELS)


def test_the_example_article_as_a_page(tagger, article):
    tags = tagger.tag_article(article)
    read = Page(tags.to_html())
    assert len(read.sentences()) == len(tags.sentences) > 20
    paragraphs = [a for a in read.tags("p") if "part" in a.get("class", "")]
    assert len(paragraphs) == len([line for line in article.splitlines() if line.strip()])


def test_the_page_works_in_a_browser_without_scripts_or_network(
    chromium, tagger, article, tmp_path
):
    whole = tagger.tag_article(article)
    (tmp_path / "page.html").write_text(html_page([("one", whole)]), encoding="utf-8")
    context = chromium.new_context(java_script_enabled=False, color_scheme="dark")
    requests = []
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    sentences = page.locator(".sentence")
    assert sentences.count() == len(whole.sentences)
    first = sentences.first
    assert not first.locator(".scores").is_visible()
    first.focus()  # as the Tab key does
    assert first.locator(".scores").is_visible()
    assert f"{whole.sentences[0].scores[LABELS[0]]:.2f}" in first.locator(".scores").inner_text()
    page.get_by_role("checkbox").nth(1).check()
    shown = [i for i in range(sentences.count()) if sentences.nth(i).is_visible()]
    assert shown == [i for i, s in enumerate(whole.sentences) if LABELS[1] in s.labels]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.emulate_media(media="print")
    assert not first.locator(".scores").is_visible()
    assert requests == [(tmp_path / "page.html").as_uri()]
    context.close()
