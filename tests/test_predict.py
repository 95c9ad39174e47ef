"""The public interface; each promise of it holds for every shipped model."""

import json
import multiprocessing
import os
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum

import numpy as np
import pytest

import conflict_nlp
from conflict_nlp import predict as module
from conflict_nlp import store
from conflict_nlp.predict import LABELS, Tagger, predict, predict_iter, predict_proba, tag_article
from tests.conftest import ROOT

SENTENCES = [
    "At least 30 rockets hit the base.",
    "The match ended in a draw.",
    "No group has claimed responsibility for the bombing.",
    "Four people were killed and nine wounded in the blast, police said.",
    "Parliament will vote on the sanctions next week.",
    "",
    "x",
    "The match ended in a draw.",
]


@pytest.fixture(scope="module", params=sorted(store.shipped_models()))
def shipped(request):
    return Tagger.from_pretrained(request.param)


def test_labels():
    assert LABELS == (
        "attack_event",
        "casualty_report",
        "attribution_claim",
        "political_context",
    )


def test_one_string_gives_one_prediction_a_list_a_list(shipped):
    one = shipped.predict(SENTENCES[0])
    several = shipped.predict(SENTENCES)
    assert [p.text for p in several] == SENTENCES
    assert one.text == SENTENCES[0]
    assert one.labels == several[0].labels
    assert isinstance(one.labels, tuple) and tuple(one.scores) == shipped.labels == LABELS
    assert all(isinstance(v, float) and 0 <= v <= 1 for v in one.scores.values())


def test_clear_sentences_get_their_labels(shipped):
    found = [set(p.labels) for p in shipped.predict(SENTENCES)]
    assert found[0] == {"attack_event"}
    assert found[1] == found[7] == set()
    assert "attribution_claim" in found[2]
    assert {"attack_event", "casualty_report"} == found[3]
    assert found[4] == {"political_context"}


def test_predict_proba_is_what_predict_shows(shipped):
    scores = shipped.predict_proba(SENTENCES)
    assert scores.dtype == np.float32 and scores.shape == (len(SENTENCES), 4)
    shown = [[p.scores[label] for label in LABELS] for p in shipped.predict(SENTENCES)]
    np.testing.assert_allclose(scores, shown, atol=1e-6)
    assert shipped.predict_proba("A single string.").shape == (1, 4)


def test_empty_input_gives_an_empty_result(shipped):
    assert shipped.predict([]) == []
    assert shipped.predict_proba([]).shape == (0, 4)
    assert shipped.tag_article("").sentences == ()
    assert shipped.tag_article(" \n\ufeff").to_records() == []


def test_a_score_does_not_depend_on_neighbours_order_or_batch_size(shipped, article):
    texts = [s.text for s in shipped.tag_article(article).sentences] + SENTENCES
    alone = np.concatenate([shipped.predict_proba([text]) for text in texts])
    for size in (1, 5, 64):
        np.testing.assert_allclose(
            shipped.predict_proba(texts[::-1], batch_size=size)[::-1], alone, atol=1e-3
        )


def test_thresholds_decide_the_labels_and_only_those_named(shipped):
    everything = shipped.predict(SENTENCES, thresholds=dict.fromkeys(LABELS, 0.0))
    assert all(p.labels == LABELS for p in everything)
    nothing = shipped.predict(SENTENCES, thresholds=dict.fromkeys(LABELS, 1.0))
    assert all(p.labels == () for p in nothing)
    one = shipped.predict(SENTENCES, thresholds={"attribution_claim": 0.0})
    for changed, plain in zip(one, shipped.predict(SENTENCES)):
        assert set(changed.labels) == {*plain.labels, "attribution_claim"}


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"attack": 0.5}, "unknown label 'attack'"),
        ({"attack_event": 1.5}, r"'attack_event' must lie in 0..1, not 1.5"),
        ({"attack_event": float("nan")}, "must lie in 0..1"),
        ({"attack_event": "high"}, "must be a number, not 'high'"),
    ],
)
def test_bad_thresholds_are_named(tagger, thresholds, message):
    with pytest.raises(ValueError, match=message):
        tagger.predict(SENTENCES, thresholds=thresholds)
    with pytest.raises(ValueError, match=message):
        tagger.predict_iter([], thresholds=thresholds)
    for wrong in (0.5, 0.0, [0.5]):
        with pytest.raises(TypeError, match="thresholds must be a dict"):
            tagger.predict(SENTENCES, thresholds=wrong)


