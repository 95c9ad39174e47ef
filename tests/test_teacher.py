"""What a smaller model learns from a larger one."""

import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from tests import test_training
from training import export_onnx
from training import train_transformer as transformer
from training.data import read_sentences
from training.task import FOUR_LABELS, Task
from training.teacher import Student, Teacher, teach, unlabelled

corpus, base, checkpoint = test_training.corpus, test_training.base, test_training.checkpoint


@pytest.fixture(scope="module")
def teacher(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "model"
    export_onnx.main(["--checkpoint", str(checkpoint), "--output", str(folder), "--fp32"])
    return folder


@pytest.fixture
def articles(tmp_path):
    """A folder of text whose sentences are like those of the corpus."""
    folder = tmp_path / "articles"
    folder.mkdir()
    for number, parts in enumerate(test_training.PARTS.values()):
        lines = [f"{part} on the {day}." for part in parts for day in ("eve", "morrow")]
        (folder / f"{number}.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_a_model_learns_from_a_larger_one(
    teacher, base, corpus, articles, tmp_path, capsys, monkeypatch
):
    losses = []

    def loss(student, rows):
        found = inner(student, rows)
        losses.append(float(found.detach()))
        return found

    inner = Student.loss
    monkeypatch.setattr(Student, "loss", loss)
    options = ["--base", str(base), "--data", str(corpus), "--output", str(tmp_path / "run")]
    options += ["--epochs", "20", "--learning-rate", "2e-3", "--development", "0.25"]
    options += ["--max-length", "48", "--save-steps", "1000"]
    extra = ["--unlabelled", str(articles)]
    transformer.main([*options, "--teacher", str(teacher), *extra])
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["training_sentences"] + record["development_sentences"] == 480 + 24
    assert record["development"]["f1_macro"] > 0.85
    # Only if each sentence meets its own vector is there less and less to learn.
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    saved = load_file(tmp_path / "run" / "model.safetensors")
    assert saved and not any("to_teacher" in name for name in saved)
    for more, message in (
        (extra, "--unlabelled needs --teacher"),
        (["--teacher", "baseline"], "--teacher baseline is no transformer"),
        (["--teacher", str(teacher), "--freeze-layers", "1"], "do not go together"),
    ):
        with pytest.raises(SystemExit):
            transformer.main([*options, *more])
        assert message in capsys.readouterr().err


def test_scores_and_vectors_are_the_teachers(teacher, checkpoint, corpus):
    rows = read_sentences([corpus]).select(range(20))
    texts = rows["text"][:]
    swapped = Task(FOUR_LABELS.labels[::-1])
    scores, vectors = Teacher(str(teacher), swapped).read(texts)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    batch = tokenizer(texts, padding=True, return_token_type_ids=False, return_tensors="pt")
    with torch.inference_mode():
        first = model.bert(**batch).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(vectors, first, atol=1e-3)
    true = np.array(rows["targets"])[:, ::-1]
    assert ((scores > 0.5) == (true > 0.5)).mean() > 0.9
    taught, again = teach(rows, ["the rain fell."], Teacher(str(teacher), FOUR_LABELS))
    np.testing.assert_allclose(again[:20], vectors, atol=1e-4)
    expected = (np.array(rows["targets"]) + scores[:, ::-1]) / 2
    np.testing.assert_allclose(np.array(taught["targets"])[:20], expected, atol=1e-4)
    assert max(taught["targets"][20]) < 0.5
    with pytest.raises(ValueError, match=r"has the labels .*, no classes"):
        Teacher(str(teacher), Task(("a", "b")))


def test_the_students_map_starts_near_the_vectors(base):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(base)
    texts = [" ".join(f"{number:03b}") for number in range(8)] * 8
    rows = {"length": [5] * 64} | dict(AutoTokenizer.from_pretrained(base)(texts))
    vectors = np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32).repeat(8, 0)
    data, names = Dataset.from_dict(rows), set(model.state_dict())
    student = Student(model, vectors.reshape(8, 8, 16).swapaxes(0, 1).reshape(64, 16))
    collate = DataCollatorWithPadding(AutoTokenizer.from_pretrained(base))

    def loss():
        batch = collate(list(data.remove_columns("length")))
        model(**batch)
        return float(student.loss(torch.arange(64)))

    before = loss()
    student.start(data, collate, seed=0)
    assert loss() < min(1, before)
    student.take_off()
    assert set(model.state_dict()) == names


def test_unlabelled_sentences_stand_apart_from_all_others(articles, tmp_path, caplog):
    apart = Dataset.from_dict({"text": ["gunmen raided\nthe bank on the eve."]})
    found = unlabelled([str(articles)], [apart])
    assert len(found) == 23 and "gunmen raided the bank on the morrow." in found
    with pytest.raises(ValueError, match="--unlabelled: no sentences in"):
        unlabelled([str(tmp_path / "none.txt")], [])
    assert "none.txt" in caplog.text
