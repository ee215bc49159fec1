"""A self-test as JSON: what ``selftest --format json`` prints, and ``scan`` and ``audit --selftest FILE`` read back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dataaudit
from dataaudit.domain import FamilyRecall, SelfTest, Stranger
from dataaudit.errors import UsageError
from dataaudit.statistics.proportions import wilson

if TYPE_CHECKING:
    from dataaudit.config import Config

__all__ = ["dumps", "load"]

FORMAT_VERSION: Final = 1


def dumps(selftest: SelfTest, config: Config) -> str:
    """Return a self-test as ASCII JSON, a newline at its end; recall with its 95 % Wilson interval."""
    low, high = wilson(selftest.found, selftest.planted) if selftest.planted else (0.0, 1.0)
    contents = {
        "format_version": FORMAT_VERSION,
        "tool": {"name": "dataaudit", "version": dataaudit.__version__},
        "search": _settings(config),
        "dataset": {"fingerprint": selftest.fingerprint, "samples": selftest.samples},
        "seed": selftest.seed,
        "planted": selftest.planted,
        "found": selftest.found,
        "recall": {"low": round(low, 4), "high": round(high, 4)},
        "families": [asdict(family) for family in selftest.families],
        "false_pairs": [asdict(stranger) for stranger in selftest.strangers],
    }
    return json.dumps(contents, indent=2) + "\n"


def load(path: Path, fingerprint: str, config: Config) -> SelfTest:
    """Read a self-test back, for the dataset and the search that it was made of.

    Args:
        path: what :func:`dumps` wrote.
        fingerprint: of the dataset that is to be judged.
        config: of the search.

    Raises:
        UsageError: if the file cannot be read, is no self-test, or is one of another dataset, version or search.
    """
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        made_by, settings = contents["tool"]["version"], contents["search"]
        selftest = SelfTest(
            fingerprint=str(contents["dataset"]["fingerprint"]),
            samples=int(contents["dataset"]["samples"]),
            seed=int(contents["seed"]),
            families=tuple(_family(entry) for entry in contents["families"]),
            strangers=tuple(Stranger(**entry) for entry in contents["false_pairs"]),
        )
    except OSError as error:
        message = f"--selftest {path}: cannot be read ({error.strerror}). `dataaudit selftest DATASET --format json` prints one."
        raise UsageError(message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"--selftest {path}: found no self-test of format {FORMAT_VERSION}, expected what `dataaudit selftest DATASET "
        message += "--format json` prints."
        raise UsageError(message) from error
    for what, found, expected in (
        ("dataset (fingerprint)", selftest.fingerprint, fingerprint),
        ("version of dataaudit", made_by, dataaudit.__version__),
        ("search", settings, _settings(config)),
    ):
        if found != expected:
            message = f"--selftest {path} is of another {what}: found {found}, expected {expected}. Its recall does not hold "
            message += "here; run `dataaudit selftest` again."
            raise UsageError(message)
    return selftest


def _family(entry: dict[str, Any]) -> FamilyRecall:
    family = FamilyRecall(**entry)
    if not (family.proved >= 0 and family.probable >= 0 and family.found <= family.planted):
        message = f"found {entry}, expected counts of planted copies"
        raise ValueError(message)
    return family


def _settings(config: Config) -> dict[str, Any]:
    """Return the options of the search that are not at their defaults, as JSON holds them."""
    changed = config.of_the_search(changed=True)
    if config.descriptor is not None:  # a model trained anew has the same name
        changed["descriptor"] = hashlib.sha256(Path(config.descriptor).read_bytes()).hexdigest()
    return dict(sorted(changed.items()))
