"""Tables of any labels: read, trained on, exported, tagged with; and models trained on."""

import json
import logging

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    MPNetConfig,
    RobertaConfig,
)

from conflict_nlp import review, store
from conflict_nlp.classifiers.torch import load_model
from conflict_nlp.predict import LABELS, Tagger
from tests import test_training
from training import benchmark, calibrate, export_onnx, start, train_baseline
from training import train_transformer as transformer
from training.data import read_sentences, texts_by_article, warn_of_overlap
from training.output_layer import fit_output_layer
from training.task import Task, find_task

corpus, base, checkpoint = test_training.corpus, test_training.base, test_training.checkpoint

CLASSES = {"sport": "the match ended", "trade": "the shares fell", "weather": "the rain fell"}
FLAGS = ("the bridge was closed", "the court sat", "the harbour froze")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A table of classes, one of several labels, and one of a single label, without headers."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("tables")
    classes, several, one = [], [], []
    for day in range(240):
        name = str(random.choice(list(CLASSES)))
        classes.append(f"{CLASSES[name]} on day {day}\t{name}\n")
        flags = random.random(3) < 0.4
        parts = [part for part, flag in zip(FLAGS, flags) if flag] or ["all was quiet"]
        several.append(f"{' and '.join(parts)} on day {day}\t" + "\t".join(map(str, flags * 1)))
        one.append(f"{parts[0]} on day {day}\t{int(flags[0])}\r\n")
    (folder / "classes.tsv").write_text("".join(classes))
    (folder / "several.tsv").write_text("\n".join(several))
    (folder / "one.tsv").write_text("".join(one), newline="")
    numbered = [
        line.replace(f"\t{name}", f"\t{i}")
        for i, name in enumerate(CLASSES)
        for line in classes
        if line.endswith(f"\t{name}\n")
    ]
    (folder / "numbers.tsv").write_text("".join(numbered))
    return folder


def test_the_baseline_learns_classes(tables, tmp_path):
    path = tables / "classes.tsv"
    options = ["--data", str(path), "--output", str(tmp_path / "b"), "--test", str(path)]
    train_baseline.main([*options, "--folds", "3"])
    tagger = Tagger.from_pretrained(tmp_path / "b", trust=True)
    found = tagger.predict(["the match ended", "the rain fell and fell", ""])
    assert [p.labels for p in found[:2]] == [("sport",), ("weather",)]
    assert tagger.labels == tuple(CLASSES) and len(found[2].labels) == 1
    np.testing.assert_allclose([sum(p.scores.values()) for p in found], 1, atol=1e-5)
    with pytest.raises(ValueError, match="no thresholds to set"):
        tagger.predict("x", thresholds={"sport": 0.9})
    record = json.loads((tmp_path / "b" / "training.json").read_text())
    assert record["test"]["f1_macro"] == 1.0 and "f1_examples" not in record["test"]


def test_the_baseline_learns_several_labels_and_one(tables, tmp_path):
    options = ["--folds", "3", "--output", str(tmp_path / "b"), "--data"]
    names = ["--label-names", "closed", "court", "frozen"]
    train_baseline.main([*options, str(tables / "several.tsv"), *names])
    tagger = Tagger.from_pretrained(tmp_path / "b", trust=True)
    text = "the court sat and the harbour froze on day 3"
    assert tagger.predict(text).labels == ("court", "frozen")
    train_baseline.main([*options, str(tables / "one.tsv")])
    tagger = Tagger.from_pretrained(tmp_path / "b", trust=True)
    assert tagger.labels == ("label",)
    assert tagger.predict(FLAGS[0]).labels == ("label",) and not tagger.predict(FLAGS[1]).labels


