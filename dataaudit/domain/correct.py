"""CORRECT: plans: the split, class weights and augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dataaudit.domain.find import Catalog
    from dataaudit.transform import Policy


@dataclass(frozen=True, slots=True, eq=False)
class SplitPlan:
    """Where every sample goes. One entry a catalog row; a left-out sample has split code -1."""

    catalog: Catalog
    """The dataset's; where an earlier plan is followed, with its splits."""
    seed: int
    ratios: tuple[float, float, float] | None
    """Shares of train, val and test, summing to 1; None for a repair, which keeps the sizes it finds."""
    mode: Literal["repair", "remake", "follow"]
    split_codes: NDArray[np.int8]
    """(n,) the planned split; -1 is left out."""
    fold_codes: NDArray[np.int32]
    """(n,) cross-validation fold of the samples outside test; -1 is none."""
    units: NDArray[np.int64]
    """(n,) the smallest row of the unit that is placed as a whole: copy groups and declared groups, joined."""
    reasons: tuple[str, ...]
    """Why each row was moved or left out; empty for a row that stays, or that had no split before."""
    digests: tuple[str, ...]
    """SHA-256 of each file, hexadecimal; empty where the file could not be read."""
    impossible: tuple[str, ...]
    """What the groups (or the frozen test split) made impossible, one sentence each."""
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ClassWeights:
    """``class_weight`` for ``Model.fit``: index → weight, every class present, in Keras's order."""

    class_names: tuple[str, ...]
    weights: tuple[float, ...]
    counts: tuple[int, ...]
    """Train samples a class the weights were made from."""
    method: Literal["balanced", "effective-number", "none"]


@dataclass(frozen=True, slots=True)
class AugmentationLayer:
    """One Keras preprocessing layer of the train-only pipeline, and the evidence for it."""

    layer: str
    """Class name in ``keras.layers``: ``RandomFlip``."""
    arguments: tuple[tuple[str, str | float | int | bool | tuple[float, ...]], ...]
    evidence: str


@dataclass(frozen=True, slots=True)
class AugmentationPlan:
    """The train-only augmentation policy: layers in order, and the layers left out with their reasons."""

    layers: tuple[AugmentationLayer, ...]
    left_out: tuple[tuple[str, str], ...]
    image_size: tuple[int, int]
    """(height, width) that the pipeline resizes to."""
    offline: Policy | None = None
    """What the augmented copies on disk, in train, were made by, as far as they tell; None where there are none."""
    offline_copies: Literal["keep", "originals"] = "keep"
    """Whether those copies stay in train, or only their originals do."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything a plan folder holds. Order is fixed: split, then weights and augmentation on its train part."""

    split: SplitPlan
    class_weights: ClassWeights
    augmentation: AugmentationPlan
    decoder: Literal["tensorflow", "pillow"] = "tensorflow"
    """What ``pipeline.py`` decodes pictures with."""
