"""FIND: the samples of a dataset, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Role = Literal["train", "val", "test"]
ROLES: Final[tuple[Role, ...]] = ("train", "val", "test")
"""The roles of a split, in the order of their codes (0, 1, 2; -1 is *no split*)."""

NONE: Final = -1
"""The code of an absent label, split or group."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image file: its path relative to the dataset (``/`` separated), and what the layout says of it."""

    path: str
    label: str | None
    split: Role | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is not a sample, and why. Nothing is skipped in silence."""

    path: str
    kind: str
    """A stable slug: ``hidden``, ``not-an-image``, ``irregular``, ``dangling-link``, ``link-loop``,
    ``directory-link``, ``no-permission``, ``outside-layout``, ``apple-double``, ``system-file``,
    ``phantom-folder``, ``left-out`` …"""
    reason: str


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """A folder that Keras's ``image_dataset_from_directory`` would take for a class, or a phantom of one."""

    path: str
    """Relative to the dataset, ``/`` separated: ``train/cat``."""
    split: Role | None
    name: str
    images: int
    """Samples in it, sub-folders included."""
    phantom: bool = False
    """A folder no one means as a class: ``.ipynb_checkpoints``, ``__MACOSX``, hidden folders."""
    linked: bool = False
    """A link to a folder that was not followed; Keras follows it."""


@dataclass(frozen=True, slots=True)
class HashList:
    """A committed list of SHA-256 digests, beside the samples."""

    name: str
    digests: tuple[str, ...]
    """(n,) 64 hexadecimal digits; empty for a sample that is not listed."""
    missing: tuple[str, ...]
    """Listed files that the dataset has not."""


@dataclass(frozen=True, slots=True)
class KerasSplit:
    """The split that two calls of ``image_dataset_from_directory`` draw, and what a slip in the second call would leak."""

    share: float
    """``validation_split``."""
    seed: int
    files: int
    """Files that Keras lists."""
    validation: int
    """Of them in validation."""
    strangers: int
    """Files that Keras lists and that are no samples: hidden ones, and those behind linked class folders."""
    other_seed: int
    """Of as many validation files drawn by the next seed, those that are in this training part."""
    unshuffled: int
    """Of as many validation files taken with ``shuffle=False``, those that are in this training part."""
    unshuffled_classes: int
    """Classes among those validation files."""


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """The dataset as columns, in path order (raw bytes), fixed once.

    Columns because 100,000 samples cost a quarter of what as many objects cost; ``catalog[i]`` gives a
    readable :class:`Sample`.
    """

    root: Path
    """Where the files are. Never printed by a report."""
    layout: str
    """``split/class/file``, ``class/file``, ``manifest`` or ``metadata``."""
    labels_from: str
    """How labels were found, as a person reads it: ``folder names``, ``column 'label' of manifest.csv``."""
    paths: tuple[str, ...]
    classes: tuple[str, ...]
    """Class names sorted by code point, as Keras sorts them; a label code is an index into them."""
    groups: tuple[str, ...]
    """Declared group keys, sorted; a group code is an index into them."""
    label_codes: NDArray[np.int32]
    """(n,) index into ``classes``; -1 is unlabelled."""
    split_codes: NDArray[np.int8]
    """(n,) index into ``ROLES``; -1 is no split."""
    group_codes: NDArray[np.int32]
    """(n,) index into ``groups``; -1 is no declared group (a group of its own)."""
    skipped: tuple[Skipped, ...] = ()
    class_folders: tuple[ClassFolder, ...] = ()
    split_folders: tuple[tuple[str, Role], ...] = ()
    """The top folders that were taken for splits, with their roles: ``(("Training", "train"), …)``."""
    outside_links: tuple[str, ...] = ()
    """Samples that are links to files outside the dataset."""
    hashes: HashList | None = None
    """Digests that were written down before, where there are some."""
    keras_split: KerasSplit | None = None
    """How the splits were drawn, where it was as Keras draws them."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.paths)

    def __getitem__(self, row: int) -> Sample:
        """Return row ``row`` as a readable sample."""
        label, split, group = int(self.label_codes[row]), int(self.split_codes[row]), int(self.group_codes[row])
        return Sample(
            self.paths[row],
            None if label == NONE else self.classes[label],
            None if split == NONE else ROLES[split],
            None if group == NONE else self.groups[group],
        )

    def __iter__(self) -> Iterator[Sample]:
        """Iterate over the samples in row order."""
        return (self[row] for row in range(len(self)))

    @property
    def splits(self) -> tuple[Role, ...]:
        """The roles that hold at least one sample, in role order."""
        return tuple(role for code, role in enumerate(ROLES) if bool(np.any(self.split_codes == code)))

    def rows_of(self, role: Role | None) -> NDArray[np.intp]:
        """Return the rows of one split (``None``: of the samples without a split), ascending."""
        return np.flatnonzero(self.split_codes == (NONE if role is None else ROLES.index(role)))

    def counts(self) -> NDArray[np.int64]:
        """Return samples per split and class, shape (4, classes): train, val, test, unsplit; unlabelled excluded."""
        table = np.zeros((len(ROLES) + 1, len(self.classes)), np.int64)
        labelled = self.label_codes != NONE
        np.add.at(table, (self.split_codes[labelled], self.label_codes[labelled]), 1)
        return table