@pytest.mark.parametrize(
    ("name", "names"),
    [("several", ["closed", "court", "frozen"]), ("one", ["closed"]), ("numbers", [*CLASSES])],
)
def test_labels_without_names_are_those_of_the_model(tables, tmp_path, capsys, caplog, name, names):
    caplog.set_level(logging.INFO)
    data, model, again = str(tables / f"{name}.tsv"), str(tmp_path / "b"), str(tmp_path / "again")
    options = ["--folds", "3", "--data", data, "--label-names", *names]
    train_baseline.main([*options, "--output", model])
    benchmark.main(["--data", data, "--compare", model, model, "--rounds", "10"])
    assert f"| {names[-1]} | " in capsys.readouterr().out
    assert f"labels without names are taken for {', '.join(names)}" in caplog.text
    calibrate.main(["--model", model, "--data", data, "--output", again])
    options = ["--models", again, "--plots", str(tmp_path / "plots"), "--rounds", "10"]
    benchmark.main(["--data", data, *options, "--output", str(tmp_path / "table")])
    (result,) = json.loads((tmp_path / "table.json").read_text())
    assert [*result["labels"]] == names and result["macro"]["f1"]["value"] > 0.95
    (tmp_path / "other.csv").write_text("text,strike,protest\nMiners walked out.,1,0\n")
    with pytest.raises(SystemExit):
        calibrate.main(["--model", model, "--data", str(tmp_path / "other.csv"), "--output", again])
    assert "other.csv has ('strike', 'protest')" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        benchmark.main(["--data", data, "--models", model, "baseline"])
    assert "baseline has ('attack_event', " in capsys.readouterr().err


def test_a_transformer_learns_classes(tables, base, tmp_path):
    path, run, out = tables / "classes.tsv", tmp_path / "run", tmp_path / "out"
    options = ["--base", str(base), "--data", str(path), "--output", str(run)]
    options += ["--label-names", "weather", "sport", "trade", "--test", str(path)]
    options += ["--epochs", "20", "--learning-rate", "3e-3", "--save-steps", "1000"]
    transformer.main([*options, "--development", "0.3"])
    record = json.loads((run / "training.json").read_text())
    labels = ["weather", "sport", "trade"]
    assert record["task"] == {"labels": labels, "kind": "multi-class"}
    assert record["test"]["f1_macro"] > 0.9 and record["development"]["f1_macro"] > 0.8
    export_onnx.main(["--checkpoint", str(run), "--output", str(out)])
    tagger = Tagger.from_pretrained(out)
    assert tagger.labels == tuple(labels)
    assert [p.labels for p in tagger.predict(list(CLASSES.values()))] == [(n,) for n in CLASSES]
    assert "softmax over classes" in (out / "README.md").read_text()
    # Its review sheets hold classes still.
    sheet = [("a", tagger.predict(["the match ended", "the rain fell"]))]
    review.write_sheet(sheet, tagger.thresholds, tmp_path / "sheet.csv")
    task = find_task([tmp_path / "sheet.csv"], None, Task(tuple(labels), "multi-class"))
    assert task.kind == "multi-class"
    targets = read_sentences([tmp_path / "sheet.csv"], task)["targets"]
    assert sorted(targets) == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("precision", [["--fp32"], []])
