"""The one verifier: do two nominated pictures show the same picture?

Both are brought to the same square of luma, band-passed by a difference of Gaussians, and compared by normalised
cross-correlation in windows. Band and windows take brightness, contrast, colour, vignettes, re-encoding and mild blur out of
the comparison; what remains is whether the *details* stand in the same places. ``median`` is the energy-weighted median
over the textured windows, ``quartile`` their lower quartile: a copy is alike nearly everywhere, a look-alike here and there.

First the orientations that were named are tried as they are; where that does not do, a is registered onto b
(``align``) by an affine map, then in perspective, and only the part of b that a shows is compared: fill, letterbox and what a
crop cut off do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup import windows
from dataaudit.dedup.overlay import (
    ALIKE,
    ENOUGH_TEXTURE,
    UNLIKE,
    Covered,
    closer,
    find_covered,
    find_marks,
    located,
    summary,
    without_marks,
)
from dataaudit.dedup.seen import look_at
from dataaudit.dedup.windows import SIDE, TEXTURE
from dataaudit.domain import DIHEDRAL, Transform
from dataaudit.engines.memory import unlimited
from dataaudit.features.decode import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dataaudit.dedup.align import Registration
    from dataaudit.dedup.overlay import Bound
    from dataaudit.dedup.seen import Seen

_SHOWN: Final = 0.6  # share of a window that must be shown
_WHOLLY: Final = 0.999  # likewise: windows that see nothing of the rim, where the fill of a copy lies over the other's picture …
_MOST_OF_IT: Final = 0.4  # … if both show so much of b
_SURE: Final = {SIDE: 10, SIDE // 2: 14}  # corners that agree on a map; silhouettes of one aircraft, 32 px, had 11
_HOPEFUL: Final = 0.5  # median by that map before it is refined
_APART: Final = 8.0  # pixels, of a view: maps that bring a corner less far apart are refined to the same one
_PAYS: Final = 0.5  # of what an affine map leaves unlike, what a homography may: it fits look-alikes a little better, too
_LESS_ALIKE: Final = 0.7  # what an overlay leaves of a tiny picture's large windows; two of them, or smaller ones are not asked
_DEGRADED: Final = 0.9  # median of two pictures that may be the same but for what noise or blur have done to fine details …
_COARSELY: Final = 1 / 3  # … and of what may be unlike, what may be in coarse ones: look-alikes are more alike in them, too
_UNMARKED: Final = 1 / 8  # likewise of what is left without marks: repainted motorbikes reach .991 and .974, copies .998 and .995
_LEAST_OVERLAP: Final = 0.1  # of b: less proves nothing


@dataclass(frozen=True, slots=True)
class Question:
    """Is picture ``a`` picture ``b``?"""

    a: Path
    b: Path
    orientations: tuple[int, ...]
    """Tried as they are, in order; may be empty."""
    align: bool
    """Whether to register a onto b, look for marks and compare coarse details where no orientation is as alike as ``enough``."""
    enough: Bound
    """Median and quartile that need no registration."""
    enough_registered: Bound
    """Those that need no better one; also asked of a guessed orientation; of what is not covered more (``Covered.proves``)."""
    max_pixels: int
    guessed: bool = False
    """Whether no more than a guess stands behind the orientations: they are asked what a registration is asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How alike two pictures are in the best way they were brought together."""

    median: float
    """-1 to 1."""
    quartile: float
    """-1 to 1."""
    textured: tuple[int, int]
    """Textured windows of a and of b, both whole."""
    transform: Transform = field(default_factory=Transform)
    overlap: float = 1.0
    """The share of b that a shows."""
    registered: bool = False
    """Whether a had to be registered onto b, or its orientation be guessed."""
    located: bool = False
    """Whether enough of what is alike is more than lines of one direction, see ``overlay.located``."""
    covered: Covered | None = None
    """What stands around a region in which the two truly differ; None where there is no such region."""
    failure: str = ""
    """Why the pictures could not be compared; empty where they were."""

    @property
    def comparable(self) -> bool:
        """Whether the numbers mean anything: both pictures were read, and have enough texture."""
        return not self.failure and min(self.textured) >= ENOUGH_TEXTURE

    @property
    def degraded(self) -> bool:
        """Whether the pictures may be the same but for what noise or blur have done to fine details, and differ in no region."""
        return self.comparable and self.covered is None and self.median >= _DEGRADED

    @property
    def likeness(self) -> float:
        """The median over what is not covered."""
        return self.median if self.covered is None or not self.covered.believable else max(self.median, self.covered.median)

    @property
    def shared(self) -> float:
        """The share of b in which both show the same: all that a shows of it but the region in which they differ."""
        return self.overlap - (0.0 if self.covered is None else self.covered.hidden)

    def reaches(self, thresholds: Bound) -> bool:
        """Whether median and quartile are at least the given ones."""
        return self.median >= thresholds[0] and self.quartile >= thresholds[1]

    def settles(self, question: Question) -> bool:
        """Whether the pictures are brought together as well as they have to be."""
        if self.covered is not None:
            return self.covered.proves(question.enough_registered)
        return self.reaches(question.enough_registered if self.registered else question.enough)


def answer_all(questions: Sequence[Question], begin: Callable[[int], None]) -> tuple[Answer, ...]:
    """Answer a batch of questions; runs in a worker. Consecutive questions share their decoded pictures."""
    answers = []
    for number, question in enumerate(questions):
        begin(number)
        answers.append(answer(question))
    return tuple(answers)


def answer(question: Question) -> Answer:
    """Compare one pair. Of orientations that are equally good (a symmetric picture) the first is taken."""
    try:
        a, b = look_at(question.a, question.max_pixels), look_at(question.b, question.max_pixels)
    except DecodeError as error:
        return Answer(0.0, 0.0, (0, 0), failure=str(error))
    best = _answered(a, b, question)
    if not question.align or best.settles(question) or not best.degraded or min(len(a.square), len(b.square)) < SIDE:
        return best
    coarse = _answered(a.halved(), b.halved(), question)
    enough = question.enough_registered if coarse.registered else question.enough
    proved = coarse.comparable and coarse.covered is None and coarse.reaches(closer(_COARSELY, enough))
    return coarse if proved else best


def _answered(a: Seen, b: Seen, question: Question) -> Answer:
    best = _as_it_is(a, b, question)
    if not question.align or not best.comparable or best.settles(question):
        return best
    registered = _registered(a, b, question)
    if registered is None or not _is_better(registered, best, question):
        return best
    return replace(registered, textured=best.textured)


def _as_it_is(a: Seen, b: Seen, question: Question) -> Answer:
    side = min(len(a.square), len(b.square))
    (square_a, texture_a), (square_b, texture_b) = a.at(side), b.at(side)
    best, brought, shown = Answer(0.0, 0.0, (texture_a, texture_b)), square_a, np.ones_like(square_b)
    for orientation in question.orientations:
        upright, either = turned(square_a, orientation), np.maximum(turned(a.content(side), orientation), b.content(side))
        tried = _within_borders(upright, square_b, either)
        if tried.median > best.median + 0.01:
            best, brought, shown = replace(tried, transform=Transform.of_orientation(orientation)), upright, either
    best = replace(best, textured=(texture_a, texture_b), registered=question.guessed)
    return _but_for_marks(brought, square_b, shown, best, question)


def _within_borders(a: NDArray[np.float32], b: NDArray[np.float32], shown: NDArray[np.float32]) -> Answer:
    """Compare two squares where one of them shows something: two pictures in one border share its edge, and no content.

    Of 50 pairs of photographs padded alike to 1.3 to 1.7 times their size 13 were proved with it, none is without. With their
    borders, where there is too little within them; whether what is alike holds more than lines is asked of all of it, but of
    tiny pictures: to them one border is much of what they show.
    """
    if shown.all():
        return compare(a, b)
    within = compare(a, b, shown)
    if min(within.textured) < ENOUGH_TEXTURE:
        return compare(a, b)
    if within.located or within.median <= ALIKE or len(b) < SIDE:
        return within
    return replace(within, located=compare(a, b).located)


def _registered(a: Seen, b: Seen, question: Question) -> Answer | None:
    """Register a onto b and compare where they overlap; None where they cannot be registered."""
    _load_opencv()
    from dataaudit.dedup import align  # noqa: PLC0415 - OpenCV is loaded by the workers that need it

    view_a, view_b = a.view(align.View), b.view(align.View)
    found = align.register_by_corners(view_a, view_b)
    details: tuple[align.Detail, ...] = (align.FEW, align.MANY)
    if found is not None and found.inliers >= _SURE[min(len(a.square), len(b.square))]:
        details = (align.MANY,)  # they have something in common
        tried = _brought_together(a, b, found, question, briefly=True)
        # What is alike but for a region is asked of finer features: the corners of one frame around two pictures agree, too.
        if tried is not None and tried.covered is None and tried.settles(question):
            return tried
    best: Answer | None = None
    coarser: Registration | None = None
    for detail in details:
        found = align.register(view_a, view_b, detail)
        if found is None:
            break
        if coarser is None or align.apart(coarser, found, view_a.size) > _APART:
            tried = _brought_together(a, b, found, question)
            if tried is not None and (best is None or tried.likeness > best.likeness):
                best = tried
        if best is not None and best.settles(question):
            break
        coarser = found
    if best is None or (best.covered is None and best.settles(question)):
        return best
    found = align.register_in_perspective(view_a, view_b, detail, mirrored=best.transform.mirrored)
    tried = None if found is None else _brought_together(a, b, found, question, briefly=True)
    if tried is None or tried.covered is not None:
        return best
    pays = 1 - tried.median <= _PAYS * (1 - best.median)
    return tried if pays and _is_better(tried, best, question) else best


def _is_better(tried: Answer, best: Answer, question: Question) -> bool:
    """Whether a later answer settles a question, or is the more alike of two that do not."""
    return tried.settles(question) or (not best.settles(question) and tried.likeness > best.likeness)


def _brought_together(a: Seen, b: Seen, found: Registration, question: Question, *, briefly: bool = False) -> Answer | None:
    """Refine a registration on the pixels and compare where the two overlap; None where nothing can be compared.

    ``briefly``: refine once, and only what is somewhat alike already.
    """
    from dataaudit.dedup import align  # noqa: PLC0415

    view_a, view_b = a.view(align.View), b.view(align.View)
    (width_a, height_a), (width_b, height_b) = view_a.size, view_b.size
    square_a, square_b = np.ascontiguousarray(a.square[:, ::-1] if found.mirrored else a.square), b.square
    scales = (len(square_a) / width_a, len(square_a) / height_a), (len(square_b) / width_b, len(square_b) / height_b)
    start = align.resized(found.matrix, *scales)
    best, matrix = None, start
    if briefly and ((best := _compared(square_a, square_b, start, question)) is None or best.median < _HOPEFUL):
        return None
    for refinement in range(1 if briefly else 3):  # on all pixels; then, if something is covered, on those that are alike
        mask = None if not refinement else _alike_pixels(square_a, square_b, start if refinement == 1 else matrix)
        refined = align.refine(square_a, square_b, start if refinement < 2 else matrix, mask)  # noqa: PLR2004
        tried = _compared(square_a, square_b, refined, question)
        if tried is not None and (best is None or tried.likeness > best.likeness):
            best, matrix = tried, refined
        if best is not None and best.settles(question):
            break
    if best is None:
        return None
    warped, shown = align.warp(square_a, matrix, len(square_b))
    best = _but_for_marks(warped, square_b, align.inner(shown), best, question)
    back = align.resized(matrix, *((1 / x, 1 / y) for x, y in scales))
    transform = Transform.named(back, view_a.size, view_b.size, mirrored=found.mirrored)
    return replace(best, transform=transform)


def _compared(a: NDArray[np.float32], b: NDArray[np.float32], matrix: NDArray[np.float64], question: Question) -> Answer | None:
    """Compare two squares, a brought onto b by ``matrix``; None where they show too little in common."""
    from dataaudit.dedup import align  # noqa: PLC0415

    warped, shown = align.warp(a, matrix, len(b))
    if shown.mean() < _LEAST_OVERLAP:
        return None
    inner, overlap = align.inner(shown), float(shown.mean())
    answer = compare(warped, b, inner, registered=True)
    low, quartile = question.enough_registered
    if answer.median >= low and answer.quartile < quartile and overlap >= _MOST_OF_IT:  # alike but for the rim?
        inside = compare(warped, b, inner, _WHOLLY, registered=True)
        if inside.reaches(question.enough_registered) and min(inside.textured) >= ENOUGH_TEXTURE:
            answer = inside
    if min(answer.textured) < ENOUGH_TEXTURE:
        return None
    return replace(answer, overlap=round(overlap, 4))


def _but_for_marks(
    a: NDArray[np.float32], b: NDArray[np.float32], shown: NDArray[np.float32], answer: Answer, question: Question
) -> Answer:
    """Return the answer on two aligned squares without thin marks on one of them, if they are the same then; else ``answer``."""
    if not question.align or answer.median < _HOPEFUL or answer.settles(question):
        return answer
    whole = windows.compared(a, b, shown, _SHOWN)
    marked = find_marks(whole.bands, shown)
    if marked is None:
        return answer
    unmarked = shown * ~marked
    rest = windows.compared(a, b, unmarked, _SHOWN)
    corners = _alike_corners(rest, unmarked)
    if corners is None:
        return answer
    enough = closer(_UNMARKED, question.enough_registered)
    covered = without_marks(rest, corners, marked, int(whole.counted.sum()), float(shown.mean()), enough)
    return answer if covered is None else replace(answer, covered=covered)


def _alike_pixels(a: NDArray[np.float32], b: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return (side, side) 255 where most windows show the same in both pictures, a brought onto b by ``matrix``; else 0."""
    from dataaudit.dedup import align  # noqa: PLC0415

    warped, shown = align.warp(a, matrix, len(b))
    seen = windows.compared(warped, b, shown, _SHOWN)
    alike = windows.spread_over(seen.counted & (seen.correlation > UNLIKE), len(b))
    looked = windows.spread_over(np.ones_like(seen.counted), len(b))
    return np.where((alike > 0.5 * looked) & (shown > 0), 255, 0).astype(np.uint8)


