"""Precision-recall curves and reliability diagrams of several models, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import precision_recall_curve

mpl.use("Agg")
import matplotlib.pyplot as plt  # after the choice of a backend without a screen

_BINS = 10


def plot(
    folder: Path,
    labels: Sequence[str],
    true: NDArray[np.bool_],
    scores: Mapping[str, NDArray[np.float64]],
) -> None:
    """Write ``precision-recall.png`` and ``reliability.png``, one panel a label.

    Parameters
    ----------
    folder
        Where to write; made if it is not there.
    labels
        Names of the columns.
    true
        bool [sentences, labels].
    scores
        For each model's name its calibrated scores, [sentences, labels], in 0..1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    panels = {
        "precision-recall": ("recall", "precision", _precision_recall),
        "reliability": ("score", "share that is right", _reliability),
    }
    for name, (x, y, draw) in panels.items():
        size = (3.2 * len(labels), 3.4)
        figure, ((*axes,),) = plt.subplots(
            1, len(labels), figsize=size, sharey=True, squeeze=False, layout="constrained"
        )
        for column, (label, panel) in enumerate(zip(labels, axes)):
            colours: dict[str, str] = {}
            for model, values in scores.items():
                # A model and the same in its articles have one colour.
                name_alone = model.partition(", ")[0]
                colour = colours.setdefault(name_alone, f"C{len(colours)}")
                style = {"color": colour, "linestyle": "-" if model == name_alone else "--"}
                draw(panel, values[:, column], true[:, column], label=model, **style)
            panel.set(title=label, xlabel=x, xlim=(0, 1), ylim=(0, 1))
            panel.grid(alpha=0.3)
        axes[0].set_ylabel(y)
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=3 * len(labels) // 2)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110, metadata={"Software": None})
        plt.close(figure)
        with Image.open(path) as image:  # a third of the size
            image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def _precision_recall(
    panel: plt.Axes, scores: NDArray[np.float64], true: NDArray[np.bool_], **style: str
) -> None:
    precision, recall, _ = precision_recall_curve(true, scores)
    panel.plot(recall, precision, **style)


def _reliability(
    panel: plt.Axes, scores: NDArray[np.float64], true: NDArray[np.bool_], **style: str
) -> None:
    which = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    filled = [b for b in range(_BINS) if (which == b).sum() >= 5]  # fewer say nothing
    panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    points = [(scores[which == b].mean(), true[which == b].mean()) for b in filled]
    panel.plot(*zip(*points), marker="o", markersize=4, **style)