def test_an_exported_model_comes_back_and_is_trained_on(checkpoint, precision, corpus, tmp_path):
    exported, again = tmp_path / "exported", tmp_path / "again"
    export_onnx.main(["--checkpoint", str(checkpoint), "--output", str(exported), *precision])
    tagger = Tagger.from_pretrained(exported)
    texts = read_sentences([corpus])["text"][:100]
    folder = start.unpack(store.read(exported), tmp_path / "unpacked")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    batch = tokenizer(list(texts), padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(batch["input_ids"], batch["attention_mask"]).logits.numpy()
    expected = tagger.predict_proba(texts)
    same = {"atol": 1e-4} if precision else {"atol": 0.03}  # int8 activations of the ONNX model
    np.testing.assert_allclose(tagger._calibration.scores(logits), expected, **same)
    on_torch = Tagger.from_pretrained(exported, backend="torch", device="cpu")
    np.testing.assert_allclose(on_torch.predict_proba(texts), expected, **same)

    # A sheet of a few sentences: too few to calibrate on, and none held out for that.
    sheet = tmp_path / "sheet.csv"
    article = [("=1", tagger.predict(texts[:30]))]
    review.write_sheet(article, tagger.thresholds, sheet, count=30)
    options = ["--from", str(exported), "--data", str(sheet), "--output", str(tmp_path / "run")]
    transformer.main([*options, "--epochs", "1", "--learning-rate", "1e-9", "--development", "0"])
    export_onnx.main(["--checkpoint", str(tmp_path / "run"), "--output", str(again), "--fp32"])
    trained = Tagger.from_pretrained(again)
    np.testing.assert_allclose(trained.predict_proba(texts), expected, **same)
    assert trained.thresholds == tagger.thresholds
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["options"]["max_length"] == 48 and record["training_sentences"] > 0


def test_the_output_layer_stays_if_labels_are_the_same(checkpoint, tmp_path, caplog):
    exported, run, data = tmp_path / "exported", tmp_path / "run", tmp_path / "data.tsv"
    export_onnx.main(["--checkpoint", str(checkpoint), "--output", str(exported), "--fp32"])
    data.write_text("".join(f"rockets hit the base {i}\t{i % 2}\t0\t0\t1\n" for i in range(8)))
    options = ["--from", str(exported), "--data", str(data), "--output", str(run)]
    options += ["--development", "0", "--epochs", "1", "--learning-rate", "1e-12"]
    before = load_model(store.read(exported)).classifier.weight
    new = ["w", "x", "y", "z"]
    for names, stays in ((LABELS, True), (new, False)):
        transformer.main([*options, "--label-names", *names])
        after = AutoModelForSequenceClassification.from_pretrained(run).classifier.weight
        assert torch.allclose(before, after, atol=1e-6) == stays
        assert ("output layer is made new" in caplog.text) == (not stays)
    assert f"{', '.join(LABELS)} (multi-label), the data w, x, y, z" in caplog.text


@pytest.mark.parametrize("freeze", ["0", "1"])
@pytest.mark.parametrize(("name", "labels"), [("several", 3), ("classes", 3), ("one", 1)])
def test_a_new_output_layer_starts_as_a_linear_model(tables, base, tmp_path, name, labels, freeze):
    """Steps too small to learn by leave the other layers as they were, and what was fitted."""
    path, run = str(tables / f"{name}.tsv"), tmp_path / "run"
    model = AutoModelForSequenceClassification.from_pretrained(base)
    for weight in model.bert.parameters():
        weight.data *= 10 if weight.dim() > 1 else 1  # so that what the layer reads differs
    model.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "base")
    base = tmp_path / "base"
    options = ["--base", str(base), "--data", path, "--test", path, "--output", str(run)]
    options += ["--epochs", "1", "--learning-rate", "1e-12", "--freeze-layers", freeze]
    transformer.main([*options, "--development", "0"])
    scores = json.loads((run / "training.json").read_text())["test"]
    assert min(scores.values()) > 0.9
    before = AutoModelForSequenceClassification.from_pretrained(base).state_dict()
    after = AutoModelForSequenceClassification.from_pretrained(run).state_dict()
    assert after["classifier.weight"].shape == (labels, 64)
    for key in before.keys() - {"classifier.weight", "classifier.bias"}:
        torch.testing.assert_close(after[key], before[key])


def test_labels_that_tell_nothing_keep_their_weights(base):
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=3, ignore_mismatched_sizes=True
    )
    model.bert.pooler.dense.weight.data *= 100
    ids = torch.randint(4, 90, (40, 6), generator=torch.manual_seed(0)).tolist()
    data = Dataset.from_dict({"input_ids": ids, "length": [6] * 40})
    half = np.arange(40) % 2 == 0
    targets = np.stack([half, np.ones(40, bool), np.zeros(40, bool)], axis=1)

    def collate(rows):
        return {"input_ids": torch.tensor([row["input_ids"] for row in rows])}

    weight = model.classifier.weight.detach().clone()
    fit_output_layer(model, data, collate, targets, "multi-label")
    changed = (model.classifier.weight != weight).any(1)
    assert changed.tolist() == [True, False, False]
    # Two classes of three: the scores are those of a regression on the two.
    classes = np.stack([half, ~half, np.zeros(40, bool)], axis=1)
    fit_output_layer(model, data, collate, classes, "multi-class")
    with torch.inference_mode():
        logits = model(torch.tensor(ids)).logits.numpy()  # the third has no text, and is not given
    assert (logits.argmax(1) == classes.argmax(1)).mean() > 0.7
    assert abs(torch.softmax(torch.tensor(logits), 1)[:, 0].mean() - 0.5) < 0.05


