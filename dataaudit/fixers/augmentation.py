"""The train-only augmentation policy: modest layers, each with what was measured for it or against it.

Nothing of the test split is looked at: a policy tuned on test would leak it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, ROLES, AugmentationLayer, AugmentationPlan
from dataaudit.fixers.offline import SHARE, estimated, taken_into_account

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements, SplitPlan

__all__ = ["mirror_sensitive", "plan_augmentation"]

SIDE_GRID: Final = 32
SIDES: Final = (32, 224)
"""Least and largest side the pipeline resizes to."""
TURNED: Final = 3.0
"""Degrees from which a copy counts as turned."""
FILL: Final = "reflect"
_SIDES: Final = {"left": "right", "right": "left", "l": "r", "r": "l", "clockwise": "counterclockwise", "cw": "ccw"}
_DIGITS: Final = frozenset({"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"})
_TOKENS: Final = re.compile(r"[A-Za-z]+|\d+|[^A-Za-z\d]+")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the copies say of a kind of transform (mirrored, or turned)."""

    inside: int
    """Train pictures that are such a copy of another train picture."""
    relabelled: int
    """Proved pairs of the kind whose two labels differ."""


def plan_augmentation(measurements: Measurements, split: SplitPlan, config: Config) -> AugmentationPlan:
    """Return the policy for the planned train split.

    Random layers run before ``Rescaling``, on values 0 to 255.
    """
    train = np.flatnonzero((split.split_codes == ROLES.index("train")) & (split.catalog.label_codes != NONE))
    val = np.flatnonzero(split.split_codes == ROLES.index("val"))
    side = _side(measurements, train)
    layers: list[AugmentationLayer] = []
    left_out: list[tuple[str, str]] = []
    offline, kept = estimated(measurements, split), config.offline_copies == "keep"
    for planned in (
        _flip(measurements, split, train),
        _rotation(measurements, split, train),
        _translation(side),
        _zoom(measurements, train),
        _brightness(measurements, train, val, config),
        _contrast(measurements, train, val, config),
    ):
        found = taken_into_account(planned, offline, kept=kept, train=len(train))
        if isinstance(found, AugmentationLayer):
            layers.append(found)
        else:
            left_out.append(found)
    if offline is not None and offline.shear_range:
        left_out.append(
            ("RandomShear", f"the augmented copies are sheared by ±{offline.shear_range:g}°; Keras has it from 3.9 on")
        )
    if offline is None or not offline.vertical_flip:
        why = "whether up and down matter cannot be measured; add it where there is no up, as in microscopy or aerial views"
        left_out.append(("RandomFlip(vertical)", why))
    return AugmentationPlan(tuple(layers), tuple(left_out), (side, side), offline, "keep" if kept else "originals")


def mirror_sensitive(classes: tuple[str, ...]) -> str | None:
    """Return why mirroring may change the class, judged by the class names; None where nothing speaks for it.

    Names that differ only in a side (``left_hand``, ``right_hand``), or names that are all digits or single letters.
    """
    lowered = {name.lower() for name in classes}
    for name in sorted(lowered):
        tokens = _TOKENS.findall(name)
        for position, token in enumerate(tokens):
            twin = "".join([*tokens[:position], _SIDES.get(token, token), *tokens[position + 1 :]])
            if twin != name and twin in lowered:
                return f"classes {name} and {twin} differ in a side, and a mirrored picture would change class"
    if len(lowered) > 1 and all(re.fullmatch(r"\d{1,2}|[a-z]", name) or name in _DIGITS for name in lowered):
        return "the class names are digits or letters, and a mirrored character is no longer that character"
    return None


def _flip(measurements: Measurements, split: SplitPlan, train: NDArray[np.intp]) -> AugmentationLayer | tuple[str, str]:
    seen = _seen(measurements, split, mirrored=True)
    if seen.relabelled:
        return "RandomFlip(horizontal)", f"{seen.relabelled} mirrored copies bear another label than their original"
    named = mirror_sensitive(split.catalog.classes)
    if named:
        return "RandomFlip(horizontal)", named
    if seen.inside >= SHARE * max(1, len(train)):
        return "RandomFlip(horizontal)", f"{seen.inside} of {len(train)} train pictures are mirrored copies of others already"
    evidence = "no class name and no mirrored copy under another label says that sides matter"
    if seen.inside:
        evidence += f"; {seen.inside} mirrored copies in train bear the label of their original"
    return AugmentationLayer("RandomFlip", (("mode", "horizontal"),), evidence)


def _rotation(measurements: Measurements, split: SplitPlan, train: NDArray[np.intp]) -> AugmentationLayer | tuple[str, str]:
    seen = _seen(measurements, split, mirrored=False)
    if seen.inside >= SHARE * max(1, len(train)):
        return "RandomRotation", f"{seen.inside} of {len(train)} train pictures are turned copies of others already"
    turned = int((measurements.features.exif_orientation[train] > 1).sum())
    evidence = "a modest default: up to 9 degrees"
    if seen.relabelled:
        evidence += f", no more, for {seen.relabelled} turned copies bear another label than their original"
    if turned:
        evidence += (
            f"; {turned} train pictures carry an EXIF orientation that TensorFlow does not apply, and reach the model turned"
        )
    return AugmentationLayer("RandomRotation", (("factor", 0.025), ("fill_mode", FILL)), evidence)


