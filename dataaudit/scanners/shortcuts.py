"""SHC: can the class, or the split, be told from what is not content?

For each of ``SIGHTS`` a small model sees nothing else and answers, cross-validated, what the class is, and whether a picture is
of train or of another split. It is told where it does better than permuted targets (q < ``alpha``, Benjamini–Hochberg over all
tests of the run) *and* goes ``shortcut_gain`` of the way from guessing to certainty, or ``shortcut_content_gain`` where the
object itself may decide it too (file size, colour). The border has to go that far beyond what the inner half of the picture tells
in the same way: a frame, a ruler, a background is told, a scene is not.

Of every copy group and declared group one row a target counts (of one class, where a split is asked for), and none is torn
between folds. Targets of groups of one target are permuted among one another, those of mixed groups within the group; splits are
permuted within the classes, so that other class shares (STR601) are no shortcut. At most ``shortcut_sample`` rows are looked at,
chosen by their digests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, ROLES, ComparisonEvidence, Finding, NotRun
from dataaudit.scanners.leakage import joined_units
from dataaudit.scanners.shortcut_features import SIGHTS, Sight
from dataaudit.scanners.shortcut_rules import FILE_SIZE, ORDER, RULES
from dataaudit.statistics.copies import one_of_each
from dataaudit.statistics.corrections import benjamini_hochberg
from dataaudit.statistics.shortcuts import Telling, how_well, indicators
from dataaudit.wording import percent, surely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements

__all__ = ["RULES", "Question", "ask", "questions", "scan"]

MOST_CLASSES: Final = 20
"""Classes that are told apart, the largest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What the small models are asked: the rows, and what each of them is."""

    what: str
    """``the class``, ``train from val``."""
    names: tuple[str, ...]
    """What each target is: classes or splits."""
    rows: NDArray[np.int64]
    """(n,) rows of the catalog, ascending."""
    target: NDArray[np.int64]
    """(n,) index into ``names``."""
    units: NDArray[np.int64]
    """(n,) what is never torn between folds."""
    blocks: NDArray[np.int64]
    """(n,) rows whose targets may be exchanged have one code."""
    of: str
    """Said of a sample: `` (of the 20 largest classes, 2,000 sampled pictures)``; empty for all."""


@dataclass(frozen=True, slots=True)
class _Answer:
    question: Question
    sight: Sight
    telling: Telling
    gain: float
    """The telling's gain, less that of what it must tell more than."""
    beyond: str
    """What that tells, in words; or empty."""
    most: str


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield what tells the class or the split and should not."""
    asked = questions(measurements, config)
    if not asked:
        catalog = measurements.catalog
        enough = f"two classes or splits with {config.shortcut_minimum} different readable pictures each are needed"
        kind = "too-few" if len(catalog.classes) > 1 or len(catalog.splits) > 1 else "not-applicable"
        for rule in RULES:
            yield NotRun(rule, f"{kind}: {enough}")
        return
    answers = [answer for question in asked for sight in SIGHTS if (answer := ask(measurements, question, sight, config))]
    varied = {answer.sight.rule.code for answer in answers}
    for sight in SIGHTS:
        if sight.rule.code not in varied:
            missing = "the file names hold no series of numbers" if sight.rule is ORDER else f"the {sight.subject} does not vary"
            yield NotRun(sight.rule, f"not-applicable: {missing}")
    q_values = benjamini_hochberg([answer.telling.p_value for answer in answers]).tolist()
    told: dict[str, float] = {}
    for answer, q in zip(answers, q_values, strict=True):
        if q >= config.alpha or answer.gain < _floor(answer.sight, config):
            continue
        what = answer.question.what
        if answer.sight.rule is FILE_SIZE and told.get(what, 0.0) >= answer.telling.gain:
            continue  # the encoding or the resolution, which decide the file size, say as much
        told.setdefault(what, answer.telling.gain)
        yield _finding(measurements, answer, q)


def _floor(sight: Sight, config: Config) -> float:
    return config.shortcut_content_gain if sight.content else config.shortcut_gain


def questions(measurements: Measurements, config: Config) -> list[Question]:
    """Return the questions the dataset allows: the class; train from val; train from test."""
    catalog = measurements.catalog
    labels, splits = catalog.label_codes.astype(np.int64), catalog.split_codes.astype(np.int64)
    units = joined_units(catalog, measurements.copies)
    readable = measurements.features.readable
    found = [_question(measurements, units, readable & (labels != NONE), labels, np.zeros_like(labels), catalog.classes, config)]
    for code in (ROLES.index(role) for role in catalog.splits if role != "train"):
        inside = readable & np.isin(splits, (0, code))
        found.append(_question(measurements, units, inside, splits, labels, ROLES, config))
    return [question for question in found if question is not None]


def _question(
    measurements: Measurements,
    units: NDArray[np.int64],
    usable: NDArray[np.bool_],
    target: NDArray[np.int64],
    strata: NDArray[np.int64],
    names: tuple[str, ...],
    config: Config,
) -> Question | None:
    """Return a question about the usable rows; None where fewer than two targets have enough of them."""
    rows = np.flatnonzero(usable)
    rank = rows[np.argsort(measurements.features.sha256[rows, 0], kind="stable")]
    looked = rank[: 8 * config.shortcut_sample]
    rows = one_of_each(looked[_of_one_stratum(units[looked], strata[looked])], units, target, strata)
    counts = np.bincount(target[rows], minlength=len(names))
    largest = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    kept = np.sort(largest[counts[largest] >= config.shortcut_minimum])
    rows = rows[np.isin(target[rows], kept)]
    if len(kept) < 2:  # noqa: PLR2004 - to be told apart
        return None
    by_digest = np.argsort(measurements.features.sha256[rows, 0], kind="stable")
    sampled = len(rows) > config.shortcut_sample or len(rank) > 8 * config.shortcut_sample
    rows = np.sort(rows[by_digest[: config.shortcut_sample]])
    of = [f"of the {len(kept)} largest classes"] * (len(kept) < int((counts > 0).sum()))
    of += [f"{len(rows)} sampled pictures"] * sampled
    what = "the class" if names is not ROLES else f"train from {ROLES[int(kept[-1])]}"
    codes = np.searchsorted(kept, target[rows])
    blocks = _blocks(units[rows], strata[rows])
    return Question(
        what, tuple(names[code] for code in kept), rows, codes, units[rows], blocks, f" ({', '.join(of)})" if of else ""
    )


def _of_one_stratum(units: NDArray[np.int64], strata: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows are of the stratum of their unit's first row: a patient with pictures of four classes is one patient."""
    _, first, of_unit = np.unique(units, return_index=True, return_inverse=True)
    return np.asarray(strata == strata[first][of_unit.reshape(-1)])


