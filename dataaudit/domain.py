"""Every value that crosses a stage. Read this first, then ``pipeline.py``.

``root → Catalog → FeatureTable → CopyGraph``; the three together are ``Measurements``, and that is all a
scanner or a fixer sees. Scanners turn measurements into ``Finding``; fixers turn them into plans
(``SplitPlan``, ``ClassWeights``, ``AugmentationPlan``); a ``Report`` is what the reports render.

Values are frozen, sequences are tuples. **The row number is the join key**: row ``i`` of the catalog, of the
feature table and of every later array is the same file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dataaudit.transform import Policy as Policy  # noqa: PLC0414, TC001 - two of the values, imported from here
from dataaudit.transform import Transform as Transform  # noqa: PLC0414, TC001

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dataaudit.transform import Box, Size

# --------------------------------------------------------------------------------------------- FIND

Role = Literal["train", "val", "test"]
ROLES: Final[tuple[Role, ...]] = ("train", "val", "test")
"""The roles of a split, in the order of their codes (0, 1, 2; -1 is *no split*)."""

NONE: Final = -1
"""The code of an absent label, split or group."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image file: its path relative to the dataset (``/`` separated), and what the layout says of it."""

    path: str
    label: str | None
    split: Role | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is not a sample, and why. Nothing is skipped in silence."""

    path: str
    kind: str
    """A stable slug: ``hidden``, ``not-an-image``, ``irregular``, ``dangling-link``, ``link-loop``,
    ``directory-link``, ``no-permission``, ``outside-layout``, ``apple-double``, ``system-file``,
    ``phantom-folder``, ``left-out`` …"""
    reason: str


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """A folder that Keras's ``image_dataset_from_directory`` would take for a class, or a phantom of one."""

    path: str
    """Relative to the dataset, ``/`` separated: ``train/cat``."""
    split: Role | None
    name: str
    images: int
    """Samples in it, sub-folders included."""
    phantom: bool = False
    """A folder no one means as a class: ``.ipynb_checkpoints``, ``__MACOSX``, hidden folders."""
    linked: bool = False
    """A link to a folder that was not followed; Keras follows it."""


@dataclass(frozen=True, slots=True)
class HashList:
    """A committed list of SHA-256 digests, beside the samples."""

    name: str
    digests: tuple[str, ...]
    """(n,) 64 hexadecimal digits; empty for a sample that is not listed."""
    missing: tuple[str, ...]
    """Listed files that the dataset has not."""