def test_what_is_not_a_string_is_named_by_position(tagger):
    with pytest.raises(TypeError, match="sentence 1 must be a string, not int"):
        tagger.predict(["fine", 3])
    with pytest.raises(TypeError, match="sentence 0 must be a string, not NoneType"):
        tagger.predict_proba([None])
    for wrong in (None, 7, b"bytes", {"a": 1}):
        with pytest.raises(TypeError, match="iterable of strings"):
            tagger.predict(wrong)
    with pytest.raises(TypeError, match="for one use predict"):
        tagger.predict_iter("Shelled.")
    with pytest.raises(TypeError, match="text must be a string"):
        tagger.tag_article(None)
    with pytest.raises(TypeError, match="title must be a string"):
        tagger.tag_article("Text.", title=3)


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_bad_batch_size(tagger, size):
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        tagger.predict(SENTENCES, batch_size=size)
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        tagger.predict("one", batch_size=size)
    assert len(tagger.predict(SENTENCES, batch_size=np.int64(2))) == len(SENTENCES)


def test_article_offsets_and_records(shipped, article):
    tagged = shipped.tag_article(article, title="Rockets hit base")
    assert 25 <= len(tagged.sentences) <= 40
    assert all(article[s.start : s.end] == s.text for s in tagged.sentences)
    assert tagged.headline.text == tagged.title == "Rockets hit base"
    title, *records = tagged.to_records()
    assert [title[key] for key in ("index", "start", "end", "text")] == [-1, 0, 0, tagged.title]
    assert [r["text"] for r in records] == [s.text for s in tagged.sentences]
    assert [r["index"] for r in records] == [*range(len(records))]
    assert set(records[0]) == {
        *("index", "start", "end", "text", "uncertain", "truncated"),
        *LABELS,
        *(f"{label}_score" for label in LABELS),
    }
    assert tagged.to_dict()["sentences"][0]["labels"] == list(tagged.sentences[0].labels)
    assert shipped.tag_article(article).headline is None
    assert shipped.tag_article(article).to_records()[0]["index"] == 0


def test_a_stream_of_articles_is_tagged_as_each_alone(shipped, article):
    texts = [article, " ", "Shells hit Velm. Two died.", article[:300]]
    titles = ["Rockets hit base", None, " ", "Base hit"]
    for title, text, found in zip(titles, texts, shipped.tag_articles(iter(texts), titles)):
        alone = shipped.tag_article(text, title)
        assert (found.text, found.title) == (text, title)
        assert [s.text for s in found.sentences] == [s.text for s in alone.sentences]
        records = zip(found.to_records(), alone.to_records(), strict=True)
        for one, other in records:
            assert one == pytest.approx(other, abs=2e-3)
    assert [a.title for a in shipped.tag_articles(texts)] == [None] * 4
    assert [a.title for a in shipped.tag_articles(["x"], [float("nan")])] == [None]
    assert list(shipped.tag_articles([])) == []


@pytest.mark.parametrize(
    ("texts", "titles", "error", "message"),
    [
        (["x", 3], None, TypeError, "text 1 must be a string, not int"),
        (["x"], [3], TypeError, "title 0 must be a string, not int"),
        ("x", None, TypeError, "texts must be an iterable of strings, not str"),
        (["x"], "x", TypeError, "titles must be an iterable of strings, not str"),
        (["x", "y"], ["x"], ValueError, "fewer titles than texts"),
        (["x"], ["x", "y"], ValueError, "more titles than texts"),
    ],
)
def test_articles_that_cannot_be_tagged_are_named(baseline, texts, titles, error, message):
    with pytest.raises(error, match=message):
        list(baseline.tag_articles(texts, titles))


def test_uncertain_is_what_the_thresholds_in_force_make_of_a_score(baseline, article):
    bands = baseline.info["uncertain"]
    for threshold in (0.0, 0.3, 0.6, 0.95):
        tagged = baseline.tag_article(article, thresholds=dict.fromkeys(LABELS, threshold))
        for sentence in tagged.sentences:
            for label, score in sentence.scores.items():
                low, high = bands[label]
                doubtful = score <= high if score >= threshold else score >= low
                assert (label in sentence.uncertain_labels) == doubtful