def test_a_base_may_be_in_half_precision_and_of_another_task(tables, base, tmp_path):
    names = {0: "negative", 1: "neutral", 2: "positive"}
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=3, id2label=names, ignore_mismatched_sizes=True
    )
    model.half().save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "base")
    base_of_another = str(tmp_path / "base")
    for labels, is_new in ((("sport", "trade", "weather"), True), (tuple(names.values()), False)):
        found = start.start(base_of_another, Task(labels, "multi-class"))
        assert {value.dtype for value in found[0].parameters()} == {torch.float32}
        assert found[2] == is_new
    model.config.id2label = {i: f"LABEL_{i}" for i in names}  # of a task that nobody named
    model.save_pretrained(tmp_path / "base")
    assert start.start(base_of_another, Task(labels, "multi-class"))[2]


def test_a_transformer_needs_one_start(tables, tmp_path, capsys):
    options = ["--data", str(tables / "one.tsv"), "--output", str(tmp_path / "run")]
    for more in ([], ["--base", "x", "--from", "default"]):
        with pytest.raises(SystemExit):
            transformer.main([*options, *more])
        assert "give either --base or --from" in capsys.readouterr().err
    (tmp_path / "config.toml").write_text('base = "no/such/base"\n')
    with pytest.raises(SystemExit):
        transformer.main(
            [*options, "--config", str(tmp_path / "config.toml"), "--from", "baseline"]
        )
    assert "baseline is no transformer for torch" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [BertConfig, MPNetConfig, RobertaConfig])
def test_weights_of_other_architectures_come_back(kind, tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"vocab_size": 100, "intermediate_size": 64, "max_position_embeddings": 64}
    model = AutoModelForSequenceClassification.from_config(kind(**sizes, num_labels=3))
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(tmp_path)
    export_onnx.export(tmp_path, tmp_path / "model.onnx")
    files = {name: (tmp_path / name).read_bytes() for name in ("model.onnx", "config.json")}
    manifest = {"engine": "onnx", "labels": ["a", "b", "c"]}
    found = load_model(store.ModelFolder(tmp_path, manifest, files)).state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found[name], value, msg=name)


ROWS = {
    "a.tsv": "one text\t3\nanother\t1\nthird\t1\n",
    "b.csv": 'text,topic\n"one, text",sport\nanother,trade\n',
    "c.csv": "Sentence;b;a;date\none;1;0;May\ntwo;0;1;June\n",
    "d.jsonl": '{"text": "one", "label": true}\n\n{"text": "two", "label": 0}\n',
    "e.json": json.dumps(
        [
            {
                "data": {"text": "one", "a_score": 0.2, "b_score": 0.1},
                "annotations": [{"result": [{"value": {"choices": ["b"]}}]}],
                "predictions": [{"result": [{"value": {"choices": ["a"]}}]}],
            }
        ]
    ),
    "f.jsonl": '{"text": "one", "label": ["b"], "a_score": 0.5, "b_score": 1, "article": "x"}',
    "g.tsv": '"a ""quoted"" word\tand a tab"\t0\t1\nmore\t1\t1\n',
    "h.csv": ",text,label\n0,one,1\n1,two,0\n",
    "i.tsv": '"We will fight," he said.\t1\n"No."\t0\n',
    "j.tsv": " \t1\ntwo\t0\n",
    "k.csv": "text,label,,\none,1,,\ntwo,0,,\n",
    "l.csv": "text,hit\none,1.0\ntwo,0.0\n",
    "m.csv": "text,a,b\none,True,False\ntwo,1.0,0\n",
    "o.csv": 'text,label\n"one" ,1\n"Old" men,0\n',
    "n.jsonl": '{"text": "one", "label": 1.0}\n{"text": "two", "label": 0.0}\n',
    "p.tsv": "one\t-1\ntwo\t-2\nthree\t10.0\nfour\t2\n",
    "q.csv": "Hello, my friend, and you;1\nBye;0\n",
    "r.jsonl": '{"text": "cut \\ud83d", "label": "b"}\n{"text": "two", "label": "a"}\n',
}


