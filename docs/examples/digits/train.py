# /// script
# requires-python = ">=3.10"
# dependencies = ["scikit-learn>=1.4", "matplotlib>=3.8", "numpy"]
# ///
"""Train a classifier of handwritten digits, step by step.

The data are the 1,797 images of 8 by 8 pixels that scikit-learn ships (UCI Optical Recognition of Handwritten Digits).
Nothing here is special to a place where it runs: without the framework it is still a function that can be called.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.model_selection import train_test_split

import framework as fw

mpl.use("agg")  # draws into files; no display is needed


def train(depth: int = 2, steps: int = 10, trees_per_step: int = 5, learning_rate: float = 0.2, seed: int = 0) -> float:
    """Fit gradient boosted trees, and measure them on images that they have not seen.

    Args:
        depth: Greatest depth of each tree.
        steps: How many times the model is grown and measured.
        trees_per_step: Trees for each of the ten digits that one step adds.
        learning_rate: How much each tree corrects those before it.
        seed: Seed of the split of the data and of the trees.

    Returns:
        The share of the unseen images that are recognised, from 0 to 1.
    """
    context = fw.context()
    digits = load_digits()
    seen, unseen, seen_labels, unseen_labels = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=seed, stratify=digits.target
    )
    model = GradientBoostingClassifier(
        n_estimators=0, max_depth=depth, learning_rate=learning_rate, subsample=0.5, random_state=seed, warm_start=True
    )
    for step in range(1, steps + 1):
        model.set_params(n_estimators=step * trees_per_step)
        model.fit(seen, seen_labels)
        accuracy = float(model.score(unseen, unseen_labels))
        loss = float(log_loss(unseen_labels, model.predict_proba(unseen)))
        context.log_metric("accuracy", accuracy, step=step)
        context.log_metric("loss", loss, step=step)
        print(f"step {step:2d}: {model.n_estimators:3d} trees, accuracy {accuracy:.3f}, loss {loss:.3f}")

    context.log_results({"accuracy": accuracy, "loss": loss})
    context.log_model("model", model)
    with tempfile.TemporaryDirectory() as folder:
        predicted = model.predict(unseen)
        context.log_artifact("confusion", _plot_confusion(unseen_labels, predicted, Path(folder) / "confusion.png"))
        context.log_dataset(
            "predictions", _write_predictions(unseen_labels, predicted, Path(folder) / "predictions.csv")
        )
    return accuracy


def _plot_confusion(labels: np.ndarray, predicted: np.ndarray, path: Path) -> Path:
    """Draw which digit was taken for which."""
    display = ConfusionMatrixDisplay.from_predictions(labels, predicted, colorbar=False)
    display.figure_.savefig(path, dpi=100)
    return path


def _write_predictions(labels: np.ndarray, predicted: np.ndarray, path: Path) -> Path:
    """Write one line for each unseen image: the digit that it is, and the digit that it was taken for."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "predicted"])
        writer.writerows(zip(labels.tolist(), predicted.tolist(), strict=True))
    return path
