"""RELATE: which files seem to be of one subject, by their names and times, where the pictures bear it out.

Names alone prove nothing, so every guess is tested: the pictures that it joins have to be closer (by the copy descriptor) than
the same pictures dealt anew within their classes and splits. Guesses:

- *keys* in the names (``name_templates``), tested on pairs across splits where there are enough, of one label and of two (where
  only pairs of one label are closer, the key counts anew in each class). Of nested keys the coarser one is taken only where it
  says more than the finer;
- *consecutive numbers*, and *pictures taken within seconds by one camera*: two neighbours are of one subject where the guess
  holds in general *and* they are ``CLOSE``.

Copies are left out of all tests: of each copy group one row is asked. p-values are Bonferroni-corrected over the tests made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.name_templates import Candidate, candidates, series, templates
from dataaudit.dedup.permutation import permutation_p, shuffled_within
from dataaudit.domain import NONE, InferredGroups, SubjectPairs, Subjects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, CopyGraph, FeatureTable

__all__ = ["infer"]

MOST_FILES: Final = 1_000_000
"""Files up to which names are taken apart: beyond it that would take minutes."""
PAIRS: Final = 500
"""Pairs a guess is tested on, at most."""
PAIRS_MINIMUM: Final = 20
DRAWS: Final = 4_999
"""Permutations at most: p is 1/5,000 at least, under .01 after correction for 40 tests."""
CLOSE: Final = 3.0
"""Deviations above the middle of the pairs dealt anew from which two neighbours are taken for one subject. A deviation is that
of the middle two thirds, for some of the pairs dealt anew are of one subject, too."""
CLOSEST: Final = 0.995
"""Or, where pictures are all alike and that is beyond them, this quantile of the pairs dealt anew."""

Edges = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


@dataclass(frozen=True, slots=True)
class _Evidence:
    """How much closer the pairs of a guess are than pairs dealt anew."""

    pairs: int
    likeness: float
    """Chance that one of the pairs is closer than one dealt anew, 0 to 1; .5 is no difference."""
    p_value: float
    close: float
    """The cosine from which a pair is ``CLOSE``."""


def infer(catalog: Catalog, features: FeatureTable, copies: CopyGraph, config: Config) -> Subjects:
    """Infer what belongs together.

    Args:
        catalog: names, labels and splits.
        features: copy descriptors, cameras and times.
        copies: what is known to be one picture.
        config: ``alpha``, ``group_likeness`` and ``burst_seconds``; where groups are declared, names are not searched for keys.
    """
    if len(catalog) > MOST_FILES:
        return Subjects((), (), 0, f"names and times of more than {MOST_FILES:,} files are not searched for groups; declare them")
    asked = _Inference(catalog, features, copies, config)
    groups = [] if catalog.groups else asked.keys()
    pairs = [*asked.neighbours("number"), *asked.neighbours("time")]
    tests = max(asked.tests, 1)

    def sure(found: InferredGroups | SubjectPairs) -> bool:
        return min(found.p_value * tests, 1.0) < config.alpha

    corrected = [replace(found, q_value=min(found.p_value * tests, 1.0)) for found in groups if sure(found)]
    beside = [replace(found, q_value=min(found.p_value * tests, 1.0)) for found in pairs if sure(found)]
    return Subjects(tuple(corrected), tuple(beside), asked.tests)


class _Inference:
    """The guesses about one dataset, and how many were tested."""

    def __init__(self, catalog: Catalog, features: FeatureTable, copies: CopyGraph, config: Config) -> None:
        self.catalog, self.features, self.config = catalog, features, config
        self.labels, self.splits = catalog.label_codes.astype(np.int64), catalog.split_codes.astype(np.int64)
        alone = copies.component == np.arange(len(catalog))
        self.usable = alone & features.readable & ~copies.not_compared
        self.component = copies.component
        self.strata = self.labels * 4 + self.splits  # -1 to 2, unique a label
        self.order = features.sha256[:, 0]
        self.readable = features.readable
        self.rows = np.flatnonzero(self.readable)
        self.templates = templates(catalog, self.rows)
        self.tests = 0

    # ------------------------------------------------------------------------------------------ keys

    def keys(self) -> list[InferredGroups]:
        """Return the keys that hold, from the finest; of nested ones the coarsest that says more than the finer."""
        found: list[InferredGroups] = []
        for candidate in candidates(self.catalog, self.rows, self.templates):
            finer = next((each for each in found if _refines(each.codes, candidate.codes)), None)
            known = self.held(candidate, finer)
            if known is not None:
                found = [*(each for each in found if each is not finer), known]
        return found

    def held(self, candidate: Candidate, finer: InferredGroups | None) -> InferredGroups | None:
        """Return a key with its evidence, if pictures bear it out: over all classes, or else within each."""
        a, b = self._sharing(candidate.codes)
        if finer is not None:
            apart = finer.codes[a] != finer.codes[b]
            a, b = a[apart], b[apart]
        crossing = self.splits[a] != NONE
        crossing &= (self.splits[a] != self.splits[b]) & (self.splits[b] != NONE)
        if int(crossing.sum()) >= PAIRS_MINIMUM:
            a, b = a[crossing], b[crossing]
        same = self.labels[a] == self.labels[b]
        within, across = (self._evidence((a[kind], b[kind])) for kind in (same, ~same))
        if within is not None and not self._holds(within):
            within = None
        if across is not None and self._holds(across):
            best = within if within is not None and within.p_value <= across.p_value else across
            return self._grouping(candidate.pattern, candidate.codes, best)
        if within is None:
            return None
        if across is None and not (~same).any():
            return self._grouping(candidate.pattern, candidate.codes, within)
        scoped = np.where(candidate.codes == NONE, NONE, candidate.codes * (len(self.catalog.classes) + 1) + self.labels + 1)
        return self._grouping(candidate.of_class, scoped, within)

    def _grouping(self, pattern: str, codes: NDArray[np.int64], evidence: _Evidence) -> InferredGroups:
        shared = np.unique(codes, return_inverse=True, return_counts=True)
        alone = (shared[2][shared[1].reshape(-1)] < 2) | (codes == NONE)  # noqa: PLR2004 - nothing to be kept with
        _, kept = np.unique(np.where(alone, NONE, codes), return_inverse=True)
        numbered = kept.reshape(-1).astype(np.int64) - int(alone.any())
        return InferredGroups(
            f"regex:{pattern}" if pattern else "", numbered, evidence.pairs, evidence.likeness, evidence.p_value, evidence.p_value
        )

    def _sharing(self, codes: NDArray[np.int64]) -> Edges:
        """Return pairs that share a key: each usable file and the next one or two of its key, in an order by content."""
        rows = np.flatnonzero(self.usable & (codes != NONE))
        rows = rows[np.lexsort((self.order[rows], codes[rows]))]
        pairs = [(rows[:-step], rows[step:]) for step in (1, 2) if len(rows) > step]
        edges = [(a[codes[a] == codes[b]], b[codes[a] == codes[b]]) for a, b in pairs]
        empty = np.zeros(0, np.int64)
        return (
            np.concatenate([empty, *(a for a, _ in edges)]),
            np.concatenate([empty, *(b for _, b in edges)]),
        )

    # ------------------------------------------------------------------------------------ neighbours

    def neighbours(self, kind: str) -> list[SubjectPairs]:
        """Return the neighbours in number (or time) that are of one subject."""
        found = []
        for name, a, b in self._by_number() if kind == "number" else self._by_time():
            apart = self.component[a] != self.component[b]
            usable = self.usable[a] & self.usable[b] & apart
            evidence = self._evidence((a[usable], b[usable]))
            if evidence is None or not self._holds(evidence):
                continue
            cosine = self._cosine(a, b)
            close = (cosine > evidence.close) & self.readable[a] & self.readable[b] & apart
            first, second = np.minimum(a, b)[close], np.maximum(a, b)[close]
            found.append(
                SubjectPairs(
                    name,
                    kind == "time",
                    first,
                    second,
                    cosine[close].astype(np.float32),
                    evidence.pairs,
                    evidence.likeness,
                    evidence.p_value,
                    evidence.p_value,
                )
            )
        return found

    def _by_number(self) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Return the files next to one another in each series; a step is the series' most frequent one, or less."""
        names: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
        for each in series(self.catalog, self.templates):
            steps = np.diff(each.numbers)
            if len(steps):
                values, counts = np.unique(steps[steps > 0], return_counts=True)
                usual = int(values[counts.argmax()]) if len(values) else 0
                near = (steps > 0) & (steps <= usual)
                shape = "".join("0" if c.isdecimal() else c for c in each.name)
                names.setdefault(shape, []).append((each.rows[:-1][near], each.rows[1:][near]))
        return [
            (shape, np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts]))
            for shape, parts in sorted(names.items())
        ]

    def _by_time(self) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Return the files taken at most ``burst_seconds`` after the one before by the same camera."""
        rows = np.flatnonzero(self.readable & (self.features.taken > 0))
        taken, camera = self.features.taken[rows], self.features.camera[rows]
        order = np.lexsort((rows, taken, camera))
        rows, taken, camera = rows[order], taken[order], camera[order]
        near = (np.diff(taken) <= self.config.burst_seconds) & (camera[1:] == camera[:-1])
        return [("EXIF time", rows[:-1][near], rows[1:][near])]

    # -------------------------------------------------------------------------------------- evidence

    def _holds(self, evidence: _Evidence) -> bool:
        return evidence.likeness >= self.config.group_likeness and evidence.p_value < self.config.alpha

    def _cosine(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        found = np.empty(len(a))
        for start in range(0, len(a), 4096):
            part = slice(start, start + 4096)
            first, second = (self.features.descriptor[rows[part]].astype(np.float64) for rows in (a, b))
            found[part] = np.einsum("ij,ij->i", first, second)
        return found

    def _evidence(self, pairs: Edges) -> _Evidence | None:
        """Return how much closer some pairs are than the same pictures dealt anew; None of too few."""
        a, b = pairs
        if len(a) < PAIRS_MINIMUM:
            return None
        self.tests += 1
        chosen = np.sort(np.lexsort((b, a, self.order[a] ^ self.order[b]))[:PAIRS])
        rows, index = np.unique(np.concatenate([a[chosen], b[chosen]]), return_inverse=True)
        first, second = np.split(index.reshape(-1), 2)
        vectors = self.features.descriptor[rows].astype(np.float64)
        rng = np.random.default_rng(0)

        def dealt(number: int) -> NDArray[np.float64]:
            shuffled = shuffled_within(self.strata[rows], number, rng)
            return np.stack([np.einsum("ij,ij->i", vectors[each[first]], vectors[each[second]]) for each in shuffled])

        seen = np.einsum("ij,ij->i", vectors[first], vectors[second])
        null = np.sort(dealt(40).ravel())
        below = np.searchsorted(null, seen, side="left") + np.searchsorted(null, seen, side="right")
        likeness = float(below.mean() / (2 * len(null)))
        middle, above = np.quantile(null, (0.5, 0.8413))
        close = float(min(middle + CLOSE * (above - middle), null[int(CLOSEST * len(null))]))
        if likeness < self.config.group_likeness:
            return _Evidence(len(chosen), likeness, 1.0, close)
        p_value, _ = permutation_p(float(seen.mean()), lambda number: dealt(number).mean(axis=1), DRAWS)
        return _Evidence(len(chosen), likeness, p_value, close)


def _refines(finer: NDArray[np.int64], coarser: NDArray[np.int64]) -> bool:
    """Whether every key of the finer lies within one of the coarser."""
    both = (finer != NONE) & (coarser != NONE)
    pairs = np.unique(np.stack([finer[both], coarser[both]]), axis=1)
    return bool(both.any()) and len(np.unique(pairs[0])) == pairs.shape[1]
