"""The verdict: can the validation score be trusted, and how many images is it worth? One sentence, made of numbers.

``not-trustworthy``: an error of leakage (LEK), of the class numbering (BAL504), or of labels (LBL) that reaches a scored split
(any, where the data are unsplit). ``suspect``: any other error (a file that cannot be read, a label conflict inside train) or any
warning, or leaks whose rules were left out. ``trustworthy``: none of these. Info never counts.

*Leaked* are the samples that have a proved copy in another split. *Honest n* are the samples of the scored split that have
neither such a copy nor a mate of their declared group in another split.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dataaudit.domain import NONE, ROLES, Baseline, Leak, Summary
from dataaudit.scanners.leakage import expected_random_leak
from dataaudit.statistics.missed import missed_at_most
from dataaudit.statistics.proportions import wilson
from dataaudit.wording import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, CopyGraph, Finding, KerasSplit, Measurements, Role, SelfTest

__all__ = ["leaks", "majority_baseline", "summarise"]

Level = Literal["trustworthy", "suspect", "not-trustworthy"]
_NAMES: dict[Role, str] = {"train": "training", "val": "validation", "test": "test"}
_WORDS: dict[Level, str] = {"trustworthy": "TRUSTWORTHY", "suspect": "SUSPECT", "not-trustworthy": "NOT TRUSTWORTHY"}


def summarise(
    measurements: Measurements, findings: Sequence[Finding], config: Config, selftest: SelfTest | None = None
) -> Summary:
    """Return the verdict on the validation split (on test where there is no validation; on all where nothing is split).

    Args:
        measurements: of the dataset.
        findings: of the rules.
        config: ``val_accuracy``.
        selftest: what the search found of planted copies of this dataset; None where none was run.
    """
    catalog = measurements.catalog
    known = leaks(measurements)
    level = _level(catalog, findings, known)
    scored = _scored(known, findings)
    if scored is None:
        notes = (*_unsplit_notes(config), *_power_notes(findings), *_search_notes(measurements.copies))
        notes = (*notes, *_missed_notes(measurements, None, selftest))
        return Summary(level, _unsplit(measurements, findings, level), known, notes)
    sentence = _sentence(measurements, findings, level, known, scored)
    said = (*_notes(catalog, known, scored, config), *_power_notes(findings, scored.split), *_split_last(catalog, findings))
    missed = _missed_notes(measurements, scored, selftest)
    return Summary(level, sentence, known, (*said, *_search_notes(measurements.copies), *missed))


def leaked_rows(catalog: Catalog, copies: CopyGraph) -> NDArray[np.bool_]:
    """Return (n,) whether a sample of a split has a proved copy in another split."""
    return _torn(catalog, copies.component)


def group_leaked_rows(catalog: Catalog) -> NDArray[np.bool_]:
    """Return (n,) whether a sample of a split has a mate of its declared group in another split."""
    return _torn(catalog, catalog.group_codes.astype(np.int64))


def _torn(catalog: Catalog, unit: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n,) whether a row's unit (a number; -1: none) has rows in another split than the row's."""
    placed = np.flatnonzero((catalog.split_codes != NONE) & (unit != NONE))
    units, split = unit[placed], catalog.split_codes[placed].astype(np.int64)
    size = int(units.max(initial=0)) + 1
    first, last = np.full(size, len(ROLES), np.int64), np.full(size, NONE, np.int64)
    np.minimum.at(first, units, split)
    np.maximum.at(last, units, split)
    mask = np.zeros(len(catalog), bool)
    mask[placed] = first[units] < last[units]
    return mask


def leaks(measurements: Measurements) -> tuple[Leak, ...]:
    """Return how much of each split is known from another, in role order."""
    catalog = measurements.catalog
    leaked = leaked_rows(catalog, measurements.copies)
    honest = ~(leaked | group_leaked_rows(catalog))
    return tuple(
        Leak(role, int(rows.size), int(leaked[rows].sum()), int(honest[rows].sum()), majority_baseline(catalog, role))
        for role in catalog.splits
        for rows in (catalog.rows_of(role),)
    )


def majority_baseline(catalog: Catalog, role: Role | None) -> Baseline | None:
    """Return the constant answer that scores most on ``role`` (None: on everything); None without two classes.

    It is the commonest class of the scored samples, whatever train's is: a score has to beat the best that needs no picture, and
    ``pipeline.py`` prints the same. Of equal classes the first by name is taken.
    """
    table = catalog.counts()
    scored = table.sum(axis=0) if role is None else table[ROLES.index(role)]
    if not scored.any() or len(catalog.classes) < 2:  # noqa: PLR2004 - of one class there is nothing to answer
        return None
    code = int(np.argmax(scored))
    return Baseline(catalog.classes[code], float(scored[code] / scored.sum()))


