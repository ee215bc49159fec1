"""The stages, in order, on one page. Read ``domain`` first.

``find → measure → relate`` give measurements; ``judge`` makes a report of them, ``correct`` a plan.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.domain import Measurements, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, Plan, SelfTest
    from dataaudit.engines.local import LocalEngine

    Observer = Callable[[str, int, int, int], None]
    """Called with (stage, done, total, found) as the work goes on. Stages: ``measure`` (images; found: unreadable ones),
    ``describe`` and ``embed`` (pictures that a model of the user's looks at), ``compare`` (pairs; found: copies), ``judge``; of a
    self-test also ``plant`` (copies); total is 0 where nothing is counted."""

__all__ = ["correct", "judge", "measure", "measure_catalog", "scan", "selftest"]


def scan(dataset: Path, config: Config, observe: Observer | None = None) -> Report:
    """Measure a dataset and judge it.

    Raises:
        LayoutError: if there is no image, or the layout is not one we know.
        ManifestError: if a manifest, metadata, group, embeddings or probabilities file contradicts the dataset.
        ModelError: if a Keras model that was given cannot be used.
    """
    return judge(measure(dataset, config, observe), config)


def measure(
    dataset: Path,
    config: Config,
    observe: Observer | None = None,
    only: Collection[str] | None = None,
    engine: LocalEngine | None = None,
) -> Measurements:
    """Find the samples, measure each file once, and relate the copies. Everything slow happens here.

    With ``only``, paths relative to the dataset, copies of these are looked for, and not of all. ``engine`` is one that stays
    open, with the configuration's limits; without it one is opened.
    """
    from dataaudit.catalog import find  # noqa: PLC0415
    from dataaudit.features.embeddings import read_embeddings, read_probabilities  # noqa: PLC0415
    from dataaudit.features.keras_model import is_model  # noqa: PLC0415
    from dataaudit.features.strict import require  # noqa: PLC0415

    if config.integrity == "deep":
        require()
    catalog = find(dataset, config)
    paths, classes = catalog.paths, catalog.classes  # a wrong file is told before the slow part
    model = config.embeddings if config.embeddings is not None and is_model(config.embeddings) else None
    embeddings = None if model or config.embeddings is None else read_embeddings(config.embeddings, paths)
    pred_probs = None if config.pred_probs is None else read_probabilities(config.pred_probs, paths, classes)
    embedded_by = model if only is None else None  # a few files say nothing of how all of them drift
    measured = measure_catalog(catalog, config, observe, only, embedded_by, engine)
    return replace(measured, embeddings=measured.embeddings if model else embeddings, pred_probs=pred_probs)


def measure_catalog(
    catalog: Catalog,
    config: Config,
    observe: Observer | None = None,
    only: Collection[str] | None = None,
    embedded_by: str | None = None,
    engine: LocalEngine | None = None,
) -> Measurements:
    """Measure the files of a catalog, and relate them; see :func:`measure`. ``embedded_by`` is a Keras model's file."""
    from dataaudit.dedup import relate  # noqa: PLC0415 - every stage is imported when it is reached
    from dataaudit.dedup.own_descriptor import own_descriptor  # noqa: PLC0415
    from dataaudit.engines.local import LocalEngine  # noqa: PLC0415
    from dataaudit.features import measure as measure_features  # noqa: PLC0415
    from dataaudit.features.cache import Cache  # noqa: PLC0415
    from dataaudit.features.model_outputs import embedder  # noqa: PLC0415
    from dataaudit.features.strict import decode_strictly  # noqa: PLC0415

    watch = observe or (lambda _stage, _done, _total, _found: None)
    processes = config.workers
    done = failed = 0

    def measured(files: int, unreadable: int) -> None:
        nonlocal done, failed
        done, failed = done + files, failed + unreadable
        watch("measure", done, len(catalog), failed)

    with (
        Cache(config) if config.cache else nullcontext() as cache,
        nullcontext(engine) if engine else LocalEngine(processes, config.file_timeout, config.file_memory) as running,
        own_descriptor(config, cache, processes) as describe,  # a model that will not do is told before the slow part
        embedder(embedded_by, config, cache, processes) as embed,
    ):
        watch("measure", 0, len(catalog), 0)
        features = measure_features(catalog, config, running, measured, cache)
        if config.integrity == "deep":
            features = decode_strictly(catalog, features, running)
        embeddings = embed(catalog, features, watch)
        searched, search, own = describe(catalog, features, watch)
        watch("compare", 0, 0, 0)
        rows = None if only is None else np.array([row for row, path in enumerate(catalog.paths) if path in only], np.int64)

        def compared(pairs: int, total: int, found: int) -> None:
            watch("compare", pairs, total, found)

        copies = replace(relate(catalog, searched, search, running, compared, rows, cache), own_descriptor=own)
        watch("judge", 0, 0, 0)
    if only is not None:  # a few files say nothing of how all of them are grouped
        return Measurements(catalog, features, copies)
    from dataaudit.dedup.file_groups import infer  # noqa: PLC0415

    return Measurements(catalog, features, copies, infer(catalog, features, copies, config), embeddings)


def judge(measurements: Measurements, config: Config, selftest: SelfTest | None = None) -> Report:
    """Run every rule that is selected; the report holds what was found and what could not be checked.

    Args:
        measurements: of the dataset.
        config: rules and their thresholds.
        selftest: of this dataset; with it the report says how many copies may have been missed.
    """
    from dataaudit.scanners import judge as judge_by_rules  # noqa: PLC0415
    from dataaudit.scanners.verdict import summarise  # noqa: PLC0415

    findings, rules_run, rules_not_run = judge_by_rules(measurements, config)
    summary = summarise(measurements, findings, config, selftest)
    return Report(measurements, summary, findings, rules_run, rules_not_run)


def correct(measurements: Measurements, config: Config) -> Plan:
    """Plan the correction: the split first, then class weights and augmentation on its train part."""
    from dataaudit.fixers import make_plan  # noqa: PLC0415

    return make_plan(measurements, config)


def selftest(dataset: Path, config: Config, *, queries: int, seed: int = 0, observe: Observer | None = None) -> SelfTest:
    """Measure a dataset, plant copies of its pictures, and count how many are found; nothing is written into it.

    Raises:
        LayoutError, ManifestError: as :func:`scan`.
        UsageError: if there are fewer than two pictures.
    """
    from dataaudit.dedup.own_descriptor import own_descriptor  # noqa: PLC0415
    from dataaudit.engines.local import LocalEngine  # noqa: PLC0415
    from dataaudit.features.cache import Cache  # noqa: PLC0415
    from dataaudit.selftest import run  # noqa: PLC0415

    measurements = measure(dataset, config, observe)
    processes = config.workers
    with (
        Cache(config) if config.cache and config.descriptor else nullcontext() as cache,
        LocalEngine(processes, config.file_timeout, config.file_memory) as engine,
        own_descriptor(config, cache, processes) as describe,
    ):
        return run(measurements, config, engine, describe, queries=queries, seed=seed, progress=observe)