@cache
def _load_opencv() -> None:
    """Load OpenCV outside the memory limit, and let it take its working memory; once, since every lifting moves the limit."""
    with unlimited():
        from dataaudit.dedup import align  # noqa: PLC0415 - workers only

        noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.float32)
        view = align.View(noise.astype(np.uint8))
        align.register_by_corners(view, view)
        align.register(view, view)
        align.register_in_perspective(view, view, align.FEW, mirrored=False)
        for last in (0.0, 1e-4):
            matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [last, 0.0, 1.0]])
            align.warp(noise, align.refine(noise, noise, matrix), SIDE)


def compare(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    shown: NDArray[np.float32] | None = None,
    least: float = _SHOWN,
    *,
    registered: bool = False,
) -> Answer:
    """Correlate two aligned squares of luma (side × side, float32, 0 to 255) window by window.

    Args:
        a: one picture.
        b: the other.
        shown: (side, side) float32, 1 where both pictures show something and 0 elsewhere; None: everywhere.
        least: the share of a window that must be shown for it to count.
        registered: whether a was registered onto b.
    """
    seen = windows.compared(a, b, shown, least)
    counted = seen.counted
    textured = (int((counted & (seen.deviation_a > TEXTURE)).sum()), int((counted & (seen.deviation_b > TEXTURE)).sum()))
    if not counted.any():
        return Answer(0.0, 0.0, textured, registered=registered)
    whole = summary(seen.correlation, seen.energy, counted)
    if len(a) < SIDE and (counted & (seen.correlation > _LESS_ALIKE)).sum() > 1:
        seen = windows.compared(a, b, shown, least, windows.SMALL_GRID)
    corners = _alike_corners(seen, shown)
    if corners is None:
        return Answer(*whole, textured, registered=registered)
    covered = find_covered(seen, corners, len(a), 1.0 if shown is None else float(shown.mean()))
    enough = located(corners, whole[0], registered=registered)
    return Answer(*whole, textured, registered=registered, located=enough, covered=covered)


def _alike_corners(seen: windows.Compared, shown: NDArray[np.float32] | None) -> NDArray[np.bool_] | None:
    """Return the windows in which both show the same, and more than lines; None where hardly any show the same."""
    alike = seen.counted & (seen.correlation > ALIKE)
    if alike.sum() < ENOUGH_TEXTURE:  # most pairs are no copies
        return None
    for band in seen.bands:
        alike &= windows.corners(band, shown, seen.grid)
    return alike


def turned(picture: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Bring a square into an orientation of ``domain.DIHEDRAL``: mirror left-right, then rotate counter-clockwise."""
    mirrored = picture[:, ::-1] if orientation >= DIHEDRAL // 2 else picture
    return np.rot90(mirrored, orientation % 4)