def _level(catalog: Catalog, findings: Sequence[Finding], known: tuple[Leak, ...]) -> Level:
    if any(_undermines(catalog, finding) for finding in findings):
        return "not-trustworthy"
    ignored = any(leak.leaked for leak in known)  # leaks whose rules were left out by --select or --ignore
    if not _labelled(catalog, _scored(known, findings)):
        return "suspect"
    return "suspect" if ignored or any(finding.rule.severity != "info" for finding in findings) else "trustworthy"


def _labelled(catalog: Catalog, scored: Leak | None) -> bool:
    """Whether any image that is scored (any at all, where nothing is split) has a label: without one there is no score."""
    rows = slice(None) if scored is None else catalog.rows_of(scored.split)
    return bool((catalog.label_codes[rows] != NONE).any())


_UNLABELLED: Final = "no image has a label, so no score can be judged"


def _undermines(catalog: Catalog, finding: Finding) -> bool:
    """Whether a finding makes a score wrong: an error of leakage or class numbering, or of labels that are scored."""
    if finding.rule.severity != "error":
        return False
    if finding.rule.code.startswith("LBL"):
        return any(catalog.split_codes[row] != ROLES.index("train") for row in finding.samples)
    return finding.rule.code.startswith("LEK") or finding.rule.code == "BAL504"


def _scored(known: tuple[Leak, ...], findings: Sequence[Finding]) -> Leak | None:
    """Return the split that the sentence is about: validation; test where there is none, or where only test leaks."""
    held_out = {leak.split: leak for leak in known if leak.split != "train"}
    val, test = held_out.get("val"), held_out.get("test")
    only_test = (
        val
        and test
        and test.leaked
        and not val.leaked
        and not any(finding.rule.code in {"LEK205", "BAL504"} or finding.rule.code.startswith("LBL") for finding in findings)
    )
    return test if only_test else val or test


def _sentence(
    measurements: Measurements, findings: Sequence[Finding], level: Level, known: tuple[Leak, ...], scored: Leak
) -> str:
    catalog = measurements.catalog
    name = _NAMES[scored.split]
    parts = list(_facts(measurements, findings, known, scored))
    rest = [finding for finding in findings if finding.rule.severity != "info" and not _undermines(catalog, finding)]
    if not _labelled(catalog, scored):
        parts.append(_UNLABELLED)
    if level != "not-trustworthy" and not scored.leaked:
        parts.append(f"no {name} image is a proved copy of another split's")
    if level == "suspect" and rest:
        parts.append(_listed(rest))
    parts.append(f"n is {scored.honest}" if scored.honest == scored.samples else f"honest n is {scored.honest}")
    if scored.baseline:
        parts.append(_constant_answer(scored.baseline))
    return f"{name.upper()} {_WORDS[level]}: {'; '.join(parts)}."


def _constant_answer(baseline: Baseline) -> str:
    return f"always answering {baseline.label!r} scores {percent(baseline.share, 0)}"


def _facts(measurements: Measurements, findings: Sequence[Finding], known: tuple[Leak, ...], scored: Leak) -> Iterator[str]:
    catalog = measurements.catalog
    if scored.leaked:
        of = "training images" if _all_from_train(measurements, scored.split) else "images of other splits"
        one = scored.leaked == 1
        yield f"{scored.leaked} of {scored.samples} images {'is a copy' if one else 'are copies'} of {of}"
    count = Counter(finding.rule.code for finding in findings)
    mates = int(group_leaked_rows(catalog)[catalog.rows_of(scored.split)].sum())
    if mates:
        yield f"{mates} of {scored.samples} images are of declared groups that are in other splits too"
    elif count["LEK205"]:
        yield f"{counted(count['LEK205'], 'declared group is', 'declared groups are')} torn across other splits"
    if count["BAL504"]:
        yield "Keras would number the classes of the splits differently"
    conflicts = sum(finding.rule.code.startswith("LBL") and _undermines(catalog, finding) for finding in findings)
    if conflicts:
        yield f"{counted(conflicts, 'picture stands', 'pictures stand')} under two labels"
    for leak in known:
        if leak.leaked and leak.split not in {"train", scored.split}:
            yield f"{leak.leaked} of {leak.samples} {_NAMES[leak.split]} images have copies in other splits"