def test_an_article_of_other_labels_cannot_be_relabelled(baseline):
    article = baseline.tag_article("Shells fell.")
    other = replace(article.sentences[0], scores={"attack_event": 0.5})
    with pytest.raises(KeyError):
        baseline.relabel(replace(article, sentences=(other,)), {})
    assert baseline.relabel(article, {}) == article


def test_info_tells_what_made_the_results(shipped):
    info = shipped.info
    assert info["model"] in store.shipped_models() and len(info["sha256"]) == 64
    assert info["thresholds"] == pytest.approx(shipped.thresholds, abs=1e-5)
    assert list(info["uncertain"]) == list(LABELS) and re.search(r" \d+\.\d", info["engine"])
    assert info["conflict_nlp"] == conflict_nlp.__version__ and info["context"] is True
    assert json.loads(json.dumps(info)) == info


def test_the_package_names_its_classes():
    assert all(getattr(conflict_nlp, name) for name in conflict_nlp.__all__)
    assert conflict_nlp.Tagger is Tagger
    with pytest.raises(AttributeError, match="tagger"):
        conflict_nlp.tagger  # noqa: B018


def test_the_environment_limits_the_cores(monkeypatch):
    for value, cores in (("1", 1), ("3", 3), ("3,2", 3), (" 1 ", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        tagger = Tagger.from_pretrained("minilm")
        assert tagger._classifier._cores == cores
        assert tagger.predict("Rockets hit the base.").labels == ("attack_event",)


def test_only_transformers_truncate_and_say_so(tagger, baseline):
    long = "The army shelled the town. " * 200
    assert tagger.predict(long).truncated
    assert "attack_event" in tagger.predict(long).labels
    assert not tagger.predict("The army shelled the town.").truncated
    assert not baseline.predict(long).truncated


@pytest.mark.parametrize(
    "text", ["\x00", "\ud800 \udfff", "\u202e\u200b", "😀" * 50, "<b>&", "a" * 1_000_000, "né 北京"]
)
def test_odd_input_is_tagged_like_any_other(shipped, text):
    assert shipped.predict(text).text == text
    assert np.isfinite(shipped.predict_proba([text])).all()


def test_words_that_a_line_end_cuts_are_read_whole(shipped):
    whole = "The ministry said two hospitals had been shelled by artillery."
    cut = "The ministry said two hos-\npitals had been shel-\r\nled by artil- \nlery."
    assert shipped.predict_proba(cut) == pytest.approx(shipped.predict_proba(whole))
    assert shipped.predict(cut).text == cut
    weights = shipped.explain(cut)["attack_event"], shipped.explain(whole)["attack_event"]
    by_the_rest = [{w.text: w.weight for w in each}["ministry"] for each in weights]
    assert by_the_rest[0] == pytest.approx(by_the_rest[1], abs=0.01)


def test_strings_of_any_class_become_plain_ones(baseline):
    class Message(str, Enum):
        ALERT = "Gunmen shelled the village. Two farmers died."

    alert, plain = Message.ALERT, Message.ALERT.value
    article = baseline.tag_article(alert, alert)
    found = [
        *(article.text, article.title, article.headline.text),
        *(p.text for p in (baseline.predict(alert), *baseline.predict([alert]))),
    ]
    assert found == [plain] * 5 and {type(text) for text in found} == {str}


@pytest.mark.parametrize("title", ["", " ", "\u200b", "\ufeff\n"])
def test_a_title_that_nobody_sees_is_none(tagger, title):
    text = "Two of the victims were from the capital."
    article = tagger.tag_article(text, title)
    assert article.headline is None
    assert article.sentences == tagger.tag_article(text).sentences


def test_results_can_be_kept_in_sets(baseline, article):
    first, second = baseline.tag_article(article), baseline.tag_article(article)
    assert len({first, second}) == 1
    assert len({*first.sentences, *second.sentences}) == len({s.start for s in first.sentences})


def test_streams_are_read_no_further_than_needed(tagger):
    read = []

    def stream():
        for i in range(100_000):
            read.append(i)
            yield f"Sentence number {i}."

    results = tagger.predict_iter(stream())
    assert next(results).text == "Sentence number 0."
    assert len(read) < 1000
    results.close()


def test_what_came_before_a_bad_sentence_is_tagged(tagger):
    results = tagger.predict_iter(["Rockets fell."] * 3 + [None])
    assert [next(results).text for _ in range(3)] == ["Rockets fell."] * 3
    with pytest.raises(TypeError, match="sentence 3"):
        next(results)


def test_results_keep_their_order_over_many_windows(tagger):
    texts = [f"Rocket number {i % 90} fell." for i in range(2500)]
    assert [p.text for p in tagger.predict_iter(texts)] == texts


def test_threads_share_a_tagger(tagger, article):
    expected = tagger.tag_article(article)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tagger.tag_article, [article] * 16)) == [expected] * 16


