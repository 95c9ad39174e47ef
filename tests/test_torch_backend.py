"""The torch backend: the same model as the ONNX file, and clear errors."""

import json
import multiprocessing
import pickle
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import onnx
import torch

from conflict_nlp import store
from conflict_nlp.predict import Tagger
from conflict_nlp.store import ModelError

SENTENCES = [
    "At least 30 rockets hit the base.",
    "The match ended in a draw.",
    "No group has claimed responsibility for the bombing.",
    "Four people were killed and nine wounded in the blast, police said.",
    "Parliament will vote on the sanctions next week.",
    "",
    "The harbour reopened after the storm had passed, and the ferries ran again by noon.",
    "Soldiers shelled the village at dawn. " * 60,
]


@pytest.fixture(scope="module")
def on_torch():
    return Tagger.from_pretrained("default", backend="torch", device="cpu")


def test_scores_are_those_of_onnx_up_to_its_rounding(tagger, on_torch):
    ours, theirs = on_torch.predict_proba(SENTENCES), tagger.predict_proba(SENTENCES)
    assert ours.dtype == np.float32 and ours.shape == theirs.shape
    # Values that lie between two of the 256 steps may be rounded otherwise.
    assert np.abs(ours - theirs).mean() < 0.001
    truncated = [p.truncated for p in on_torch.predict(SENTENCES)]
    assert truncated == [False] * 7 + [True]


def test_the_batch_size_changes_nothing(on_torch):
    expected = on_torch.predict_proba(SENTENCES, batch_size=1)
    for size in (2, 32):
        scores = on_torch.predict_proba(SENTENCES, batch_size=size)
        # A value between two of the 256 steps of an int8 file may fall to either.
        np.testing.assert_allclose(scores, expected, atol=1e-3)
    assert on_torch.predict([]) == []


def test_the_backend_gets_a_gpu_if_there_is_one():
    tagger = Tagger.from_pretrained("default", backend="torch")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert tagger._classifier.device.type == expected


def test_a_pickled_tagger_keeps_backend_and_device(on_torch):
    copy = pickle.loads(pickle.dumps(on_torch))
    assert type(copy._classifier) is type(on_torch._classifier)
    assert copy._classifier.device == torch.device("cpu")
    assert copy.predict(SENTENCES) == on_torch.predict(SENTENCES)


def test_a_forked_process_gives_the_same(on_torch):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork on this system")
    expected = on_torch.predict(SENTENCES)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(on_torch.predict, (SENTENCES,)).get(60) == expected


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("baseline", {"backend": "torch"}, ModelError, "baseline is no transformer for torch"),
        ("default", {"backend": "jax"}, ValueError, "backend must be 'onnx' or 'torch', not 'jax'"),
        ("default", {"device": "cpu"}, ValueError, "device 'cpu' needs backend='torch'"),
        ("default", {"backend": "torch", "device": "tpu9"}, ValueError, "device 'tpu9' cannot"),
        ("default", {"backend": "torch", "device": "cuda:99"}, ValueError, "device 'cuda:99' can"),
    ],
)
def test_what_cannot_be_is_told(name, options, error, message):
    with pytest.raises(error, match=message):
        Tagger.from_pretrained(name, **options)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'pip install "conflict-nlp\[torch\]"'):
        Tagger.from_pretrained("default", backend="torch")


def refused(folder, message, **changed):
    """Check that torch refuses the shipped model with other content of some files."""
    source = store.find("minilm")
    manifest = json.loads((source / "manifest.json").read_text())

    def fill(new):
        for name in manifest["files"]:
            shutil.copy(source / name, new / name)
        for name, content in changed.items():
            (new / name.replace("_", ".")).write_bytes(content)

    store.write(folder, manifest, fill)
    with pytest.raises(ModelError, match=message):
        Tagger.from_pretrained(folder, backend="torch")


@pytest.fixture
def graph():
    return onnx.load(store.find("minilm") / "model.onnx")


def bias(graph):
    return next(t for t in graph.graph.initializer if t.name == "classifier.bias")


def test_weights_that_are_missing_are_named(graph, tmp_path):
    bias(graph).name = "other"
    message = r"model\.onnx cannot be used with torch: .*classifier.b"
    refused(tmp_path / "broken", message, model_onnx=graph.SerializeToString())


def test_weights_in_other_files_are_not_loaded(graph, tmp_path, monkeypatch):
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    onnx.external_data_helper.set_external_data(bias(graph), location="secret.bin")
    bias(graph).ClearField("raw_data")
    monkeypatch.chdir(tmp_path)
    refused(tmp_path / "model", "weights from other files", model_onnx=graph.SerializeToString())


@pytest.mark.parametrize(
    "settings",
    [
        {
            "model_type": "clip",
            "auto_map": {"AutoModelForSequenceClassification": "evil/repo--modeling.Evil"},
            "_name_or_path": "evil/repo",
        },
        {"model_type": "no-such-model"},
    ],
)
def test_code_of_a_hub_is_neither_run_nor_asked_for(settings, tmp_path, capsys):
    content = json.dumps(settings).encode()
    refused(tmp_path / "model", "model.onnx cannot be used with torch", config_json=content)
    assert "Do you wish" not in capsys.readouterr().out
