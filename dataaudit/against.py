"""``check --index``: new files against the pictures that an index file knows, which need not be here.

Without pixels there is no proof but equality: of the bytes, or of the measured pixels. Perceptual hashes that agree more
closely than unrelated pictures of this dataset ever would make a copy *probable*; what only the descriptor finds alike is
counted and told as not verified. `dataaudit check` without ``--index``, beside the pictures, compares them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit import pipeline
from dataaudit.catalog.folders import Roles
from dataaudit.check import Outcome, concerning, datasets_of, files_to_check, line, of_files
from dataaudit.dedup.candidates import NOT_MEAN, bits_apart
from dataaudit.dedup.components import copy_groups_of
from dataaudit.domain import DIHEDRAL, NONE, ROLES, Catalog, CopyGraph, CopyPair, FeatureTable, Measurements, Transform
from dataaudit.errors import UsageError
from dataaudit.features.signature import Signature
from dataaudit.reports.write import refuse_inside, write
from dataaudit.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Relation
    from dataaudit.pipeline import Observer

__all__ = ["check_against", "make_index"]

_CLOSE: Final = 24
"""Bits of 255 within which a copy is probable, where pictures that are no copies stay far enough apart."""
_SAMPLE: Final = 64
_HALF: Final = 0.5


def check_against(
    paths: Sequence[Path], dataset: Path | None, index: Path, config: Config, observe: Observer | None = None
) -> Outcome:
    """Check files against an index; arguments otherwise as of :func:`dataaudit.check.check`.

    Raises:
        UsageError: if a path does not exist, the index cannot be read, or another descriptor is asked for.
    """
    _refuse_descriptor(config)
    signature = Signature.read(index)
    files, notes = files_to_check(paths)
    by_dataset, homeless = datasets_of(files, dataset, Roles.of(config.roles))
    if homeless:
        notes.append(f"{counted(len(homeless), 'image')} in no dataset that can be recognised: compared without split and label.")
        for path in homeless:
            by_dataset.setdefault(path.absolute().parent, set()).add(path.name)
    if not by_dataset:
        notes.append("no image to check.")
    lines, reports = [], []
    for root, members in sorted(by_dataset.items()):
        compared = _Comparison(root, sorted(members), signature, config, observe)
        report = concerning(pipeline.judge(compared.measurements, of_files(config, statistics=False)), members)
        reports.append(report)
        lines += [line(root, report, finding, members) for finding in report.findings if finding.rule.severity != "info"]
        notes.append(compared.note(index))
    return Outcome(tuple(lines), tuple(notes), tuple(reports))


def make_index(sources: Sequence[Path], output: Path, config: Config, observe: Observer | None = None) -> tuple[int, int]:
    """Measure datasets (folders), read indexes (files), and write one index of them all; return images and bytes.

    Raises:
        UsageError: if they contradict one another, an index cannot be read, or another descriptor is asked for.
    """
    _refuse_descriptor(config)
    parts = []
    for source in sources:
        if source.is_file():
            parts.append(Signature.read(source))
        else:
            whole = config.merged(transformed=True)  # an index holds the descriptors, whatever this run asks for
            measured = pipeline.measure(source, whole, observe, only=())
            parts.append(Signature.of(measured.catalog, measured.features))
    signature = Signature.merged(parts, [str(source) for source in sources])
    data = signature.to_bytes()
    for source in sources:
        refuse_inside(output, source)
    write(data, output, dataset=sources[0])
    return len(signature), len(data)


def _refuse_descriptor(config: Config) -> None:
    """An index is compared with others' files: all of them have to be described alike.

    Raises:
        UsageError: if another descriptor is asked for.
    """
    if config.descriptor is not None:
        message = (
            f"--descriptor {config.descriptor}: an index holds the built-in copy descriptor and no other, so that any two can be "
            "compared. Leave the option out, or run `dataaudit check --dataset DIR` beside the pictures."
        )
        raise UsageError(message)


@dataclass(frozen=True, slots=True, eq=False)
class _Alike:
    """Pairs of a new file and an indexed picture that look alike: rows of either, orientation and bits of 255 (-1: unknown)."""

    new: NDArray[np.int64]
    known: NDArray[np.int64]
    orientation: NDArray[np.int64]
    bits: NDArray[np.int64]


class _Comparison:
    """New files, measured, and what they have to do with the index."""

    def __init__(self, root: Path, members: list[str], signature: Signature, config: Config, observe: Observer | None) -> None:
        self.signature, self.config = signature, config
        fresh = pipeline.measure_catalog(_catalog(root, members, signature, Roles.of(config.roles)), config, observe)
        self.fresh = fresh
        self.unverified: list[tuple[str, str]] = []
        content = signature.columns["sha256"].astype(np.uint64)
        place = {path: row for row, path in enumerate(signature.paths)}
        self.own = {row: place[path] for row, path in enumerate(fresh.catalog.paths) if path in place}
        self.pairs = self._equal(content, "exact", frozenset())
        exact = frozenset((new, known) for new, known, _ in self.pairs)
        self.pairs += self._equal(signature.columns["pixel_digest"][:, None], "pixel", exact)
        self._look_alikes()
        self.measurements = self._joined()

    def note(self, index: Path) -> str:
        """Say what was done, and what could not be."""
        told = f"{counted(len(self.fresh.catalog), 'image')} checked against the {len(self.signature):,} of {index}"
        if not self.unverified:
            return f"{told}; no other resembles one without being told above."
        one, other = self.unverified[0]
        pairs = counted(len(self.unverified), "resemblance")
        return (
            f"{told}; {pairs} could not be verified, for want of the indexed picture (the first: {one} and {other}): "
            "transformed copies were not looked for by their pixels. `dataaudit check` beside the dataset does."
        )

    def _equal(
        self, keys: NDArray[np.uint64], relation: Relation, told: frozenset[tuple[int, int]]
    ) -> list[tuple[int, int, CopyPair]]:
        """Return the pairs of equal digests that are not told yet, (new row, indexed row, pair)."""
        digests = self.fresh.features.sha256 if relation == "exact" else self.fresh.features.pixel_digest[:, None]
        rows_of: dict[bytes, list[int]] = defaultdict(list)
        wanted = {digest.tobytes() for digest in digests.astype(np.uint64) if digest.any()}
        for row in np.flatnonzero(np.isin(keys[:, 0], digests[:, 0])).tolist():
            key = keys[row].astype(np.uint64).tobytes()
            if key in wanted:
                rows_of[key].append(row)
        return [
            (new, known, CopyPair(0, 1, relation, "proved", 1.0, 1.0, Transform()))
            for new, digest in enumerate(digests.astype(np.uint64))
            for known in rows_of.get(digest.tobytes(), ())
            if self.own.get(new) != known and (new, known) not in told
        ]

    def _look_alikes(self) -> None:
        """Sort what looks alike: probable where the hashes say so, else told as not verified."""
        features, config = self.fresh.features, self.config
        able = features.readable & (features.property("contrast") >= config.flat_contrast)
        useful = (self.signature.columns["readable"] != 0) & (self.signature.columns["contrast"] >= config.flat_contrast)
        new, known = np.flatnonzero(able), np.flatnonzero(useful)
        settled = {(one, other) for one, other, _ in self.pairs}
        close = _close_enough(self.signature, known, len(new))
        found: dict[tuple[int, int], tuple[int, int]] = {}
        for alike in (
            _by_hash(features, new, self.signature, known, config),
            _by_descriptor(features, new, self.signature, known, config),
        ):
            for key in zip(*(column.tolist() for column in (alike.new, alike.known, alike.orientation, alike.bits)), strict=True):
                one, other, orientation, bits = key
                if (one, other) in settled or self.own.get(one) == other:
                    continue
                before = found.get((one, other))
                if before is None or 0 <= bits < before[1]:
                    found[one, other] = (orientation, bits)
        for (one, other), (orientation, bits) in sorted(found.items()):
            if 0 <= bits <= close:
                transform = Transform.of_orientation(orientation)
                pair = CopyPair(
                    0, 1, "transformed" if orientation else "near", "probable", round(1 - bits / 255, 4), 1.0, transform
                )
                self.pairs.append((one, other, pair))
            else:
                self.unverified.append((self.fresh.catalog.paths[one], self.signature.paths[other]))

    def _joined(self) -> Measurements:
        """Return measurements of the new files and of the indexed ones that they have to do with."""
        catalog, signature = self.fresh.catalog, self.signature
        partners = sorted({known for _, known, _ in self.pairs})
        classes = tuple(sorted({*catalog.classes, *signature.classes}))
        replaced = set(catalog.paths)
        rows = [(path, row, False) for row, path in enumerate(catalog.paths)]
        rows += [(signature.paths[row], row, True) for row in partners if signature.paths[row] not in replaced]
        rows.sort(key=lambda entry: entry[0].encode("utf-8", "surrogateescape"))
        row_of = {(row, is_known): place for place, (_, row, is_known) in enumerate(rows)}
        labels, splits = [], []
        for _, row, is_known in rows:
            source, names = (
                (signature.columns["label_codes"], signature.classes) if is_known else (catalog.label_codes, catalog.classes)
            )
            labels.append(NONE if source[row] == NONE else classes.index(names[source[row]]))
            splits.append(int((signature.columns["split_codes"] if is_known else catalog.split_codes)[row]))
        joined = replace(
            catalog,
            paths=tuple(path for path, _, _ in rows),
            classes=classes,
            label_codes=np.array(labels, np.int32),
            split_codes=np.array(splits, np.int8),
            group_codes=np.full(len(rows), NONE, np.int32),
        )
        pairs = []
        for new, known, pair in self.pairs:
            one, other = row_of[new, False], row_of.get((known, True))
            if other is not None:
                pairs.append(_oriented(pair, one, other))
        inner = self.fresh.copies.pairs
        pairs += [replace(pair, a=row_of[pair.a, False], b=row_of[pair.b, False]) for pair in inner]
        pairs.sort(key=lambda pair: (pair.a, pair.b))
        graph = CopyGraph(tuple(pairs), copy_groups_of(len(rows), pairs), np.zeros(len(rows), bool))
        return Measurements(joined, self._features([(row, known) for _, row, known in rows]), graph)

    def _features(self, rows: list[tuple[int, bool]]) -> FeatureTable:
        """Return the features of the new files, and of the indexed ones what is known of them, in an order."""
        features, columns = self.fresh.features, self.signature.columns
        made = {}
        for field in fields(FeatureTable):
            if field.name != "failures":
                column = getattr(features, field.name)
                made[field.name] = np.zeros((len(rows), *column.shape[1:]), column.dtype)
        for place, (row, is_known) in enumerate(rows):
            if is_known:
                for name in ("sha256", "pixel_digest", "width", "height"):
                    made[name][place] = columns[name][row]
            else:
                for name, column in made.items():
                    column[place] = getattr(features, name)[row]
        return FeatureTable(**made, failures=tuple(None if known else features.failures[row] for row, known in rows))


def _oriented(pair: CopyPair, new: int, known: int) -> CopyPair:
    """Put the rows of a pair in order: its transform takes the new file to the indexed picture."""
    if new < known:
        return replace(pair, a=new, b=known)
    transform = pair.transform
    if transform is not None and not transform.mirrored:
        back = -transform.rotation
        transform = replace(transform, rotation=back + 360.0 if back <= -180.0 else back + 0.0)  # noqa: PLR2004
    return replace(pair, a=known, b=new, transform=transform)


def _catalog(root: Path, members: list[str], signature: Signature, roles: Roles) -> Catalog:
    """Return the new files as a catalog: split and label by their folders, as those of the index are."""
    has_splits = bool((signature.columns["split_codes"] != NONE).any())
    labels, splits = [], []
    for path in members:
        top, *rest = path.split("/")
        role = roles.role(top) if has_splits and rest else None
        splits.append(NONE if role is None else ROLES.index(role))
        inner = rest if has_splits else [top, *rest]
        labels.append(inner[0] if len(inner) > 1 else None)
    classes = tuple(sorted({label for label in labels if label is not None}))
    members = sorted(members, key=lambda path: path.encode("utf-8", "surrogateescape"))
    return Catalog(
        root=root,
        layout="split/class/file" if has_splits else "class/file",
        labels_from="folder names",
        paths=tuple(members),
        classes=classes,
        groups=(),
        label_codes=np.array([NONE if label is None else classes.index(label) for label in labels], np.int32),
        split_codes=np.array(splits, np.int8),
        group_codes=np.full(len(members), NONE, np.int32),
    )


def _by_hash(
    features: FeatureTable, new: NDArray[np.int64], signature: Signature, known: NDArray[np.int64], config: Config
) -> _Alike:
    """Return the pairs whose hashes agree as nominations do."""
    upright64 = signature.columns["phash64"][known].astype(np.uint64) & NOT_MEAN
    upright256 = signature.columns["phash256"][known].astype(np.uint64)
    found: list[tuple[int, int, int, int]] = []
    for row in new.tolist():
        for orientation in range(DIHEDRAL):
            near = np.flatnonzero(
                np.bitwise_count(upright64 ^ (features.phash64[row, orientation] & NOT_MEAN)) <= config.hamming64
            )
            if len(near):
                bits = bits_apart(features.phash256[row, orientation], upright256[near])
                found += [
                    (row, int(known[place]), orientation, int(distance))
                    for place, distance in zip(near, bits, strict=True)
                    if distance <= config.hamming256
                ]
    columns = np.array(found, np.int64).reshape(-1, 4)
    return _Alike(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3])


def _by_descriptor(
    features: FeatureTable, new: NDArray[np.int64], signature: Signature, known: NDArray[np.int64], config: Config
) -> _Alike:
    """Return the nearest by copy descriptor that are near enough to be looked at."""
    from dataaudit.dedup.few import nearest_among  # noqa: PLC0415 - where there is something to search

    inner = new[features.inner_descriptor[new].any(axis=1)]
    asked = np.concatenate([features.descriptor[new], features.inner_descriptor[inner]])
    query, other = nearest_among(asked, signature.descriptors(known), config)
    return _Alike(np.append(new, inner)[query], known[other], np.full(len(query), -1), np.full(len(query), -1))


def _close_enough(signature: Signature, known: NDArray[np.int64], new: int) -> int:
    """Return the bits of 255 within which fewer than half a pair of unrelated pictures is expected; at most ``_CLOSE``.

    Pictures of one template (solar cells, boards, scans) have like hashes: of a sample of this index, drawn by content, all
    pairs are compared, and their distances taken for normal.
    """
    chosen = known[np.lexsort(signature.columns["sha256"][known].T[::-1])][:_SAMPLE]
    if len(chosen) < 8 or not new:  # noqa: PLR2004 - too few to know
        return _CLOSE
    hashes = signature.columns["phash256"][chosen].astype(np.uint64)
    bits = np.concatenate([bits_apart(hashes[row], hashes[row + 1 :]) for row in range(len(chosen) - 1)])
    middle, low = np.quantile(bits, [0.5, 0.1])
    deviation = (middle - low) / -NormalDist().inv_cdf(0.1)
    reach = -NormalDist().inv_cdf(_HALF / (new * len(known) * DIHEDRAL))
    return int(min(_CLOSE, np.floor(middle - reach * deviation)))
