"""LEK206, LEK207: are files of one subject, by their names or times, on both sides? Judges what ``dedup.file_groups`` infers."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.components import components
from dataaudit.domain import NONE, ROLES, ComparisonEvidence, Finding, GroupEvidence, NotRun, Rule, TableEvidence
from dataaudit.statistics.random_split import expected_leak
from dataaudit.wording import counted, percent, surely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, InferredGroups, Measurements, SubjectPairs, Subjects

__all__ = ["RULES", "scan"]

Edge = tuple["SubjectPairs", int, int, float]
"""Of which neighbours, two rows, their similarity."""

INFERRED: Final = Rule(
    "LEK206",
    "inferred-group-across-splits",
    "warning",
    "A key in the file names behaves like a patient or video, and is in two splits (or would be after a random split)",
    "Pictures that share the key are closer than others of their classes: the model can know the patient, room or video instead "
    "of the class, and the score does not hold for new ones.",
    "Ask what the key means. If it is a patient, video, place or burst, give the --group-by that the finding names: to scan (it "
    "is an error then) and to split, which keeps each group in one split; or `dataaudit split --group-by inferred`.",
)
SAME_SUBJECT: Final = Rule(
    "LEK207",
    "same-subject-across-splits",
    "warning",
    "Neighbours by number or time that look alike, though they are no copies, are in two splits, or would be",
    "Frames of a burst or video and adjacent slices of a scan differ by a breath: validation then repeats what train has shown.",
    "Look at them. If they are of one subject, keep them together: `dataaudit split --group-by inferred`, or declare the groups.",
)
RULES: Final[tuple[Rule, ...]] = (INFERRED, SAME_SUBJECT)
TOLD_ALONE: Final = 3
"""Chains of neighbours that are each told; of more the closest is, and the others together."""
NAMED: Final = 2
"""Of those told together, named."""


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield the inferred groups and the neighbours that cross splits; of unsplit data, the groups a random split would tear."""
    catalog, subjects = measurements.catalog, measurements.subjects
    if subjects is None or not subjects.tests:
        reason = "no key or number in the names, and no EXIF time, joins enough pictures"
        for rule in RULES:
            yield NotRun(rule, f"not-applicable: {(subjects.not_asked if subjects else '') or reason}")
        return
    if catalog.groups:
        yield NotRun(INFERRED, "not-applicable: groups are declared, so none are inferred from names")
    for group in subjects.groups:
        yield from _straddling(catalog, group) if len(catalog.splits) > 1 else _unsplit(catalog, group, config)
    yield from _neighbours(measurements, subjects)


def _evidence(group: InferredGroups, splits: tuple[str, ...], n: tuple[int, ...]) -> ComparisonEvidence:
    return ComparisonEvidence(
        "cosine of the copy descriptors of pictures that share the key, against the same pictures dealt anew within classes",
        group.how or "class and number in the name",
        splits,
        n,
        group.likeness,
        group.p_value,
        group.q_value,
        group.likeness,
        "chance that two pictures of one key are closer than two dealt anew",
    )


def _closer(group: InferredGroups) -> str:
    how = (
        f"the key {group.how.removeprefix('regex:')!r} in the file names"
        if group.how
        else "a key in the file names, within a class,"
    )
    return (
        f"{how} behaves like a patient or video: two pictures that share it are closer than two others of their classes in "
        f"{percent(group.likeness, 0)} of cases ({counted(group.pairs, 'pair')}, {surely(group.q_value)})"
    )


def _ready(group: InferredGroups) -> str:
    return f"--group-by '{group.how}'" if group.how else "--group-by inferred"


def _straddling(catalog: Catalog, group: InferredGroups) -> Iterator[Finding]:
    splits_of: dict[int, set[int]] = defaultdict(set)
    placed = np.flatnonzero((group.codes != NONE) & (catalog.split_codes != NONE))
    for code, split in zip(group.codes[placed].tolist(), catalog.split_codes[placed].tolist(), strict=True):
        splits_of[code].add(split)
    torn = [code for code, splits in splits_of.items() if len(splits) > 1]
    if not torn:
        return
    rows = placed[np.isin(group.codes[placed], torn)]
    counts = Counter(catalog.split_codes[rows].tolist())
    touched = tuple(role for code, role in enumerate(ROLES) if counts[code])
    shares = ", ".join(f"{counts[ROLES.index(role)]} of {len(catalog.rows_of(role))} in {role}" for role in touched)
    message = (
        f"{_closer(group)}; {counted(len(torn), 'key')} of {len(splits_of)} straddle{'s' if len(torn) == 1 else ''} "
        f"{' and '.join(touched)} ({shares}). If it means a subject: {_ready(group)}"
    )
    n = tuple(counts[ROLES.index(role)] for role in touched)
    yield Finding(INFERRED, message, tuple(rows.tolist()), _evidence(group, touched, n))


def _unsplit(catalog: Catalog, group: InferredGroups, config: Config) -> Iterator[Finding]:
    sizes = np.bincount(group.codes[group.codes != NONE])
    leak = expected_leak(sizes, len(catalog))
    if leak <= config.random_split_leak:
        return
    message = (
        f"{_closer(group)}; {len(sizes)} keys hold {int(sizes.sum())} of {counted(len(catalog), 'picture')}, and a random 80/20 "
        f"split would put a mate in train of {percent(leak, 0)} of validation. If it means a subject: {_ready(group)}"
    )
    rows = tuple(np.flatnonzero(group.codes != NONE).tolist())
    yield Finding(INFERRED, message, rows, _evidence(group, ("unsplit",), (len(rows),)))


