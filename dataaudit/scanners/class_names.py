"""Class names that a person would take for the same: ``cat``, ``Cats``, ``cat ``; ``T-Shirt``, ``tshirt``; ``1``, ``01``."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["difference", "near_misses"]

SHORTEST: Final = 3
"""Letters of a word from which a final *s* is taken for a plural."""


def near_misses(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the groups of names that are equal but for case, spaces, punctuation, accents, leading zeros or a plural *s*.

    Names that differ in a letter or a number are different: ``class1`` and ``class2``, ``cap`` and ``cup``.

    Args:
        names: class names, all different.

    Returns:
        Groups of two and more indexes, each ascending, by their first.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        groups[_plain(name)].append(index)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def difference(names: Sequence[str]) -> str:
    """Say in what names of one group differ."""
    steps = (
        (str.strip, "a space at an end"),
        (lambda name: unicodedata.normalize("NFC", name), "the Unicode form"),
        (str.casefold, "upper and lower case"),
        (_without_accents, "accents"),
        (_without_marks, "spaces or punctuation"),
        (_without_zeros, "leading zeros"),
    )
    told, current = [], list(names)
    for simplify, reason in steps:
        simpler = [simplify(name) for name in current]
        told += [reason] * (simpler != current and len(set(current)) > 1)
        current = simpler
    return "they differ in " + " and ".join([*told, *["a plural s"] * (len(set(current)) > 1)])


def _plain(name: str) -> str:
    if re.fullmatch(r"[-+]?\d+(\.\d+)?", name.strip()):
        return repr(float(name))
    plain = _without_zeros(_without_marks(_without_accents(unicodedata.normalize("NFC", name.strip()).casefold())))
    plural = len(plain) > SHORTEST and plain.endswith("s") and plain[-2].isalpha() and plain[-2] != "s"
    return plain[:-1] if plural else plain


def _without_accents(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _without_marks(name: str) -> str:
    """Return the name without spaces, hyphens, dots and the like, but between numbers: ``v1.5`` is not ``v15``."""
    return re.sub(r"(?<!\d)[\s_.,'’()-]+|[\s_.,'’()-]+(?!\d)", "", name) or name


def _without_zeros(name: str) -> str:
    return re.sub(r"(?<!\d)(?<!\d[\W_])0+(?=\d)", "", name)