def _translation(side: int) -> AugmentationLayer:
    evidence = f"a modest default: up to {round(0.05 * side)} of {side} pixels"
    return AugmentationLayer(
        "RandomTranslation", (("height_factor", 0.05), ("width_factor", 0.05), ("fill_mode", FILL)), evidence
    )


def _zoom(measurements: Measurements, train: NDArray[np.intp]) -> AugmentationLayer:
    features = measurements.features
    low, middle, high = _quantiles(np.minimum(features.width, features.height)[train])
    evidence = f"a modest default; the short sides of train pictures are {low:.0f}, {middle:.0f}, {high:.0f} pixels (5, 50, 95 %)"
    return AugmentationLayer("RandomZoom", (("height_factor", 0.1), ("fill_mode", FILL)), evidence)


def _brightness(
    measurements: Measurements, train: NDArray[np.intp], val: NDArray[np.intp], config: Config
) -> AugmentationLayer | tuple[str, str]:
    shift, effect = _drift(measurements, "luminance", train, val)
    if abs(effect) < config.drift_effect or min(len(train), len(val)) < config.drift_minimum:
        why = f"train and val are much the same in brightness (standardised difference {effect:+.2f}); nothing asks for it"
        if min(len(train), len(val)) < config.drift_minimum:
            why = f"too few pictures to tell whether train and val differ in brightness: {len(train)} and {len(val)}"
        return "RandomBrightness", why
    factor = round(float(np.clip(abs(shift) / 255, 0.05, 0.3)), 2)
    word = "brighter" if shift > 0 else "darker"
    evidence = f"val is {abs(shift):.0f} of 255 {word} than train in the mean (standardised difference {effect:+.2f})"
    return AugmentationLayer("RandomBrightness", (("factor", factor), ("value_range", (0.0, 255.0))), evidence)


def _contrast(measurements: Measurements, train: NDArray[np.intp], val: NDArray[np.intp], config: Config) -> AugmentationLayer:
    shift, effect = _drift(measurements, "contrast", train, val)
    factor, evidence = 0.1, "a modest default; no difference of contrast between train and val asks for more"
    if abs(effect) >= config.drift_effect and min(len(train), len(val)) >= config.drift_minimum:
        base = float(np.nanmean(measurements.features.property("contrast")[train]))
        factor = round(float(np.clip(abs(shift) / max(base, 1.0), 0.1, 0.3)), 2)
        evidence = f"val's contrast differs from train's by {shift / max(base, 1.0):+.0%} (standardised difference {effect:+.2f})"
    return AugmentationLayer("RandomContrast", (("factor", factor), ("value_range", (0.0, 255.0))), evidence)


def _drift(measurements: Measurements, name: str, train: NDArray[np.intp], val: NDArray[np.intp]) -> tuple[float, float]:
    """Return val's mean minus train's, and the same in units of the pooled standard deviation; 0, 0 where one is empty."""
    a, b = (column[np.isfinite(column)] for column in (measurements.features.property(name)[rows] for rows in (train, val)))
    if not len(a) or not len(b):
        return 0.0, 0.0
    shift = float(b.mean(dtype=np.float64) - a.mean(dtype=np.float64))
    spread = float(np.sqrt((a.var(dtype=np.float64) + b.var(dtype=np.float64)) / 2))
    return shift, shift / spread if spread > 0 else 0.0


def _seen(measurements: Measurements, split: SplitPlan, *, mirrored: bool) -> _Seen:
    labels = split.catalog.label_codes
    in_train = split.split_codes == ROLES.index("train")
    copies: set[int] = set()
    relabelled = 0
    for pair in measurements.copies.pairs:
        change = pair.transform
        if change is None or pair.verdict != "proved" or not (change.mirrored if mirrored else abs(change.rotation) >= TURNED):
            continue
        relabelled += bool(labels[pair.a] != labels[pair.b] and min(labels[pair.a], labels[pair.b]) != NONE)
        if in_train[pair.a] and in_train[pair.b]:
            copies.add(pair.b)
    return _Seen(len(copies), relabelled)


def _side(measurements: Measurements, train: NDArray[np.intp]) -> int:
    features = measurements.features
    short = np.minimum(features.width, features.height)[train]
    middle = float(np.median(short)) if len(short) else float(SIDES[1])
    return int(np.clip(round(middle / SIDE_GRID) * SIDE_GRID, *SIDES))


def _quantiles(values: NDArray[np.int32]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95)) if len(values) else (0.0, 0.0, 0.0)
    return float(low), float(middle), float(high)
