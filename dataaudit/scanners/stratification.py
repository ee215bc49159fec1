"""STR: are the splits comparable in their class shares and sizes?

Copies count once within a split and class. Where declared groups hold several pictures, whole groups are exchanged in the test,
and both it and the plain test must be sure. Benjamini–Hochberg runs over the splits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, ROLES, ComparisonEvidence, Finding, NotRun, Rule, TableEvidence
from dataaudit.scanners.copy_groups import counted_once
from dataaudit.statistics.clustered_shares import compared, shares_design_effect, total_variation_interval
from dataaudit.statistics.copies import units
from dataaudit.wording import counted, percent, surely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, Measurements, Role
    from dataaudit.statistics.clustered_shares import Compared
    from dataaudit.statistics.shares import Difference

__all__ = ["RULES", "SMALLEST_SHARE", "scan"]

SHARES: Final = Rule(
    "STR601",
    "class-shares-differ",
    "warning",
    "A split holds the classes in other shares than train",
    "Accuracy weighs classes by their share: a score on other shares is not the one you will see, and gets better or worse "
    "by the mix alone.",
    "Split anew with stratification (`dataaudit split`). If the shares differ on purpose, compare recall per class.",
)
SIZES: Final = Rule(
    "STR602",
    "odd-split-sizes",
    "warning",
    "A split is far too small, or larger than train",
    "A tiny validation split makes the score jump by chance; one larger than train withholds pictures from training.",
    "Usual are 10 to 20 % for validation and as much for test: `dataaudit split --ratios 0.7,0.15,0.15`.",
)
RULES: Final[tuple[Rule, ...]] = (SHARES, SIZES)
SMALLEST_SHARE: Final = 0.02
"""Share of the split data under which a validation or test split of fewer than ``LARGE_ENOUGH`` samples is odd."""
LARGE_ENOUGH: Final = 1_000
"""Samples from which a split is large enough whatever its share: its accuracy is known within 3 points."""


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield splits whose class shares or sizes do not fit train's."""
    catalog = measurements.catalog
    others = tuple(role for role in catalog.splits if role != "train")
    if "train" not in catalog.splits or not others:
        for each in RULES:
            yield NotRun(each, f"not-applicable: {_missing(catalog)}")
        return
    yield from _shares(measurements, config, others)
    yield from _sizes(catalog, others)


def _missing(catalog: Catalog) -> str:
    return f"the dataset has only {' and '.join(catalog.splits)}" if catalog.splits else "the dataset has no splits"


def _shares(measurements: Measurements, config: Config, others: tuple[Role, ...]) -> Iterator[Finding | NotRun]:
    catalog = measurements.catalog
    rows = np.flatnonzero(counted_once(measurements) & (catalog.label_codes != NONE) & (catalog.split_codes != NONE))
    splits = catalog.split_codes[rows]
    codes = [ROLES.index(role) for role in others]
    if not (splits == 0).any() or not np.isin(splits, codes).any() or len(catalog.classes) < 2:  # noqa: PLR2004 - shares need two classes
        has = counted(len(catalog.classes), "class", "classes")
        yield NotRun(SHARES, f"not-applicable: {has} in all; two are needed, with labels in train and in another split")
        return
    found = compared(
        catalog.label_codes[rows],
        splits,
        units(measurements.copies.component, catalog.group_codes)[rows] if catalog.groups else None,
        others=codes,
        classes=len(catalog.classes),
        alpha=config.alpha,
        least=config.share_difference,
        seed=config.seed,
    )
    for split, each in found.items():
        if each.difference is not None:
            yield _differ(catalog, config, ROLES[split], each, each.difference)


def _differ(catalog: Catalog, config: Config, role: Role, found: Compared, difference: Difference) -> Finding:
    """Tell a difference of class shares."""
    (train, held_out), clusters, test = found.counts, found.clusters, difference.test
    shares = (train / train.sum(), held_out / held_out.sum())
    widest = int(np.argmax(np.abs(shares[1] - shares[0])))
    of_role, of_train = percent(shares[1][widest]), percent(shares[0][widest])
    low, high = total_variation_interval(
        train, held_out, 1.0 if clusters is None else shares_design_effect(clusters), config.seed
    )
    sure = surely(difference.q_value) + ("" if clusters is None else f", {len(clusters):,} whole groups exchanged")
    message = (
        f"{percent(test.total_variation)} of {role} would have to change class to match train's class shares (95 % interval "
        f"{percent(low)} to {percent(high)}, {sure}); furthest apart is {catalog.classes[widest]!r}: {of_role} of {role}, "
        f"{of_train} of train"
    )
    method = f"{test.method} test of homogeneity"
    evidence = ComparisonEvidence(
        method if clusters is None else f"{method}, and permutation of whole groups",
        "class shares",
        ("train", role),
        (int(train.sum()), int(held_out.sum())),
        test.statistic,
        test.p_value,
        difference.q_value,
        test.total_variation,
        "total variation",
        (low, high),
    )
    return Finding(SHARES, message, (), evidence)


def _sizes(catalog: Catalog, others: tuple[Role, ...]) -> Iterator[Finding]:
    sizes = {role: int(catalog.rows_of(role).size) for role in catalog.splits}
    total = sum(sizes.values())
    evidence = TableEvidence(("samples", "share"), tuple((role, (float(n), n / total)) for role, n in sizes.items()))
    for role in others:
        n = sizes[role]
        if n / total < SMALLEST_SHARE and n < LARGE_ENOUGH:
            expected = f"at least {percent(SMALLEST_SHARE, 0)} or {LARGE_ENOUGH} are expected"
            message = f"{role} has {n} of {total} samples ({percent(n / total)}); {expected}"
            yield Finding(SIZES, message, (), evidence)
        elif n > sizes["train"]:
            yield Finding(SIZES, f"{role} has {n} samples, more than train with {sizes['train']}", (), evidence)
