"""Every value that crosses a stage. Read this first, then ``pipeline.py``.

``root → Catalog → FeatureTable → CopyGraph``; the three together are ``Measurements``, and that is all a
scanner or a fixer sees. Scanners turn measurements into ``Finding``; fixers turn them into plans
(``SplitPlan``, ``ClassWeights``, ``AugmentationPlan``); a ``Report`` is what the reports render.

Values are frozen, sequences are tuples. **The row number is the join key**: row ``i`` of the catalog, of the
feature table and of every later array is the same file.

Each stage's values stand in a module of its own, in this order: ``find``, ``measure``, ``relate``, ``judge``, ``selftest``,
``correct``. Import them from here.
"""

from __future__ import annotations

from dataaudit.domain.correct import AugmentationLayer, AugmentationPlan, ClassWeights, Plan, SplitPlan
from dataaudit.domain.find import NONE, ROLES, Catalog, ClassFolder, HashList, KerasSplit, Role, Sample, Skipped
from dataaudit.domain.judge import (
    SEVERITIES,
    Baseline,
    ComparisonEvidence,
    CopyEvidence,
    Evidence,
    FileEvidence,
    Finding,
    GroupEvidence,
    Leak,
    NotRun,
    Report,
    Rule,
    Severity,
    Summary,
    TableEvidence,
)
from dataaudit.domain.measure import DIHEDRAL, PROPERTY_NAMES, Failure, FailureKind, FeatureTable
from dataaudit.domain.relate import (
    RELATIONS,
    Calibration,
    CopyGraph,
    CopyPair,
    IndexRecall,
    InferredGroups,
    Measurements,
    OwnDescriptor,
    Relation,
    SubjectPairs,
    Subjects,
    Verdict,
)
from dataaudit.domain.selftest import FamilyRecall, SelfTest, Stranger
from dataaudit.transform import Policy, Transform

__all__ = [
    "DIHEDRAL",
    "NONE",
    "PROPERTY_NAMES",
    "RELATIONS",
    "ROLES",
    "SEVERITIES",
    "AugmentationLayer",
    "AugmentationPlan",
    "Baseline",
    "Calibration",
    "Catalog",
    "ClassFolder",
    "ClassWeights",
    "ComparisonEvidence",
    "CopyEvidence",
    "CopyGraph",
    "CopyPair",
    "Evidence",
    "Failure",
    "FailureKind",
    "FamilyRecall",
    "FeatureTable",
    "FileEvidence",
    "Finding",
    "GroupEvidence",
    "HashList",
    "IndexRecall",
    "InferredGroups",
    "KerasSplit",
    "Leak",
    "Measurements",
    "NotRun",
    "OwnDescriptor",
    "Plan",
    "Policy",
    "Relation",
    "Report",
    "Role",
    "Rule",
    "Sample",
    "SelfTest",
    "Severity",
    "Skipped",
    "SplitPlan",
    "Stranger",
    "SubjectPairs",
    "Subjects",
    "Summary",
    "TableEvidence",
    "Transform",
    "Verdict",
]
