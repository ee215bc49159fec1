"""``class_weight`` for ``Model.fit``, made from the planned train split.

Keys are the indexes 0 … k-1 of the class names sorted by code point, as Keras sorts class folders. Every class is
present: Keras crashes where the highest index is missing, and takes 1 for a lower one without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from dataaudit.domain import NONE, ROLES, ClassWeights
from dataaudit.statistics import effective

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import SplitPlan

__all__ = ["balanced", "effective_number", "weigh"]


def weigh(split: SplitPlan, config: Config) -> ClassWeights:
    """Return the class weights of the planned train split, by ``config.class_weight``.

    A class without a train sample weighs 1 (it occurs in no batch).
    """
    catalog = split.catalog
    train = (split.split_codes == ROLES.index("train")) & (catalog.label_codes != NONE)
    counts = np.bincount(catalog.label_codes[train], minlength=len(catalog.classes)).astype(np.int64)
    method = cast("Literal['balanced', 'effective-number', 'none']", config.class_weight)
    weights = {"balanced": balanced, "effective-number": effective_number, "none": _equal}[method](counts)
    return ClassWeights(catalog.classes, tuple(map(float, weights)), tuple(map(int, counts)), method)


def balanced(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return n / (k · n_c) for the k classes with samples, shape (classes,): every class weighs the same in the loss.

    The formula of scikit-learn's ``class_weight="balanced"``. The mean over the samples is 1.
    """
    present = counts > 0
    return np.where(present, counts.sum() / (max(1, int(present.sum())) * np.maximum(counts, 1)), 1.0)


def effective_number(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 / E_c, E_c = (1 − β^n_c) / (1 − β), scaled to a mean of 1 over the samples, shape (classes,).

    Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019, eq. 2, with their β = (N − 1) / N
    and N the number of train samples: milder than ``balanced`` for classes that hold much of the data. They scale to
    a sum of k over the classes; a mean of 1 over the samples keeps the loss, and so the learning rate, comparable
    with unweighted training.
    """
    total = int(counts.sum())
    present = counts > 0
    if total <= 1:
        return np.ones(len(counts))
    weights = 1 / np.where(present, effective.effective_number(counts), 1.0)
    scale = total / float((weights * counts).sum())
    return np.where(present, weights * scale, 1.0)


def _equal(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.ones(len(counts))
