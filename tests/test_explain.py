import importlib.util
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conflict_nlp.calibration import Calibration
from conflict_nlp.explain import WordWeight
from conflict_nlp.predict import Tagger

MODELS = ["minilm"] + (["baseline"] if importlib.util.find_spec("sklearn") else [])
PLANTED = [
    ("On Monday the committee in the small town of Velm was bombed.", "attack_event", "bombed"),
    ("In the small town of Velm nine people were killed on Tuesday.", "casualty_report", "killed"),
]


loaded = cache(Tagger.from_pretrained)


@pytest.fixture(scope="module", params=MODELS)
def tagger(request):
    return loaded(request.param)


@pytest.mark.parametrize(("sentence", "label", "trigger"), PLANTED)
def test_the_planted_trigger_comes_first(tagger, sentence, label, trigger):
    assert label in tagger.predict(sentence).labels
    strongest = tagger.explain(sentence)[label][0]
    assert trigger in strongest.text
    assert sentence[strongest.start : strongest.end] == strongest.text
    assert strongest.weight > 0


class Keywords:
    """An engine that one keyword is enough for."""

    labels = ("attack_event", "political_context")

    def logits(self, texts, batch_size):
        attack = [4.0 if "shot" in text or "killed" in text else -1.0 for text in texts]
        politics = [len(text) - 60 for text in texts]
        return np.array([attack, politics], np.float32).T, np.zeros(len(texts), np.bool_)


def test_of_classes_the_best_one_is_given():
    class Classes:
        labels = ("sport", "war", "weather")

        def logits(self, texts, batch_size):
            war = [0.3 + 0.5 * ("shot" in text) + 0.5 * ("killed" in text) for text in texts]
            logits = np.array([[0.7, value, 0.6] for value in war], np.float32)
            return logits, np.zeros(len(texts), np.bool_)

    tagger = Tagger(Classes(), Calibration.identity(Classes.labels, "multi-class"))
    prediction = tagger.predict("Gunmen shot, killed five.")
    assert prediction.labels == ("war",) and prediction.scores["war"] < 0.5
    assert tagger.explain(prediction.text)["war"][0].text == "shot, killed"


def test_a_group_comes_first_where_no_word_is_enough():
    rows = Calibration.identity(Keywords.labels).to_dict()
    rows["attack_event"].update(scale=0.5, tails=[0.5, 0.5])
    tagger = Tagger(Keywords(), Calibration.from_dict(rows))
    explained = tagger.explain("Gunmen shot and killed five.")
    group, *words = explained["attack_event"]
    assert group == WordWeight("shot and killed", 7, 22, weight=2.5)
    assert [(word.text, word.weight) for word in words] == [
        *[("Gunmen", 0), ("shot", 0), ("and", 0), ("killed", 0), ("five", 0)]
    ]
    # The other label is not given: there is nothing for a group to take away.
    lengths = [("Gunmen", 6), ("killed", 6), ("shot", 4), ("five", 4), ("and", 3)]
    assert [(word.text, word.weight) for word in explained["political_context"]] == lengths
    (first, *_) = tagger.explain("Gunmen shot five.")["attack_event"]
    assert first == WordWeight("shot", 7, 11, weight=2.5)


@pytest.mark.parametrize("model", MODELS)
def test_a_weight_is_what_the_log_odds_lose(model):
    tagger = loaded(model)
    sentence = PLANTED[0][0]
    scores = tagger.predict_proba([sentence, sentence.replace("bombed", "")]).astype(float)
    odds = np.log(scores / (1 - scores))
    explained = tagger.explain(sentence)
    assert tuple(explained) == tagger.labels
    for words, lost in zip(explained.values(), odds[0] - odds[1]):
        assert [word.weight for word in words] == sorted((w.weight for w in words), reverse=True)
        weight = next(word.weight for word in words if word.text == "bombed")
        assert weight == pytest.approx(lost, abs=0.01)


def test_every_word_has_its_weight():
    tagger = loaded(MODELS[-1])
    sentence = "Mr. O'Neil's car-bomb cost 3.5 million, he said; “no”!"
    for words in tagger.explain(sentence).values():
        singles = {word.text for word in words if " " not in word.text}
        assert singles == {
            "Mr",
            "O'Neil's",
            "car-bomb",
            "cost",
            "3.5",
            "million",
            "he",
            "said",
            "no",
        }


@pytest.mark.parametrize("text", ["", " \n", "?!", "\ud800"])
def test_text_without_words_has_no_weights(tagger, text):
    assert tagger.explain(text) == {label: [] for label in tagger.labels}


def test_long_sentences_are_explained_by_runs_of_words():
    tagger = loaded(MODELS[-1])
    sentence = "word " * 700 + "bombed " + "word " * 300
    words = tagger.explain(sentence)["attack_event"]
    assert len(words) in (91, 92)  # runs of 11 words, and perhaps one group of runs
    assert {word.text.count(" ") for word in words[1:]} == {10}
    assert min(word.start for word in words) == 0
    assert max(word.end for word in words) == len(sentence) - 1
    with pytest.raises(ValueError, match="12000 words, more than 10000: split the text"):
        tagger.explain("word " * 12_000)


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_offsets_are_exact_for_any_text(text):
    tagger = loaded(MODELS[-1])
    for words in tagger.explain(text).values():
        assert all(text[word.start : word.end] == word.text != "" for word in words)


def test_only_strings(tagger):
    with pytest.raises(TypeError, match="sentence must be a string, not list"):
        tagger.explain(["a", "b"])