def test_a_pickled_tagger_gives_the_same(shipped, tmp_path, monkeypatch):
    assert pickle.loads(pickle.dumps(shipped)).predict(SENTENCES) == shipped.predict(SENTENCES)
    assert str(ROOT).encode() not in pickle.dumps(shipped)
    shutil.copytree(ROOT / "models" / "minilm", tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    mine = Tagger.from_pretrained("mine")
    monkeypatch.chdir(ROOT)
    assert pickle.loads(pickle.dumps(mine)).labels == LABELS


def test_a_pickled_tagger_is_not_replaced_by_another_model(tmp_path):
    class Mine(Tagger):
        pass

    folder = shutil.copytree(store.find("minilm"), tmp_path / "model")
    make, arguments = Mine.from_pretrained(folder).__reduce__()
    assert type(make(*arguments)) is Mine
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"name": "newer"}))
    with pytest.raises(store.ModelError, match="another one than when the tagger was pickled"):
        make(*arguments)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_give_the_same(tagger, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    expected = tagger.predict(SENTENCES)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(tagger.predict, (SENTENCES,)).get(60) == expected


def test_module_functions_use_the_default_model(tagger, article):
    assert predict(SENTENCES) == tagger.predict(SENTENCES)
    assert list(predict_iter(SENTENCES)) == tagger.predict(SENTENCES)
    assert (predict_proba(SENTENCES) == tagger.predict_proba(SENTENCES)).all()
    assert tag_article(article) == tagger.tag_article(article)
    assert set(module.__all__) <= set(dir(module))


def test_import_brings_nothing_heavy():
    code = (
        "import sys, conflict_nlp.predict\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'pandas', 'datasets'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == 0


@pytest.mark.parametrize("module", ["conflict_nlp.predict", "training.quantise"])
def test_onnxruntime_does_not_report_to_its_makers(module, tmp_path):
    """What it has to report, and an identity of the machine, it would keep in the home folder."""
    code = f"import {module}; from conflict_nlp.predict import predict; predict('Rockets fell.')"
    environment = {k: v for k, v in os.environ.items() if k[:4] not in ("ORT_", "XDG_")}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_work_at_the_end_of_a_program_is_done():
    code = (
        "import atexit\n"
        "from conflict_nlp import Tagger\n"
        "tagger = Tagger.from_pretrained()\n"
        "texts = [f'{n} rockets hit the base on Monday.' for n in range(300)]\n"
        "atexit.register(lambda: print(len(tagger.predict(texts))))\n"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True).stdout == "300\n"


def test_a_lock_that_another_thread_held_does_not_stop_a_forked_process(tagger):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork on this system")
    with module._default_lock, multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply_async(predict, (SENTENCES[0],)).get(60)
    assert found == tagger.predict(SENTENCES[0])


def test_progress_bar_goes_to_standard_error(tagger, capsys):
    assert len(tagger.predict(SENTENCES, show_progress=True)) == len(SENTENCES)
    shown = capsys.readouterr()
    assert "tagging" in shown.err and shown.out == ""


@pytest.mark.parametrize("model", ["baseline", "minilm"])
def test_letter_case_changes_nothing(model):
    tagger = Tagger.from_pretrained(model)
    texts = ["Rebels killed two soldiers in Velm.", "The minister denied any role."]
    scores = [tagger.predict_proba([change(t) for t in texts]) for change in (str.lower, str.upper)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