@pytest.mark.parametrize(
    ("name", "labels", "kind", "targets"),
    [
        ("a.tsv", ("1", "3"), "multi-class", [[0, 1], [1, 0], [1, 0]]),
        ("b.csv", ("sport", "trade"), "multi-class", [[1, 0], [0, 1]]),
        ("c.csv", ("b", "a"), "multi-label", [[1, 0], [0, 1]]),
        ("d.jsonl", ("label",), "multi-label", [[1], [0]]),
        ("e.json", ("a", "b"), "multi-label", [[0, 1]]),
        ("f.jsonl", ("a", "b"), "multi-label", [[0, 1]]),
        ("g.tsv", ("label_1", "label_2"), "multi-label", [[0, 1], [1, 1]]),
        ("h.csv", ("label",), "multi-label", [[1], [0]]),
        ("i.tsv", ("label",), "multi-label", [[1], [0]]),
        ("j.tsv", ("label",), "multi-label", [[1], [0]]),  # public tables have blank texts
        ("k.csv", ("label",), "multi-label", [[1], [0]]),
        ("l.csv", ("hit",), "multi-label", [[1], [0]]),
        ("m.csv", ("a", "b"), "multi-label", [[1, 0], [1, 0]]),
        ("o.csv", ("label",), "multi-label", [[1], [0]]),
        ("n.jsonl", ("label",), "multi-label", [[1], [0]]),
        ("p.tsv", ("-2", "-1", "2", "10"), "multi-class", np.eye(4)[[1, 0, 3, 2]].tolist()),
        ("q.csv", ("label",), "multi-label", [[1], [0]]),
        ("r.jsonl", ("a", "b"), "multi-class", [[0, 1], [1, 0]]),
    ],
)
def test_shapes_of_files(tmp_path, name, labels, kind, targets):
    path = tmp_path / name
    path.write_text(ROWS[name], encoding="utf-8")
    task = find_task([path])
    assert (task.labels, task.kind) == (labels, kind)
    data = read_sentences([path], task)
    assert data["targets"] == targets
    quoted = {"g.tsv": 'a "quoted" word\tand a tab', "i.tsv": '"We will fight," he said.'}
    assert data["text"][0] == quoted.get(name, data["text"][0])


def test_names_are_given_to_classes_and_columns(tmp_path):
    (tmp_path / "a.tsv").write_text("one\t0\ntwo\t2\n")
    task = find_task([tmp_path / "a.tsv"], ["low", "middle", "high"])
    assert task.labels == ("low", "middle", "high")
    assert read_sentences([tmp_path / "a.tsv"], task)["targets"] == [[1, 0, 0], [0, 0, 1]]
    task = find_task([tmp_path / "a.tsv"], ["2", "1", "0"])
    assert read_sentences([tmp_path / "a.tsv"], task)["targets"] == [[0, 0, 1], [1, 0, 0]]
    (tmp_path / "c.tsv").write_text("one\t0\ntwo\t1\n")
    for names in (["no", "yes"], ["low", "middle", "high"]):
        task = find_task([tmp_path / "c.tsv"], names)
        assert task == Task(tuple(names), "multi-class", dict(zip("012", names)))
    (tmp_path / "b.csv").write_text(f"text,{','.join(reversed(LABELS))}\none,0,0,0,1\n")
    known = Task(LABELS, "multi-label")
    for task in (
        find_task([tmp_path / "b.csv"]),
        find_task([tmp_path / "b.csv"], [*reversed(LABELS)], known),
    ):
        assert task.labels == LABELS
        assert read_sentences([tmp_path / "b.csv"], task)["targets"] == [[1, 0, 0, 0]]


