"""RELATE: which files show the same picture, which seem to be of one subject; with them the measurements are whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dataaudit.domain.find import ROLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.domain.find import Catalog
    from dataaudit.domain.measure import FeatureTable
    from dataaudit.transform import Box, Size, Transform

Relation = Literal["exact", "pixel", "near", "transformed"]
RELATIONS: Final[tuple[Relation, ...]] = ("exact", "pixel", "near", "transformed")
"""From the closest to the loosest: same bytes; same decoded pixels; same view (re-encoded, resized,
brightened …); another view (mirrored, turned, …)."""
Verdict = Literal["proved", "probable"]
_LINES: Final = 4096  # that are hashed at a time


@dataclass(frozen=True, slots=True)
class CopyPair:
    """Two rows that show the same picture, ``a < b`` but where the pair is turned round to be told."""

    a: int
    b: int
    relation: Relation
    verdict: Verdict
    similarity: float
    """0 to 1; 1 is identical."""
    overlap: float
    """0 to 1: the share of b's area that a shows."""
    transform: Transform | None = None
    """From a to b; None where a relation has none."""
    differs: Box | None = None
    """Left, top, width and height of the region of b where the two pictures truly differ, in fractions of b; None: nowhere."""

    def turned_round(self, a: Size, b: Size) -> CopyPair:
        """Return the pair told from its other end: the transform takes b to a, and overlap and region are a's.

        Args:
            a: width and height of the picture in row ``a``.
            b: likewise of row ``b``.
        """
        if self.transform is None:
            return replace(self, a=self.b, b=self.a)
        back = self.transform.inverse(a, b)
        overlap = min(self.overlap * back.area(b, a), 1.0)
        differs = None if self.differs is None else back.box(self.differs, b, a)
        return replace(self, a=self.b, b=self.a, transform=back, overlap=overlap, differs=differs)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How alike pictures of this dataset are that are no copies, and what was made of it."""

    pairs: int
    """Pairs compared; 0 where nothing was nominated, or too few pictures were there to say."""
    correlation: float
    """The median local correlation of two pictures that are no copies."""
    raised: bool
    """Whether the thresholds had to be raised above those of the configuration."""
    proved_median: float
    """The thresholds that were used."""
    proved_quartile: float
    look_alikes: int = 0
    """Pairs that the configured thresholds would have told as copies, and the raised ones do not."""
    framed: int = 0
    """Pairs that are not told because several pictures share all but one region: a frame around different contents."""


@dataclass(frozen=True, slots=True)
class IndexRecall:
    """What the index of the descriptor search found of what an exact search of some pictures finds."""

    sampled: int
    """Pictures searched exactly."""
    pairs: int
    """Pairs that this nominates."""
    found: int
    """How many of them the index nominated, too."""


@dataclass(frozen=True, slots=True)
class OwnDescriptor:
    """The user's Keras model whose output was searched in place of the built-in copy descriptor."""

    name: str
    """Of its file."""
    digest: str
    """SHA-256 of it, hexadecimal."""
    numbers: int
    """That it makes of a picture."""
    absent: int
    """Readable pictures without one: TensorFlow cannot read the file, or the model says zero."""


@dataclass(frozen=True, slots=True, eq=False)
class CopyGraph:
    """All pairs found, sorted by (a, b), and what they join."""

    pairs: tuple[CopyPair, ...]
    component: NDArray[np.int64]
    """(n,) the smallest row of the row's copy group: the component of the *proved* edges it lies in."""
    not_compared: NDArray[np.bool_]
    """(n,) readable pictures too flat to be matched by content; only byte-identical copies of them are known."""
    calibration: Calibration | None = None
    """None where nothing was compared."""
    index_recall: IndexRecall | None = None
    """None where every two descriptors were compared."""
    own_descriptor: OwnDescriptor | None = None
    """None where the built-in one was searched."""

    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the copy groups of two rows and more, each ascending, sorted by their first row."""
        order = np.argsort(self.component, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(self.component[order])) + 1, len(order))
        starts = np.append(0, ends[:-1])
        several = ends - starts > 1
        runs = zip(starts[several].tolist(), ends[several].tolist(), strict=True)
        return tuple(tuple(order[start:end].tolist()) for start, end in runs)


@dataclass(frozen=True, slots=True, eq=False)
class InferredGroups:
    """A key in the names that behaves like a subject's: a patient, a video, a place."""

    how: str
    """Ready for ``--group-by``: ``regex:…``; empty where no pattern says it."""
    codes: NDArray[np.int64]
    """(n,) number of the row's key; -1 where it has none, or shares it with no other row."""
    pairs: int
    """Pairs that share a key and were compared with pairs dealt anew."""
    likeness: float
    """Chance that a pair of one key is closer than one dealt anew, 0 to 1."""
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True, eq=False)
class SubjectPairs:
    """Neighbours by number or time that look alike and are no copies: probably of one subject."""

    name: str
    """Of the series: ``frame0000``; ``EXIF time``."""
    by_time: bool
    a: NDArray[np.int64]
    """(m,) one row of each pair, the smaller one."""
    b: NDArray[np.int64]
    similarity: NDArray[np.float32]
    """(m,) cosine of their copy descriptors."""
    pairs: int
    """Neighbours that were compared with pairs dealt anew."""
    likeness: float
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True, eq=False)
class Subjects:
    """What seems to be of one subject, by names and times that the pictures bear out."""

    groups: tuple[InferredGroups, ...]
    neighbours: tuple[SubjectPairs, ...]
    tests: int
    """Guesses that were tested; 0: neither names nor times join enough pictures."""
    not_asked: str = ""
    """Why nothing was inferred, where that was not even tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """All that a scanner or a fixer sees."""

    catalog: Catalog
    features: FeatureTable
    copies: CopyGraph
    subjects: Subjects | None = None
    """What belongs together by names and times; None where it was not asked."""
    embeddings: NDArray[np.float32] | None = None
    """(n, d) what a model of the user's makes of the pictures (``--embeddings``); rows of NaN where it says nothing."""
    pred_probs: NDArray[np.float32] | None = None
    """(n, classes) class probabilities that a model of the user's predicts, out of sample (``--pred-probs``); NaN likewise."""

    def scored_last(self, pair: CopyPair) -> CopyPair:
        """Return the pair as it is told: the picture of the later split is b, of which the sentence speaks."""
        splits, features = self.catalog.split_codes, self.features
        if splits[pair.a] <= splits[pair.b]:
            return pair
        a, b = ((int(features.width[row]), int(features.height[row])) for row in (pair.a, pair.b))
        return pair.turned_round(a, b)

    def fingerprint(self) -> str:
        """Return the SHA-256, hexadecimal, of every sample's path, label, split and content digest, in path order."""
        digest, catalog = hashlib.sha256(), self.catalog
        labels, splits = (*catalog.classes, ""), (*ROLES, "")  # code -1 is the last one, empty
        columns = catalog.paths, catalog.label_codes.tolist(), catalog.split_codes.tolist(), self.features.hex_digests()
        lines = (
            f"{path}\0{labels[label]}\0{splits[split]}\0{content}\n" for path, label, split, content in zip(*columns, strict=True)
        )
        while text := "".join(islice(lines, _LINES)):
            digest.update(text.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
