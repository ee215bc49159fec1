"""Bring picture a onto picture b: local features, an affine map or a homography by RANSAC, then refinement on the pixels.

The local features that nominate (``consistency``) give the first map; where few of them agree, finer ones are looked for.

Features are SIFT (Lowe, IJCV 2004) under the Hellinger kernel (RootSIFT; Arandjelović and Zisserman, CVPR 2012), of a and
of its mirror image, matched by the ratio test; the map is estimated by RANSAC and refined by maximising the enhanced
correlation coefficient (ECC; Evangelidis and Psarakis, PAMI 2008). Unrelated photographs give next to no consistent
matches; tiny pictures are enlarged first, and 32-px copies are found as well as large ones.

Matrices, (3, 3), map pixel centres, (x, y, 1) from the upper left, of one picture to another; the last row of an affine map is
0, 0, 1. This module runs in workers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np
from PIL import Image

from dataaudit.dedup.consistency import agreed
from dataaudit.features.keypoints import local_features, view_of, view_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Features = tuple[NDArray[np.float32], NDArray[np.float32]]
    """Points (n, 2), x and y in pixels, and their descriptors (n, 128), of length 1."""
    Estimate = tuple[NDArray[np.float64], NDArray[np.bool_]] | None
    """A map of matches, (3, 3), and which of them agree on it."""

cv2.setNumThreads(1)  # the engine's workers are the threads

SHORT_SIDE: Final = 128
"""Short side of a view, pixels. 256 finds no more copies (both measured on 280 pairs) and costs four times as much; smaller
pictures are enlarged to it."""
_LONG_SIDE: Final = 512
_RATIO: Final = 0.8
_REPROJECTION: Final = 3.0  # pixels …
_REPROJECTION_IN_PERSPECTIVE: Final = 2.0  # … for a map that bends more easily
_FEWEST_INLIERS: Final = 10  # silhouettes on plain sky fit one another with 6 to 9; true copies have 18 and more, rarely fewer
_FEWEST_IN_PERSPECTIVE: Final = 14  # a homography fits any four matches, an affine map three
_FEWEST_AGREEING: Final = 6  # of those that nominate
_SQUEEZE: Final = (0.25, 4.0, 2.2)  # singular values of a believable map: smallest, largest, largest over smallest


class Detail(NamedTuple):
    """How closely a picture is looked at for its features."""

    most: int
    """The strongest that are kept."""
    short_side: int
    """Pixels of the picture they are found in."""
    sigma: float
    """Blur of SIFT's first octave, in pixels of that picture enlarged to twice its size; ``_BLURRED`` for a tiny picture."""


FEW: Final = Detail(150, 96, 1.2)
"""Enough to tell that two pictures have nothing in common, where the features that nominate do not say that they have."""
MANY: Final = Detail(300, SHORT_SIDE, 1.6)
"""For a better map of two that have, at two to three times the cost."""
_BLURRED: Final = 1.6  # a picture that was enlarged has no finer details
_ECC: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)


class View:
    """A picture's luma at the size at which features are found, and its features, computed when asked for."""

    def __init__(self, luma: NDArray[np.uint8]) -> None:
        """Resize ``luma`` (height, width), uint8."""
        self._picture = luma
        size = view_size(luma.shape[::-1], SHORT_SIDE, _LONG_SIDE)
        interpolation = cv2.INTER_AREA if max(size) < max(luma.shape) else cv2.INTER_CUBIC
        self.luma = np.asarray(cv2.resize(luma, size, interpolation=interpolation), np.uint8)
        self._enlarged = max(size) > max(luma.shape)
        self._features: dict[tuple[Detail, bool], Features] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.luma.shape
        return width, height

    @cached_property
    def corners(self) -> NDArray[np.uint8]:
        """The local features that nominate, see ``features.keypoints``."""
        found: NDArray[np.uint8] = local_features([view_of(Image.fromarray(self._picture))])[0]
        return found

    def from_corners(self) -> tuple[float, float]:
        """Return by what the places of ``corners`` are to be multiplied, x and y, to lie in ``luma``."""
        width, height = view_size(self._picture.shape[::-1])
        return self.size[0] / width, self.size[1] / height

    def features(self, detail: Detail, *, mirrored: bool) -> Features:
        """Return the strongest features of the picture, or of its mirror image."""
        key = detail, mirrored
        if key not in self._features and mirrored:
            self._features[key] = _mirrored(self.features(detail, mirrored=False), self.size[0])
        elif key not in self._features:
            self._features[key] = _features(self.luma, detail._replace(sigma=_BLURRED) if self._enlarged else detail)
        return self._features[key]


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """The map of a (mirrored left-right first, if ``mirrored``) onto b."""

    matrix: NDArray[np.float64]
    """(3, 3), pixels of a's view to pixels of b's."""
    mirrored: bool
    inliers: int
    """Distinct points of both pictures that agree on the map."""