def test_a_review_sheet_is_read_as_it_was_written(tmp_path, baseline):
    texts = ["=SUM(1) fell on the town.", "'Gunmen shot two men,' police said.", "Talks go on."]
    path = tmp_path / "sheet.csv"
    review.write_sheet([("+a", baseline.predict(texts))], baseline.thresholds, path)
    data = read_sentences([path], find_task([path]))
    assert sorted(data["text"]) == sorted(texts) and set(data["article"]) == {"+a"}
    assert sorted(data["index"]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "one\t0\t1\ntwo\t0\n", r"row 2 has 2 columns, where row 1 has 3"),
        ("a.tsv", "one\ntwo\n", r"row 1 has 1 columns, where a text and a label are needed"),
        ("a.tsv", "one\t0\t1\ntwo\t0\tx\n", r"row 2: label_2 must be 0 or 1, not 'x'"),
        ("a.tsv", 'one\t0\n"two\t1\nsix"\t1\n', r"row 2: a quotation mark opens a text"),
        ("a.tsv", "headline\tclass\none\ta\ntwo\tb\nx\ta\ny\tb\n", r"row 1: no other row has the"),
        ("a.tsv", "one\tx\ntwo\tx\n", r"all texts have one class, 'x'"),
        ("a.csv", "text,a,a\none,1,0\n", r"two columns have one name"),
        ("a.csv", "text,title\none,x\n", r"no label column, only text, title"),
        ("a.csv", "text,uncertain,topic\none,0,end\ntwo,0,start\n", r"'end' cannot name a label"),
        ("a.csv", 'text,label\n"foo,1\nbar,0\nbaz "x",1\n', r"line 4: .*quotation marks"),
        ("a.csv", "", r"no sentences in .*a\.csv"),
        ("a.jsonl", '{"text": "x", "label": "a"}\n{"text": "y", "labels": []}', r"line 2: several"),
        ("a.jsonl", "{\n", r"not valid JSON lines"),
        ("a.jsonl", "[1]", r"line 1: not an object"),
        ("a.jsonl", '{"sentences": ["x"]}', r"line 1: sentence 0 is not an object"),
        ("a.jsonl", '{"sentences": 3}', r"line 1: 'sentences' must be a list of objects .* not 3"),
        ("a.jsonl", '{"text": "x", "targets": 0.7}', r"line 1: 'targets' must be .* not 0\.7"),
        ("a.jsonl", '{"text": "x", "targets": [null, 0]}', r"line 1: 'targets' must .* \[None, 0"),
        ("a.jsonl", '{"text": "x", "targets": {"a": 1}}', r"line 1: 'targets' must be a list"),
        ("a.jsonl", '{"text": "x", "labels": [["a"]]}', r"line 1: 'labels' must be a list of"),
        ("a.jsonl", '{"text": "x", "labels": "a"}', r"line 1: 'labels' must be a list .* not 'a'"),
        ("a.jsonl", '{"text": "x", "label": {"a": 1}}', r"line 1: 'label' must be a name, "),
        ("a.json", '[{"data": {"text": "x"}, "annotations": [1]}]', r"line 1: no annotations as"),
        (
            "a.jsonl",
            '{"text": "x", "label": "a"}\n{"text": "y", "label": null}',
            r"line 2: no label",
        ),
        (
            "a.jsonl",
            '{"text": "x", "label": "a"}\n{"text": "y", "label": NaN}',
            r"line 2: no label",
        ),
    ],
)
def test_what_is_no_table_is_told(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        find_task([tmp_path / name])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0", "1", "3"], [0, 1, 3]),
        (["0.0", " 1.0", "-2"], [0, 1, -2]),
        ([0, 1.0, 3], [0, 1, 3]),
        ([None, None, None], [0, 0, 0]),
        (["", "x", "1.5"], [0, 0, 0]),
    ],
)
def test_positions_are_whole_numbers_in_every_shape_of_file(tmp_path, values, expected):
    rows = [{"article": "a", "index": v, "text": "x", "label": i} for i, v in enumerate(values)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    cells = ["" if value is None else value for value in values]
    (tmp_path / "a.csv").write_text(
        "article,index,text,label\n" + "".join(f"a,{cell},x,{i}\n" for i, cell in enumerate(cells))
    )
    for name in ("a.jsonl", "a.csv"):
        data = read_sentences([tmp_path / name], Task(("0", "1", "2"), "multi-class"))
        assert data["index"][:] == expected
        assert len(texts_by_article(data)) == 3 - (np.diff(expected) == 1).sum()


def test_texts_without_an_id_are_articles_of_their_own(tmp_path):
    lines = [f'{{"text": "{text}", "label": "{text}", "article": NaN}}' for text in "ab"]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    data = read_sentences([tmp_path / "a.jsonl"], find_task([tmp_path / "a.jsonl"]))
    assert len({*data["article"]}) == 2 and "nan" not in data["article"]


def test_sentences_of_an_article_without_positions_stand_side_by_side(tmp_path):
    sentences = [{"text": text, "index": None, "labels": []} for text in ("One.", "Two.")]
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "sentences": sentences}))
    assert texts_by_article(read_sentences([tmp_path / "a.jsonl"])) == [["One.", "Two."]]


