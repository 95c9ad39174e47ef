import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conflict_nlp.predict import Tagger
from conflict_nlp.results import Prediction, TaggedArticle
from conflict_nlp.review import select, write_sheet
from training.tables import read_table

THRESHOLDS = {"attack_event": 0.5, "casualty_report": 0.4}


def prediction(text, attack, casualty, uncertain=()):
    scores = {"attack_event": attack, "casualty_report": casualty}
    labels = tuple(label for label, score in scores.items() if score >= THRESHOLDS[label])
    return Prediction(text, labels, scores, uncertain_labels=tuple(uncertain))


def texts(items):
    return [item.prediction.text for item in items]


def test_uncertain_sentences_come_first_then_the_closest_to_a_threshold():
    sentences = [
        prediction("Sure of all.", 0.01, 0.01),
        prediction("Nearly certain, yet close.", 0.501, 0.01),
        prediction("Inside the band, far off.", 0.8, 0.01, ["attack_event"]),
        prediction("Inside its band, and close.", 0.49, 0.01, ["attack_event"]),
    ]
    assert texts(select([("a", sentences)], THRESHOLDS)) == [
        "Inside its band, and close.",
        "Inside the band, far off.",
        "Nearly certain, yet close.",
        "Sure of all.",
    ]


def test_labels_take_turns():
    attacks = [prediction(f"attack {word}", 0.5, 0.01, ["attack_event"]) for word in "abcdef"]
    casualty = prediction("many were hurt", 0.01, 0.7, ["casualty_report"])
    assert "many were hurt" in texts(select([("a", [*attacks, casualty])], THRESHOLDS, 2))


def test_every_article_gives_one_before_any_gives_two():
    articles = [
        (name, [prediction(f"{name} {word}", 0.5 + step, 0.01) for word in ("left", "right")])
        for name, step in (("one", 0), ("two", 0.1), ("three", 0.2))
    ]
    chosen = [(item.article, item.index) for item in select(articles, THRESHOLDS)]
    assert set(chosen[:3]) == {("one", 0), ("two", 0), ("three", 0)}
    assert set(chosen[3:]) == {("one", 1), ("two", 1), ("three", 1)}


def test_near_duplicates_are_kept_once():
    copies = [
        "At least 12 people were killed when a bomb exploded in Velm, officials said.",
        "AT LEAST 14 people were killed when a bomb exploded in Velm - officials said",
        "At least 12 people were killed when a mine exploded under a bus, doctors said.",
    ]
    sentences = [prediction(text, 0.5 + i / 100, 0.01) for i, text in enumerate(copies)]
    assert texts(select([("a", sentences)], THRESHOLDS)) == [copies[0], copies[2]]


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8).map(" ".join), max_size=20))
def test_no_two_chosen_share_four_words_in_five(sentences):
    found = texts(select([("a", [prediction(text, 0.5, 0.5) for text in sentences])], THRESHOLDS))
    sets = [set(text.split()) or {text} for text in found]
    for i, one in enumerate(sets):
        assert not any(len(one & other) >= 0.8 * len(one | other) for other in sets[:i])
    for text in sentences:  # what is left out has a likeness among the chosen
        words = set(text.split()) or {text}
        assert any(len(words & other) >= 0.8 * len(words | other) for other in sets)


def test_titles_are_looked_at_too():
    title = prediction("Bomb in Velm", 0.5, 0.01)
    article = TaggedArticle("", (), "Bomb in Velm", title)
    (item,) = select([("a", article)], THRESHOLDS)
    assert (item.article, item.index, item.prediction) == ("a", -1, title)


def test_bad_input_is_named():
    for count in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="count must be a whole number of 1 or more"):
            select([], THRESHOLDS, count)
    with pytest.raises(ValueError, match=r"a has scores for .*casualty_report.*, not for"):
        select([("a", [prediction("x", 0, 0)])], {"attack_event": 0.5})
    with pytest.raises(ValueError, match="one of csv, label-studio, doccano, not 'xml'"):
        write_sheet([], THRESHOLDS, "unused", format="xml")


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
FORMULAS = st.sampled_from(
    ["=1+1", "+1", "-1", "@SUM(A1)", "'quoted", "''", " =1", "\t=1", "＝1", "\r"]
)


