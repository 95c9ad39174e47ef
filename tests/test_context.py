"""Sentences seen in their article: what the others change, and when that is learnt."""

import json
import shutil

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conflict_nlp import rows, store
from conflict_nlp.calibration import Calibration
from conflict_nlp.context import LONGEST, Context, features, parts
from conflict_nlp.explain import WordWeight, carrying_words
from conflict_nlp.formats import Article
from conflict_nlp.labels import LABELS
from conflict_nlp.predict import Tagger
from conflict_nlp.results import TaggedArticle, TaggedSentence
from tests.conftest import ROOT
from training.calibrate import write_calibration
from training.context import fit_context, seen_in_article
from training.data import texts_by_article

FEVER = [
    "The fever has now reached nine provinces, the health ministry said.",
    "Doctors in the capital are short of masks and beds.",
    "She said two more of the victims were from the coast.",
    "Schools stay closed until the outbreak is under control.",
    "The vaccine will be ready in spring at the earliest.",
]
SHOOTING = [
    "A gunman opened fire on shoppers in the old market on Friday.",
    "Seven people were shot dead before soldiers killed the attacker.",
    "She said two more of the victims were from the coast.",
    "Another twelve were wounded, four of them badly.",
    "The attacker had fired from a roof for ten minutes.",
]


def log_odds(sentences):
    return arrays(np.float32, (sentences, 4), elements=st.floats(-20, 20, width=32))


def shown(predictions):
    return np.array([list(p.scores.values()) for p in predictions])