def _blocks(units: NDArray[np.int64], strata: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what is exchangeable: rows of one stratum; of a unit with several targets in a stratum, only its own rows."""
    _, unit = np.unique(np.stack([units, strata]), axis=1, return_inverse=True)
    mixed = np.bincount(unit.reshape(-1))[unit.reshape(-1)] > 1  # one row a unit, stratum and target was kept
    return np.where(mixed, int(strata.max()) + 1 + unit.reshape(-1), strata)


def ask(measurements: Measurements, question: Question, sight: Sight, config: Config) -> _Answer | None:
    """Return how well a small model answers a question; None where it sees nothing that varies."""
    columns = sight.sees(measurements, question.rows, question.target)
    if not columns:
        return None
    design, names = indicators(columns)
    if not names:
        return None
    inner, beyond = 0.0, ""
    if sight.beyond is not None:
        other = indicators(sight.beyond(measurements, question.rows, question.target))[0]
        told = how_well(other, question.target, question.units, question.blocks, math.inf)
        inner, beyond = max(told.gain, 0.0), f"; {sight.beyond_name}: {percent(told.accuracy, 0)}"
    telling = how_well(design, question.target, question.units, question.blocks, _floor(sight, config) + inner)
    return _Answer(question, sight, telling, telling.gain - inner, beyond, _most_telling(design, names, question))


def _most_telling(design: NDArray[np.float64], names: tuple[str, ...], question: Question) -> str:
    """Return the bin or level whose share differs most between one target and all the others, in words."""
    inside = np.stack([design[question.target == code].mean(axis=0) for code in range(len(question.names))])
    outside = np.stack([design[question.target != code].mean(axis=0) for code in range(len(question.names))])
    code, column = np.unravel_index(np.abs(inside - outside).argmax(), inside.shape)
    others = question.names[1 - code] if len(question.names) == 2 else "the others"  # noqa: PLR2004 - the other one
    return (
        f"{names[column]}: {percent(float(inside[code, column]), 0)} of {question.names[code]}, "
        f"{percent(float(outside[code, column]), 0)} of {others}"
    )


def _finding(measurements: Measurements, answer: _Answer, q: float) -> Finding:
    question, telling = answer.question, answer.telling
    counts = np.bincount(question.target)
    largest = int(np.argmax(counts))
    share = percent(counts[largest] / telling.n, 0)
    message = (
        f"the {answer.sight.subject} alone tells {question.what}: a small model that sees nothing else is right in "
        f"{percent(telling.accuracy, 0)} of cases, each of the {len(counts)} counting the same (guessing: "
        f"{percent(telling.chance, 0)}{answer.beyond}; the largest, {question.names[largest]!r}, holds {share}; "
        f"n {telling.n}{question.of}, cross-validated, {surely(q)}). Most telling: {answer.most}"
    )
    splits = measurements.catalog.splits or ("unsplit",)
    codes = measurements.catalog.split_codes[question.rows]
    present = tuple(role for role in splits if role == "unsplit" or (codes == ROLES.index(role)).any())
    evidence = ComparisonEvidence(
        "balanced accuracy of cross-validated ridge regression on bins, against permuted targets",
        f"{answer.sight.subject} → {question.what}",
        present,
        tuple(int((codes == (NONE if role == "unsplit" else ROLES.index(role))).sum()) for role in present),
        telling.accuracy,
        telling.p_value,
        q,
        answer.gain,
        "share of the way from guessing to certainty" + ", beyond the inner half's" * bool(answer.beyond),
    )
    return Finding(answer.sight.rule, message, (), evidence)