def _all_from_train(measurements: Measurements, role: Role) -> bool:
    """Whether every leaked sample of ``role`` has its copy in train."""
    component = measurements.copies.component
    trained = component[measurements.catalog.rows_of("train")]
    rows = measurements.catalog.rows_of(role)
    leaked = leaked_rows(measurements.catalog, measurements.copies)[rows]
    return bool(np.isin(component[rows[leaked]], trained).all())


def _listed(findings: Sequence[Finding]) -> str:
    """Name the rules of some findings: ``but 1 error (truncated) and 3 warnings (property-drift, imbalance)``."""
    told = []
    for severity in ("error", "warning"):
        names = Counter(finding.rule.name for finding in findings if finding.rule.severity == severity)
        if names:
            n = sum(names.values())
            each = ", ".join(name if k == 1 else f"{name} × {k}" for name, k in names.items())
            told.append(f"{counted(n, severity)} ({each})")
    return " and ".join(told)


def _unsplit(measurements: Measurements, findings: Sequence[Finding], level: Level) -> str:
    catalog = measurements.catalog
    parts = []
    if len(catalog):
        share = expected_random_leak(measurements)[1]
        parts.append(
            f"a random 80/20 split would leak {percent(share)} of its validation images, on average"
            if share
            else "no copies and no declared groups, so a random 80/20 split would leak nothing"
        )
    if len(catalog) and not _labelled(catalog, None):
        parts.append(_UNLABELLED)
    rest = [finding for finding in findings if finding.rule.severity != "info" and finding.rule.code != "LEK208"]
    if rest:
        parts.append(_listed(rest))
    baseline = majority_baseline(catalog, None)
    if baseline:
        parts.append(_constant_answer(baseline))
    return f"NO VALIDATION SPLIT, DATA {_WORDS[level]}: {'; '.join(parts)}."


def _split_last(catalog: Catalog, findings: Sequence[Finding]) -> Iterator[str]:
    """Say that the data were augmented before they were split, where training holds such copies and a scored split others."""
    if not any(
        finding.rule.code == "DUP305" and "train" in {catalog[row].split for row in finding.samples} for finding in findings
    ):
        return
    rows = {row for finding in findings if finding.rule.code == "LEK203" for row in finding.samples}
    held = Counter(catalog[row].split for row in sorted(rows))
    del held["train"], held[None]
    if held:
        told = " and ".join(counted(held[role], f"{_NAMES[role]} image") for role in catalog.splits if held[role])
        yield (
            f"The data were augmented before they were split: training holds augmented copies (DUP305), and {told} show pictures "
            "of them, too (LEK203). Split the originals, then augment the training split only."
        )


def _power_notes(findings: Sequence[Finding], role: Role | None = None) -> Iterator[str]:
    """Say what a score on the split (None: on one to be made) can show, whatever was found: the sentence of VAL701."""
    for finding in findings:
        if finding.rule.code == "VAL701" and (role is None or finding.message.startswith(f"{role}: ")):
            yield finding.message[0].upper() + finding.message[1:] + "."


def _search_notes(copies: CopyGraph) -> Iterator[str]:
    """Say what the search for copies could not see, or had to be careful about."""
    flat, calibration = int(copies.not_compared.sum()), copies.calibration
    if flat:
        yield f"{counted(flat, 'image')} could not be compared by content: only byte-identical copies of them are known."
    if calibration is not None and calibration.raised:
        yield (
            f"The images of this dataset are alike by nature (two that are no copies correlate {calibration.correlation:.2f}, "
            f"where photographs correlate 0), so a copy is proved only from a similarity of {calibration.proved_median:.4f} on; "
            f"{counted(calibration.look_alikes, 'pair')} that would pass among photographs are not told as copies, and rotated, "
            "shifted or cropped copies are not looked for."
        )
    if calibration is not None and calibration.framed:
        yield (
            f"{counted(calibration.framed, 'pair')} of images that share a frame or a background around different contents "
            "are not told as copies."
        )
    if (own := copies.own_descriptor) is not None:
        without = (
            f"; {counted(own.absent, 'image')} that it says nothing of were searched by their hashes alone" if own.absent else ""
        )
        yield (
            f"Copies were searched by your model {own.name} ({own.numbers:,} numbers, SHA-256 {own.digest[:12]}…) in place of "
            f"the built-in descriptor{without}."
        )
    if (index := copies.index_recall) is not None:
        share = f"recall {index.found / index.pairs:.2f} of exact" if index.pairs else "an exact search finds no neighbour"
        yield f"Descriptor index: {share} on {index.sampled:,} sampled pictures."


