"""A larger model that a smaller one learns from: its scores, and how it reads a sentence.

Scores are soft targets (Hinton et al., 2015: "Distilling the knowledge in a neural network"). Four
numbers say little of a sentence; the vector that the teacher's head reads says more, and a linear
map of the student's own is drawn to it (Romero et al., 2015: "FitNets").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from datasets import Dataset
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.linear_model import Ridge
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer

from conflict_nlp import store
from conflict_nlp.calibration import Calibration
from conflict_nlp.classifiers.onnx import OnnxClassifier
from conflict_nlp.formats import Reader
from conflict_nlp.sentences import split_sentences
from training.output_layer import what_is_read
from training.progress import track
from training.task import Task, task_of

log = logging.getLogger(__name__)

Collate = Callable[[list[dict[str, Any]]], dict[str, Tensor]]

_BLOCK = 2048
# How much the teacher's vector counts beside the labels, at the beginning and in the end.
_WEIGHTS = (1.0, 0.3)


class Teacher:
    """An exported transformer with the labels of `task`.

    Parameters
    ----------
    name
        As `conflict_nlp.predict.Tagger.from_pretrained` takes it.
    task
        What the student is to learn.

    Raises
    ------
    ModelError
        If the model is missing or damaged.
    ValueError
        If it has other labels, or is no transformer whose head reads the first token (BERT,
        RoBERTa, MPNet, ...).
    """

    def __init__(self, name: str, task: Task) -> None:
        folder = store.read(store.find(name))
        known = task_of(folder)
        if (
            task.kind != "multi-label"
            or known.kind != task.kind
            or {*known.labels} != {*task.labels}
        ):
            raise ValueError(
                f"--teacher {name} has the labels {', '.join(known.labels)} ({known.kind}), the "
                f"data {', '.join(task.labels)} ({task.kind}): they must be the same, no classes"
            )
        if folder.manifest["engine"] != "onnx":
            raise ValueError(f"--teacher {name} is no transformer")
        model = onnx.load_model_from_string(folder.file("model.onnx"))
        made_by = {output: node for node in model.graph.node for output in node.output}
        vector = "logits"
        while vector in made_by and made_by[vector].op_type != "Gather":
            vector = made_by[vector].input[0]
        width = folder.json("config.json").get("hidden_size")
        if vector not in made_by or width is None:
            raise ValueError(f"--teacher {name}: its head does not read the first token")
        # One output of logits and vector, as if the vector's numbers were labels too.
        model.graph.node.append(helper.make_node("Concat", ["logits", vector], ["read"], axis=1))
        del model.graph.output[:]
        both = helper.make_tensor_value_info("read", TensorProto.FLOAT, None)
        model.graph.output.append(both)
        labels = [*known.labels, *map(str, range(width))]
        files = {**folder.files, "model.onnx": model.SerializeToString()}
        manifest = {**folder.manifest, "labels": labels}
        self._classifier = OnnxClassifier(store.ModelFolder(folder.path, manifest, files))
        self._calibration = Calibration.from_dict(folder.json("calibration.json"), known.kind)
        self._columns = [known.labels.index(label) for label in task.labels]

    def read(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return calibrated scores in 0..1, float32 [texts, labels], and vectors [texts, width]."""
        blocks = [
            self._classifier.logits(texts[start : start + _BLOCK], 32)[0]
            for start in track(range(0, len(texts), _BLOCK), "teacher")
        ]
        found, labels = np.concatenate(blocks), len(self._columns)
        return self._calibration.scores(found[:, :labels])[:, self._columns], found[:, labels:]


def teach(
    training: Dataset, texts: Sequence[str], teacher: Teacher
) -> tuple[Dataset, NDArray[np.float32]]:
    """Return the training rows with those of `texts` behind them, and the vector of each.

    Targets are the mean of label and teacher's score; for `texts`, which have no labels, the score.
    """
    scores, vectors = teacher.read([*training["text"], *texts])
    count = len(training)
    targets = [*((np.array(training["targets"]) + scores[:count]) / 2), *scores[count:]]
    rows = {
        "article": [*training["article"], *[""] * len(texts)],
        "index": [*training["index"], *range(len(texts))],
        "text": [*training["text"], *texts],
        "targets": [each.tolist() for each in targets],
    }
    return Dataset.from_dict(rows), vectors


