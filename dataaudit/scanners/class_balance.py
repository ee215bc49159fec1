"""BAL: how many samples has each class, in which split, and does every split count the classes alike?

Counts are those of the train split; of all samples where there is no train split. One finding a test, folder or split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataaudit.domain import NONE, ROLES, Finding, NotRun, Rule, TableEvidence
from dataaudit.scanners.class_names import difference, near_misses
from dataaudit.scanners.keras_folders import KERAS_ENDINGS, files_of_classes
from dataaudit.statistics.effective import effective_number
from dataaudit.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, Measurements

__all__ = ["RULES", "scan"]

IMBALANCE: Final = Rule(
    "BAL501",
    "imbalance",
    "warning",
    "The largest class has many times the samples of the smallest",
    "The loss is ruled by the large classes; accuracy can look good while small classes are never predicted.",
    "Pass class_weight to model.fit (`dataaudit audit` writes class_weights.json); watch recall per class, not accuracy alone.",
)
RARE: Final = Rule(
    "BAL502",
    "rare-class",
    "warning",
    "A class has very few train samples",
    "So few pictures can be learned by heart; and its share of validation is too small to measure.",
    "Collect more, merge the class into a neighbour, or drop it. Augmentation and class weights help less than more pictures.",
)
ABSENT: Final = Rule(
    "BAL503",
    "class-absent-from-split",
    "warning",
    "A class is missing from a split",
    "Absent from validation or test, the class is never scored; absent from train, it can never be predicted.",
    "Split anew with stratification: `dataaudit split`.",
)
INDEX: Final = Rule(
    "BAL504",
    "class-index-differs",
    "error",
    "Keras would number the classes differently in two splits",
    "image_dataset_from_directory numbers the sub-folders it finds, per call: a missing, additional or differently spelt "
    "folder shifts every later label, and the score is of wrong labels.",
    "Make the class folders of all splits equal (an empty one will do) and pass the same class_names=[…] to every call, or load "
    "`dataaudit split`'s manifest.csv, whose pipeline.py fixes the order once.",
)
PHANTOM: Final = Rule(
    "BAL505",
    "phantom-class-folder",
    "warning",
    "A folder that no one means as a class stands among the class folders",
    "Keras takes every sub-folder that is not hidden for a class (`__MACOSX`); torchvision's ImageFolder takes hidden ones too "
    "(`.ipynb_checkpoints`): one class too many, and shifted labels.",
    "Delete the folder: `rm -r`.",
)
EMPTY: Final = Rule(
    "BAL506",
    "empty-class-folder",
    "warning",
    "A class folder holds no image",
    "Keras counts it as a class: the model gets an output that is never trained, and other splits may number classes otherwise.",
    "Delete the folder, or put the pictures there that belong to it.",
)
LINKED: Final = Rule(
    "BAL507",
    "linked-class-folder",
    "warning",
    "A link to a folder stands among the class folders",
    "Keras takes it for a class and loads what it leads to, be that a class already counted, or the dataset itself; the audit "
    "did not look behind it.",
    "If the link is meant, audit with --follow-links; else delete it.",
)
NEAR_NAMES: Final = Rule(
    "BAL508",
    "near-miss-class-names",
    "warning",
    "Two classes have nearly the same name",
    "One class is counted as two: the model is taught to tell apart what is the same, and scored as wrong where it does not.",
    "Look at pictures of both. If they are one class, move them into one folder (or correct the label column); if not, give them "
    "names that differ.",
)
RULES: Final[tuple[Rule, ...]] = (IMBALANCE, RARE, ABSENT, INDEX, PHANTOM, EMPTY, LINKED, NEAR_NAMES)


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield what the class counts and the class folders say."""
    catalog = measurements.catalog
    yield from _counts(catalog, config)
    yield from _absent(catalog)
    yield from _near_names(catalog)
    if catalog.layout.endswith("class/file"):
        files = files_of_classes(catalog)
        yield from _indices(catalog, files)
        yield from _folders(catalog, files)
    else:
        for each in (INDEX, PHANTOM, EMPTY, LINKED):
            yield NotRun(each, f"not-applicable: labels come from {catalog.labels_from}, not from folders")


