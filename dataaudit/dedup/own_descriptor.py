"""A descriptor of the user's in place of the built-in one: what score is near enough, where it is another network's?

``descriptor_score`` and its two marks were set for the built-in descriptor. Another has other dimensions, another spread and
another idea of likeness, so its marks are found on the dataset itself: all pairs of up to 2,048 of its pictures are scored by
both (normalised against the same background, as in the search), and the new one's mark is the score that as many pairs reach
as reach the built-in one's mark. So it nominates as many pairs as the built-in one would, at the same cost: those that it holds
for the likest. Copies among the pictures raise both counts alike. The first mark lets through at least one pair a picture: a
dataset in which the built-in descriptor finds nothing near may still hold what another would find.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.candidates import descriptor_least
from dataaudit.dedup.neighbours import BACKGROUND, NORMALISATION, UNIT, in_units, nearness
from dataaudit.dedup.vectors import by_content
from dataaudit.domain import OwnDescriptor
from dataaudit.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, FeatureTable
    from dataaudit.features.cache import Cache

    Watch = Callable[[str, int, int, int], None]
    """Called with (stage, done, total, found); the stage is ``describe``."""
    Describe = Callable[[Catalog, FeatureTable, Watch], tuple[FeatureTable, Config, OwnDescriptor | None]]
    """Returns what is searched, how, and by whose descriptor."""

__all__ = ["MOST_NUMBERS", "own_descriptor", "replaced"]

MOST_NUMBERS: Final = 4096
"""Numbers that a descriptor may have: two bytes each are held of every picture."""
_SAMPLE: Final = 2048
_GAP: Final = 1e-6  # of score: a step of the vectors is some hundred times that


@contextmanager
def own_descriptor(config: Config, cache: Cache | None, processes: int) -> Iterator[Describe]:
    """Yield what puts the output of the user's Keras model in the place of the built-in descriptors, where there is one.

    Raises:
        UsageError: if the file cannot be loaded, or copies are not searched by descriptor.
        ModelError: if the model cannot be used.
    """
    if config.descriptor is None:
        yield lambda _catalog, features, _watch: (features, config, None)
        return
    if not config.transformed or not config.neighbours:
        message = (
            f"--descriptor {config.descriptor}: without --transformed (and neighbours) no descriptor is used. Leave one out."
        )
        raise UsageError(message)
    from dataaudit.features.model_outputs import ModelOutputs  # noqa: PLC0415 - few runs have one

    with ModelOutputs(config.descriptor, "--descriptor", config, cache, processes=processes, antialias=True) as model:
        if model.numbers > MOST_NUMBERS:
            message = f"{model.name}: makes {model.numbers:,} numbers of a picture, expected at most {MOST_NUMBERS:,}. Pool them."
            raise ModelError(message)

        def describe(catalog: Catalog, features: FeatureTable, watch: Watch) -> tuple[FeatureTable, Config, OwnDescriptor | None]:
            vectors = model.directions(catalog, features, lambda done, total: watch("describe", done, total, 0))
            absent = int((features.readable & ~vectors.any(axis=1)).sum())
            own = OwnDescriptor(model.name, model.digest, model.numbers, absent)
            return *replaced(features, vectors, model.name, config), own

        yield describe


def replaced(features: FeatureTable, vectors: NDArray[np.float16], name: str, config: Config) -> tuple[FeatureTable, Config]:
    """Return the features with other descriptors, and the configuration with the marks that fit them.

    Args:
        features: with the built-in descriptors.
        vectors: (n, d) of length 1; zeros for a picture that has none, which is then nominated by its hashes alone.
        name: of the model.
        config: a ``descriptor_score`` that is not the default is the user's, and is taken as it is, with the marks.

    Raises:
        ModelError: if the model says the same of every picture.
    """
    described = np.flatnonzero(features.readable & vectors.any(axis=1))
    _, first = np.unique(features.pixel_digest[described], return_index=True)
    rows = described[first]
    rows = rows[by_content(features, rows)]
    fresh = replace(features, descriptor=vectors, inner_descriptor=np.zeros_like(features.inner_descriptor))
    if len(rows) < 2 or config.descriptor_score != type(config).model_fields["descriptor_score"].default:  # noqa: PLR2004 - a pair
        return fresh, config
    if (vectors[rows] == vectors[rows[0]]).all():
        message = f"{name}: its output is the same for all {len(rows)} different pictures; expected numbers by which they differ."
        raise ModelError(message)
    built_in = descriptor_least(len(rows), config)
    marks = [built_in, built_in + config.descriptor_clear, built_in + config.descriptor_far]
    least, clear, far = matched(_scores(features.descriptor, rows), _scores(vectors, rows), marks, min(len(rows), _SAMPLE))
    raised = config.descriptor_score - built_in
    return fresh, config.merged(descriptor_score=least + raised, descriptor_clear=clear - least, descriptor_far=far - least)


def matched(known: NDArray[np.float64], other: NDArray[np.float64], marks: list[float], fewest: int) -> list[float]:
    """Return the scores that as many of ``other`` reach as of ``known`` reach the marks; the first at least ``fewest``.

    Args:
        known: (pairs,) scores by the built-in descriptor.
        other: (pairs,) of the same pairs by another.
        marks: ascending.
        fewest: pairs that are to reach the first.
    """
    falling = -np.sort(-other)
    counts = [int((known >= mark).sum()) for mark in marks]
    counts[0] = min(max(counts[0], fewest), len(other))
    between = np.concatenate([[falling[0] + _GAP], (falling[1:] + falling[:-1]) / 2, [falling[-1] - _GAP]])
    return [float(between[count]) for count in counts]


def _scores(vectors: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the normalised scores of all pairs of the first of ``rows``, as :mod:`dataaudit.dedup.neighbours` makes them."""
    sample = in_units(vectors[rows[:_SAMPLE]])
    near = nearness(sample, in_units(vectors[rows[:BACKGROUND]])).astype(np.float64)
    a, b = np.triu_indices(len(sample), 1)
    scores: NDArray[np.float64] = ((sample @ sample.T)[a, b] - NORMALISATION * (near[a] + near[b])) / UNIT**2
    return scores