@given(st.integers(0, 1000))
def test_parts_hold_every_sentence_in_order(count):
    cut = parts([str(i) for i in range(count)])
    assert [text for part in cut for text in part] == [str(i) for i in range(count)]
    sizes = [len(part) for part in cut]
    assert all(0 < size <= LONGEST for size in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1


@given(st.integers(2, 40).flatmap(log_odds))
def test_features_are_the_sentence_and_means_of_the_others(values):
    own, near, others = np.split(features(values), 3, axis=1)
    np.testing.assert_array_equal(own, np.clip(values, -6, 6))
    for i in range(len(values)):
        rest = np.delete(own, i, axis=0)
        np.testing.assert_allclose(others[i], rest.mean(0), atol=1e-4)
        assert (near[i] >= rest.min(0) - 1e-4).all() and (near[i] <= rest.max(0) + 1e-4).all()
    backwards = np.split(features(values[::-1]), 3, axis=1)[1][::-1]
    np.testing.assert_allclose(near, backwards, atol=1e-4)


def test_near_sentences_count_more():
    values = np.zeros((9, 1), np.float32)
    values[0] = 6
    near = features(values)[1:, 1]
    assert (np.diff(near) < 0).all() and near[3] / near[4] == pytest.approx(np.e, rel=0.1)


def test_the_same_words_mean_another_thing_in_another_article(tagger):
    fever, shooting = tagger.predict_articles([FEVER, SHOOTING])
    label = "casualty_report"
    alone = tagger.predict(FEVER[2]).scores[label]
    assert fever[2].scores[label] < alone < shooting[2].scores[label]
    assert shooting[2].scores[label] - fever[2].scores[label] > 0.1


@pytest.mark.parametrize("model", sorted(store.shipped_models()))
def test_a_sentence_that_stands_alone_has_the_score_of_its_words(model):
    tagger = Tagger.from_pretrained(model)
    single = list(tagger.predict_articles([[text] for text in SHOOTING]))
    assert [p for article in single for p in article] == tagger.predict(SHOOTING)


def test_articles_do_not_depend_on_one_another(tagger):
    together = list(tagger.predict_articles([FEVER, [], SHOOTING, SHOOTING[:1]]))
    assert [len(article) for article in together] == [5, 0, 5, 1]
    for article, found in zip([FEVER, SHOOTING], together[::2]):
        alone = shown(next(tagger.predict_articles([article])))
        np.testing.assert_allclose(shown(found), alone, atol=1e-3)
    assert list(tagger.predict_articles([])) == []


def test_long_articles_come_in_parts_and_whole(tagger):
    texts = [f"On day {day}: {text}" for day in range(60) for text in SHOOTING]
    (whole,) = tagger.predict_articles([texts])
    assert [p.text for p in whole] == texts
    pieces = [p for piece in tagger.predict_articles(parts(texts)) for p in piece]
    np.testing.assert_allclose(shown(whole), shown(pieces), atol=1e-3)
    text = " ".join(texts)
    tagged = tagger.tag_article(text)
    ((_, streamed),) = rows.whole_articles(rows.tag(tagger, [Article("a", None, text)]))
    assert len(tagged.sentences) > LONGEST
    np.testing.assert_allclose(shown(streamed.sentences), shown(tagged.sentences), atol=1e-3)


def test_the_first_part_of_a_long_article_does_not_wait_for_the_rest(tagger):
    read = []

    def stream():
        for i in range(1000):
            read.append(i)
            yield [f"Shells fell on street {i}.", f"Nobody lived in street {i}."]

    results = tagger.predict_articles(stream())
    assert len(next(results)) == 2 and len(read) < 100


def test_the_title_counts_as_the_first_sentence(tagger):
    article = tagger.tag_article(" ".join(FEVER[1:]), title=FEVER[0])
    whole = next(tagger.predict_articles([FEVER]))
    assert article.headline.scores == pytest.approx(whole[0].scores, abs=1e-3)
    assert article.sentences[1].scores == pytest.approx(whole[2].scores, abs=1e-3)


@pytest.mark.parametrize(
    ("articles", "message"),
    [
        (["One string."], "article 0 must be a list of its sentences, not str: split a text"),
        ([["Fine."], ["Fine.", 3]], "article 1: sentence 1 must be a string, not int"),
        ([None], "article 0 must be a list of its sentences, not NoneType"),
        (None, "articles must be an iterable of lists of sentences, not NoneType"),
        ("A text.", "articles must be an iterable of lists of sentences, not str"),
    ],
)
def test_what_is_no_article_is_named(tagger, articles, message):
    with pytest.raises(TypeError, match=message):
        list(tagger.predict_articles(articles))


def test_bad_options_raise_at_the_call(tagger):
    with pytest.raises(ValueError, match="unknown label 'attack'"):
        tagger.predict_articles([], thresholds={"attack": 0.5})
    with pytest.raises(ValueError, match="batch_size"):
        tagger.predict_articles([], batch_size=0)


def test_a_context_is_read_back_as_it_was_written():
    random = np.random.default_rng(0)
    weights = random.normal(size=(12, 4)).astype(np.float32)
    context = Context(LABELS, weights, random.normal(size=4).astype(np.float32))
    again = Context.from_dict(json.loads(json.dumps(context.to_dict())))
    assert again.labels == LABELS
    np.testing.assert_allclose(again.weights, weights, atol=1e-5)
    np.testing.assert_allclose(again.bias, context.bias, atol=1e-5)


@pytest.mark.parametrize("damage", ["label", "shape", "value", "word"])
def test_a_malformed_context_is_one_clear_error(tmp_path, damage):
    source = store.read(store.find("minilm"))
    values = source.json("context.json")
    if damage == "label":
        values.pop("attack_event")
    elif damage == "shape":
        values["attack_event"]["near"].append(1.0)
    else:
        values["attack_event"]["bias"] = {"value": float("nan"), "word": "high"}[damage]

    def fill(folder):
        for name, content in source.files.items():
            (folder / name).write_bytes(content)
        (folder / "context.json").write_text(json.dumps(values))

    manifest = {k: v for k, v in source.manifest.items() if k not in ("files", "format_version")}
    store.write(tmp_path / "damaged", manifest, fill)
    with pytest.raises(store.ModelError, match=r"context\.json"):
        Tagger.from_pretrained(tmp_path / "damaged")


def test_a_model_without_context_tags_articles_by_words_alone(tmp_path):
    source = store.find("minilm")
    shutil.copytree(source, tmp_path / "plain")
    manifest = json.loads((tmp_path / "plain" / "manifest.json").read_text())
    del manifest["files"]["context.json"]
    (tmp_path / "plain" / "manifest.json").write_text(json.dumps(manifest))
    plain = Tagger.from_pretrained(tmp_path / "plain")
    assert (
        shown(next(plain.predict_articles([FEVER]))).tolist()
        == shown(plain.predict(FEVER)).tolist()
    )


def neighbours(articles, helps):
    """Log-odds that are unsure, and labels that hold in whole articles, or at random."""
    random = np.random.default_rng(0)
    true = random.random((articles, 6, 2)) < 0.5
    if helps:
        true[:] = true[:, :1]
    values = np.where(true, 1.0, -1.0) + random.normal(size=true.shape)
    return (2 * values.reshape(-1, 2)).astype(np.float32), true.reshape(-1, 2)


def rows_of(count, name="a-{}".format, index=lambda row: row % 6):
    return Dataset.from_list(
        [{"article": name(row // 6), "index": index(row), "text": "x"} for row in range(count)]
    )


def test_a_context_is_fitted_where_it_helps():
    values, true = neighbours(200, helps=True)
    rows = rows_of(len(values))
    context = fit_context(values, true, rows, ("one", "two"))
    seen = seen_in_article(context, values, rows)
    assert ((seen > 0) == true).mean() > ((values > 0) == true).mean() + 0.05
    np.testing.assert_array_equal(seen[6:12], context.log_odds(values[6:12]))


@pytest.mark.parametrize("why", ["no help", "few", "one article", "no order", "all", "one value"])
def test_a_context_is_not_fitted_without_proof(why):
    values, true = neighbours(40 if why == "few" else 200, helps=why != "no help")
    rows = rows_of(len(values))
    if why == "one article":  # windows of one text count as one
        rows = rows_of(len(values), name=lambda number: f"a@{number}")
    elif why == "no order":  # a sample of the sentences, not an article
        rows = rows_of(len(values), index=lambda row: 2 * row)
    elif why == "all":
        true[:, 1] = True
    elif why == "one value":
        true[:, 1] = np.arange(len(true)) < 12  # two windows of one text
        rows = rows_of(
            len(values), name=lambda number: f"a@{number}" if number < 2 else f"{number}"
        )
    assert fit_context(values, true, rows, ("one", "two")) is None


def test_calibration_keeps_sets_and_shows_a_context(tmp_path):
    path = tmp_path / "context.json"
    values, true = neighbours(60, helps=False)
    flat = Calibration.identity(("one", "two"))
    measured = write_calibration(tmp_path, flat, values, true, rows_of(len(values)))
    assert not path.exists() and "F1 in article" not in measured["one"]
    values, true = neighbours(60, helps=True)
    measured = write_calibration(tmp_path, flat, values, true, rows_of(len(values)))
    written = path.read_text()
    assert measured["one"]["F1 in article"] > measured["one"]["F1"]
    few = slice(0, 60)
    measured = write_calibration(tmp_path, flat, values[few], true[few], rows_of(60))
    assert path.read_text() == written and "F1 in article" in measured["two"]


def test_sentences_that_stand_together():
    rows = [("a", 0), ("a", 1), ("a", 3), ("b", 4), ("b", 5), ("a", 0), ("c", 0), ("c", 0)]
    data = Dataset.from_list([{"article": a, "index": i, "text": f"{a}{i}"} for a, i in rows])
    assert texts_by_article(data) == [["a0", "a1"], ["a3"], ["b4", "b5"], ["a0"], ["c0"], ["c0"]]


def test_a_blank_title_says_nothing(tagger):
    text = " ".join(FEVER)
    plain = shown(tagger.tag_article(text).sentences)
    tagged = tagger.tag_article(text, title=" ")
    assert (tagged.title, tagged.headline) == (" ", None)
    np.testing.assert_allclose(shown(tagged.sentences), plain, atol=1e-3)


def test_words_that_carry_a_label_in_one_place_are_kept_where_it_has_others():
    def sentence(label, start):
        return TaggedSentence("Bombs fell.", (label,), {label: 0.9}, start=start, end=start + 11)

    def explain(text):
        return {label: [WordWeight("Bombs", 0, 5, 1.0)] for label in ("one", "two")}

    article = TaggedArticle("Bombs fell. Bombs fell.", (sentence("one", 0), sentence("two", 12)))
    assert carrying_words(explain, article)["Bombs fell."] == {"one": [(0, 5)], "two": [(0, 5)]}


def test_the_shipped_transformers_have_a_context():
    for name in ("minilm", "mpnet"):
        assert (
            "context.json"
            in json.loads((ROOT / "models" / name / "manifest.json").read_text())["files"]
        )