def _counts(catalog: Catalog, config: Config) -> Iterator[Finding | NotRun]:
    table = catalog.counts()
    trained = bool(table[0].any())
    counts, place = (table[0], "train") if trained else (table.sum(axis=0), "the dataset")
    present = [(int(n), name) for n, name in zip(counts, catalog.classes, strict=True) if n]
    if len(present) < 2:  # noqa: PLR2004 - a ratio needs two
        found = "no labelled image" if not present else f"the single class {present[0][1]!r}"
        yield NotRun(IMBALANCE, f"not-applicable: {place} holds {found}")
    else:
        most, least = max(present, key=lambda item: item[0]), min(present, key=lambda item: item[0])
        ratio = most[0] / least[0]
        if ratio > config.imbalance_ratio:
            message = (
                f"{most[1]!r} has {most[0]} samples in {place}, {least[1]!r} has {least[0]}: {ratio:.1f} times as many "
                f"({config.imbalance_ratio:g} is the limit); "
                f"{_effective_ratio(counts):.1f} times by effective number of samples (Cui et al. 2019)"
            )
            yield Finding(IMBALANCE, message, (), _counted(catalog, counts))
    if not present:
        yield NotRun(RARE, f"not-applicable: {place} holds no labelled image")
        return
    rare = sorted((n, name) for n, name in present if n < config.rare_class)
    if rare:
        told = ", ".join(f"{name!r} {n}" for n, name in rare)
        verb = "has" if len(rare) == 1 else "have"
        share = f"{len(rare)} of {counted(len(present), 'class', 'classes')}"
        message = f"{share} {verb} fewer than {config.rare_class} samples in {place}: {told}"
        yield Finding(RARE, message, (), _evidence("samples", rare))


def _counted(catalog: Catalog, counts: NDArray[np.int64]) -> TableEvidence:
    effective = effective_number(counts)
    rows = tuple((name, (float(n), float(e))) for n, e, name in zip(counts, effective, catalog.classes, strict=True) if n)
    return TableEvidence(("samples", "effective number"), rows)


def _effective_ratio(counts: NDArray[np.int64]) -> float:
    effective = effective_number(counts[counts > 0])
    return float(effective.max() / effective.min())


def _near_names(catalog: Catalog) -> Iterator[Finding | NotRun]:
    """Tell the classes whose names differ only in what a person overlooks."""
    if len(catalog.classes) < 2:  # noqa: PLR2004 - two names that could be alike
        has = counted(len(catalog.classes), "class", "classes")
        yield NotRun(NEAR_NAMES, f"not-applicable: the dataset has {has}")
        return
    table = catalog.counts()
    roles = [code for code in range(len(table)) if table[code].any()]
    columns = tuple((*ROLES, "unsplit")[code] for code in roles)
    for codes in near_misses(catalog.classes):
        names = [catalog.classes[code] for code in codes]
        told = " and ".join(
            f"{name!r} ({counted(int(table[:, code].sum()), 'image')})" for code, name in zip(codes, names, strict=True)
        )
        message = f"the classes {told} have nearly the same name: {difference(names)}"
        rows = tuple((catalog.classes[code], tuple(float(table[role, code]) for role in roles)) for code in codes)
        yield Finding(NEAR_NAMES, message, (), TableEvidence(columns, rows))


def _evidence(column: str, counts: list[tuple[int, str]]) -> TableEvidence:
    return TableEvidence((column,), tuple((name, (float(n),)) for n, name in counts))