@dataclass(frozen=True, slots=True)
class KerasSplit:
    """The split that two calls of ``image_dataset_from_directory`` draw, and what a slip in the second call would leak."""

    share: float
    """``validation_split``."""
    seed: int
    files: int
    """Files that Keras lists."""
    validation: int
    """Of them in validation."""
    strangers: int
    """Files that Keras lists and that are no samples: hidden ones, and those behind linked class folders."""
    other_seed: int
    """Of as many validation files drawn by the next seed, those that are in this training part."""
    unshuffled: int
    """Of as many validation files taken with ``shuffle=False``, those that are in this training part."""
    unshuffled_classes: int
    """Classes among those validation files."""


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """The dataset as columns, in path order (raw bytes), fixed once.

    Columns because 100,000 samples cost a quarter of what as many objects cost; ``catalog[i]`` gives a
    readable :class:`Sample`.
    """

    root: Path
    """Where the files are. Never printed by a report."""
    layout: str
    """``split/class/file``, ``class/file``, ``manifest`` or ``metadata``."""
    labels_from: str
    """How labels were found, as a person reads it: ``folder names``, ``column 'label' of manifest.csv``."""
    paths: tuple[str, ...]
    classes: tuple[str, ...]
    """Class names sorted by code point, as Keras sorts them; a label code is an index into them."""
    groups: tuple[str, ...]
    """Declared group keys, sorted; a group code is an index into them."""
    label_codes: NDArray[np.int32]
    """(n,) index into ``classes``; -1 is unlabelled."""
    split_codes: NDArray[np.int8]
    """(n,) index into ``ROLES``; -1 is no split."""
    group_codes: NDArray[np.int32]
    """(n,) index into ``groups``; -1 is no declared group (a group of its own)."""
    skipped: tuple[Skipped, ...] = ()
    class_folders: tuple[ClassFolder, ...] = ()
    split_folders: tuple[tuple[str, Role], ...] = ()
    """The top folders that were taken for splits, with their roles: ``(("Training", "train"), …)``."""
    outside_links: tuple[str, ...] = ()
    """Samples that are links to files outside the dataset."""
    hashes: HashList | None = None
    """Digests that were written down before, where there are some."""
    keras_split: KerasSplit | None = None
    """How the splits were drawn, where it was as Keras draws them."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.paths)

    def __getitem__(self, row: int) -> Sample:
        """Return row ``row`` as a readable sample."""
        label, split, group = int(self.label_codes[row]), int(self.split_codes[row]), int(self.group_codes[row])
        return Sample(
            self.paths[row],
            None if label == NONE else self.classes[label],
            None if split == NONE else ROLES[split],
            None if group == NONE else self.groups[group],
        )

    def __iter__(self) -> Iterator[Sample]:
        """Iterate over the samples in row order."""
        return (self[row] for row in range(len(self)))

    @property
    def splits(self) -> tuple[Role, ...]:
        """The roles that hold at least one sample, in role order."""
        return tuple(role for code, role in enumerate(ROLES) if bool(np.any(self.split_codes == code)))

    def rows_of(self, role: Role | None) -> NDArray[np.intp]:
        """Return the rows of one split (``None``: of the samples without a split), ascending."""
        return np.flatnonzero(self.split_codes == (NONE if role is None else ROLES.index(role)))

    def counts(self) -> NDArray[np.int64]:
        """Return samples per split and class, shape (4, classes): train, val, test, unsplit; unlabelled excluded."""
        table = np.zeros((len(ROLES) + 1, len(self.classes)), np.int64)
        labelled = self.label_codes != NONE
        np.add.at(table, (self.split_codes[labelled], self.label_codes[labelled]), 1)
        return table


# ------------------------------------------------------------------------------------------ MEASURE

PROPERTY_NAMES: Final = (
    "luminance",
    "contrast",
    "sharpness",
    "saturation",
    "colourfulness",
    "entropy",
    "aspect",
    "megapixels",
    "bits_per_pixel",
)
"""The columns of ``FeatureTable.properties``; their formulas stand in ``features/properties.py``."""

DIHEDRAL: Final = 8
"""Orientations of a picture. Orientation ``k`` is: mirror left-right if ``k >= 4``, then rotate
counter-clockwise by ``90 · (k % 4)`` degrees."""

FailureKind = Literal["unreadable", "truncated", "too-many-pixels", "timeout", "memory", "crash"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file could not be measured."""

    kind: FailureKind
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """What was measured of each file: one row a sample, one NumPy column a feature.

    A row whose ``failures`` entry is set keeps its digest and ``loader`` where the bytes could be read; every other column
    of it holds zeros (properties: NaN).
    """

    sha256: NDArray[np.uint64]
    """(n, 4) SHA-256 of the file's bytes, big-endian words; zeros where the file could not be read."""
    pixel_digest: NDArray[np.uint64]
    """(n,) first 64 bits of the SHA-256 of the measured picture's pixels and size and of the stored size; not of the stored
    mode: a palette PNG and an RGB PNG that decode to the same pixels are the same to Keras."""
    phash64: NDArray[np.uint64]
    """(n, 8) 64-bit perceptual hash of the measured picture in each of its eight orientations."""
    phash256: NDArray[np.uint64]
    """(n, 8, 4) 256-bit perceptual hash, likewise."""
    descriptor: NDArray[np.float16]
    """(n, 128) copy descriptor of the measured picture, of length 1; much the same for all eight orientations."""
    keypoints: NDArray[np.uint8]
    """(n, 80, 18) local features of the measured picture: x, y and 128 bits each; zeros where it has fewer corners."""
    properties: NDArray[np.float32]
    """(n, len(PROPERTY_NAMES)) statistics of the measured picture."""
    width: NDArray[np.int32]
    """(n,) stored width in pixels, EXIF orientation not applied."""
    height: NDArray[np.int32]
    file_bytes: NDArray[np.int64]
    """(n,) length of the file in bytes."""
    format: NDArray[np.str_]
    """(n,) ``<U5``: ``JPEG PNG GIF BMP WEBP TIFF AVIF``, or empty."""
    mode: NDArray[np.str_]
    """(n,) ``<U8``: Pillow's mode of the stored picture (``L``, ``RGB``, ``P``, ``CMYK``, ``I;16`` …)."""
    exif_orientation: NDArray[np.uint8]
    """(n,) EXIF tag 0x0112, 1 to 8; 0 where there is none."""
    frames: NDArray[np.int32]
    """(n,) frames of the file (1: a still picture)."""
    jpeg_coding: NDArray[np.uint64]
    """(n,) digest of a JPEG's quantisation tables, chroma sampling and progression; 0 for other formats."""
    jpeg_quality: NDArray[np.uint8]
    """(n,) libjpeg's quality of 1 to 100 that fits the quantisation table best; 0 for other formats."""
    camera: NDArray[np.bytes_]
    """(n,) ``S32``: make and model of the EXIF data, or empty."""
    taken: NDArray[np.int64]
    """(n,) EXIF DateTimeOriginal by the camera's own clock, seconds since 1970; 0 where there is none."""
    colours: NDArray[np.uint8]
    """(n, 17, 3) mean R, G, B of the whole, the edges and the corners, outer and inner: ``features.provenance.REGIONS``."""
    edge_spread: NDArray[np.uint8]
    """(n, 8) standard deviation of the grey along the top, right, bottom and left edge, outer and inner."""
    loader: NDArray[np.uint8]
    """(n,) what TensorFlow makes of the file: a position in ``features.loader.OUTCOMES``; 0: not known. Set for failures too."""
    trailing: NDArray[np.int64]
    """(n,) bytes behind the end of the picture."""
    zeroed: NDArray[np.int64]
    """(n,) bytes of coded pixels that were overwritten with zeros."""
    strict: NDArray[np.uint8]
    """(n,) what a strict decoder says: a position in ``features.strict.COMPLAINTS``; 0 without ``--integrity deep``."""
    failures: tuple[Failure | None, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.failures)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(n,) whether the file was measured."""
        return np.array([failure is None for failure in self.failures], bool)

    def property(self, name: str) -> NDArray[np.float32]:
        """Return one column of ``properties``, shape (n,)."""
        column: NDArray[np.float32] = self.properties[:, PROPERTY_NAMES.index(name)]
        return column

    def hex_digest(self, row: int) -> str:
        """Return the SHA-256 of row ``row`` as 64 hexadecimal digits; empty where the file could not be read."""
        words = self.sha256[row]
        return words.astype(">u8").tobytes().hex() if words.any() else ""

    @staticmethod
    def concat(parts: Sequence[FeatureTable]) -> FeatureTable:
        """Join tables row-wise; associative, so an engine may build them in parts of any size.

        Raises:
            ValueError: if ``parts`` is empty.
        """
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(FeatureTable)}
        failures = tuple(chain.from_iterable(columns.pop("failures")))
        return FeatureTable(**{name: np.concatenate(column) for name, column in columns.items()}, failures=failures)


# ------------------------------------------------------------------------------------------- RELATE

Relation = Literal["exact", "pixel", "near", "transformed"]
RELATIONS: Final[tuple[Relation, ...]] = ("exact", "pixel", "near", "transformed")
"""From the closest to the loosest: same bytes; same decoded pixels; same view (re-encoded, resized,
brightened …); another view (mirrored, turned, …)."""
Verdict = Literal["proved", "probable"]


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
        _, starts, sizes = np.unique(self.component[order], return_index=True, return_counts=True)
        return tuple(
            tuple(int(row) for row in order[start : start + size]) for start, size in zip(starts, sizes, strict=True) if size > 1
        )


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
        known: list[bool] = np.any(self.features.sha256, axis=1).tolist()
        contents = self.features.sha256.astype(">u8").tobytes().hex()
        codes = zip(catalog.paths, catalog.label_codes.tolist(), catalog.split_codes.tolist(), known, strict=True)
        for row, (path, label, split, is_known) in enumerate(codes):
            content = contents[64 * row : 64 * row + 64] if is_known else ""
            digest.update(f"{path}\0{labels[label]}\0{splits[split]}\0{content}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


# -------------------------------------------------------------------------------------------- JUDGE

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""From the worst."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code means; written once, read by ``explain``, the README table and every report."""

    code: str
    name: str
    """A stable slug: ``exact-copy-across-splits``."""
    severity: Severity
    summary: str
    """One line, no full stop."""
    why: str
    """What it does to the training or its score."""
    remedy: str
    """What to do."""


