r"""Write a plan to a folder, and read it back.

Every file is stable, sorted and diffable: UTF-8, ``\n`` line ends, no clock, no host. Files are written to temporary
names and renamed together at the end, ``plan.json`` last, so that a folder with a ``plan.json`` is whole.
"""

from __future__ import annotations

import csv
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit import __version__
from dataaudit.domain import NONE, ROLES
from dataaudit.errors import PlanError
from dataaudit.fixers.keras_pipeline import render
from dataaudit.fixers.left_out import is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.domain import AugmentationPlan, Catalog, ClassWeights, Plan, SplitPlan

__all__ = ["COLUMNS", "Row", "SavedPlan", "read", "refuse", "write"]

COLUMNS: Final = ("path", "label", "split", "fold", "group", "sha256", "previous_split", "reason")
FILES: Final = ("manifest.csv", "class_weights.json", "augmentation.json", "pipeline.py", "plan.json")
"""In the order they are put in place."""
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``manifest.csv``; absent values are empty."""

    path: str
    label: str
    split: str
    fold: str
    group: str
    """The unit placed as a whole: a declared group's key (the first, where copies join several), ``copies-…`` for
    copies outside declared groups, empty for a sample on its own."""
    sha256: str
    previous_split: str
    reason: str


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan folder as ``apply`` needs it."""

    directory: Path
    rows: tuple[Row, ...]
    root: Path
    """The dataset, as ``plan.json`` names it."""
    class_names: tuple[str, ...]
    ratios: tuple[float, float, float] | None = None
    """Of train, val and test that were asked for; None for a repair."""


def write(plan: Plan, directory: Path) -> None:
    """Write the plan folder: manifest.csv, class_weights.json, augmentation.json, pipeline.py, plan.json.

    Files of an earlier plan are replaced; files of other names stay.

    Raises:
        PlanError: if the folder lies inside the dataset, cannot be written, or holds a file of one of our names that is
            of no plan.
    """
    root = plan.split.catalog.root
    refuse(directory, root)
    texts = {
        "manifest.csv": _manifest(plan.split),
        "class_weights.json": _json(_class_weights(plan.class_weights)),
        "augmentation.json": _json(_augmentation(plan.augmentation)),
        "pipeline.py": render(plan),
        "plan.json": _json(_summary(plan.split, _relative(root, directory))),
    }
    temporary = {name: directory / f".{name}.{os.getpid()}.tmp" for name in FILES}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            temporary[name].write_bytes(texts[name].encode())
        for name in FILES:
            temporary[name].replace(directory / name)
    except OSError as error:
        message = f"{directory}: the plan cannot be written ({error}). Name another --output folder."
        raise PlanError(message) from error
    finally:
        for path in temporary.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)


def read(directory: Path) -> SavedPlan:
    """Read a plan folder back.

    Raises:
        PlanError: if a file is missing, or is not what :func:`write` writes.
    """
    try:
        summary = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
        weights = json.loads((directory / "class_weights.json").read_text(encoding="utf-8"))
        with (directory / "manifest.csv").open(encoding="utf-8", newline="") as file:
            rows = tuple(_rows(csv.reader(file), directory))
        if summary["format_version"] != FORMAT_VERSION:
            found = summary["format_version"]
            message = f"{directory}: format_version {found}, expected {FORMAT_VERSION}. Make the plan again with this version."
            raise PlanError(message)
        asked = summary["ratios"]
        ratios = None if asked is None else (float(asked["train"]), float(asked["val"]), float(asked["test"]))
        return SavedPlan(directory, rows, directory / str(summary["root"]), tuple(weights["class_names"]), ratios)
    except OSError as error:
        message = (
            f"{directory}: is no plan folder ({error}). Expected {', '.join(FILES)}, as `dataaudit split --output` writes them."
        )
        raise PlanError(message) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        found = f"{type(error).__name__}: {error}"
        message = f"{directory}: plan.json, class_weights.json or manifest.csv is damaged ({found}). Make the plan again."
        raise PlanError(message) from error


def _rows(lines: Iterator[list[str]], directory: Path) -> Iterator[Row]:
    header = next(lines, [])
    if tuple(header) != COLUMNS:
        message = f"{directory / 'manifest.csv'}: columns {','.join(header)}, expected {','.join(COLUMNS)}. Make the plan again."
        raise PlanError(message)
    for number, line in enumerate(lines, 2):
        if len(line) != len(COLUMNS) or line[2] not in {"", *ROLES}:
            message = f"{directory / 'manifest.csv'}: record {number} is damaged ({line!r}). Make the plan again."
            raise PlanError(message)
        yield Row(*line)


