"""What file names are made of: templates such as ``P012_S3_frame045``, the keys in them, and the pattern that reads a key.

A name is cut into runs of digits, runs of letters and what stands between them. Names with the same runs have one *template*. A
*key* is the beginning of a name up to a run (``P012``, ``P012_S3``), one run alone (``S3`` without what precedes it), or the
folder a file lies in, below its class.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dataaudit.domain import Catalog

__all__ = ["Candidate", "Series", "Template", "candidates", "codes_of", "series", "templates"]

TEMPLATE_MINIMUM: Final = 30
"""Files from which a template is looked at."""
KEYS_MINIMUM: Final = 10
"""Keys with two files and more that a key has to have: a patient is one of many."""
LARGEST_KEY: Final = 0.25
"""Share of the template's files that one key may hold."""
MOST_CANDIDATES: Final = 12
"""Candidates that are tested, those with the most keys of two files and more first."""
OPAQUE: Final = 4
"""Runs between two separators from which they are taken for one: ``3f9a07c2`` is no template."""
_DIGITS, _LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")
_CROWDED: Final = re.compile(f"[a0]{{{OPAQUE + 1},}}")
_KINDS: Final = re.compile(r"[a0X]|[^a0X]+")
_CLASS_OF: Final = {"0": r"\d+", "a": r"[^\W\d_]+", "X": r"[^\W_]+"}


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A key that files may be grouped by."""

    pattern: str
    """For ``--group-by regex:…``; its first group is the key."""
    of_class: str
    """The same with the class folder in the key; empty where the files do not lie in folders named as their classes."""
    codes: NDArray[np.int64]
    """(n,) number of the key; -1 where the template does not fit."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Numbers that count files."""

    name: str
    """``frame#``"""
    rows: NDArray[np.int64]
    numbers: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Files whose names are made of the same runs."""

    kinds: tuple[str, ...]
    """Of each run: ``0`` digits, ``a`` letters, ``X`` a chunk of too many runs; any other is itself, what separates."""
    rows: NDArray[np.int64]
    texts: list[tuple[str, ...]]
    """The runs of each row's name."""


def codes_of(keys: Sequence[str | None]) -> NDArray[np.int64]:
    """Return a number a key, in the order of the keys; -1 for None."""
    number = {key: code for code, key in enumerate(sorted({key for key in keys if key is not None}))}
    return np.array([NONE if key is None else number[key] for key in keys], np.int64)


def _stem(path: str) -> str:
    base = path.rpartition("/")[2]
    return base.rpartition(".")[0] or base