@dataclass(frozen=True, slots=True)
class FileEvidence:
    """What is wrong with one file: what was found, what was expected."""

    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class CopyEvidence:
    """The pairs by which a copy group is known."""

    pairs: tuple[CopyPair, ...]


@dataclass(frozen=True, slots=True)
class GroupEvidence:
    """A group key and its samples per split: ``(("train", 12), ("val", 3))``."""

    key: str
    splits: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class TableEvidence:
    """Counts or shares: one row a class (or another thing), one column a split (or another thing)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True, slots=True)
class ComparisonEvidence:
    """A statistical test: what was compared, how large the effect is, and how sure."""

    test: str
    subject: str
    """What differs: ``luminance``, ``class shares``."""
    splits: tuple[str, ...]
    n: tuple[int, ...]
    """Samples compared, per split; copies counted once where the message says so."""
    statistic: float
    p_value: float
    q_value: float
    """After Benjamini–Hochberg over every test of the run that belongs to the family; equals p where it stands alone."""
    effect: float
    effect_name: str
    interval: tuple[float, float] | None = None


Evidence = FileEvidence | CopyEvidence | GroupEvidence | TableEvidence | ComparisonEvidence


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a file (INT), a copy group (LEK, DUP, LBL), or a test (the rest)."""

    rule: Rule
    message: str
    """Stands alone: what, how much, how sure."""
    samples: tuple[int, ...]
    """Rows, ascending."""
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotRun:
    """A rule that did not run. It is never a pass."""

    rule: Rule
    reason: str
    """Starts with ``not-applicable``, ``too-few``, ``needs-extra`` or ``failed``, then ``: `` and the details."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the best constant answer scores: always the commonest class of the scored samples."""

    label: str
    share: float
    """0 to 1, of the scored samples that have a label."""