def register_by_corners(a: View, b: View) -> Registration | None:
    """Estimate the map of a onto b by the local features that nominate; None if not six agree on a believable one."""
    found = agreed(a.corners, b.corners)
    if len(found.a) < _FEWEST_AGREEING:
        return None
    to_a, to_b = a.from_corners(), b.from_corners()
    points_a, points_b = ((points + 0.5) * scale - 0.5 for points, scale in ((found.a, to_a), (found.b, to_b)))
    if found.mirrored:
        points_a[:, 0] = a.size[0] - 1 - points_a[:, 0]
    solution, *_ = np.linalg.lstsq(np.column_stack([points_a, np.ones(len(points_a))]), points_b, rcond=None)
    matrix = _whole(solution.T)
    return Registration(matrix, found.mirrored, _distinct(found.a, found.b)) if _believable(matrix, a.size) else None


def register(a: View, b: View, detail: Detail = FEW) -> Registration | None:
    """Estimate the affine map of a onto b by their strongest features; None if no believable one has ten consistent matches."""
    best: Registration | None = None
    for mirrored in (False, True):
        found = _registration(a, b, detail, _affine, _FEWEST_INLIERS, mirrored=mirrored)
        if found is not None and (best is None or found.inliers > best.inliers):
            best = found
    return best


def register_in_perspective(a: View, b: View, detail: Detail, *, mirrored: bool) -> Registration | None:
    """Estimate the homography of a onto b likewise; None if no believable one has fourteen consistent matches."""
    return _registration(a, b, detail, _homography, _FEWEST_IN_PERSPECTIVE, mirrored=mirrored)


def apart(one: Registration, other: Registration, size: tuple[int, int]) -> float:
    """Return how far apart, in pixels of b's view, two affine maps bring a corner of a's, of this ``size`` (width, height)."""
    if one.mirrored != other.mirrored:
        return math.inf
    there = _corners(size) @ (one.matrix - other.matrix).T
    return float(np.hypot(there[:, 0], there[:, 1]).max())


def refine(
    a: NDArray[np.float32], b: NDArray[np.float32], matrix: NDArray[np.float64], mask: NDArray[np.uint8] | None = None
) -> NDArray[np.float64]:
    """Return the map of a onto b that maximises their correlation, started at ``matrix``; ``matrix`` where that fails.

    An affine map stays affine.

    Args:
        a: (height, width) luma.
        b: likewise.
        matrix: (3, 3), pixels of a to pixels of b.
        mask: (height, width), 0 where b is not to be looked at; None: it is looked at everywhere.
    """
    rows, motion = (2, cv2.MOTION_AFFINE) if _is_affine(matrix) else (3, cv2.MOTION_HOMOGRAPHY)
    start = np.linalg.inv(matrix)
    start = (start / start[2, 2])[:rows].astype(np.float32)
    mask = np.full(b.shape, 255, np.uint8) if mask is None else mask
    try:
        _, backwards = cv2.findTransformECC(b, a, start, motion, _ECC, mask, 5)
        refined = np.linalg.inv(np.vstack([backwards, np.eye(3)[rows:]]))
    except (cv2.error, np.linalg.LinAlgError):  # it did not converge: an overlay, say, or hardly any overlap
        return matrix
    refined /= refined[2, 2]
    return refined if np.isfinite(refined).all() and _believable(refined, (a.shape[1], a.shape[0])) else matrix


def warp(picture: NDArray[np.float32], matrix: NDArray[np.float64], side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a picture brought onto a square by ``matrix``, and (side, side) 1 where it shows there, else 0."""
    apply, rows = (cv2.warpAffine, 2) if _is_affine(matrix) else (cv2.warpPerspective, 3)
    warped, shown = (
        apply(values, matrix[:rows], (side, side), flags=cv2.INTER_LINEAR) for values in (picture, np.ones_like(picture))
    )
    return np.asarray(warped, np.float32), (np.asarray(shown) > 0.99).astype(np.float32)  # noqa: PLR2004 - the border's pixels are mixed with nothing


def inner(shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``shown``, (side, side), without the pixels beside one where nothing shows.

    There the other picture's fill begins, and is mixed with the picture (of 200 32-px copies by Keras's policy with
    ``fill_mode="constant"`` 171 were proved with these pixels, 198 without).
    """
    return np.asarray(cv2.erode(shown, np.ones((3, 3), np.uint8)), np.float32)


def resized(matrix: NDArray[np.float64], a: tuple[float, float], b: tuple[float, float]) -> NDArray[np.float64]:
    """Return ``matrix`` for pictures resized by the factors ``a`` and ``b`` (each x, y)."""
    return np.asarray(_scaling(*b) @ matrix @ np.linalg.inv(_scaling(*a)), np.float64)


def _features(luma: NDArray[np.uint8], detail: Detail) -> Features:
    scale = detail.short_side / SHORT_SIDE
    smaller = luma if scale == 1 else cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    keypoints, descriptors = _sift(detail).detectAndCompute(smaller, None)
    if not keypoints:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    points = (np.array([point.pt for point in keypoints]) + 0.5) * np.divide(luma.shape, smaller.shape)[::-1] - 0.5
    return points.astype(np.float32), rooted.astype(np.float32)


@cache
def _sift(detail: Detail) -> cv2.SIFT:
    return cv2.SIFT.create(nfeatures=detail.most, contrastThreshold=0.005, sigma=detail.sigma)


def _mirrored(features: Features, width: int) -> Features:
    """Return the features of the mirror image without looking at it.

    A descriptor is 4 × 4 histograms of 8 directions in a frame along the feature's orientation; mirrored, the rows change
    places and the directions their sign.
    """
    points, descriptors = features
    histograms = descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., -np.arange(8) % 8]
    return np.array([width - 1.0, 0.0], np.float32) + points * np.array([-1.0, 1.0], np.float32), histograms.reshape(-1, 128)


