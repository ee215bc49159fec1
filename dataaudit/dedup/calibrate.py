"""How alike are pictures of this dataset that are *not* copies? The thresholds of the verdict follow from it.

Photographs that are no copies correlate about 0 ± .05; solar cells, boards or scans share a template and correlate much
more. A sample of pairs that the perceptual hashes hold apart is compared; a copy is *probable* from the correlation that
less than one of all the pairs searched is expected to reach, and *proved* from two standard deviations more. Correlations
are made normal by Fisher's z (``artanh r``; Fisher, "On the probable error of a coefficient of correlation", Metron 1921).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atanh, sqrt, tanh
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.candidates import distance256
from dataaudit.dedup.vectors import by_content
from dataaudit.domain import DIHEDRAL, Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.dedup.overlay import Bound
    from dataaudit.dedup.verify import Answer
    from dataaudit.domain import FeatureTable, Verdict

LOOKS: Final = ((10, 2.5), (16, 1.5), (48, 1.0))
"""Pictures whose pairs are compared, and what their spread is multiplied by: a few pictures do where even a spread much larger
raises nothing."""
_PAIRS: Final = 400
_FEWEST: Final = 30  # pairs below which nothing is said of their distribution
_SURE: Final = 2.0  # more deviations for a proof: the tail of a mixture (cells of two makes) is heavier than a normal one
_NEARLY: Final = 0.75  # of the way from probable to proved: what pictures alike but for a region must reach to be probable
_LEAST_SHARED: Final = 0.4  # of b, where a region differs: two subjects on one floor share less than a copy and its overlay
_HIGHEST: Final = 0.9999  # a correlation of 1 has no z
_STEP: Final = 0.25  # of z: in two such steps the nearest look-alikes are counted …
_FINELY: Final = 5  # … and a fifth of one at a time is gone on


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which correlations a pair is proved, or probable.

    A registration has six numbers to choose, so pictures that are merely of one kind (hands on white) come out more alike;
    true copies come out as alike as ever (of 360 augmented pictures of three sets, 5 % were under .993 and .989).
    """

    proved: Bound
    probable: Bound
    registered_proved: Bound
    registered_probable: Bound

    @staticmethod
    def of(config: Config) -> Thresholds:
        """Return the configured thresholds."""
        return Thresholds(
            (config.proved_median, config.proved_quartile),
            (config.probable_median, config.probable_quartile),
            config.registered_proved,
            config.registered_probable,
        )

    def raised(self, proved: Bound, probable: Bound) -> Thresholds:
        """Return thresholds that are at least the ones given."""
        return Thresholds(
            _larger(self.proved, proved),
            _larger(self.probable, probable),
            _larger(self.registered_proved, proved),
            _larger(self.registered_probable, probable),
        )

    def verdict(self, answer: Answer) -> Verdict | None:
        """Return the verdict on a pair; None if it is neither proved nor probable.

        Lines of one direction, and little else of a tiny picture, prove nothing: what would be a proof is probable.
        """
        proved, probable = (
            (self.registered_proved, self.registered_probable) if answer.registered else (self.proved, self.probable)
        )
        if answer.covered is None:
            if answer.reaches(proved):
                return "proved" if answer.located else "probable"
            return "probable" if answer.located and answer.reaches(probable) else None
        if answer.shared >= _LEAST_SHARED and answer.covered.proves(_larger(proved, self.registered_proved)):
            return "proved"
        nearly = tuple(
            low + _NEARLY * (high - low) for low, high in zip(self.registered_probable, self.registered_proved, strict=True)
        )
        alike = answer.located and answer.reaches(probable)
        return "probable" if alike or answer.covered.reaches((nearly[0], nearly[1])) else None


def unlike_pairs(
    features: FeatureTable, rows: NDArray[np.int64], config: Config, pictures: int = LOOKS[-1][0]
) -> list[tuple[int, int]]:
    """Return up to ``_PAIRS`` pairs of so many of ``rows`` whose hashes differ too much for a copy in the same orientation.

    Rows are taken in the order of their content digests: the same pictures, whatever their names.
    """
    sample = rows[by_content(features, rows)][:pictures]
    first, second = np.triu_indices(len(sample), 1)
    a, b = np.minimum(sample[first], sample[second]), np.maximum(sample[first], sample[second])
    unlike = np.flatnonzero(distance256(features, a, 0, b) > config.hamming256)
    if len(unlike) < _FEWEST and len(sample) == pictures:  # of so many pictures nearly all alike, most are no copies
        unlike = np.arange(len(a))
    chosen = unlike[np.linspace(0, len(unlike) - 1, min(len(unlike), _PAIRS)).astype(np.int64)]
    return list(zip(a[chosen].tolist(), b[chosen].tolist(), strict=True))