@dataclass(frozen=True, slots=True)
class Leak:
    """How much of one split is known from another, and what a score on it is worth."""

    split: Role
    samples: int
    leaked: int
    """Samples with a proved copy in another split."""
    honest: int
    """Samples with neither a proved copy nor a mate of their declared group in another split: *honest n*."""
    baseline: Baseline | None
    """None where the split has no labels, or the dataset fewer than two classes."""

    @property
    def share(self) -> float:
        """Leaked over samples; 0 for an empty split."""
        return self.leaked / self.samples if self.samples else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict, and the numbers its sentence is made of."""

    verdict: Literal["trustworthy", "suspect", "not-trustworthy"]
    sentence: str
    leaks: tuple[Leak, ...]
    """One a split that is present, in role order."""
    notes: tuple[str, ...] = ()
    """What ``--val-accuracy`` adds, and whatever else belongs beside the verdict, one sentence each."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that the reports render. It prints no clock, host or absolute path: same input, same bytes."""

    measurements: Measurements
    summary: Summary
    findings: tuple[Finding, ...]
    """Complete, worst first: by severity, code, first sample path."""
    rules_run: tuple[Rule, ...]
    rules_not_run: tuple[NotRun, ...]
    fingerprint: str
    """Of the measurements: see :meth:`Measurements.fingerprint`."""


