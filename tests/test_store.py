"""Model folders that are missing, damaged or hostile: one clear error, nothing loaded."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import onnx
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from conflict_nlp import store
from conflict_nlp.predict import LABELS, Tagger
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(store.find("minilm"), tmp_path / "model")


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder, message, **options):
    with pytest.raises(store.ModelError, match=message):
        Tagger.from_pretrained(folder, **options)


def test_a_copied_folder_is_the_same_model(folder, tagger):
    assert Tagger.from_pretrained(folder).predict("A bomb killed two.") == tagger.predict(
        "A bomb killed two."
    )


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")
def test_git_leaves_the_line_ends_of_models_alone():
    files = [path for path in (ROOT / "models").rglob("*") if path.is_file()]
    command = ["git", "check-attr", "text", "--", *map(str, files)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(files) == told.count(": text: unset\n")


def test_unknown_name_lists_the_shipped_ones():
    refused(
        "no-such-model", "no model 'no-such-model': give a folder that exists, or one of .*minilm"
    )


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "calibration.json"])
def test_a_flipped_byte_and_a_missing_file_are_named(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    refused(folder, f"{name} is damaged .*install the package again")
    (folder / name).unlink()
    refused(folder, f"{name} is missing; install the package again")


def test_a_large_file_stands_in_parts(folder, tagger, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_LARGEST_PART", 10_000_000)
    copy = tmp_path / "copy"
    manifest = json.loads((folder / "manifest.json").read_text())
    store.write(copy, manifest, lambda new: shutil.copytree(folder, new, dirs_exist_ok=True))
    parts = [copy / f"model.onnx.part-{number}" for number in (1, 2, 3)]
    assert all(part.stat().st_size <= 10_000_000 for part in parts)
    assert not (copy / "model.onnx").exists()
    text = "A bomb killed two."
    assert Tagger.from_pretrained(copy).predict(text) == tagger.predict(text)
    parts[1].write_bytes(parts[2].read_bytes())
    refused(copy, "model.onnx.part-2 is damaged")
    parts[1].unlink()
    refused(copy, "model.onnx.part-2 is missing")


def test_no_manifest(folder):
    (folder / "manifest.json").unlink()
    refused(folder, "manifest.json is missing")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "format version None"),
        ('{"format_version": 99}', "format version 99, this library reads 1"),
        ('{"format_version": 1}', "lacks 'files' or 'labels'"),
        ('{"format_version": 1, "files": {}, "labels": [1]}', "lacks 'files' or 'labels'"),
    ],
)
def test_bad_manifests(folder, content, message):
    (folder / "manifest.json").write_text(content)
    refused(folder, message)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "sub/file", ".."])
def test_paths_out_of_the_folder(folder, name):
    (folder.parent / "outside").write_text("x")
    edit_manifest(folder, files={name: "0" * 64})
    refused(folder, "points out of the model folder")


def test_links_out_of_the_folder(folder):
    (folder / "tokenizer.json").rename(folder.parent / "elsewhere.json")
    (folder / "tokenizer.json").symlink_to(folder.parent / "elsewhere.json")
    refused(folder, "tokenizer.json points out of the model folder")


def test_an_engine_that_is_not_known(folder):
    edit_manifest(folder, engine="quantum")
    refused(folder, "engine 'quantum'")


def test_a_valid_hash_of_invalid_content(folder):
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    for name in ("model.onnx", "tokenizer.json", "calibration.json"):
        broken = shutil.copytree(folder, folder.parent / f"broken-{name}")
        store.write(
            broken,
            json.loads((folder / "manifest.json").read_text()),
            lambda new, broken=name: [
                (new / n).write_bytes(b"{}" if n == broken else (folder / n).read_bytes())
                for n in listed
            ],
        )
        refused(broken, name)


@pytest.mark.parametrize("name", ["model.joblib", "model.joblib.part-1"])
def test_a_manifest_makes_a_joblib_file_no_safer(tmp_path, name):
    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "it ran",)

    def fill(new):
        joblib.dump(Payload(), new / name)
        (new / "calibration.json").write_text("{}")

    store.write(tmp_path / "model", {"engine": "baseline", "labels": ["a"]}, fill)
    refused(tmp_path / "model", "could run any code.*trust=True")
    assert not (tmp_path / "it ran").exists()
    refused(tmp_path / "model", "calibration.json", trust=True)
    assert (tmp_path / "it ran").exists()
    shipped = Tagger.from_pretrained(store.find("baseline"))
    own = Tagger.from_pretrained(
        shutil.copytree(store.find("baseline"), tmp_path / "b"), trust=True
    )
    assert pickle.loads(pickle.dumps(own)).predict("Rain.") == shipped.predict("Rain.")


def test_a_joblib_file_without_manifest_needs_trust(tmp_path):
    pipeline = make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LogisticRegression()))
    texts = ["bomb", "killed", "claimed", "minister"]
    pipeline.fit(texts, [[i == j for j in range(4)] for i in range(4)])
    joblib.dump(pipeline, tmp_path / "model.joblib")
    refused(tmp_path, "could run any code.*trust=True")
    own = Tagger.from_pretrained(tmp_path, trust=True)
    assert own.labels == LABELS
    assert own.predict_proba(texts).argmax(1).tolist() == [0, 1, 2, 3]


def test_trust_does_not_loosen_the_checks_of_a_manifest(tmp_path):
    copy = shutil.copytree(store.find("baseline"), tmp_path / "model")
    (copy / "model.joblib").write_bytes(b"other")
    refused(copy, "model.joblib is damaged", trust=True)


@pytest.mark.parametrize("name", ["", "in", "a\0b", "\ud800", "x" * 300])
def test_names_that_no_file_can_have(folder, name):
    (folder / "in").mkdir()
    edit_manifest(folder, files={name: "0" * 64})
    refused(folder, "manifest.json|cannot be read|points out")
    (folder / "manifest.json").write_text("[" * 100_000)
    refused(folder, "manifest.json is not valid JSON")


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_a_folder_with_other_files_is_not_replaced(folder, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (folder / "notes").mkdir()
    for replaced in (tmp_path, folder):
        with pytest.raises(store.ModelError, match=r"holds (model|notes), which is no part of"):
            store.write(replaced, {"labels": LABELS}, lambda made: None)
    assert (tmp_path / "thesis.txt").exists() and (folder / "notes").exists()


def test_weights_in_other_files_are_not_loaded(folder):
    model = onnx.load(folder / "model.onnx")
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    onnx.external_data_helper.set_external_data(weight, location="../secret.bin")
    content = model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit_manifest(folder, files=files | {"model.onnx": hashlib.sha256(content).hexdigest()})
    refused(folder, "takes weights from other files")


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "model")
    for text in ("one", "two"):
        store.write(
            tmp_path / "link",
            {"labels": ["a"]},
            lambda new, text=text: (new / "a").write_text(text),
        )
        assert (tmp_path / "disk" / "model" / "a").read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]
    command = [sys.executable, "-c", KILLED_SAVE, str(tmp_path / "link"), "2"]
    assert subprocess.run(command, check=False).returncode == 9
    assert (store.find(tmp_path / "link") / "a").read_text() == "two"


def test_a_failed_save_leaves_the_old_model_whole(folder, tmp_path):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def fail(new):
        (new / "model.onnx").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(folder, {"labels": ["a"]}, fail)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


KILLED_SAVE = """
import os, sys
from pathlib import Path
from conflict_nlp import store

folder, kill_at, renames = Path(sys.argv[1]), int(sys.argv[2]), 0

def kill(event, arguments):
    global renames
    if event == "os.rename":
        renames += 1
        if renames == kill_at:
            os._exit(9)

sys.addaudithook(kill)
store.write(folder, {"labels": ["new"], "engine": "x"}, lambda new: (new / "a").write_text("a"))
"""


@pytest.mark.parametrize("kill_at", [1, 2])
def test_a_killed_save_leaves_the_old_model_whole(folder, kill_at):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    command = [sys.executable, "-c", KILLED_SAVE, str(folder), str(kill_at)]
    assert subprocess.run(command, check=False).returncode == 9
    assert Tagger.from_pretrained(folder).predict("Rockets hit the town.").scores
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    subprocess.run([*command[:-1], "99"], check=True)
    assert store.read(folder).manifest["labels"] == ["new"]


def test_a_tokenizer_of_enormous_size_is_not_read(folder):
    with (folder / "tokenizer.json").open("r+b") as file:
        file.truncate(2**27)
    refused(folder, "tokenizer.json is larger than a model file may be")