def _second_call(drawn: KerasSplit) -> str:
    """Say what two calls of Keras that are not alike would make of the split."""
    n = drawn.validation
    return (
        f"This is the split of two calls with validation_split={drawn.share:g} and seed={drawn.seed}. With another seed in the "
        f"second, {drawn.other_seed} of {counted(n, 'validation file')} ({percent(drawn.other_seed / n)}) would be training "
        f"files; with shuffle=False in it, {drawn.unshuffled} ({percent(drawn.unshuffled / n)})."
    )


def _missed_notes(measurements: Measurements, scored: Leak | None, selftest: SelfTest | None) -> Iterator[str]:
    """Say how many copies may have been missed: only where a self-test of this dataset measured what share is found."""
    if selftest is None or not selftest.planted:
        return
    found, planted = selftest.found, selftest.planted
    low, high = wilson(found, planted)
    if scored is None:
        copied = sum(len(group) - 1 for group in measurements.copies.groups())
        known, all_of = copied, f"{counted(len(measurements.catalog), 'image')}"
    else:
        known, all_of = scored.leaked, f"{counted(scored.samples, f'{_NAMES[scored.split]} image')}"
    rest = (len(measurements.catalog) if scored is None else scored.samples) - known
    has = "other copies" if scored is None else "copies in another split"
    worst = min((family for family in selftest.families if family.planted), key=lambda family: family.found / family.planted)
    worst_low = wilson(worst.found, worst.planted)[0]
    interval = f"{percent(low, 0)} to {percent(high, 0)}, 95 % Wilson interval"
    likely, worse = (_up_to(missed_at_most(known, recall, rest)) for recall in (low, worst_low))
    yield (
        f"{known:,} of {all_of} are known to have {has}. Of {counted(planted, 'planted copy', 'planted copies')} of this "
        f"dataset's images the search found {found} ({interval}); at that recall about {likely} more may be missed, if copies "
        f"were made in the ways that were planted, in equal parts; {worse}, if all were made in the way that is found worst "
        f"({worst.family}: {worst.found} of {worst.planted} found)."
    )


def _up_to(most: int) -> str:
    return f"0 to {most:,}" if most else "0"


def _unsplit_notes(config: Config) -> Iterator[str]:
    if config.val_accuracy is not None:
        yield (
            f"The accuracy of {percent(config.val_accuracy)} cannot be judged: the dataset has no validation split, so nothing "
            "tells which images it was scored on."
        )


def _notes(catalog: Catalog, known: tuple[Leak, ...], scored: Leak, config: Config) -> Iterator[str]:
    if "train" not in {leak.split for leak in known}:
        yield "The dataset has no train split: copies between training and these images cannot be seen."
    if catalog.keras_split is not None:
        yield _second_call(catalog.keras_split)
    accuracy = config.val_accuracy
    if accuracy is None or not scored.samples:
        return
    if not catalog.counts()[ROLES.index(scored.split)].any():
        yield f"The accuracy of {percent(accuracy)} cannot be judged: the {_NAMES[scored.split]} images have no labels."
        return
    name, n = _NAMES[scored.split], scored.samples
    low, high = wilson(accuracy * n, n)
    between = f"between {percent(low)} and {percent(high)} (95 % Wilson interval)"
    yield f"An accuracy of {percent(accuracy)} on {counted(n, f'{name} image')} means a true accuracy {between}."
    if scored.baseline:
        yield _against_baseline(accuracy, (low, high), scored.baseline)
    if scored.leaked:
        yield _without_leaks(accuracy, scored)


def _against_baseline(accuracy: float, interval: tuple[float, float], baseline: Baseline) -> str:
    difference = (accuracy - baseline.share) * 100
    always = f"Always answering {baseline.label!r} scores {percent(baseline.share)}"
    if interval[0] <= baseline.share <= interval[1]:
        return f"{always}, which lies within that interval: the model has not been shown to do better than that."
    return f"{always}; the model is {abs(difference):.1f} points {'better' if difference > 0 else 'worse'} than that."


def _without_leaks(accuracy: float, scored: Leak) -> str:
    unseen, name = scored.samples - scored.leaked, _NAMES[scored.split]
    if not unseen:
        return f"Every {name} image has a copy in another split: the accuracy says nothing about new images."
    right = min(max(accuracy * scored.samples - scored.leaked, 0.0), float(unseen))
    low, high = wilson(right, unseen)
    plural = "the leaked image" if scored.leaked == 1 else f"all {scored.leaked} leaked images"
    return (
        f"If the model got {plural} right because it had seen a copy, its accuracy on the other {unseen} is only "
        f"{percent(right / unseen)} (95 % interval {percent(low)} to {percent(high)})."
    )