def test_names_and_files_that_do_not_fit_are_told(tmp_path):
    (tmp_path / "a.tsv").write_text("one\ta\ntwo\tb\nmore\tc\n" * 2)
    (tmp_path / "b.tsv").write_text("one\t1\t0\n")
    (tmp_path / "c.csv").write_text("text,x,y\none,1,0\n")
    with pytest.raises(ValueError, match="2 label names, but the data have 3 classes: a, b, c"):
        find_task([tmp_path / "a.tsv"], ["x", "y"])
    with pytest.raises(ValueError, match="the data have no bb, but b: name labels as the data do"):
        find_task([tmp_path / "a.tsv"], ["c", "a", "bb"])
    with pytest.raises(ValueError, match="the data have no z, but x"):
        find_task([tmp_path / "c.csv"], ["y", "z"])
    with pytest.raises(ValueError, match=r"c\.csv has the labels x, y, .*b\.tsv has label_1"):
        find_task([tmp_path / "b.tsv", tmp_path / "c.csv"])
    with pytest.raises(ValueError, match="'x' cannot name a label, or not two"):
        find_task([tmp_path / "b.tsv"], ["x", "x"])
    with pytest.raises(ValueError, match="row 1: unknown label 'a'"):
        read_sentences([tmp_path / "a.tsv"], Task(("b", "c"), "multi-class"))


def test_one_label_of_two_names_is_told(tmp_path):
    war, sport = tmp_path / "war.csv", tmp_path / "sport.csv"
    war.write_text("text,war\nThe fort fell.,1\nThe match ended.,0\n")
    sport.write_text("text,sport\nThe fort held.,0\nThe match began.,1\n")
    with pytest.raises(ValueError, match=r"sport\.csv has the label sport, .* has war"):
        find_task([war, sport])
    sport.write_text("text,sport\nThe fort held.,false\nThe match began.,true\n")
    with pytest.raises(ValueError, match=r"sport\.csv has the label sport, .* has war"):
        find_task([war, sport])
    with pytest.raises(ValueError, match=r"sport\.csv has no 'war' among sport"):
        read_sentences([sport], find_task([war]))


def test_a_baseline_needs_texts_of_every_label(tables, tmp_path, capsys):
    data = tmp_path / "gap.tsv"
    data.write_text((tables / "numbers.tsv").read_text().replace("\t2\n", "\t3\n"))
    names = ["--label-names", "sport", "trade", "art", "weather"]
    with pytest.raises(SystemExit):
        train_baseline.main(["--data", str(data), "--output", str(tmp_path / "b"), *names])
    assert "no texts have the label 'art'" in capsys.readouterr().err


def test_words_for_0_and_1_may_be_names_of_classes(tmp_path):
    (tmp_path / "a.csv").write_text("text,claim\none,true\ntwo,false\nthree,half\n")
    (tmp_path / "b.csv").write_text("text,claim\none,true\ntwo,false\n")
    task = find_task([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert task.labels == ("false", "half", "true")
    assert read_sentences([tmp_path / "b.csv"], task)["targets"] == [[0, 0, 1], [1, 0, 0]]
    assert find_task([tmp_path / "b.csv"], ["true", "false"]).kind == "multi-class"
    assert find_task([tmp_path / "b.csv"]) == Task(("claim",), "multi-label")


def test_what_is_missing_skipped_or_learnt_from_is_told(tmp_path, caplog):
    (tmp_path / "short.csv").write_text("text,closed,court\nThe court sat.,0,1\n")
    with pytest.raises(ValueError, match=r"short\.csv has no 'frozen' among closed, court"):
        read_sentences([tmp_path / "short.csv"], Task(("closed", "court", "frozen")))
    result = [{"value": {"choices": ["attack_event"]}}]
    tasks = [
        {"data": {"text": text}, "predictions": [{"result": result}], "annotations": given}
        for text, given in (
            ("Skipped.", [{"was_cancelled": True, "result": []}]),
            ("Cleared.", [{"result": []}]),
            ("Untouched.", []),
        )
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    read = read_sentences([tmp_path / "tasks.json"])
    assert dict(zip(read["text"], map(sum, read["targets"]))) == {"Cleared.": 0, "Untouched.": 1}
    assert "1 tasks that were skipped in review are left out" in caplog.text
    warn_of_overlap(read, {"test": read.select([0])})
    assert "1 of 1 test texts are trained on too" in caplog.text