def read_back(path):
    keys = ("article", "index", "text", "labels")
    return [{key: row[key] for key in keys} for row in read_table(path).records]


@given(article=CELLS | FORMULAS, text=CELLS | FORMULAS)
def test_csv_cells_are_no_formulas_and_read_back_unchanged(tmp_path_factory, article, text):
    path = tmp_path_factory.mktemp("sheet") / "sheet.csv"
    assert write_sheet([(article, [prediction(text, 0.9, 0.1)])], THRESHOLDS, path) == 1
    with path.open(encoding="utf-8-sig", newline="") as stream:
        (row,) = csv.DictReader(stream)
    for cell in (row["article"], row["text"]):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
        assert not cell.strip().startswith(("=", "+", "-", "@"))
    assert [row[name] for name in row if name not in ("article", "text")] == [
        *("0", "1", "0", "0.9", "0.1")
    ]
    assert read_back(path) == [
        {"article": article, "index": 0, "text": text, "labels": ["attack_event"]}
    ]


def test_a_sheet_that_a_spreadsheet_saved_again_is_read(tmp_path):
    path = tmp_path / "sheet.csv"
    write_sheet([("a", [prediction("One; two, “three”.", 0.9, 0.1)])], THRESHOLDS, path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["casualty_report"] = "1"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter=";", lineterminator="\n")
        writer.writeheader()
        writer.writerow(dict.fromkeys(rows[0], ""))  # cleared, not deleted
        writer.writerows(rows)
    (row,) = read_back(path)
    assert row["labels"] == ["attack_event", "casualty_report"]
    assert row["text"] == "One; two, “three”."


def test_label_studio_tasks_carry_the_proposed_labels(tmp_path):
    path = tmp_path / "tasks.json"
    sentences = [prediction("Bomb — “big” =1", 0.9, 0.6), prediction("Rain fell.", 0.1, 0.1)]
    write_sheet([("a", sentences)], THRESHOLDS, path, format="label-studio")
    tasks = {task["data"]["text"]: task for task in json.loads(path.read_text(encoding="utf-8"))}
    assert tasks["Bomb — “big” =1"] == {
        "data": {
            "article": "a",
            "index": 0,
            "text": "Bomb — “big” =1",
            "attack_event_score": 0.9,
            "casualty_report_score": 0.6,
        },
        "predictions": [
            {
                "model_version": "conflict-nlp",
                "result": [
                    {
                        "from_name": "labels",
                        "to_name": "text",
                        "type": "choices",
                        "value": {"choices": ["attack_event", "casualty_report"]},
                    }
                ],
            }
        ],
    }
    assert tasks["Rain fell."]["predictions"][0]["result"] == []


def test_doccano_lines_carry_the_proposed_labels(tmp_path):
    path = tmp_path / "sheet.jsonl"
    sentences = [prediction("Zürich\u2028\ud800\0", 0.9, 0.1), prediction("Rain fell.", 0.1, 0.1)]
    write_sheet([("a", sentences)], THRESHOLDS, path, format="doccano")
    assert path.read_bytes().isascii()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert {row["text"]: row["label"] for row in rows} == {
        "Zürich\u2028\ufffd\ufffd": ["attack_event"],
        "Rain fell.": [],
    }
    assert rows[0]["article"] == "a" and rows[0]["attack_event_score"] in (0.9, 0.1)


def test_a_tagged_article_becomes_a_sheet(tmp_path):
    tagger = Tagger.from_pretrained("minilm")
    article = tagger.tag_article("A bomb exploded in Velm. Nine died. It rained.", "Bomb in Velm")
    path = tmp_path / "sheet.csv"
    assert write_sheet(enumerate([article]), tagger.thresholds, path, count=3) == 3
    proposed = {-1: article.headline, **dict(enumerate(article.sentences))}
    for row in read_back(path):
        assert row["text"] == proposed[row["index"]].text
        assert tuple(row["labels"]) == proposed[row["index"]].labels