def _absent(catalog: Catalog) -> Iterator[Finding | NotRun]:
    table = catalog.counts()
    labelled = [code for code in range(len(ROLES)) if table[code].any()]
    if len(labelled) < 2:  # noqa: PLR2004 - nothing to be absent from
        yield NotRun(ABSENT, "not-applicable: the dataset has no two splits with labels")
        return
    known = table[labelled].sum(axis=0) > 0
    for code in labelled:
        absent = [index for index in range(len(catalog.classes)) if known[index] and not table[code, index]]
        if absent:
            told = ", ".join(repr(catalog.classes[index]) for index in absent)
            effect = "what is absent cannot be learned" if code == 0 else "what is absent is not scored"
            message = f"{ROLES[code]} has no sample of {len(absent)} of {int(known.sum())} classes ({told}): {effect}"
            rows = tuple((catalog.classes[index], tuple(float(table[each, index]) for each in labelled)) for index in absent)
            yield Finding(ABSENT, message, (), TableEvidence(tuple(ROLES[each] for each in labelled), rows))


def keras_indices(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Return, for each split folder, the class→index map that ``image_dataset_from_directory`` makes of it.

    It takes every sub-folder, and link to one, whose name does not begin with a dot (empty ones and phantoms like ``__MACOSX``
    too), sorted by code point (``keras/src/utils/dataset_utils.py``, Keras 3.15).
    """
    names: dict[str, set[str]] = {}
    for folder in catalog.class_folders:
        if folder.split is not None and not folder.name.startswith("."):
            names.setdefault(folder.path.split("/")[0], set()).add(folder.name)
    return {top: {name: index for index, name in enumerate(sorted(names[top]))} for top in sorted(names)}


def _indices(catalog: Catalog, files: Mapping[str, int]) -> Iterator[Finding | NotRun]:
    maps = keras_indices(catalog)
    if len(maps) < 2:  # noqa: PLR2004 - nothing to disagree with
        yield NotRun(INDEX, "not-applicable: the dataset has no two splits with class folders")
        return
    role_of = dict(catalog.split_folders)
    tops = sorted(maps, key=lambda top: (ROLES.index(role_of[top]) if top in role_of else len(ROLES), top))
    reference = tops[0]
    for top in tops[1:]:
        shifted = [name for name, index in maps[top].items() if maps[reference].get(name) != index]
        if not shifted:  # a folder that lacks only the last classes numbers the others alike: BAL503 tells
            continue
        name = shifted[0]
        there = maps[reference].get(name)
        compared = f"{there} in {reference}/" if there is not None else f"no class in {reference}/"
        wrong = sum(files[f"{top}/{each}"] for each in shifted)
        message = (
            f"{len(shifted)} of {counted(len(maps[top]), 'class', 'classes')} in {top}/ would get another index than in "
            f"{reference}/ ({name!r} is {maps[top][name]} in {top}/, {compared}): {wrong} of its "
            f"{counted(sum(files[f'{top}/{each}'] for each in maps[top]), 'image')} would be scored as another class"
        )
        both = sorted(maps[reference].keys() | maps[top].keys())
        rows = tuple((each, tuple(float(maps[side].get(each, NONE)) for side in (reference, top))) for each in both)
        yield Finding(INDEX, message, (), TableEvidence((f"index in {reference}/", f"index in {top}/"), rows))


def _folders(catalog: Catalog, files: Mapping[str, int]) -> Iterator[Finding]:
    for folder in catalog.class_folders:
        evidence = TableEvidence(("images",), ((folder.path, (float(folder.images),)),))
        if folder.phantom:
            reader = "torchvision's ImageFolder takes it" if folder.name.startswith(".") else "Keras takes it"
            message = f"{folder.path}/ is no class, but {reader} for one ({counted(folder.images, 'image')} in it)"
            yield Finding(PHANTOM, message, (), evidence)
        elif folder.linked:
            taken = "torchvision" if folder.name.startswith(".") else "Keras"
            message = f"{folder.path} is a link to a folder: {taken} takes it for a class; what lies behind it was not audited"
            yield Finding(LINKED, message, (), evidence)
        elif folder.images and not files[folder.path]:
            message = (
                f"{folder.path}/ holds {counted(folder.images, 'image')}, none of which Keras loads "
                f"(it takes {' '.join(KERAS_ENDINGS)}): to Keras it is a class without images"
            )
            yield Finding(EMPTY, message, (), evidence)
        elif not folder.images:
            message = f"{folder.path}/ holds no image, but Keras counts it as a class"
            yield Finding(EMPTY, message, (), evidence)
