"""The two parts that Keras's ``image_dataset_from_directory(validation_split=…, seed=…)`` cuts a folder of class folders in.

Follows ``index_directory`` and ``get_training_or_validation_split`` (``keras/src/utils/dataset_utils.py``, Keras 3.15): classes
are the sub-folders that are not hidden, sorted; files are listed class by class, folder by folder, sorted; ``RandomState(seed)``
shuffles the list, and its end is validation. Hidden files and linked class folders take part, for Keras takes them.
"""

# The walk is Keras's own: os.walk over strings.
# ruff: noqa: PTH112, PTH118, PTH208

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.catalog.folders import Place
from dataaudit.catalog.walk import KERAS_ENDINGS
from dataaudit.domain import KerasSplit
from dataaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataaudit.catalog.folders import Placement
    from dataaudit.domain import Role

__all__ = ["keras_listing", "keras_order", "split_as_keras"]

_LARGEST_SEED = 2**32 - 1


def keras_listing(root: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the class names, and the files in the order that ``image_dataset_from_directory(shuffle=False)`` has them.

    Args:
        root: The folder that it is given.

    Returns:
        Names; and paths relative to ``root``, ``/`` separated.
    """
    classes = [name for name in sorted(os.listdir(root)) if os.path.isdir(os.path.join(root, name)) and not name.startswith(".")]
    files: list[str] = []
    for name in classes:
        top = os.path.join(root, name)
        for folder, _, names in sorted(os.walk(top), key=lambda step: step[0]):
            place = f"{name}{folder[len(top) :]}".replace(os.sep, "/")
            files += [f"{place}/{file}" for file in sorted(names) if file.lower().endswith(KERAS_ENDINGS)]
    return tuple(classes), tuple(files)


def keras_order(count: int, seed: int | None) -> NDArray[np.intp]:
    """Return the order that a seed shuffles ``count`` files into; None: as they are listed (``shuffle=False``)."""
    order = np.arange(count)
    if seed is not None:
        np.random.RandomState(seed).shuffle(order)
    return order


def split_as_keras(placement: Placement, root: str, share: float, seed: int) -> tuple[Placement, KerasSplit]:
    """Give the samples of a dataset without splits the roles that two calls of Keras give them.

    Args:
        placement: What the folder names say; its files that Keras does not load stay without a split.
        root: The dataset.
        share: ``validation_split``.
        seed: ``seed`` of both calls.

    Raises:
        UsageError: where the dataset has splits, or no class folders, or Keras would raise.
    """
    if placement.layout != "class/file":
        message = (
            f"--keras-split {share:g}: the dataset's layout is {placement.layout}. Expected class folders and no splits, as a "
            "call with validation_split takes them; give the folder that your script names (DATASET/train, for instance)."
        )
        raise UsageError(message)
    if seed > _LARGEST_SEED:
        message = f"--keras-split {share:g} --seed {seed}: Keras takes seeds up to {_LARGEST_SEED}."
        raise UsageError(message)
    files = keras_listing(root)[1]
    validation = int(share * len(files))
    if not validation:
        message = f"--keras-split {share:g}: of {len(files)} files that is none, and Keras raises. Give a larger share."
        raise UsageError(message)
    order = keras_order(len(files), seed)
    trained = np.zeros(len(files), bool)
    trained[order[:-validation]] = True
    roles: dict[str, Role] = {path: "train" if learned else "val" for path, learned in zip(files, trained.tolist(), strict=True)}
    known: dict[tuple[str | None, Role | None], Place] = {}  # one object a class and split, not one a file
    places = {
        path: known.setdefault((there.label, roles.get(path)), Place(there.label, roles.get(path)))
        for path, there in placement.places.items()
    }
    drawn = KerasSplit(
        share=share,
        seed=seed,
        files=len(files),
        validation=validation,
        strangers=sum(path not in places for path in files),
        other_seed=_leaked(trained, seed + 1 if seed < _LARGEST_SEED else seed - 1, validation),
        unshuffled=_leaked(trained, None, validation),
        unshuffled_classes=_classes(files, validation),
    )
    return replace(placement, places=places), drawn


def _leaked(trained: NDArray[np.bool_], seed: int | None, validation: int) -> int:
    """Count the validation files of a call with another seed that the training call learned."""
    return int(trained[keras_order(len(trained), seed)[-validation:]].sum())


def _classes(files: Sequence[str], validation: int) -> int:
    return len({path.partition("/")[0] for path in files[-validation:]})