def _matches(a: Features, b: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the points of a that have a clear match in b (the ratio test), and those matches."""
    if len(a[0]) < _FEWEST_INLIERS or len(b[0]) < _FEWEST_INLIERS:
        return a[0][:0], b[0][:0]
    similarity = a[1] @ b[1].T
    rows = np.arange(len(similarity))
    nearest = similarity.argmax(axis=1)
    best = similarity[rows, nearest]
    similarity[rows, nearest] = -1.0
    second = similarity.max(axis=1)
    kept = np.sqrt(np.maximum(2 - 2 * best, 0)) < _RATIO * np.sqrt(np.maximum(2 - 2 * second, 1e-9))
    return a[0][kept], b[0][nearest[kept]]


def _distinct(*matched: NDArray[np.float32]) -> int:
    """Return how many points, to a pixel, are among those that are matched, in the picture that has fewer."""
    return min(len(np.unique(np.round(points), axis=0)) for points in matched)


def _registration(
    a: View, b: View, detail: Detail, estimate: Callable[..., Estimate], fewest: int, *, mirrored: bool
) -> Registration | None:
    points_a, points_b = _matches(a.features(detail, mirrored=mirrored), b.features(detail, mirrored=False))
    if len(points_a) < fewest:
        return None
    found = estimate(points_a, points_b)
    if found is None or not _believable(found[0], a.size):
        return None
    matrix, kept = found
    count = _distinct(points_a[kept], points_b[kept])
    return Registration(matrix, mirrored, count) if count >= fewest else None


def _affine(a: NDArray[np.float32], b: NDArray[np.float32]) -> Estimate:
    """Return the affine map that most matches agree on, and which do."""
    estimate, inlier = cv2.estimateAffine2D(
        a, b, method=cv2.RANSAC, ransacReprojThreshold=_REPROJECTION, maxIters=3000, confidence=0.999
    )
    return None if estimate is None else (_whole(np.asarray(estimate, np.float64)), np.asarray(inlier, np.bool_).ravel())


def _homography(a: NDArray[np.float32], b: NDArray[np.float32]) -> Estimate:
    """Return the homography that most matches agree on, and which do."""
    estimate, inlier = cv2.findHomography(a, b, cv2.RANSAC, _REPROJECTION_IN_PERSPECTIVE, maxIters=2000, confidence=0.999)
    return None if estimate is None else (np.asarray(estimate, np.float64), np.asarray(inlier, np.bool_).ravel())


def _believable(matrix: NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Whether a map leaves every corner of a picture of this ``size`` (width, height) about as it was."""
    there = _corners(size) @ matrix.T
    depth = there[:, 2]
    if depth.min() * depth.max() <= 0:  # the horizon runs through it
        return False
    local = (matrix[:2, :2] - (there[:, :2] / depth[:, None])[:, :, None] * matrix[2, :2]) / depth[:, None, None]
    largest, smallest = np.linalg.svd(local, compute_uv=False).T
    low, high, uneven = _SQUEEZE
    fair = (np.linalg.det(local) > 0) & (smallest > low) & (largest < high) & (largest < uneven * smallest)
    return bool(fair.all())


def _corners(size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the pixel centres in the corners of a picture of this ``size``, (4, 3)."""
    width, height = size
    return np.array([(x, y, 1.0) for x in (0.0, width - 1.0) for y in (0.0, height - 1.0)])


def _is_affine(matrix: NDArray[np.float64]) -> bool:
    return not matrix[2, :2].any()


def _whole(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an affine map, (2, 3), as (3, 3)."""
    return np.vstack([matrix, [0.0, 0.0, 1.0]])


def _scaling(x: float, y: float) -> NDArray[np.float64]:
    """A resize by x and y, of pixel centres: the corner of the picture stays, not the centre of its first pixel."""
    return np.array([[x, 0.0, x / 2 - 0.5], [0.0, y, y / 2 - 0.5], [0.0, 0.0, 1.0]])
