"""One run of the whole training path on a tiny model and a tiny corpus, and its parts."""

import argparse
import hashlib
import json
import logging
import pickle
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import f1_score
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    ElectraConfig,
    MPNetConfig,
    MPNetForSequenceClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
)

from conflict_nlp import store
from conflict_nlp.classifiers.ngrams import WordNgramVectorizer
from conflict_nlp.classifiers.torch import load_model
from conflict_nlp.predict import LABELS, Tagger
from conflict_nlp.sentences import split_sentences
from training import (
    annotations,
    benchmark,
    benchmark_robustness,
    calibrate,
    export_onnx,
    frozen,
    metrics,
    quantise,
    train_baseline,
)
from training import train_transformer as transformer
from training.data import (
    article_groups,
    in_development_split,
    read_sentences,
    split_articles,
    stretches,
    thin,
)
from training.options import parse
from training.task import Task

torch.set_num_threads(1)  # the model is too small to share

PARTS = {
    "attack_event": ["rockets hit the base", "gunmen raided the bank", "a bomb tore the market"],
    "casualty_report": ["six people were killed", "nine were wounded", "nobody was hurt"],
    "attribution_claim": ["no group claimed it", "the army blamed rebels", "he denied the charge"],
    "political_context": ["parliament will vote", "the minister resigned", "talks go on"],
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """60 articles whose sentences put together parts with known labels."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("corpus") / "train.jsonl"
    with path.open("w") as stream:
        for article in range(60):
            sentences = []
            for number in range(8):
                labels = [label for label in LABELS if random.random() < 0.3]
                parts = [str(random.choice(PARTS[label])) for label in labels]
                text = f"{' and '.join(parts) or 'the rain fell'} on day {number}."
                sentences.append({"text": text, "labels": labels})
            stream.write(json.dumps({"id": f"article-{article}", "sentences": sentences}) + "\n")
    return path


@pytest.fixture(scope="module")
def base(corpus, tmp_path_factory):
    """A BERT of two small layers with random weights, saved as a hub model is."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special)
    tokenizer.train_from_iterator(read_sentences([corpus])["text"], trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=64,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(base, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = ["--base", str(base), "--data", str(corpus), "--output", str(folder)]
    options += ["--epochs", "25", "--learning-rate", "2e-3", "--development", "0.25"]
    transformer.main([*options, "--max-length", "48", "--save-steps", "1000"])
    return folder


def test_a_trained_transformer_becomes_a_model_that_tags(checkpoint, tmp_path):
    record = json.loads((checkpoint / "training.json").read_text())
    assert record["development"]["f1_macro"] > 0.9
    export_onnx.main(["--checkpoint", str(checkpoint), "--output", str(tmp_path / "int8")])
    export_onnx.main(
        ["--checkpoint", str(checkpoint), "--output", str(tmp_path / "fp32"), "--fp32"]
    )
    development = read_sentences([checkpoint / "development.jsonl"])
    texts, true = list(development["text"]), np.array(development["targets"]) >= 0.5
    for name in ("int8", "fp32"):
        tagger = Tagger.from_pretrained(tmp_path / name)
        given = [[label in p.labels for label in LABELS] for p in tagger.predict(texts)]
        assert f1_score(true, given, average="macro") > 0.9
    card = (tmp_path / "int8" / "README.md").read_text()
    assert "learning_rate: 0.002" in card and "| `attack_event` |" in card
    assert "- data: train.jsonl\n" in card and "docs/benchmark.md" not in card


def test_the_exported_model_gives_the_logits_of_torch(checkpoint, tmp_path, corpus):
    export_onnx.main(
        ["--checkpoint", str(checkpoint), "--output", str(tmp_path / "fp32"), "--fp32"]
    )
    texts = [*read_sentences([corpus])["text"][:40], "word " * 100]
    ours, truncated = Tagger.from_pretrained(tmp_path / "fp32")._classifier.logits(texts, 7)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    batch = tokenizer(texts, padding=True, truncation=True, max_length=48, return_tensors="pt")
    batch.pop("token_type_ids", None)
    with torch.inference_mode():
        theirs = model(**batch).logits.numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    assert truncated.tolist() == [False] * 40 + [True]


def test_int8_keeps_channels_that_reach_far_beyond_the_others(base, corpus, tmp_path, monkeypatch):
    torch.manual_seed(0)
    sizes = {"vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}
    config = MPNetConfig(num_attention_heads=4, initializer_range=0.2, **sizes)
    config.id2label = dict(enumerate(LABELS))
    model = MPNetForSequenceClassification(config)
    for parameter in model.parameters():  # the exporter merges vectors that are equal
        parameter.data += 0.01 * torch.randn_like(parameter)
    for layer in model.mpnet.encoder.layer:
        layer.attention.LayerNorm.weight.data[5] *= 60
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path)
    record = {"options": {"max_length": 48}, "training_sentences": 0, "development_sentences": 480}
    record["task"] = {"labels": LABELS, "kind": "multi-label"}
    (tmp_path / "training.json").write_text(json.dumps(record))
    shutil.copy(corpus, tmp_path / "development.jsonl")
    texts = read_sentences([corpus])["text"][:100]

    def logits(name, *options):
        folder = tmp_path / name
        export_onnx.main(["--checkpoint", str(tmp_path), "--output", str(folder), *options])
        return Tagger.from_pretrained(folder)._classifier.logits(texts, 32)[0]

    exact, rounded = logits("fp32", "--fp32"), logits("int8")
    monkeypatch.setattr(quantise, "_OUTLIER", np.inf)
    coarse = logits("coarse")
    assert np.abs(rounded - exact).mean() < np.abs(coarse - exact).mean() / 2
    # Their weights are not rounded, and torch finds them.
    before = model.mpnet.encoder.layer[0].intermediate.dense.weight[:, 5].detach()
    after = load_model(store.read(tmp_path / "int8")).mpnet.encoder.layer[0].intermediate.dense
    torch.testing.assert_close(after.weight[:, 5].detach(), before)


class Steps(TrainerCallback):
    """Counts steps, and cuts a run off when it has saved its first checkpoint."""

    def __init__(self, cuts):
        self.cuts, self.done = cuts, 0

    def on_step_end(self, *_, **__):
        self.done += 1

    def on_save(self, *_, **__):
        if self.cuts:
            raise KeyboardInterrupt


def test_a_run_that_was_cut_off_goes_on(base, corpus, tmp_path, monkeypatch, capsys, caplog):
    data = tmp_path / "data.jsonl"
    shutil.copy(corpus, data)
    folder = tmp_path / "run" / "checkpoints"
    options = ["--base", str(base), "--data", str(data), "--output", str(folder.parent)]
    options += ["--save-steps", "15", "--development", "0.25", "--epochs", "2"]

    def run(*more, cuts=False):
        steps = Steps(cuts)
        trainer = partial(Trainer, callbacks=[steps])
        monkeypatch.setattr(transformer, "Trainer", trainer)
        transformer.main([*options, *more])
        return steps.done

    with pytest.raises(KeyboardInterrupt):
        run("--learning-rate", "0.1", cuts=True)
    (folder / "checkpoint-999").mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(cuts=True)  # another run: nothing is left of the one before
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-15", "options.json"]
    for more in (["--epochs", "3"], ["--seed", "1", "--freeze-layers", "1"]):
        with pytest.raises(SystemExit):
            run(*more, "--resume")
        told = capsys.readouterr().err.strip().splitlines()[-1]
        assert "had another --" in told and all(name in told for name in more[::2])
    text = data.read_text()
    data.write_text(text.replace("killed", "murdered"))
    with pytest.raises(SystemExit):
        run("--resume")
    assert "had another --data\n" in capsys.readouterr().err
    data.write_text(text)
    done = run("--resume", "--save-steps", "1000")
    assert done + 15 == json.loads((folder / "trainer_state.json").read_text())["global_step"]
    (folder / "options.json").unlink()
    assert run("--resume") == 0 and "may have had other options" in caplog.text
    shutil.rmtree(folder)
    with pytest.raises(SystemExit):
        run("--resume")


@pytest.mark.parametrize("frozen", ["0", "1"])
def test_a_run_cut_off_in_its_second_epoch_ends_as_if_it_had_not(
    base, corpus, tmp_path, monkeypatch, frozen
):
    options = ["--base", str(base), "--data", str(corpus), "--development", "0.25"]
    options += ["--epochs", "2", "--freeze-layers", frozen, "--batch-size", "8"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    transformer.main([*options, "--output", str(whole)])
    state = json.loads((whole / "checkpoints" / "trainer_state.json").read_text())
    options += ["--save-steps", str(state["global_step"] * 3 // 4)]
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(transformer, "Trainer", partial(Trainer, callbacks=[Steps(True)]))
        transformer.main([*options, "--output", str(cut)])
    transformer.main([*options, "--output", str(cut), "--resume"])
    models = (AutoModelForSequenceClassification.from_pretrained(each) for each in (whole, cut))
    one, other = (model.state_dict() for model in models)
    for name in one:
        torch.testing.assert_close(one[name], other[name])


def test_of_thresholds_that_do_alike_the_middle_is_taken():
    true = np.repeat([False, True], [80, 20])
    scores = np.where(true, 0.98, 0.02)
    assert calibrate.best_threshold(scores, true) == pytest.approx(0.5)
    assert calibrate.best_threshold(np.where(true, 0.98, 0.6), true) == pytest.approx(0.73, abs=0.1)


def test_files_that_no_run_has_written_stay(base, corpus, tmp_path, capsys):
    options = ["--base", str(base), "--data", str(corpus), "--output", str(tmp_path)]
    for name in ("development.jsonl", "manifest.json", "checkpoints/mine.pt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
        with pytest.raises(SystemExit):
            transformer.main(options)
        assert str(tmp_path) in capsys.readouterr().err and path.read_text() == "mine"
        path.unlink()


def test_frozen_layers_stay_as_they_were(base, corpus, tmp_path):
    options = ["--base", str(base), "--data", str(corpus), "--output", str(tmp_path)]
    options += ["--freeze-layers", "1", "--epochs", "1", "--learning-rate", "0.002"]
    transformer.main([*options, "--development", "0.25"])
    before = AutoModelForSequenceClassification.from_pretrained(base).state_dict()
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    after = model.state_dict()
    assert after.keys() == before.keys()
    same = {name for name in before if torch.equal(before[name], after[name])}
    lower = {name for name in before if ".embeddings." in name or ".layer.0." in name}
    assert lower <= same
    assert any(".layer.1." in name for name in before.keys() - same)
    # The model as saved gives what was measured with its lower layers taken off.
    record = json.loads((tmp_path / "training.json").read_text())
    data = read_sentences([tmp_path / "development.jsonl"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    batch = tokenizer(list(data["text"]), padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(batch["input_ids"], batch["attention_mask"]).logits.numpy()
    macro = f1_score(np.array(data["targets"]) >= 0.5, logits >= 0, average="macro")
    assert record["development"]["f1_macro"] == pytest.approx(macro, abs=0.02)


def test_the_memory_that_frozen_layers_take_is_told(base, corpus, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(frozen, "_LARGE", 1000)
    caplog.set_level(logging.INFO)
    options = ["--base", str(base), "--data", str(corpus), "--output", str(tmp_path)]
    transformer.main([*options, "--freeze-layers", "1", "--epochs", "0.1"])
    assert "GB of memory" in caplog.text


@pytest.mark.parametrize(("kind", "most"), [(BertConfig, 20), (MPNetConfig, 18)])
def test_no_more_tokens_are_read_than_there_are_positions(base, tmp_path, kind, most):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"vocab_size": 300, "intermediate_size": 32, "max_position_embeddings": 20}
    model = AutoModelForSequenceClassification.from_config(kind(**sizes))
    for parameter in model.parameters():  # the exporter merges vectors that are equal
        parameter.data += 0.01 * torch.randn_like(parameter)
    model.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "base")
    rows = [f"rockets hit the base {'again ' * 40}{i}\t{i % 2}\n" for i in range(8)]
    (tmp_path / "data.tsv").write_text("".join(rows))
    options = ["--data", str(tmp_path / "data.tsv"), "--output", str(tmp_path / "run")]
    options += ["--max-length", "128", "--development", "0", "--epochs", "1"]
    transformer.main(["--base", str(tmp_path / "base"), *options])
    out = str(tmp_path / "out")
    export_onnx.main(["--checkpoint", str(tmp_path / "run"), "--output", out, "--fp32"])
    assert store.read(tmp_path / "out").manifest["max_length"] == most
    assert Tagger.from_pretrained(out).predict("again " * 100).truncated


def test_one_gpu_a_process_and_bfloat16_only_where_it_is_computed_in(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation
    )
    assert not transformer.has_bfloat16()
    options = {"epochs": 1, "learning_rate": 1e-4, "batch_size": 8, "save_steps": 10, "seed": 0}
    options["keep_best"] = None
    options = argparse.Namespace(output=tmp_path, freeze_layers=0, teacher=None, **options)
    arguments = transformer.trainer_arguments(options, bfloat16=False, evaluates=False)
    assert (arguments.n_gpu, arguments.train_batch_size) == (1, 8)


@pytest.mark.parametrize("frozen", ["0", "1"])
def test_the_best_epoch_can_be_kept(base, corpus, tmp_path, frozen, capsys):
    options = ["--base", str(base), "--data", str(corpus), "--output", str(tmp_path / "run")]
    options += ["--epochs", "4", "--learning-rate", "0.002", "--freeze-layers", frozen]
    transformer.main([*options, "--keep-best", "f1_examples"])
    state = json.loads((tmp_path / "run" / "checkpoints" / "trainer_state.json").read_text())
    found = [step["eval_f1_examples"] for step in state["log_history"] if "eval_loss" in step]
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert len(found) == 4 and len(set(found)) > 1, found
    assert [epoch["f1_examples"] for epoch in record["epochs"]] == found
    assert record["development"]["f1_examples"] == pytest.approx(max(found))
    for more, told in (
        (["--keep-best", "accuracy"], "no score 'accuracy'; known: f1_macro, f1_examples, f1_att"),
        (["--keep-best", "f1_macro", "--development", "0"], "needs development sentences"),
    ):
        with pytest.raises(SystemExit):
            transformer.main([*options, *more])
        assert told in capsys.readouterr().err


def test_what_is_held_out(base, corpus, tmp_path, capsys):
    (tmp_path / "config.toml").write_text("development = 0.1\nepochs = 0.1\n")
    options = ["--base", str(base), "--data", str(corpus), "--output", str(tmp_path / "run")]
    options += ["--config", str(tmp_path / "config.toml")]
    for more, share in (
        (["--development-data", str(corpus)], 0),
        ([], 0.1),
    ):
        transformer.main([*options, *more])
        record = json.loads((tmp_path / "run" / "training.json").read_text())
        kept, _ = split_articles(read_sentences([corpus]), share)
        assert record["training_sentences"] == len(kept)
    one = tmp_path / "one.jsonl"
    one.write_text(corpus.read_text().splitlines()[0])
    for more, message in (
        (["--development", "1"], "--development must be 0 or more and below 1"),
        (["--development", "0.9999", "--data", str(one)], "no article is left to train on"),
    ):
        with pytest.raises(SystemExit):
            transformer.main([*options, *more])
        assert message in capsys.readouterr().err


def test_layers_that_cannot_be_frozen_are_named(base, corpus, tmp_path, capsys):
    options = ["--base", str(base), "--data", str(corpus), "--output", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        transformer.main([*options, "--freeze-layers", "2"])
    assert stopped.value.code == 1
    assert "the model has 2 layers: give fewer" in capsys.readouterr().err
    # One whose embeddings are widened before the first layer.
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 100}
    sizes |= {"hidden_size": 32, "embedding_size": 16, "intermediate_size": 64}
    electra = AutoModelForSequenceClassification.from_config(ElectraConfig(**sizes))
    with pytest.raises(ValueError, match="has no layers it can take"):
        frozen.LowerLayers(electra, 1)


def test_thinning_takes_from_the_common_labels_only():
    def row(number, *targets):
        return {"article": "a", "index": number, "text": str(number), "targets": list(targets)}

    rows = [row(i, 1.0, 0.0) for i in range(50)] + [row(i, 0.0, 0.0) for i in range(50, 70)]
    rows += [row(i, 1.0, 1.0) for i in range(70, 75)] + [row(i, 0.0, 1.0) for i in range(75, 78)]
    kept = thin(Dataset.from_list(rows), 10, seed=0)
    numbers = np.array(kept["index"])
    assert numbers.tolist() == sorted(set(numbers))
    assert np.histogram(numbers, [0, 50, 70, 78])[0].tolist() == [10, 10, 8]
    assert [kept["text"][i] for i in range(28)] == [str(number) for number in numbers]


def test_the_baseline_learns_and_loads(corpus, tmp_path):
    train_baseline.main(["--data", str(corpus), "--output", str(tmp_path / "b"), "--folds", "3"])
    tagger = Tagger.from_pretrained(tmp_path / "b", trust=True)
    assert tagger.predict("six people were killed on day 9.").labels == ("casualty_report",)
    card = (tmp_path / "b" / "README.md").read_text()
    assert "Out-of-fold macro F1" in card and "the best of 6 settings" in card
    assert "480 sentences of 60 articles, from train.jsonl" in card
    assert "docs/" not in card


@given(st.lists(st.text("abİ ß\u00a0\n.x", max_size=30), max_size=4))
def test_ngrams_of_words_are_those_that_scikit_learn_counts(texts):
    known = ["abaab aİ ß. xxabab", "ab.ab xaba"]
    plain = CountVectorizer(analyzer="char_wb", ngram_range=(3, 4)).fit(known)
    ours = WordNgramVectorizer(ngram_range=(3, 4)).fit(known)
    again = pickle.loads(pickle.dumps(ours))
    for vectorizer in (ours, again):
        assert (vectorizer.transform(texts) != plain.transform(texts)).nnz == 0
    assert (
        ours.fit(["bab bab"]).transform(["bab"]).toarray() == 1
    ).all()  # nothing is left of before


def test_models_are_measured_by_the_names_of_their_labels(corpus, tmp_path, capsys):
    other = tmp_path / "other"
    names = [LABELS[i] for i in (3, 0, 1, 2)]
    options = ["--data", str(corpus), "--folds", "3", "--output", str(other)]
    train_baseline.main([*options, "--label-names", *names])
    assert Tagger.from_pretrained(other, trust=True).labels == tuple(names)
    data = read_sentences([corpus])
    true = np.array(data["targets"]) >= 0.5
    predictions = Tagger.from_pretrained(other, trust=True).predict(list(data["text"]))
    given = np.array([[label in p.labels for label in LABELS] for p in predictions])
    expected = dict(zip(LABELS, f1_score(true, given, average=None).round(4)))
    assert min(expected.values()) > 0.9
    # Beside a model with another order, whose order it is then, and alone.
    for chosen in (["baseline", str(other)], [str(other), "--record"]):
        options = ["--data", str(corpus), "--output", str(tmp_path / "table"), "--rounds", "20"]
        benchmark.main([*options, "--models", *chosen])
        result = json.loads((tmp_path / "table.json").read_text())[-1]
        assert {k: row["f1"] for k, row in result["labels"].items()} == expected
    recorded = store.read(other).manifest["scores"]
    assert {k: recorded[k] for k in LABELS} == {k: round(v, 3) for k, v in expected.items()}
    capsys.readouterr()
    benchmark_robustness.main(["--data", str(corpus), "--models", "baseline", str(other)])
    macro = f1_score(true, given, average="macro")
    assert f"| {other} | {macro:.3f} |" in capsys.readouterr().out
    (tmp_path / "some.csv").write_text(f"text,{LABELS[0]},{LABELS[1]}\none,1,0\n")
    for main in (benchmark.main, benchmark_robustness.main):
        with pytest.raises(SystemExit):
            main(["--data", str(tmp_path / "some.csv"), "--models", "baseline"])
        assert "some.csv has ('attack_event', 'casualty_report')" in capsys.readouterr().err


def test_the_benchmark_writes_what_it_measures(corpus, tmp_path, capsys):
    options = ["--data", str(corpus), "--models", "baseline", "--output", str(tmp_path / "table")]
    benchmark.main([*options, "--rounds", "50"])
    result, in_article = json.loads((tmp_path / "table.json").read_text())
    assert (result["model"], in_article["model"]) == ("baseline", "baseline, in article")
    data = read_sentences([corpus])
    true = np.array(data["targets"]) >= 0.5
    predictions = Tagger.from_pretrained("baseline").predict(list(data["text"]))
    given = np.array([[label in p.labels for label in LABELS] for p in predictions])
    expected = f1_score(true, given, average=None)
    assert [row["f1"] for row in result["labels"].values()] == pytest.approx(expected, abs=1e-4)
    macro = result["macro"]["f1"]
    assert macro["value"] == pytest.approx(expected.mean(), abs=1e-4)
    assert macro["interval"][0] < macro["value"] < macro["interval"][1]
    for row in result["labels"].values():
        low, high = row["f1_interval"]
        assert low <= row["f1"] <= high and low < high
    assert (tmp_path / "table.md").read_text() in capsys.readouterr().out


def test_bootstrap_agrees_with_drawing_articles_one_by_one():
    random = np.random.default_rng(1)
    true, given = random.random((300, 4)) < 0.3, random.random((300, 4)) < 0.3
    given |= true & (random.random((300, 4)) < 0.7)
    groups = [str(i // 10) for i in range(300)]
    values = []
    for _ in range(600):
        rows = np.concatenate([np.arange(a * 10, a * 10 + 10) for a in random.integers(0, 30, 30)])
        values.append(f1_score(true[rows], given[rows], average="macro"))
    expected = np.percentile(values, [2.5, 97.5])
    found = metrics.bootstrap_intervals(true, given, given.astype(float), groups, 600, 0)
    np.testing.assert_allclose(found["f1"][-1], expected, atol=0.015)


def test_a_model_is_calibrated_anew_on_other_articles(tmp_path, capsys):
    heldout = str(Path(calibrate.__file__).with_name("corpus") / "heldout.jsonl")
    target = tmp_path / "model"
    calibrate.main(["--model", "baseline", "--data", heldout, "--output", str(target)])
    errors = re.findall('"calibration error": ([0-9.]+)', capsys.readouterr().out)
    before, after = np.array(errors, float).reshape(2, 4)
    assert after.mean() < before.mean()
    old, new = Tagger.from_pretrained("baseline"), Tagger.from_pretrained(target, trust=True)
    text = "At least 30 rockets hit the base."
    assert new.thresholds != old.thresholds
    card = (target / "README.md").read_text()
    assert card.startswith("# model\n") and f"| {new.thresholds['attack_event']:.2f} |" in card
    assert "# baseline" in card and "scores" not in json.loads(
        (target / "manifest.json").read_text()
    )
    np.testing.assert_array_equal(
        new._classifier.logits([text], 1)[0], old._classifier.logits([text], 1)[0]
    )
    with pytest.raises(SystemExit):
        calibrate.main(["--model", "nope", "--data", heldout, "--output", str(target)])
    assert "no model 'nope'" in capsys.readouterr().err


def test_calibration_mends_scores_that_are_off():
    random = np.random.default_rng(0)
    probability = random.random((20_000, 2)).astype(np.float32)
    true = random.random((20_000, 2)) < probability
    logits = (np.log(probability / (1 - probability)) * 3 + 1).astype(np.float32)
    calibration = calibrate.fit(logits, true, ("a", "b"))
    scores = calibration.scores(logits)
    np.testing.assert_allclose(scores, probability, atol=0.03)
    before = metrics.expected_calibration_error(1 / (1 + np.exp(-logits[:, 0])), true[:, 0])
    assert before > 0.1 > 0.02 > metrics.expected_calibration_error(scores[:, 0], true[:, 0])
    low, high = calibration.uncertain[0]
    assert low == pytest.approx(0.25, abs=0.05) and high == pytest.approx(0.75, abs=0.05)


def test_calibration_bends_where_extreme_logits_are_too_sure():
    random = np.random.default_rng(0)
    logits = random.uniform(-8, 8, (30_000, 1)).astype(np.float32)
    odds = np.clip(logits, -2, 2) + 0.3 * (logits - np.clip(logits, -2, 2))
    true = random.random((30_000, 1)) < 1 / (1 + np.exp(-odds))
    found = calibrate.fit(logits, true, "a")
    np.testing.assert_allclose(found.scale, [1], atol=0.05)
    np.testing.assert_allclose(found.tails, [[0.3, 0.3]], atol=0.05)
    np.testing.assert_allclose(found.log_odds(logits), odds, atol=0.2)
    again = calibrate.Calibration.from_dict(found.to_dict())
    np.testing.assert_allclose(again.log_odds(logits), found.log_odds(logits), atol=1e-3)


def test_calibrated_scores_never_fall_as_the_logit_rises():
    logits = np.linspace(-6, 6, 400, dtype=np.float32)[:, None]
    # Hardly any of the highest logits is right: a bend would turn the line downwards.
    true = (logits > 0) & ((logits < 2) | (logits > 5.5))
    found = calibrate.fit(logits, true, "a")
    assert (np.diff(found.log_odds(logits)[:, 0]) > 0).all()
    assert found.tails.tolist() == [[found.scale[0]] * 2]


def test_scores_that_fall_where_a_label_holds_are_not_turned_round(caplog):
    true = np.arange(400)[:, None] % 10 == 0
    logits = (np.random.default_rng(0).normal(size=(400, 1)) - true).astype(np.float32)
    start = calibrate.Calibration.identity("a")
    for found in (calibrate.fit(logits, true, "a"), calibrate.fit(logits, true, "a", start=start)):
        assert found.to_dict() == start.to_dict()
    assert "a: logits are no higher where it holds" in caplog.text


def test_a_calibration_without_tails_has_one_scale():
    row = {"scale": 0.5, "bias": 1, "threshold": 0.5, "uncertain": [1, 0]}
    found = calibrate.Calibration.from_dict({"a": row})
    logits = np.array([[-6], [0], [6]], np.float32)
    assert found.log_odds(logits)[:, 0].tolist() == [-2, 1, 4]


def test_a_label_without_examples_cannot_be_calibrated():
    with pytest.raises(ValueError, match="only one value of 'b'"):
        calibrate.fit(np.zeros((4, 2), np.float32), np.array([[1, 0], [0, 0]] * 2, bool), "ab")


def test_no_article_is_cut_in_two(corpus):
    training, development = split_articles(read_sentences([corpus]), 0.3)
    assert not set(training["article"]) & set(development["article"])
    assert len(training) + len(development) == 480 and len(development) > 48
    assert article_groups(["a@3", "a", "b"]) == ["a", "a", "b"]
    assert in_development_split("a@3", 0.5) == in_development_split("a", 0.5)
    assert article_groups(["@bbc", "@cnn@2", ""]) == ["@bbc", "@cnn", ""]
    split = {in_development_split(f"@{i}", 0.5) for i in range(20)}
    assert split == {True, False}


def test_texts_without_an_id_are_told_apart_by_their_words(tmp_path):
    numbers = [{"article": i, "text": f"{i} {j}", "labels": []} for i in (0, 1) for j in (0, 1)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, numbers)))
    assert read_sentences([tmp_path / "a.jsonl"])["article"] == ["0", "0", "1", "1"]
    rows = ["one", "two", "one"]
    (tmp_path / "b.jsonl").write_text("".join(f'{{"text": "{t}", "labels": []}}\n' for t in rows))
    (tmp_path / "c.tsv").write_text("".join(f"{text}\t0\t0\t1\t1\n" for text in rows))
    (tmp_path / "d.csv").write_text("".join(f"{text},0,0,1,1\n" for text in rows))
    task = Task(names=dict(zip(("label_1", "label_2", "label_3", "label_4"), LABELS)))
    found = read_sentences([tmp_path / name for name in ("b.jsonl", "c.tsv", "d.csv")], task)
    articles = found["article"][:]
    assert articles == articles[:3] * 3 and len(set(articles)) == 2 and articles[0] == articles[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "a", "sentences": [{"text": "x", "labels": ["war"]}]}, "unknown label 'war'"),
        ({"id": "a", "sentences": [{"text": None, "labels": []}]}, "has no 'text'"),
        ({"text": "x"}, "neither 'labels' nor 'targets'"),
        ({"text": "x", "targets": [1, 0]}, "2 targets for 4 labels"),
        ({"text": "x", "targets": [1, 0, 0, 1.5]}, r"targets must lie in 0..1, not \[1.0"),
        ({"text": "x", "targets": [1, 0, 0, float("nan")]}, r"targets must lie in 0..1"),
    ],
)
def test_bad_rows_name_file_and_line(tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(ValueError, match=rf"bad.jsonl, line 1: .*{message}"):
        read_sentences([path])


def test_soft_targets_are_read(tmp_path):
    path = tmp_path / "soft.jsonl"
    path.write_text('{"article": "a", "text": "x", "targets": [0.1, 0.2, 0.3, 0.4]}\n')
    assert read_sentences([path])["targets"] == [[0.1, 0.2, 0.3, 0.4]]


def test_a_missing_data_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no data file at .*none\.jsonl"):
        read_sentences([tmp_path / "none.jsonl"])


def test_options_come_from_a_file_and_the_command_line_wins(tmp_path, capsys):
    def parser():
        made = argparse.ArgumentParser()
        made.add_argument("--epochs", type=float, required=True)
        made.add_argument("--seed", type=int, default=0)
        made.add_argument("--data", type=Path, nargs="+")
        made.add_argument("--label-names", nargs="+")
        made.add_argument("--resume", action="store_true")
        return made

    config = tmp_path / "options.toml"
    config.write_text("epochs = 3\nseed = 5\n")
    options = parse(parser(), ["--config", str(config), "--seed", "7"])
    assert (options.epochs, options.seed) == (3.0, 7)
    config.write_text('epochs = 1\ndata = "a.tsv"\nlabel_names = ["a", 1]\nresume = true\n')
    options = parse(parser(), ["--config", str(config)])
    assert (options.data, options.label_names, options.resume) == ([Path("a.tsv")], ["a", "1"], 1)
    for line, message in (
        ("epoch = 3", "unknown key 'epoch'"),
        ('epochs = "three"', "epochs cannot be 'three'"),
        ("epochs = true", "epochs cannot be True"),
        ("epochs = [3]", r"epochs cannot be [3]"),
        ("seed = 1.5", "seed cannot be 1.5"),
        ('resume = "false"', "resume cannot be 'false'"),
        ("data = []", "data cannot be []"),
    ):
        config.write_text(line)
        with pytest.raises(SystemExit) as stopped:
            parse(parser(), ["--config", str(config)])
        assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_labels_part_from_text_and_come_back(tmp_path, capsys):
    texts = ["Rockets killed six as talks began, the army said.", "It rained all day."]
    labels = [list(LABELS), []]
    labelled = tmp_path / "labelled.jsonl"
    sentences = [{"text": t, "labels": given} for t, given in zip(texts, labels)]
    labelled.write_text(json.dumps({"id": "one", "sentences": sentences}) + "\n")
    standoff, joined = tmp_path / "standoff.jsonl", tmp_path / "joined.jsonl"
    annotations.main(["strip", str(labelled), "--out", str(standoff)])
    assert "rained" not in standoff.read_text()
    rows = [json.loads(line) for line in standoff.read_text().splitlines()]
    assert rows[0]["sha256"] == hashlib.sha256(texts[0].encode()).hexdigest()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "corpus.csv").write_text(f'id,body\n1,"{texts[0]}\n{texts[1]}"\n')
    command = ["join", str(tmp_path / "raw"), "--annotations", str(standoff)]
    annotations.main([*command, "--out", str(joined)])
    assert "found 2 of 2 labelled sentences (100.0%)" in capsys.readouterr().out
    placed = [{"index": i, **sentence} for i, sentence in enumerate(sentences)]
    assert json.loads(joined.read_text()) == {"id": "one", "sentences": placed}
    again = tmp_path / "again.jsonl"
    again.write_text(json.dumps({**rows[0], "labels": ["political_context"]}) + "\n")
    annotations.main([*command, str(again), "--out", str(joined)])
    assert "found 2 of 2" in capsys.readouterr().out
    (first, second) = json.loads(joined.read_text())["sentences"]
    assert (first["labels"], second["labels"]) == (["political_context"], [])
    annotations.main(["agree", str(labelled), "--second", str(standoff)])
    shown = capsys.readouterr().out
    assert "1 articles, 2 sentences, 0 with a difference" in shown
    assert "| attack_event | 1 | 1 | 1.000 | 1.000 |" in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id": "a", "sentences": []}', "second.jsonl, line 1 is not article, index, sha256"),
        (b'{"article": "a", "text": "It rained.", "labels": []}', "line 1 is not article"),
        (b"\n[1]\n", "line 2 is not article"),
        (
            b'{"article": "a", "index": 0, "sha256": "", "labels": ["attack"]}',
            "line 1: unknown label 'attack'; known: attack_event, ",
        ),
        (b"\xff\xfe{\0", "`python -m training.annotations strip` writes such a file"),
    ],
)
def test_what_is_no_file_of_labels_alone_is_told(tmp_path, capsys, content, message):
    labelled, second = str(tmp_path / "labelled.jsonl"), tmp_path / "second.jsonl"
    Path(labelled).write_text('{"article": "a", "text": "It rained.", "labels": []}\n')
    second.write_bytes(content)
    for command in (
        ["agree", labelled, "--second", str(second)],
        ["join", labelled, "--annotations", str(second), "--out", str(tmp_path / "joined.jsonl")],
    ):
        with pytest.raises(SystemExit) as stopped:
            annotations.main(command)
        shown = capsys.readouterr().err.splitlines()
        assert stopped.value.code == 1 and message in shown[-1]


def test_sentences_without_numbers_part_and_come_back(tmp_path, capsys):
    labelled, standoff = tmp_path / "rows.csv", tmp_path / "standoff.jsonl"
    header = ",".join(["article", "text", *LABELS])
    labelled.write_text(f"{header}\na,Rockets fell.,1,0,0,0\na,It rained.,0,0,0,0\n")
    annotations.main(["strip", str(labelled), "--out", str(standoff)])
    command = ["join", str(labelled), "--annotations", str(standoff), "--out"]
    annotations.main([*command, str(tmp_path / "joined.jsonl")])
    assert "found 2 of 2" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        annotations.main([*command, str(labelled)])
    assert "rows.csv is one of the files to read" in capsys.readouterr().err


def test_a_labelling_agrees_with_itself(tmp_path, capsys):
    """Also where a sentence stands twice, and where all sentences have a label."""
    labelled, second = tmp_path / "a.csv", tmp_path / "second.jsonl"
    header = ",".join(["article", "text", *LABELS])
    labelled.write_text(f"{header}\na,It fell.,1,0,1,0\na,It fell.,1,0,0,0\na,No.,1,0,0,0\n")
    annotations.main(["strip", str(labelled), "--out", str(second)])
    annotations.main(["agree", str(labelled), "--second", str(second)])
    shown = capsys.readouterr().out
    assert "1 articles, 3 sentences, 0 with a difference" in shown
    assert shown.count(" | 1.000 | 1.000 |") == 4


def test_labellings_without_a_common_sentence_are_not_compared(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"article": "a", "text": "It rained.", "labels": []}\n')
    (tmp_path / "b.jsonl").write_text('{"article": "a", "text": "It snowed.", "labels": []}\n')
    second = str(tmp_path / "second.jsonl")
    annotations.main(["strip", str(tmp_path / "b.jsonl"), "--out", second])
    with pytest.raises(SystemExit) as stopped:
        annotations.main(["agree", str(tmp_path / "a.jsonl"), "--second", second])
    assert stopped.value.code == 1
    assert f"no sentence of {second} stands in the other files\n" in capsys.readouterr().err


def test_labels_are_joined_with_the_files_that_corpora_have(tmp_path, capsys, caplog):
    texts = [f"Shell {i} hit the mill." for i in range(5)]
    rows = [
        {"article": "a", "index": i, "sha256": annotations.fingerprint(text), "labels": []}
        for i, text in enumerate(texts)
    ]
    standoff, raw, joined = tmp_path / "s.jsonl", tmp_path / "raw", tmp_path / "joined.jsonl"
    standoff.write_text("\n".join(map(json.dumps, rows)))
    (raw / ".git").mkdir(parents=True)
    (raw / ".git" / "note.txt").write_text(texts[0])
    lines = [json.dumps({"text": f"{texts[i]}\u2028"}, ensure_ascii=False) for i in (1, 3)]
    (raw / "lines.json").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    (raw / "bad.zip").write_bytes(b"PK\3\4 no archive")
    (raw / "bad.json").write_text("{")
    command = ["join", str(raw), "--annotations", str(standoff), "--out", str(joined)]
    annotations.main(command)
    assert "found 2 of 5" in capsys.readouterr().out
    assert "bad.zip is left out" in caplog.text and "bad.json is left out" in caplog.text
    read = read_sentences([joined])
    assert read["index"][:] == [1, 3] and len(stretches(read)) == 2


@pytest.mark.parametrize("script", [train_baseline, transformer, export_onnx, benchmark])
def test_scripts_explain_themselves(script, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(["--help"])
    assert stopped.value.code == 0 and "--config" in capsys.readouterr().out


def test_sentences_of_the_corpus_survive_the_splitter(corpus):
    for text in read_sentences([corpus])["text"][:50]:
        assert [s.text for s in split_sentences(text)] == [text]