# ---------------------------------------------------------------------------------------- SELF-TEST


@dataclass(frozen=True, slots=True)
class FamilyRecall:
    """How many planted copies of one kind were found."""

    family: str
    planted: int
    proved: int
    probable: int
    """Found, but not proved."""

    @property
    def found(self) -> int:
        """Proved or probable."""
        return self.proved + self.probable


@dataclass(frozen=True, slots=True)
class Stranger:
    """A planted copy that was called a copy of another picture than its source."""

    family: str
    source: str
    """Path of the picture that was copied."""
    other: str
    """Path of the picture (or of the source of the other planted copy) that it was taken for."""
    verdict: Verdict
    similarity: float


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a search found of the copies that were planted among a dataset's pictures."""

    fingerprint: str
    """Of the dataset: see :meth:`Measurements.fingerprint`. It says nothing of any other."""
    samples: int
    seed: int
    families: tuple[FamilyRecall, ...]
    strangers: tuple[Stranger, ...]

    @property
    def planted(self) -> int:
        """Copies planted, over all families."""
        return sum(family.planted for family in self.families)

    @property
    def found(self) -> int:
        """Planted copies found, proved or probable, over all families."""
        return sum(family.found for family in self.families)


# ------------------------------------------------------------------------------------------ CORRECT


@dataclass(frozen=True, slots=True, eq=False)
class SplitPlan:
    """Where every sample goes. One entry a catalog row; a left-out sample has split code -1."""

    catalog: Catalog
    """The dataset's; where an earlier plan is followed, with its splits."""
    seed: int
    ratios: tuple[float, float, float] | None
    """Shares of train, val and test, summing to 1; None for a repair, which keeps the sizes it finds."""
    mode: Literal["repair", "remake", "follow"]
    split_codes: NDArray[np.int8]
    """(n,) the planned split; -1 is left out."""
    fold_codes: NDArray[np.int32]
    """(n,) cross-validation fold of the samples outside test; -1 is none."""
    units: NDArray[np.int64]
    """(n,) the smallest row of the unit that is placed as a whole: copy groups and declared groups, joined."""
    reasons: tuple[str, ...]
    """Why each row was moved or left out; empty for a row that stays, or that had no split before."""
    digests: tuple[str, ...]
    """SHA-256 of each file, hexadecimal; empty where the file could not be read."""
    impossible: tuple[str, ...]
    """What the groups (or the frozen test split) made impossible, one sentence each."""
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ClassWeights:
    """``class_weight`` for ``Model.fit``: index → weight, every class present, in Keras's order."""

    class_names: tuple[str, ...]
    weights: tuple[float, ...]
    counts: tuple[int, ...]
    """Train samples a class the weights were made from."""
    method: Literal["balanced", "effective-number", "none"]


@dataclass(frozen=True, slots=True)
class AugmentationLayer:
    """One Keras preprocessing layer of the train-only pipeline, and the evidence for it."""

    layer: str
    """Class name in ``keras.layers``: ``RandomFlip``."""
    arguments: tuple[tuple[str, str | float | int | bool | tuple[float, ...]], ...]
    evidence: str


@dataclass(frozen=True, slots=True)
class AugmentationPlan:
    """The train-only augmentation policy: layers in order, and the layers left out with their reasons."""

    layers: tuple[AugmentationLayer, ...]
    left_out: tuple[tuple[str, str], ...]
    image_size: tuple[int, int]
    """(height, width) that the pipeline resizes to."""
    offline: Policy | None = None
    """What the augmented copies on disk, in train, were made by, as far as they tell; None where there are none."""
    offline_copies: Literal["keep", "originals"] = "keep"
    """Whether those copies stay in train, or only their originals do."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything a plan folder holds. Order is fixed: split, then weights and augmentation on its train part."""

    split: SplitPlan
    class_weights: ClassWeights
    augmentation: AugmentationPlan
    decoder: Literal["tensorflow", "pillow"] = "tensorflow"
    """What ``pipeline.py`` decodes pictures with."""
