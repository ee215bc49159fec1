"""Which labels a model, asked out of sample, is confident are wrong.

Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021). A class's threshold is
the mean probability that its own samples get for it. A sample is counted for the likeliest of the classes whose thresholds it
reaches; where that is not its label, it is suspect (the off-diagonal of the *confident joint*). Suspects are ranked by the
normalised margin.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FOLDS", "Suspects", "confident_joint", "cross_validated", "suspects"]

FOLDS: Final = 5
FITTED: Final = 10_000
"""Samples a fold's model is fitted to, at most, drawn at random; all others are still predicted."""


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """The suspect samples, the worst first."""

    rows: NDArray[np.int64]
    """(m,) into the samples that were asked about."""
    suggested: NDArray[np.int64]
    """(m,) the class that the model is confident of."""
    margin: NDArray[np.float64]
    """(m,) probability of the label less that of the likeliest other class, -1 to 1, ascending."""
    noise: float
    """Estimated share of wrong labels: the off-diagonal of the joint, its rows scaled to the labels' counts."""


def confident_joint(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the counts of (label, confident class), shape (k, k), and each sample's confident class, -1 for none, shape (n,).

    Args:
        probabilities: (n, k) out-of-sample predictions.
        labels: (n,) given labels, each of the k classes present.
    """
    k = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    thresholds = np.bincount(labels, own, k) / np.bincount(labels, minlength=k)
    confident = probabilities >= thresholds - 1e-6
    best = np.where(confident, probabilities, -1.0).argmax(axis=1)
    best[~confident.any(axis=1)] = -1
    joint = np.zeros((k, k), np.int64)
    np.add.at(joint, (labels[best >= 0], best[best >= 0]), 1)
    return joint, best


def suspects(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Suspects:
    """Return the samples whose label the model is confident is another, the worst first; arguments as for the joint."""
    joint, best = confident_joint(probabilities, labels)
    every = np.arange(len(labels))
    others = probabilities.copy()
    others[every, labels] = -1.0
    margin = probabilities[every, labels] - others.max(axis=1)
    rows = np.flatnonzero((best >= 0) & (best != labels))
    rows = rows[np.lexsort((rows, margin[rows]))]
    per_label = np.bincount(labels, minlength=len(joint))
    counted = joint.sum(axis=1)
    scaled = joint * (per_label / np.maximum(counted, 1))[:, None]
    scaled[counted == 0] = np.diag(per_label)[counted == 0]
    noise = 1.0 - float(np.trace(scaled) / scaled.sum())
    return Suspects(rows, best[rows], margin[rows], noise)


def cross_validated(embeddings: NDArray[np.float32], labels: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return class probabilities of each sample by a logistic regression that was fitted without its unit, shape (n, k).

    Args:
        embeddings: (n, d), finite.
        labels: (n,) codes from 0 to k - 1, each of them in ``FOLDS`` units at least.
        units: (n,) what is never torn between folds.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy, and most runs have no embeddings
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    found = np.zeros((len(labels), int(labels.max()) + 1))
    rng = np.random.default_rng(0)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unconverged model is judged by its predictions, too
        for train, held in folds.split(embeddings, labels, units):
            fitted = np.sort(rng.permutation(train)[:FITTED])
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
            model.fit(embeddings[fitted], labels[fitted])
            found[np.ix_(held, model.classes_)] = model.predict_proba(embeddings[held])
    return found