def _neighbours(measurements: Measurements, subjects: Subjects) -> Iterator[Finding]:
    """Yield the chains of neighbours that cross splits, of many the closest and one for the others; of unsplit data one."""
    catalog = measurements.catalog
    known = {(pair.a, pair.b) for pair in measurements.copies.pairs}
    edges = [(found, *edge) for found in subjects.neighbours for edge in _unknown(catalog, found, known)]
    if not edges:
        return
    ends = np.array([(a, b) for _, a, b, _ in edges], np.int64)
    chain = components(len(catalog), ends[:, 0], ends[:, 1])
    if len(catalog.splits) < 2:  # noqa: PLR2004 - nothing can cross
        yield _torn_by_chance(catalog, edges, chain)
        return
    crossing: dict[int, list[Edge]] = defaultdict(list)
    members: dict[int, set[int]] = defaultdict(set)
    for edge in edges:
        _, a, b, _ = edge
        members[int(chain[a])] |= {a, b}
        if NONE != catalog.split_codes[a] != catalog.split_codes[b] != NONE:
            crossing[int(chain[a])].append(edge)
    chains = [(max(pairs, key=_closest_first), tuple(sorted(members[first]))) for first, pairs in crossing.items()]
    chains.sort(key=lambda chain: _closest_first(chain[0]), reverse=True)
    alone = len(chains) if len(chains) <= TOLD_ALONE else 1
    yield from (_chain(catalog, pair, rows) for pair, rows in chains[:alone])
    if chains[alone:]:
        yield _chains(catalog, chains[alone:])


def _closest_first(edge: Edge) -> tuple[float, int, int]:
    _, a, b, similarity = edge
    return similarity, -a, -b


def _apart(catalog: Catalog, edge: Edge) -> tuple[str, str]:
    """Return the paths of two neighbours, the one of the later split first."""
    _, a, b, _ = edge
    subject, other = (a, b) if catalog.split_codes[a] > catalog.split_codes[b] else (b, a)
    return catalog.paths[subject], catalog.paths[other]


def _chains(catalog: Catalog, chains: list[tuple[Edge, tuple[int, ...]]]) -> Finding:
    """Tell many chains at once, with a table of them, the closest first."""
    rows = tuple(sorted(row for _, members in chains for row in members))
    counts = Counter(catalog.split_codes[list(rows)].tolist())
    splits = tuple(code for code in range(len(ROLES)) if counts[code])
    shares = ", ".join(f"{counts[code]} of {len(catalog.rows_of(ROLES[code]))} in {ROLES[code]}" for code in splits)
    ways = sorted({_by(found) for (found, *_), _ in chains})
    named = "; ".join(" and ".join(_apart(catalog, edge)) for edge, _ in chains[:NAMED])
    message = (
        f"{len(chains)} other chains of neighbours by {' or '.join(ways)} that look alike, though they are no copies, lie across "
        f"splits: {len(rows)} files, {shares}. Closest: {named}. One subject each? {_in_general(chains[0][0][0])}"
    )
    table = []
    for edge, members in chains:
        held = Counter(catalog.split_codes[list(members)].tolist())
        table.append((" ~ ".join(_apart(catalog, edge)), (edge[3], *(float(held[code]) for code in splits))))
    columns = ("similarity", *(f"files in {ROLES[code]}" for code in splits))
    return Finding(SAME_SUBJECT, message, rows, TableEvidence(columns, tuple(table)))


def _chain(catalog: Catalog, closest: Edge, rows: tuple[int, ...]) -> Finding:
    found, _, _, similarity = closest
    counts = Counter(catalog.split_codes[list(rows)].tolist())
    splits = tuple((role, counts[code]) for code, role in enumerate(ROLES) if counts[code])
    subject, other = _apart(catalog, closest)
    message = (
        f"{subject} is next to {other} by {_by(found)} and looks alike (similarity {similarity:.2f}), though it is no copy: one "
        f"subject? {_in_general(found)}"
    )
    if len(rows) > 2:  # noqa: PLR2004 - more than the two that were named
        message += f"; {len(rows)} files hang together so: {', '.join(f'{n} in {role}' for role, n in splits)}"
    return Finding(SAME_SUBJECT, message, rows, GroupEvidence(f"neighbours by {_by(found)}", splits))


def _by(found: SubjectPairs) -> str:
    return "the camera's clock" if found.by_time else "number"


def _in_general(found: SubjectPairs) -> str:
    return (
        f"Neighbours by {_by(found)} are closer than others of their classes in {percent(found.likeness, 0)} of cases here "
        f"({counted(found.pairs, 'pair')}, {surely(found.q_value)})"
    )


def _torn_by_chance(catalog: Catalog, edges: list[Edge], chain: NDArray[np.int64]) -> Finding:
    sizes = np.bincount(chain)
    leak = expected_leak(sizes[sizes > 0], len(catalog))
    found, a, b, _ = max(edges, key=_closest_first)
    rows = tuple(np.flatnonzero(sizes[chain] > 1).tolist())
    message = (
        f"{len(rows)} files look like a neighbour by number or time without being its copy ({catalog.paths[a]} and "
        f"{catalog.paths[b]} are closest): a random 80/20 split would put one of the same subject in train of "
        f"{percent(leak, 0)} of validation. {_in_general(found)}"
    )
    return Finding(SAME_SUBJECT, message, rows, GroupEvidence("neighbours by number or time", (("unsplit", len(rows)),)))


def _unknown(catalog: Catalog, found: SubjectPairs, known: set[tuple[int, int]]) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs that are neither told as copies nor of one declared group."""
    codes: NDArray[np.int32] = catalog.group_codes
    for a, b, similarity in zip(found.a.tolist(), found.b.tolist(), found.similarity.tolist(), strict=True):
        if (a, b) not in known and (codes[a] == NONE or codes[a] != codes[b]):
            yield a, b, similarity
