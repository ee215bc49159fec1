"""What Keras will see of the dataset: what is odd, what Pillow shows of it, what the model gets, and what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataaudit.domain import FileEvidence
from dataaudit.features.loader import Outcome, outcome_of
from dataaudit.reports.names import prose, shown
from dataaudit.wording import counted

if TYPE_CHECKING:
    from dataaudit.domain import Finding, Report

__all__ = ["KerasRow", "keras_rows", "keras_sentence"]

_UNKNOWN: Final = "not known"
_FIXED: Final = {
    "INT103": ("more pixels than the limit", "nothing", "all of it: TensorFlow has no limit, and may run out of memory"),
    "INT104": ("a file that cannot be measured", "nothing", _UNKNOWN),
    "INT106": ("", "the picture", "nothing: the folder loader leaves it out without a word"),
    "INT108": ("an EXIF orientation", "the picture, upright in viewers", "the stored pixels, turned or mirrored"),
    "INT115": ("a name that is not UTF-8", "the picture", "nothing at all: the loader fails on the whole folder"),
    "INT116": ("a hidden file with an image's name", "nothing, in most", "one sample more, or a stop of model.fit"),
    "INT119": ("a link to nowhere, or no file at all", "nothing", "nothing: model.fit stops, or hangs"),
}
"""By rule: what is odd (empty: what was found), what Pillow shows, what the model gets."""
_PICTURE: Final = "the picture"
_BY_OUTCOME: Final = {"INT101": "nothing", "INT102": "nothing", "INT105": _PICTURE, "INT117": _PICTURE, "INT118": _PICTURE}
"""Rules whose files TensorFlow's outcome tells of, and what Pillow shows of them."""
_EXTRA = "hidden files loaded as well"
_LEFT_OUT, _STOPS, _WRONG, _ALTERED = "left out in silence", "stopping model.fit", "as other pictures", "turned or altered"
_EFFECTS: Final = {
    "INT106": _LEFT_OUT,
    **dict.fromkeys(("INT101", "INT102", "INT103", "INT104", "INT105", "INT115", "INT117", "INT119"), _STOPS),
    "INT118": _WRONG,
    "INT108": _ALTERED,
    "INT109": _ALTERED,
    "INT116": _EXTRA,
}
"""What becomes of a file, by rule; the first that holds counts."""


@dataclass(frozen=True, slots=True)
class KerasRow:
    """Files with one oddity."""

    code: str
    odd: str
    files: int
    example: str
    pillow: str
    keras: str
    remedy: str


def keras_rows(report: Report) -> tuple[KerasRow, ...]:
    """Return a row an oddity, worst rules first, the most files first."""
    found: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in report.findings:
        view = _view(finding, report)
        if view is not None:
            found.setdefault((finding.rule.code, *view), []).append(finding)
    order = {finding.rule.code: place for place, finding in reversed(list(enumerate(report.findings)))}
    rows = sorted(found.items(), key=lambda item: (order[item[0][0]], -len(item[1]), item[0]))
    return tuple(
        KerasRow(code, odd, len(findings), _example(findings[0], report), pillow, keras, findings[0].rule.remedy)
        for (code, odd, pillow, keras), findings in rows
    )


def keras_sentence(report: Report) -> str:
    """Return in one sentence how many images reach a model as they are, and what becomes of the others; empty if all do."""
    worst: dict[int | str, str] = {}
    ranks = list(dict.fromkeys(_EFFECTS.values()))
    for finding in report.findings:
        effect = _EFFECTS.get(finding.rule.code)
        if effect is None or (finding.rule.code in _BY_OUTCOME and effect == _STOPS and not _stops(finding, report)):
            continue
        key = finding.samples[0] if finding.samples else finding.message
        worst[key] = min(worst.get(key, effect), effect, key=ranks.index)
    if not worst:
        return ""
    images = len(report.measurements.catalog)
    counts = Counter(worst.values())
    others = "; ".join(f"{effect}: {counts[effect]:,}" for effect in ranks if counts[effect])
    as_they_are = images - sum(isinstance(key, int) for key in worst)
    loader = "Keras's folder loader" if report.measurements.catalog.layout.endswith("class/file") else "TensorFlow"
    return f"{loader} gives a model {as_they_are:,} of {counted(images, 'image')} as they are; {others}."


def _stops(finding: Finding, report: Report) -> bool:
    return _outcome(finding, report).effect in {"rejected", "unknown"}


def _outcome(finding: Finding, report: Report) -> Outcome:
    return outcome_of(int(report.measurements.features.loader[finding.samples[0]]))


def _view(finding: Finding, report: Report) -> tuple[str, str, str] | None:
    """Return what is odd, what Pillow shows, and what the model gets; None for a finding of another kind."""
    code, evidence = finding.rule.code, finding.evidence
    if not isinstance(evidence, FileEvidence):
        return None
    if code in _FIXED:
        odd, pillow, keras = _FIXED[code]
        return odd or f"{prose(evidence.found)}, which it does not load", pillow, keras
    if code in _BY_OUTCOME and finding.samples:
        outcome = _outcome(finding, report)
        odd = {"INT101": "unreadable", "INT102": "cut off", "INT105": prose(evidence.found)}.get(code, outcome.found)
        return odd, _BY_OUTCOME[code], outcome.sees
    if code == "INT109":
        odd, _, effect = prose(evidence.found).partition(": ")
        return odd, _PICTURE, effect
    return None


def _example(finding: Finding, report: Report) -> str:
    path = report.measurements.catalog.paths[finding.samples[0]] if finding.samples else finding.message.partition(": ")[0]
    return shown(path)
