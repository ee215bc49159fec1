"""CORRECT: measurements in, plans out. Plans are values; only ``plan_folder`` and ``apply`` write.

The order is fixed: the split first, then class weights and augmentation on its corrected train part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataaudit.domain import Plan
from dataaudit.fixers.augmentation import plan_augmentation
from dataaudit.fixers.class_weights import weigh
from dataaudit.fixers.keras_pipeline import choose_decoder
from dataaudit.fixers.split import make_split

if TYPE_CHECKING:
    from dataaudit.config import Config
    from dataaudit.domain import Measurements

__all__ = ["make_plan"]


def make_plan(measurements: Measurements, config: Config) -> Plan:
    """Return the plan: split, class weights and augmentation of a dataset.

    Raises:
        PlanError: if there are fewer units than folds, or no sample can be placed.
    """
    split = make_split(measurements, config)
    return Plan(split, weigh(split, config), plan_augmentation(measurements, split, config), choose_decoder(measurements, split))