def refuse(directory: Path, root: Path) -> None:
    """Refuse a folder that a plan of the dataset ``root`` may not be written to; nothing is touched.

    Raises:
        PlanError: if it lies inside the dataset, is a file, or holds a file of one of our names that is of no plan.
    """
    real, dataset = Path(os.path.realpath(directory)), Path(os.path.realpath(root))
    if real == dataset or dataset in real.parents:
        message = f"{directory}: lies inside the dataset {root}, and a plan there would become part of it. Name a folder outside."
        raise PlanError(message)
    if real.exists() and not real.is_dir():
        message = f"{directory}: is a file; expected a folder, or nothing. Name another --output folder."
        raise PlanError(message)
    found = [name for name in FILES if os.path.lexists(directory / name)]
    if found and not _is_plan(directory / "plan.json"):
        names = ", ".join(found)
        message = f"{directory}: holds {names} that no plan wrote, and would be lost. Name another --output folder."
        raise PlanError(message)


def _is_plan(path: Path) -> bool:
    try:
        return "format_version" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _relative(root: Path, directory: Path) -> str:
    """Return the dataset's place as seen from the folder; absolute where there is no way (another Windows drive)."""
    real = Path(os.path.realpath(root))
    try:
        return Path(os.path.relpath(real, os.path.realpath(directory))).as_posix()
    except ValueError:
        return real.as_posix()


def _manifest(split: SplitPlan) -> str:
    catalog = split.catalog
    lines: list[tuple[str, ...]] = [COLUMNS]
    groups = _group_names(split)
    for row, sample in enumerate(catalog):
        if not is_utf8(sample.path):
            continue
        code, fold = int(split.split_codes[row]), int(split.fold_codes[row])
        place = ("" if code == NONE else ROLES[code], "" if fold == NONE else str(fold), groups[row])
        reason = split.reasons[row].encode("utf-8", "backslashreplace").decode()
        lines.append((sample.path, sample.label or "", *place, split.digests[row], sample.split or "", reason))
    return "".join(",".join(map(_field, line)) + "\n" for line in lines)


_TO_QUOTE: Final = re.compile('[,"\r\n]')


def _field(text: str) -> str:
    r"""Quote a CSV field where it must be; Python's own writer leaves ``\r`` bare when lines end in ``\n`` alone."""
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


def _group_names(split: SplitPlan) -> list[str]:
    """Return the name of each row's unit; empty for a sample on its own."""
    catalog = split.catalog
    members: dict[int, list[int]] = {}
    for row, unit in enumerate(split.units.tolist()):
        members.setdefault(unit, []).append(row)
    names = [""] * len(catalog)
    for rows in members.values():
        declared = [int(code) for code in catalog.group_codes[rows] if code != NONE]
        name = catalog.groups[min(declared)] if declared else ""
        if not name and len(rows) > 1:
            name = "copies-" + min(split.digests[row] for row in rows)[:16]
        for row in rows:
            names[row] = name.encode("utf-8", "backslashreplace").decode()
    return names


def _summary(split: SplitPlan, root: str) -> dict[str, object]:
    catalog = split.catalog
    moves = [
        {
            "path": catalog.paths[row],
            "from": _role(catalog.split_codes[row]),
            "to": _role(split.split_codes[row]),
            "reason": split.reasons[row],
        }
        for row in np.flatnonzero(
            (split.split_codes == NONE) | ((catalog.split_codes != NONE) & (catalog.split_codes != split.split_codes))
        )
    ]
    return {
        "format_version": FORMAT_VERSION,
        "tool": {"name": "dataaudit", "version": __version__},
        "root": root,
        "fingerprint": split.fingerprint,
        "mode": split.mode,
        "seed": split.seed,
        "ratios": None if split.ratios is None else dict(zip(ROLES, split.ratios, strict=True)),
        "folds": int(split.fold_codes.max(initial=NONE)) + 1,
        "counts": {
            "before": _counts(catalog, catalog.split_codes, "unsplit"),
            "after": _counts(catalog, split.split_codes, "left_out"),
        },
        "impossible": list(split.impossible),
        "moves": moves,
    }


def _counts(catalog: Catalog, codes: NDArray[np.int8], rest: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for code, name in [*enumerate(ROLES), (NONE, rest)]:
        labels = catalog.label_codes[codes == code]
        if len(labels):
            per_class = np.bincount(labels[labels != NONE], minlength=len(catalog.classes))
            found[name] = {"samples": len(labels), "per_class": dict(zip(catalog.classes, per_class.tolist(), strict=True))}
    return found


def _role(code: np.int8) -> str | None:
    return None if code == NONE else ROLES[code]


def _class_weights(weights: ClassWeights) -> dict[str, object]:
    return {
        "class_names": list(weights.class_names),
        "class_weight": {str(index): weight for index, weight in enumerate(weights.weights)},
        "counts": list(weights.counts),
        "method": weights.method,
    }


def _augmentation(augmentation: AugmentationPlan) -> dict[str, object]:
    offline = augmentation.offline
    return {
        "split": "train",
        "image_size": list(augmentation.image_size),
        "value_range": [0, 255],
        "layers": [{**asdict(layer), "arguments": dict(layer.arguments)} for layer in augmentation.layers],
        "left_out": [{"layer": layer, "reason": reason} for layer, reason in augmentation.left_out],
        "offline": offline and {"told": offline.describe(), "copies_in_train": augmentation.offline_copies, **asdict(offline)},
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"
