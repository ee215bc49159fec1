"""Audit an image-classification dataset before training: find leaked copies, judge the splits, emit the correction.

    >>> import dataaudit
    >>> report = dataaudit.scan(Path("dataset"), dataaudit.Config())  # doctest: +SKIP
    >>> plan = dataaudit.correct(report.measurements, dataaudit.Config())  # doctest: +SKIP

Names are imported when they are first used (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataaudit.config import Config
    from dataaudit.domain import Catalog, CopyGraph, FeatureTable, Finding, Measurements, Plan, Report, Rule
    from dataaudit.errors import DataAuditError
    from dataaudit.pipeline import correct, judge, measure, scan

__version__ = "0.1.0"

__all__ = [
    "Catalog",
    "Config",
    "CopyGraph",
    "DataAuditError",
    "FeatureTable",
    "Finding",
    "Measurements",
    "Plan",
    "Report",
    "Rule",
    "__version__",
    "correct",
    "judge",
    "measure",
    "scan",
]

_HOMES = {
    "Config": "config",
    "DataAuditError": "errors",
    **dict.fromkeys(("correct", "judge", "measure", "scan"), "pipeline"),
    **dict.fromkeys(("Catalog", "CopyGraph", "FeatureTable", "Finding", "Measurements", "Plan", "Report", "Rule"), "domain"),
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"dataaudit.{_HOMES[name]}"), name)
    message = f"module 'dataaudit' has no attribute {name!r}"
    raise AttributeError(message)