def calibrate(
    answers: Sequence[Answer | None], searched: int, config: Config, caution: float = 1.0
) -> tuple[Thresholds, Calibration]:
    """Set the thresholds from comparisons of pairs that are no copies.

    Args:
        answers: of the pairs of :func:`unlike_pairs`.
        searched: pictures that are searched, each against each, in eight orientations.
        config: the thresholds that are never gone below.
        caution: the spread is taken for so many times as large.

    Returns:
        The thresholds, and what was measured; with fewer than ``_FEWEST`` answers, those of ``config``.
    """
    compared = [answer for answer in answers if answer is not None and answer.comparable]
    if len(compared) < _FEWEST:
        thresholds = Thresholds.of(config)
        return thresholds, Calibration(0, 0.0, False, *thresholds.proved)  # noqa: FBT003 - raised: no
    pairs = searched * (searched - 1) / 2 * DIHEDRAL
    deviations = NormalDist().inv_cdf(1.0 - 1.0 / pairs)
    medians, quartiles = (_centre_and_spread([getattr(answer, name) for answer in compared]) for name in ("median", "quartile"))
    probable, proved = (
        (tanh(medians[0] + reach * medians[1]), tanh(quartiles[0] + reach * quartiles[1]))
        for reach in (caution * deviations, caution * (deviations + _SURE))
    )
    thresholds = Thresholds.of(config).raised(proved, probable)
    return thresholds, Calibration(
        pairs=len(compared),
        correlation=round(tanh(medians[0]), 4),
        raised=thresholds != Thresholds.of(config),
        proved_median=round(thresholds.proved[0], 4),
        proved_quartile=round(thresholds.proved[1], 4),
    )


def beyond_look_alikes(thresholds: Thresholds, answers: Sequence[Answer | None]) -> Thresholds:
    """Raise the thresholds to where less than one pair that is merely of one kind is expected.

    Pairs drawn at random tell nothing of the few that are nearest: digits are alike in their class, and the likest ones of
    thousands without a gap to the others. So those that were nominated are looked at. Toward 1 look-alikes become
    fewer: where n are found within a step of z below a threshold, and m > n in the step before, n²/(m - n) more are expected
    beyond it (a geometric series). Where they become more, by two standard deviations, copies begin.

    Args:
        thresholds: of a dataset whose pictures are of one kind.
        answers: on its nominated pairs; of those compared as they are, and alike in all regions, the median counts.

    Returns:
        Thresholds whose proof asks for that median; a step below it a pair is probable.
    """
    alike = [answer.median for answer in answers if answer and answer.comparable and not answer.registered and not answer.covered]
    z = np.sort(np.arctanh(np.clip(alike, 0.0, _HIGHEST)))
    least = level = atanh(thresholds.proved[0])
    while True:
        first, middle, last = np.searchsorted(z, (level - 2 * _STEP, level - _STEP, level))
        before, here = middle - first, last - middle
        if here**2 < max(before - here, 1) or here > before + 2.0 * sqrt(before):
            break
        level += _STEP / _FINELY
    if level == least:
        return thresholds
    return thresholds.raised((tanh(level), thresholds.proved[1]), (tanh(max(level - _STEP, least)), thresholds.probable[1]))


def _larger(a: Bound, b: Bound) -> Bound:
    return max(a[0], b[0]), max(a[1], b[1])


def _centre_and_spread(correlations: Sequence[float]) -> tuple[float, float]:
    """Return median and upper spread of Fisher's z: the normal deviation that the 90 % point is away.

    Up to a tenth of the pairs may be copies after all (augmented ones, which the hashes cannot hold apart).
    """
    z = np.arctanh(np.clip(correlations, -_HIGHEST, _HIGHEST))
    median, high = np.quantile(z, [0.5, 0.9])
    return float(median), float((high - median) / NormalDist().inv_cdf(0.9))