def unlabelled(names: Sequence[str], apart: Sequence[Dataset]) -> list[str]:
    """Return the sentences of files and folders, each once, but for those that stand in `apart`.

    White space counts as one blank each. What cannot be read is logged.

    Raises
    ------
    ValueError
        If files are named, but no sentence is found.
    """
    reader = Reader(names, note=log.info)
    spans = (span for article in reader for span in split_sentences(article.text))
    found = dict.fromkeys(" ".join(span.text.split()) for span in spans)
    for problem in reader.problems:
        log.warning("cannot read %s", problem)
    if names and not found:
        raise ValueError(f"--unlabelled: no sentences in {', '.join(names)}")
    for data in apart:
        for text in data["text"]:
            found.pop(" ".join(text.split()), None)
    return list(found)


class Student:
    """What a model learns beside its labels: a linear map from its first token to the vectors.

    Parameters
    ----------
    model
        Gets the map as a part of its own, until `take_off`.
    vectors
        float32 [sentences, width], of the training sentences.
    """

    def __init__(self, model: PreTrainedModel, vectors: NDArray[np.float32]) -> None:
        centred = vectors - vectors.mean(0)
        # The mean square of what is to be learnt is 1.
        self._vectors = torch.from_numpy(centred / np.sqrt((centred**2).sum(1).mean()))
        self._model = model
        hidden = model.config.hidden_size
        model.to_teacher = nn.Linear(hidden, vectors.shape[1], device=model.device)
        self._read: Tensor | None = None
        # Within the model's own forward pass, whose gradients several GPUs share.
        self._hook = model.base_model.register_forward_hook(self._after)

    def _after(self, module: nn.Module, given: Any, output: Any) -> None:
        self._read = self._model.to_teacher(output[0][:, 0])

    def start(self, data: Dataset, collate: Collate, seed: int) -> None:
        """Set the map to the ridge regression of what the model reads of (20,000 of) `data`."""
        layer = self._model.to_teacher
        read, drawn = what_is_read(self._model, layer, data, collate, seed)
        fitted = Ridge(alpha=1.0).fit(read, self._vectors.numpy()[drawn])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(fitted.coef_))
            layer.bias.copy_(torch.from_numpy(fitted.intercept_))

    def loss(self, rows: Tensor) -> Tensor:
        """Return how far the model's last reading is from the vectors of those sentences."""
        assert self._read is not None
        wanted = self._vectors[rows.cpu()].to(self._read.device)
        return (self._read.float() - wanted).square().sum(1).mean()

    def take_off(self) -> None:
        """Leave the model as it was before."""
        self._hook.remove()
        del self._model.to_teacher


class StudentTrainer(Trainer):  # type: ignore[misc]  # transformers is not checked
    """A Trainer whose loss has the `student`'s added.

    Its arguments must have ``remove_unused_columns=False``.
    """

    def __init__(
        self, student: Student, *, train_dataset: Dataset, data_collator: Collate, **options: Any
    ) -> None:
        numbered = train_dataset.add_column("sentence", list(range(len(train_dataset))))

        def collate(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
            return data_collator([{k: row[k] for k in row if k != "length"} for row in rows])

        super().__init__(train_dataset=numbered, data_collator=collate, **options)
        self._student = student

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any
    ) -> Any:
        """Return the loss, and what the model gave if asked for."""
        rows = inputs.pop("sentence", None)
        outputs = model(**inputs)
        loss = outputs["loss"]
        if rows is not None:
            first, last = _WEIGHTS
            done = self.state.global_step / max(1, self.state.max_steps)
            loss = loss + (first + (last - first) * done) * self._student.loss(rows)
        return (loss, outputs) if return_outputs else loss
