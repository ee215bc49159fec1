"""RELATE: which files show the same picture. Nominate cheaply, verify every nomination, join what is proved.

``exact`` (same bytes) and ``pixel`` (same decoded pixels) need no search: they are groups of equal digests, told as a
star of n-1 pairs from the first row. One row of each such group goes on to the nominators; what the verifier proves
of it holds for the whole group. Pictures too flat to be told apart by content are left out of the search, and said so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.calibrate import LOOKS, Thresholds, beyond_look_alikes, calibrate, unlike_pairs
from dataaudit.dedup.candidates import nominate
from dataaudit.dedup.components import copy_groups_of, first_of_equal
from dataaudit.dedup.frames import framed
from dataaudit.dedup.memory import Memory
from dataaudit.dedup.nominations import AFTER_HASHES
from dataaudit.dedup.overlay import ENOUGH_TEXTURE
from dataaudit.dedup.ranks import ranks
from dataaudit.dedup.verify import Question, answer_all
from dataaudit.domain import CopyGraph, CopyPair, Transform
from dataaudit.engines import Lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.dedup.frames import Boxes
    from dataaudit.dedup.nominations import Nominations
    from dataaudit.dedup.verify import Answer
    from dataaudit.domain import Calibration, Catalog, FeatureTable, IndexRecall, Relation, Verdict
    from dataaudit.engines import Engine
    from dataaudit.features.cache import Cache

    Progress = Callable[[int, int, int], None]
    """Called with (pairs done, pairs nominated, copies found by them)."""

__all__ = ["relate"]

_NEIGHBOURS: Final = 8
"""Nominations of a picture that are verified in the first round, the closest first. A later round asks only about
pairs that are not joined yet, so that a burst of m copies costs about 8 m comparisons, not m²."""
_BATCH: Final = 64  # questions at a time: of fewer each worker gets its share …
_LEAST_BATCH: Final = 16  # … if it is worth starting one
_FEW: Final = 30  # pairs that are compared before it is known whether pairs that are no copies must be
_SAME_VIEW: Final = 0.95  # of b's area that a shows: more is the same view
_EQUALLY_NEAR: Final = 8 / 255  # a symmetric picture is as near in two orientations


def relate(
    catalog: Catalog,
    features: FeatureTable,
    config: Config,
    engine: Engine,
    progress: Progress | None = None,
    only: NDArray[np.int64] | None = None,
    cache: Cache | None = None,
    *,
    touching: NDArray[np.bool_] | None = None,
) -> CopyGraph:
    """Find the copies among the readable rows.

    Args:
        catalog: where the files are.
        features: digests, perceptual hashes and contrast of every row.
        config: ``hamming64``, ``hamming256``, ``flat_contrast`` and the verdict thresholds.
        engine: runs the verifier.
        progress: called with (verified, nominated, copied) pairs.
        only: rows to find the copies of, and what those are copies of in turn; None: all. Byte- and pixel-identical
            files are told of all rows, and so are the rows too flat to be compared.
        cache: knows what pairs of contents were compared before, and what was nominated among the same contents.
        touching: (n,) nominate among all as ever, but verify only the nominations that such a row is part of; None: all.

    Returns:
        Every pair found. Pairs inside one component that were not needed to join it may be missing where a picture
        has more than eight neighbours; the components are complete.
    """
    rows = np.arange(len(features))
    first_digest = first_of_equal(features.sha256, np.any(features.sha256, axis=1))
    readable = features.readable
    flat: NDArray[np.bool_] = readable & (features.property("contrast") < config.flat_contrast)
    first_pixel = first_of_equal(features.pixel_digest[:, None], readable & ~flat & (first_digest == rows))
    pairs = [*_stars(first_digest, "exact"), *_stars(first_pixel, "pixel")]
    leaders = np.flatnonzero(readable & ~flat & (first_digest == rows) & (first_pixel == rows))
    memory = None if cache is None else Memory(cache, features)
    verifier = _Verifier(catalog, config, engine, memory)
    verified, thresholds = _Verified(catalog.label_codes), Thresholds.of(config)
    calibration: Calibration | None = None
    recall: IndexRecall | None = None
    wanted = None if only is None else first_pixel[first_digest[only]]
    for nominations in _searches(features, leaders, wanted, config, verified, memory):
        if touching is not None:
            nominations = nominations.of(touching)  # noqa: PLW2901 - what is left of them
        if calibration is None and _may_be_copies(nominations, verifier, thresholds):
            thresholds, calibration = _calibrated(features, leaders, verifier, config)
        recall = recall or nominations.index_recall
        thresholds = _verify(nominations, verifier, thresholds, config, verified, progress)
    of_some = touching is not None or only is not None
    if of_some and verified.partly_alike.any():
        _verify(_partners(features, leaders, config, verified), verifier, thresholds, config, verified, None)
    verified.take_out_framed()
    pairs = sorted([*pairs, *verified.pairs], key=lambda pair: (pair.a, pair.b))
    not_compared = flat.copy()
    not_compared[sorted(verified.uncompared)] = True
    if calibration is not None:
        calibration = replace(
            calibration,
            proved_median=round(thresholds.proved[0], 4),
            look_alikes=verified.look_alikes,
            framed=verified.framed,
        )
    return CopyGraph(tuple(pairs), copy_groups_of(len(features), pairs), not_compared, calibration, recall)


def _searches(
    features: FeatureTable,
    leaders: NDArray[np.int64],
    only: NDArray[np.int64] | None,
    config: Config,
    verified: _Verified,
    memory: Memory | None,
) -> Iterator[Nominations]:
    """Yield what is to be verified: all at once, or that of a few rows, then of what these were found to be copies of."""
    if only is None:
        search = partial(nominate, features, leaders, config)
        yield search() if memory is None else memory.nominations(leaders, config, search)
        return
    from dataaudit.dedup.few import nominate_few  # noqa: PLC0415 - a check's business

    # Masks, here and in ``few``, for np.unique and its kin import numpy.ma: .03 s of a check that compares nothing.
    comparable, asked, wanted = (np.zeros(len(features), bool) for _ in range(3))
    comparable[leaders] = wanted[only] = True
    wanted &= comparable
    while wanted.any():
        nominations = nominate_few(features, leaders, np.flatnonzero(wanted), config)
        new = ~(asked[nominations.a] | asked[nominations.b])
        asked |= wanted
        yield nominations.only(new)
        component = copy_groups_of(len(features), verified.pairs)
        joined = np.zeros(len(features), bool)
        joined[component[asked]] = True
        wanted = joined[component] & comparable & ~asked


def _partners(features: FeatureTable, leaders: NDArray[np.int64], config: Config, verified: _Verified) -> Nominations:
    """Nominate, of what is alike to another but for a region, the pairs that were not found yet.

    Where only some pictures are asked about, twins would else pass for strangers that share a frame with one of these.
    """
    from dataaudit.dedup.few import nominate_few  # noqa: PLC0415

    alike = verified.partly_alike
    nominations = nominate_few(features, leaders, leaders[alike[leaders]], config)
    found = {(pair.a, pair.b) for pair in verified.pairs}
    pairs = zip(nominations.a.tolist(), nominations.b.tolist(), strict=True)
    return nominations.only(np.array([bool(alike[a] and alike[b]) and (a, b) not in found for a, b in pairs], bool))


def _may_be_copies(nominations: Nominations, verifier: _Verifier, configured: Thresholds) -> bool:
    """Whether there is anything to calibrate for: many nominations, or one among few that the configured thresholds would pass.

    Calibration only raises them. It compares more pairs than these few.
    """
    a, b, distance, orientations = _by_pair(nominations)
    if len(a) > _FEW:
        return True
    guessed = (distance >= AFTER_HASHES).tolist()
    answers = list(verifier.ask(a.tolist(), b.tolist(), orientations, guessed, align=True, remember=True))
    return any(answer is not None and configured.verdict(answer) for answer in answers)


def _calibrated(
    features: FeatureTable, leaders: NDArray[np.int64], verifier: _Verifier, config: Config
) -> tuple[Thresholds, Calibration]:
    """Compare pairs that are no copies; more of them unless it is clear already."""
    answers: dict[tuple[int, int], Answer | None] = {}
    for pictures, caution in LOOKS:
        pairs = unlike_pairs(features, leaders, config, pictures)
        new = [pair for pair in pairs if pair not in answers]
        a, b = [pair[0] for pair in new], [pair[1] for pair in new]
        answers.update(zip(new, verifier.ask(a, b, [(0,)] * len(new), [False] * len(new), align=True), strict=True))
        thresholds, calibration = calibrate([answers[pair] for pair in pairs], len(leaders), config, caution)
        if calibration.pairs and not calibration.raised:
            break
    return thresholds, calibration


def _stars(first: NDArray[np.int64], relation: Relation) -> Iterator[CopyPair]:
    for row in np.flatnonzero(first != np.arange(len(first))):
        yield CopyPair(int(first[row]), int(row), relation, "proved", 1.0, 1.0, Transform())


class _Verifier:
    """Asks the engine about pairs of rows."""

    def __init__(self, catalog: Catalog, config: Config, engine: Engine, memory: Memory | None) -> None:
        self._root, self._paths = catalog.root, catalog.paths
        self._max_pixels = config.max_pixels
        self._enough = Thresholds.of(config)
        self._align = config.transformed
        self._workers = config.workers
        self._engine = engine
        self._memory = memory
        self._remembered: dict[Question, Answer | None] = {}

    def ask(
        self,
        a: Sequence[int],
        b: Sequence[int],
        orientations: Sequence[tuple[int, ...]],
        guessed: Sequence[bool],
        *,
        align: bool,
        remember: bool = False,
    ) -> Iterator[Answer | None]:
        """Yield an answer a pair, in order; None where the pair took its worker down. Those on a few pairs may be remembered."""
        questions = [
            Question(
                self._root / self._paths[row_a],
                self._root / self._paths[row_b],
                turns,
                align and self._align,
                self._enough.proved,
                self._enough.registered_proved,
                self._max_pixels,
                guess,
            )
            for row_a, row_b, turns, guess in zip(a, b, orientations, guessed, strict=True)
        ]
        if self._remembered and self._remembered.keys() >= set(questions):
            answers: Iterable[Answer | None] = (self._remembered[question] for question in questions)
        elif self._memory is None:
            answers = self._asked(questions)
        else:
            answers = self._memory.answers(list(zip(a, b, strict=True)), questions, self._asked)
        for question, answer in zip(questions, answers, strict=True):
            if remember:
                self._remembered[question] = answer
            yield answer

    def _asked(self, questions: Sequence[Question]) -> Iterator[Answer | None]:
        size = min(_BATCH, max(_LEAST_BATCH, -(-len(questions) // self._workers)))
        for _, answers in self._engine.map_batches(answer_all, questions, batch_size=size):
            yield from (None,) if isinstance(answers, Lost) else answers


@dataclass(slots=True)
class _Verified:
    """What the verifier has found so far."""

    labels: NDArray[np.int32]
    """(rows,) label codes."""
    pairs: list[CopyPair] = field(default_factory=list)
    uncompared: set[int] = field(default_factory=set)
    """Rows that could not be compared after all: too little texture, or no longer readable."""
    parts: dict[tuple[int, int], Boxes] = field(default_factory=dict)
    """What the region in which a pair differs is made of, where there is one."""
    look_alikes: int = 0
    framed: int = 0
    """Pairs taken out because they share a frame only."""

    @property
    def whole(self) -> list[CopyPair]:
        """The pairs that differ in no region."""
        return [pair for pair in self.pairs if pair.differs is None]

    @property
    def partly_alike(self) -> NDArray[np.bool_]:
        """(rows,) whether a picture is alike to another but for a region."""
        found = np.zeros(len(self.labels), bool)
        found[[row for pair in self.pairs if pair.differs is not None for row in (pair.a, pair.b)]] = True
        return found

    def settle(self, a: int, b: int, answer: Answer | None, thresholds: Thresholds, configured: Thresholds) -> None:
        """Settle one answer: a copy, no copy, or not comparable."""
        if answer is None or answer.failure:
            self.uncompared |= {a, b}
        elif not answer.comparable:
            self.uncompared |= {row for row, count in zip((a, b), answer.textured, strict=True) if count < ENOUGH_TEXTURE}
        elif verdict := thresholds.verdict(answer):
            pair = _copy_pair(a, b, answer, verdict)
            # A board with a defect and the board without it are alike but for a region: no one may say they are one picture.
            certain = pair.differs is None or (self.labels[a] == self.labels[b] and thresholds == configured)
            self.pairs.append(pair if certain else replace(pair, verdict="probable"))
            if answer.covered is not None:
                self.parts[a, b] = answer.covered.parts
        elif configured.verdict(answer):
            self.look_alikes += 1

    def take_out_framed(self) -> None:
        """Take out the pairs that share a frame only."""
        found = set(framed(self.pairs, copy_groups_of(len(self.labels), self.whole), self.parts))
        self.pairs, self.framed = [pair for pair in self.pairs if pair not in found], len(found)


def _verify(
    nominations: Nominations,
    verifier: _Verifier,
    thresholds: Thresholds,
    config: Config,
    verified: _Verified,
    progress: Progress | None,
) -> Thresholds:
    """Verify the nominations in rounds, and enter what is found; return the thresholds, which pictures of one kind may raise."""
    a, b, distance, orientations = _by_pair(nominations)
    configured = Thresholds.of(config)
    of_a_kind = thresholds != configured  # then only what the hashes nominate is compared, and as it is
    guessed = distance >= AFTER_HASHES
    waiting = np.flatnonzero(~guessed) if of_a_kind else np.arange(len(a))
    while len(waiting):
        chosen = waiting[_nearest(a[waiting], b[waiting], distance[waiting])]
        rows_a, rows_b = a[chosen].tolist(), b[chosen].tolist()
        turns = [orientations[pair] for pair in chosen]
        asked = verifier.ask(rows_a, rows_b, turns, guessed[chosen].tolist(), align=not of_a_kind)
        answers: Iterable[Answer | None] = _watched(asked, len(a) - len(waiting), len(a), verified, progress)
        if of_a_kind:
            answers = list(answers)
            thresholds = beyond_look_alikes(thresholds, answers)
        for row_a, row_b, answer in zip(rows_a, rows_b, answers, strict=True):
            verified.settle(row_a, row_b, answer, thresholds, configured)
        component = copy_groups_of(len(verified.labels), verified.whole)
        waiting = np.setdiff1d(waiting, chosen, assume_unique=True)
        waiting = waiting[component[a[waiting]] != component[b[waiting]]]
        if progress:
            progress(len(a) - len(waiting), len(a), len(verified.pairs))
    return thresholds


def _watched(
    answers: Iterable[Answer | None], done: int, nominated: int, verified: _Verified, progress: Progress | None
) -> Iterator[Answer | None]:
    """Yield the answers, and report how many there are, ``done`` before them, each when the next is asked for."""
    for number, answer in enumerate(answers, done + 1):
        yield answer
        if progress:
            progress(number, nominated, len(verified.pairs))


def _by_pair(
    nominations: Nominations,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], list[tuple[int, ...]]]:
    """Collapse the nominations of a pair to one, with every orientation that is about as near as the nearest."""
    if not len(nominations):
        return nominations.a, nominations.b, nominations.distance, []
    new = (np.diff(nominations.a, prepend=-1) != 0) | (np.diff(nominations.b, prepend=-1) != 0)
    starts = np.flatnonzero(new)
    nearest = np.minimum.reduceat(nominations.distance, starts)
    close = nominations.distance <= np.repeat(nearest, np.diff(starts, append=len(nominations))) + _EQUALLY_NEAR
    told = np.flatnonzero(close & (nominations.orientation >= 0))
    bounds = np.searchsorted(told, np.append(starts, len(nominations))).tolist()
    known = nominations.orientation[told].tolist()
    orientations = [tuple(known[first:last]) for first, last in pairwise(bounds)]
    return nominations.a[starts], nominations.b[starts], nearest, orientations


def _nearest(a: NDArray[np.int64], b: NDArray[np.int64], distance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pairs are among the ``_NEIGHBOURS`` nearest of either of their rows."""
    row, other = np.concatenate([a, b]), np.concatenate([b, a])
    pair = np.tile(np.arange(len(a)), 2)
    order = np.lexsort((other, np.tile(distance, 2), row))
    chosen = np.zeros(len(a), bool)
    chosen[pair[order[ranks(row[order]) < _NEIGHBOURS]]] = True
    return chosen


def _copy_pair(a: int, b: int, answer: Answer, verdict: Verdict) -> CopyPair:
    near = answer.overlap >= _SAME_VIEW and answer.transform.is_slight()
    similarity = round(min(max(answer.likeness, 0.0), 1.0), 4)
    region = None if answer.covered is None or not answer.covered.believable else answer.covered.region
    return CopyPair(a, b, "near" if near else "transformed", verdict, similarity, answer.overlap, answer.transform, region)
