"""What is to be learnt: told from labelled files, or from a model."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from conflict_nlp import store
from conflict_nlp.labels import LABELS
from training.tables import FLAGS, RESERVED, Table, read_table, unnamed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What is to be learnt.

    Attributes
    ----------
    labels
        Names of the labels, in the order of the model's outputs.
    kind
        ``"multi-label"``: each label holds or does not (with one label: binary);
        ``"multi-class"``: exactly one holds.
    names
        The label that a name in the data stands for, where it has another name there.
    """

    labels: tuple[str, ...] = LABELS
    kind: str = "multi-label"
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bad = [n for n in self.labels if not n.strip() or n in RESERVED or self.labels.count(n) > 1]
        if bad:
            raise ValueError(
                f"{bad[0]!r} cannot name a label, or not two of them: choose other --label-names"
            )


FOUR_LABELS = Task()
"""The four labels of the library."""


def find_task(
    paths: Sequence[str | Path],
    labels: Sequence[str] | None = None,
    known: Task | None = None,
) -> Task:
    """Tell from files what is to be learnt.

    One column of labels that holds 0 and 1, or true and false, alone is binary, any other one
    multi-class; several columns are multi-label. JSON lines with lists of labels are multi-label.

    Parameters
    ----------
    paths
        Files that `training.tables.read_table` reads.
    labels
        Names of the labels, in the order of the columns or of the sorted classes; if they are the
        names in the data, they give the order. Without them the names are those in the data.
    known
        The task of a model that the data may be of. It is that of JSON lines with lists of labels,
        which do not tell (without a model `FOUR_LABELS` are), of files that have just its labels,
        in whatever order, and, unless it is `FOUR_LABELS`, of those with as many columns without
        names, or with numbers of its classes from 0 on, which are taken in its order.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If the files do not fit each other or the names; names them.
    """
    task = _found([read_table(Path(path)) for path in paths], labels, known)
    if known is not None and task.kind == known.kind and {*task.labels} == {*known.labels}:
        return replace(task, labels=known.labels)  # the order is that of the model's outputs
    return task


def _found(tables: Sequence[Table], labels: Sequence[str] | None, known: Task | None) -> Task:
    if any("label" in record for table in tables for record in table.records):
        return _one_column(tables, labels, known)
    expected = known or FOUR_LABELS
    columns = [table.labels or tuple(labels or expected.labels) for table in tables]
    for table, found in zip(tables, columns):
        if set(found) != set(columns[0]):
            raise ValueError(
                f"{table.path} has the labels {', '.join(found)}, {tables[0].path} has "
                f"{', '.join(columns[0])}: train on files of one kind"
            )
    if labels is None and set(columns[0]) == set(expected.labels):
        return expected
    if labels is None and known is not None and _fits(columns[0], known):
        return _by_position(columns[0], known)
    return _named(columns[0], labels, "multi-label")


def _fits(columns: tuple[str, ...], known: Task) -> bool:
    """Tell whether columns have no names, and are as many as the labels, which have.

    Not of the shipped models' labels: other tasks have four labels too.
    """
    is_other = known.kind == "multi-label" and known != FOUR_LABELS
    return is_other and columns == unnamed(len(known.labels)) != known.labels


def _by_position(found: Iterable[str], known: Task) -> Task:
    log.info("labels without names are taken for %s, in this order", ", ".join(known.labels))
    return replace(known, names=dict(zip(found, known.labels)))


def _one_column(tables: Sequence[Table], labels: Sequence[str] | None, known: Task | None) -> Task:
    values: dict[str, list[str]] = {}
    for record in (record for table in tables for record in table.records):
        if "label" not in record:
            raise ValueError(f"{record['where']}: several labels, where other texts have one class")
        values.setdefault(record["label"], []).append(record["where"])
    column = tables[0].labels or unnamed(1)
    are_flags = labels is None or len(labels) == 1
    if known is None or known.kind == "multi-label":
        are_flags &= all(value.lower() in FLAGS for value in values)
    else:
        are_flags &= values.keys() <= {"0", "1"}
    for table in tables if are_flags else ():
        if table.labels and table.labels != column:
            raise ValueError(
                f"{table.path} has the label {table.labels[0]}, {tables[0].path} has {column[0]}: "
                "train on files of one kind"
            )
    if labels is None and known is not None and known.kind == "multi-class":
        if values.keys() <= {*known.labels}:
            return known
        numbers = [str(i) for i in range(len(known.labels))]
        are_numbers = values.keys() <= {*numbers} and {*numbers}.isdisjoint(known.labels)
        # Flags in a column that has a name are no classes.
        if are_numbers and (column == unnamed(1) or not are_flags):
            return _by_position(numbers, known)
    if are_flags and labels is None and known is not None and _fits(column, known):
        return _by_position(column, known)
    if are_flags:
        return _named(column, labels, "multi-label")
    if "" in values:
        raise ValueError(f"{values[''][0]}: no label")
    for value, places in values.items():
        if len(places) == 1 and places[0].endswith(", row 1") and not _is_number(value):
            raise ValueError(
                f"{places[0]}: no other row has the class {value!r}; if it names the columns, "
                "it must name one 'text'"
            )
    whole = all(value.isdecimal() for value in values)
    classes = sorted(values, key=float) if all(map(_is_number, values)) else sorted(values)
    if len(classes) == 1:
        raise ValueError(f"{tables[0].path}: all texts have one class, {classes[0]!r}")
    if labels and whole and {*labels}.isdisjoint(classes):
        last = int(classes[-1])
        if last == len(labels) - 1 or (classes[0] == "0" and last < len(labels)):
            # Numbers are positions: a class may have no text here.
            names = dict(zip(map(str, range(len(labels))), labels))
            return Task(tuple(labels), "multi-class", names)
    return _named(classes, labels, "multi-class")


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _named(found: Sequence[str], labels: Sequence[str] | None, kind: str) -> Task:
    if labels is None:
        return Task(tuple(found), kind)
    if set(found) == set(labels) or (kind == "multi-class" and set(found) < set(labels)):
        return Task(tuple(labels), kind)
    if len(labels) != len(found):
        raise ValueError(
            f"{len(labels)} label names, but the data have {len(found)} "
            f"{'classes' if kind == 'multi-class' else 'labels'}: {', '.join(found)}"
        )
    other = sorted({*labels} - {*found})
    if len(other) < len({*labels}):
        raise ValueError(
            f"the data have no {', '.join(other)}, but {', '.join(sorted({*found} - {*labels}))}: "
            "name labels as the data do, or all of them otherwise"
        )
    return Task(tuple(labels), kind, dict(zip(found, labels)))


def task_of(folder: store.ModelFolder) -> Task:
    """Return the task of a model."""
    return Task(tuple(folder.manifest["labels"]), folder.manifest.get("task", "multi-label"))


def models_task(names: Sequence[str], paths: Sequence[str | Path]) -> Task:
    """Return the task that models and labelled files share, labels in the first model's order.

    Parameters
    ----------
    names
        Names or folders of models.
    paths
        Files that `training.tables.read_table` reads.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ModelError
        If a model is missing or damaged.
    ValueError
        If models and files have different labels.
    """
    tasks = {name: task_of(store.read(store.find(name))) for name in names}
    first = tasks[names[0]]
    task = find_task(paths, known=first)
    for what, found in {**tasks, ", ".join(map(str, paths)): task}.items():
        if {*found.labels} != {*first.labels} or found.kind != first.kind:
            raise ValueError(
                f"{names[0]} has the labels {first.labels} ({first.kind}), {what} has "
                f"{found.labels} ({found.kind})"
            )
    return task
