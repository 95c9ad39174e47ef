"""Sentences seen in their article: what the others change, and when that is learnt."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conflict_nlp import rows, store
from conflict_nlp.context import LONGEST, Context, features, parts
from conflict_nlp.formats import Article
from conflict_nlp.labels import LABELS
from conflict_nlp.predict import Tagger
from tests.conftest import ROOT
from training.context import fit_context

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
        (["One string."], "article 0 must be a list of its sentences, not one string"),
        ([["Fine."], ["Fine.", 3]], "article 1: sentence 1 must be a string, not int"),
        ([None], "article 0: sentences must be"),
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
    names = [f"a-{i}" for i in range(articles) for _ in range(6)]
    return (2 * values.reshape(-1, 2)).astype(np.float32), true.reshape(-1, 2), names


def test_a_context_is_fitted_only_where_it_helps():
    values, true, names = neighbours(200, helps=True)
    context = fit_context(values, true, names, ("one", "two"))
    seen = np.concatenate([context.log_odds(values[i : i + 6]) for i in range(0, len(values), 6)])
    assert ((seen > 0) == true).mean() > ((values > 0) == true).mean() + 0.05
    values, true, names = neighbours(200, helps=False)
    assert fit_context(values, true, names, ("one", "two")) is None
    values, true, names = neighbours(40, helps=True)
    assert fit_context(values, true, names, ("one", "two")) is None
    single = [f"{name}-{i}" for i, name in enumerate(names)]
    assert fit_context(values, true, single, ("one", "two")) is None


def test_the_shipped_transformers_have_a_context():
    for name in ("minilm", "mpnet"):
        assert (
            "context.json"
            in json.loads((ROOT / "models" / name / "manifest.json").read_text())["files"]
        )