def templates(catalog: Catalog, rows: NDArray[np.int64]) -> list[Template]:
    """Return the templates that enough files have, those of most files first."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows.tolist():
        shape = _LETTERS.sub("a", _DIGITS.sub("0", _stem(catalog.paths[row])))
        found[_CROWDED.sub("X", shape)].append(row)
    made = []
    for shape, members in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(members) >= TEMPLATE_MINIMUM:
            kinds = tuple(_KINDS.findall(shape))
            reads = re.compile("".join(f"({_CLASS_OF.get(kind, re.escape(kind))})" for kind in kinds))
            texts = [match.groups() for row in members if (match := reads.fullmatch(_stem(catalog.paths[row])))]
            made.append(Template(kinds, np.array(members, np.int64), texts))
    return made


def candidates(catalog: Catalog, rows: NDArray[np.int64], made: Sequence[Template]) -> list[Candidate]:
    """Return the keys worth testing, those with the most groups first; two that group alike are one.

    Args:
        catalog: for the paths.
        rows: which files to look at.
        made: their templates.
    """
    found = [*_folders(catalog, rows)]
    for template in made:
        members, texts, kinds = template.rows.tolist(), template.texts, template.kinds
        inside = _in_class_folders(catalog, members)
        ending = r"\.[^./]+$" if all("." in catalog.paths[row].rpartition("/")[2][1:] for row in members) else "$"
        parts = [_part(kind, {text[index] for text in texts}) for index, kind in enumerate(kinds)]
        variable = [index for index, kind in enumerate(kinds) if kind in _CLASS_OF]
        for index in variable:
            head, tail = "".join(parts[: index + 1]), "".join(parts[index + 1 :])
            if tail:
                keys = ["".join(text[: index + 1]) for text in texts]
                found.append(_candidate(catalog, members, keys, f"({head}){tail}{ending}", inside=inside))
            if index != variable[0]:
                head = "".join(parts[:index])
                keys = [text[index] for text in texts]
                found.append(_candidate(catalog, members, keys, f"{head}({parts[index]}){tail}{ending}", inside=False))
    kept: dict[bytes, Candidate] = {}
    for candidate in found:
        if _worth(candidate.codes):
            kept.setdefault(_partition(candidate.codes), candidate)
    return sorted(kept.values(), key=lambda each: -_groups(each.codes))[:MOST_CANDIDATES]


def _part(kind: str, texts: set[str]) -> str:
    return re.escape(min(texts)) if len(texts) == 1 else _CLASS_OF.get(kind, "")


def _candidate(catalog: Catalog, members: list[int], keys: list[str], pattern: str, *, inside: bool) -> Candidate:
    codes = np.full(len(catalog), NONE, np.int64)
    codes[members] = codes_of(keys)
    scoped = pattern.replace("(", "([^/]+/", 1) if inside else ""
    return Candidate(f"(?:^|/){pattern}", f"(?:^|/){scoped}" if scoped else "", codes)


def _folders(catalog: Catalog, rows: NDArray[np.int64]) -> Iterator[Candidate]:
    """Yield the folder of the files as a key, where it lies below that of the class."""
    by_depth: dict[int, list[int]] = defaultdict(list)
    for row in rows.tolist():
        by_depth[catalog.paths[row].count("/")].append(row)
    for depth, members in sorted(by_depth.items()):
        folders = [catalog.paths[row].split("/")[-2] if depth else "" for row in members]
        names = {catalog.classes[catalog.label_codes[row]] for row in members if catalog.label_codes[row] != NONE}
        if depth >= 1 and len(members) >= TEMPLATE_MINIMUM and not names & set(folders):
            codes = np.full(len(catalog), NONE, np.int64)
            codes[members] = codes_of(folders)
            head = "" if depth == 1 else f"(?:[^/]+/){{{depth - 1}}}"
            yield Candidate(f"^{head}([^/]+)/[^/]+$", "", codes)


def _in_class_folders(catalog: Catalog, members: list[int]) -> bool:
    def inside(row: int) -> bool:
        label = int(catalog.label_codes[row])
        return label != NONE and catalog.paths[row].rpartition("/")[0].rpartition("/")[2] == catalog.classes[label]

    return all(map(inside, members))


def _worth(codes: NDArray[np.int64]) -> bool:
    counts = np.bincount(codes[codes != NONE])
    return int((counts > 1).sum()) >= KEYS_MINIMUM and bool(counts.max() <= LARGEST_KEY * counts.sum())


def _groups(codes: NDArray[np.int64]) -> int:
    return int((np.bincount(codes[codes != NONE]) > 1).sum())


def _partition(codes: NDArray[np.int64]) -> bytes:
    """Return the same bytes for codes that group alike."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.where(codes == NONE, NONE, first[inverse]).tobytes()


def series(catalog: Catalog, made: Sequence[Template]) -> list[Series]:
    """Return what the last numbers of the names count: one series a template without its number.

    A series may run through classes and splits (a camera's counter). Where numbers stand twice, the classes count anew: then a
    series belongs to one class.
    """
    found = []
    for template in made:
        texts = template.texts
        places = [index for index, kind in enumerate(template.kinds) if kind == "0"]
        if not places:
            continue
        last = places[-1]
        names = [("".join(text[:last]), "".join(text[last + 1 :])) for text in texts]
        numbers = np.array([int(text[last][-18:]) for text in texts], np.int64)
        labels = catalog.label_codes[template.rows].astype(np.int64)
        name = codes_of(["\0".join(each) for each in names])
        if _repeated(name, numbers):
            name = name * (len(catalog.classes) + 1) + labels
        if _repeated(name, numbers):
            continue
        order = np.lexsort((numbers, name))
        for part in np.split(order, np.flatnonzero(np.diff(name[order])) + 1):
            before, after = names[int(part[0])]
            found.append(Series(f"{before}#{after}", template.rows[part], numbers[part]))
    return found


_REPEATED: Final = 0.05


def _repeated(name: NDArray[np.int64], numbers: NDArray[np.int64]) -> bool:
    """Whether more than one number in twenty stands twice in its series."""
    return len(numbers) - len(np.unique(np.stack([name, numbers]), axis=1)[0]) > _REPEATED * len(numbers)
