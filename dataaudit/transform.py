"""The map that takes a picture to its copy, affine or in perspective: taken apart, put together, turned round, told in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, atan2, degrees
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.wording import percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Box", "Policy", "Size", "Transform"]

Size = tuple[int, int]
"""Width and height of a picture, in pixels."""
Box = tuple[float, float, float, float]
"""Left, top, width and height of a region, in fractions of the picture."""


@dataclass(frozen=True, slots=True)
class Transform:
    """The map that takes picture a to picture b, applied in the order of the fields."""

    mirrored: bool = False
    """Mirrored left-right, first."""
    rotation: float = 0.0
    """Degrees counter-clockwise, in (-180, 180]."""
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0
    """Degrees."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Fractions of b's width and height."""
    perspective: tuple[float, float] = (0.0, 0.0)
    """How much farther away, and so smaller, what is shown is at b's right edge than at its left, and at its lower than at its
    upper: fractions of the distance of b's centre."""

    @classmethod
    def named(cls, matrix: NDArray[np.float64], a: Size, b: Size, *, mirrored: bool) -> Transform:
        """Take a map apart; angles are rounded to a tenth of a degree, all else to a thousandth.

        A plain resize is no transform: scale and shift are told beyond the map of a's frame, turned by the nearest quarter
        turn, onto b's. The rest is ``perspective · shift · shear · scale · rotation``: the last row of a homography over the
        centre of b, and an RQ decomposition.

        Args:
            matrix: (3, 3), pixel centres of a to pixel centres of b.
            a: width and height of a.
            b: width and height of b.
            mirrored: whether a is mirrored before the map.
        """
        centred = _centred(b) @ matrix
        x, y = (centred[2, :2] @ np.linalg.inv(centred[:2, :2])).tolist()
        matrix = _seen_from(-x, -y, b) @ matrix
        matrix = matrix[:2] / matrix[2, 2]
        angle = atan2(matrix[0, 1] - matrix[1, 0], matrix[0, 0] + matrix[1, 1])  # of the nearest rotation
        turns = round(degrees(angle) / 90.0) % 4
        turned = a[::-1] if turns % 2 else a
        resized = np.diag([b[0] / turned[0], b[1] / turned[1]])
        rest = matrix[:, :2] @ np.linalg.inv(resized @ _rotation(90.0 * turns))
        angle = atan2(rest[1, 0], rest[1, 1])  # RQ: the last row is scale_y · (sin, cos)
        cos, sin = np.cos(angle), np.sin(angle)
        upper = rest @ np.array([[cos, sin], [-sin, cos]])
        rotation = -degrees(angle) + 90.0 * turns  # y points down: a positive angle of the matrix turns clockwise
        middle_a, middle_b = (np.array(a) - 1.0) / 2.0, (np.array(b) - 1.0) / 2.0
        shift = (matrix @ np.append(middle_a, 1.0) - middle_b) / b
        return cls(
            mirrored=mirrored,
            rotation=round(180.0 - (180.0 - rotation) % 360.0, 1) + 0.0,
            scale=(round(float(upper[0, 0]), 3), round(float(upper[1, 1]), 3)),
            shear=round(degrees(atan(upper[0, 1] / upper[1, 1])), 1) + 0.0,
            shift=(round(float(shift[0]), 3) + 0.0, round(float(shift[1]), 3) + 0.0),
            perspective=(round(x, 3) + 0.0, round(y, 3) + 0.0),
        )

    def matrix(self, a: Size, b: Size) -> NDArray[np.float64]:
        """Return the map as (3, 3), pixel centres of a (mirrored already, if it is mirrored) to pixel centres of b.

        Everything is about the centre: the nearest quarter turn, the plain resize onto b's frame, then what is left of the
        rotation, scale, shear and shift, and the perspective.

        Args:
            a: width and height of a.
            b: width and height of b.
        """
        turns = round(self.rotation / 90.0) % 4
        turned = a[::-1] if turns % 2 else a
        shear = np.array([[1.0, np.tan(np.radians(self.shear))], [0.0, 1.0]])
        frame = np.diag([b[0] / turned[0], b[1] / turned[1]])
        linear = shear @ np.diag(self.scale) @ _rotation(self.rotation - 90.0 * turns) @ frame @ _rotation(90.0 * turns)
        centre = (np.array(b) - 1.0) / 2.0 + np.array(self.shift) * b
        affine = np.column_stack([linear, centre - linear @ ((np.array(a) - 1.0) / 2.0)])
        return np.asarray(_seen_from(*self.perspective, b) @ np.vstack([affine, [0.0, 0.0, 1.0]]), np.float64)

    def whole(self, a: Size, b: Size) -> NDArray[np.float64]:
        """Return the map as (3, 3), pixel centres of a as it is stored to pixel centres of b; these can be multiplied."""
        return self.matrix(a, b) @ _mirror(a[0]) if self.mirrored else self.matrix(a, b)

    @classmethod
    def of_orientation(cls, orientation: int) -> Transform:
        """Return one of the eight orientations, 0 to 7: ``orientation % 4`` quarter turns, of the mirror image from 4 on."""
        turns = orientation % 4
        return cls(mirrored=orientation >= 4, rotation=90.0 * turns if turns < 3 else -90.0)  # noqa: PLR2004

    @classmethod
    def of_whole(cls, matrix: NDArray[np.float64], a: Size, b: Size) -> Transform:
        """Take apart what :meth:`whole` returns, or a product of such maps."""
        mirrored = bool(np.linalg.det(matrix) * _depth_of_centre(matrix, a) < 0)
        return cls.named(matrix @ _mirror(a[0]) if mirrored else matrix, a, b, mirrored=mirrored)

    def inverse(self, a: Size, b: Size) -> Transform:
        """Return the map that takes b back to a."""
        return Transform.of_whole(np.asarray(np.linalg.inv(self.whole(a, b)), np.float64), b, a)

    def box(self, box: Box, a: Size, b: Size) -> Box:
        """Return the box in b that holds what a box of a becomes there, cut at b's edges."""
        left, top, width, height = box
        matrix = self.whole(a, b)
        corners = np.array([(x, y) for x in (left, left + width) for y in (top, top + height)]) * a - 0.5
        there = ((_put(matrix, corners)[0] + 0.5) / b).clip(0.0, 1.0)
        low, high = there.min(axis=0), there.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])

    def area(self, a: Size, b: Size) -> float:
        """Return by what factor the shares of an area grow from a to b: 1 for all that keeps a's frame within b's.

        In perspective the mean over what of a lies within b, on a grid of 64 × 64 points.
        """
        matrix = self.matrix(a, b)
        if not any(self.perspective):
            return abs(float(np.linalg.det(matrix[:2, :2]))) * a[0] * a[1] / (b[0] * b[1])
        x, y = np.meshgrid(*((np.arange(64) + 0.5) / 64 * side - 0.5 for side in a))
        there, depth = _put(matrix, np.column_stack([x.ravel(), y.ravel()]))
        at = (there + 0.5) / b
        within = ((at >= 0) & (at <= 1)).all(axis=-1) & (depth * _depth_of_centre(matrix, a) > 0)
        local = np.abs(np.linalg.det(matrix) / depth**3) * a[0] * a[1] / (b[0] * b[1])
        return float(local[within].mean()) if within.any() else 0.0

    def is_slight(self) -> bool:
        """Whether it shows the same view: upright, within 1° and 2 %."""
        near_one = all(abs(factor - 1.0) <= 0.02 for factor in self.scale)  # noqa: PLR2004 - as the docstring says
        near_zero = all(abs(fraction) <= 0.02 for fraction in (*self.shift, *self.perspective))  # noqa: PLR2004
        return not self.mirrored and abs(self.rotation) <= 1.0 and abs(self.shear) <= 1.0 and near_one and near_zero

    def describe(self) -> str:
        """Return what of it is worth telling, in words: ``mirrored, rotated 12°, zoomed 1.1``; ``upright`` if nothing is."""
        if self.mirrored and self.rotation == 180:  # noqa: PLR2004 - degrees
            words = ["flipped upside down"]
        else:
            words = ["mirrored"] * self.mirrored
            words += [f"rotated {self.rotation:.0f}°"] * (abs(self.rotation) >= 0.5)  # noqa: PLR2004 - it would read 0°
        words += self._zoom()
        words += [f"sheared {self.shear:.0f}°"] * (abs(self.shear) >= 1.0)
        if max(map(abs, self.shift)) >= 0.02:  # noqa: PLR2004 - 2 %
            words.append(f"shifted {_towards(self.shift)}")
        words += ["in perspective"] * (max(map(abs, self.perspective)) >= 0.02)  # noqa: PLR2004
        return ", ".join(words) or "upright"

    def _zoom(self) -> list[str]:
        x, y = self.scale
        if abs(x / y - 1.0) <= 0.03:  # noqa: PLR2004 - else one number says it
            return [f"zoomed {round((x + y) / 2, 2):g}"] * (abs(x + y - 2.0) > 0.04)  # noqa: PLR2004 - 2 %
        upright = abs(self.rotation - 90.0 * round(self.rotation / 90.0)) <= 1.0 and abs(self.shear) <= 1.0
        inside = all(abs(part) <= (factor - 1.0) / 2.0 + 0.02 for part, factor in zip(self.shift, self.scale, strict=True))
        if upright and inside:  # another aspect: a is cut
            return [f"cropped to {min(100 / x, 100):.0f} % × {min(100 / y, 100):.0f} %"]
        if upright and max(x, y) <= 1.02:  # noqa: PLR2004 - a has a border round it, or was a crop of b
            return [f"filling {min(100 * x, 100):.0f} % × {min(100 * y, 100):.0f} % of the frame"]
        return [f"zoomed {round(x, 2):g} × {round(y, 2):g}"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The augmentation that augmented copies on disk were made by, as it was estimated from them.

    The ranges are those of Keras's ``ImageDataGenerator``, 0 where the copies show nothing of the kind.
    """

    pictures: int
    """Pictures that have augmented copies."""
    copies: int
    """The augmented copies, the pictures themselves not counted."""
    rotation_range: float
    """Degrees either way."""
    width_shift_range: float
    """Fraction of the width, either way."""
    height_shift_range: float
    shear_range: float
    """Degrees either way."""
    zoom_range: tuple[float, float]
    """(1, 1) where there is none."""
    horizontal_flip: float
    """Share of the copies that are mirrored left-right."""
    vertical_flip: float
    """Share of the copies that are turned upside down by a flip."""
    quarter_turns: float
    """Share of the copies that are turned by 90, 180 or 270°."""

    def describe(self) -> str:
        """Return the policy in words: ``rotation ±20°, shift up to 20 %, zoom 0.8–1.2, mirrored in half of them``."""
        low, high = self.zoom_range
        shift = max(self.width_shift_range, self.height_shift_range)
        words = [f"rotation ±{self.rotation_range:g}°"] * (self.rotation_range > 0)
        words += [f"shift up to {percent(shift, 0)}"] * (shift > 0)
        words += [f"zoom {low:g}–{high:g}"] * (self.zoom_range != (1.0, 1.0))
        words += [f"shear ±{self.shear_range:g}°"] * (self.shear_range > 0)
        for share, what in (
            (self.horizontal_flip, "mirrored"),
            (self.vertical_flip, "upside down"),
            (self.quarter_turns, "quarter turns"),
        ):
            words += [f"{what} in {_part(share)} of them"] * (share > 0)
        return ", ".join(words)

    def arguments(self) -> dict[str, float | bool | tuple[float, float]]:
        """Return the arguments of ``ImageDataGenerator`` that would make such copies; what it cannot do is left out."""
        found: dict[str, float | bool | tuple[float, float]] = {
            name: value
            for name in ("rotation_range", "width_shift_range", "height_shift_range", "shear_range")
            if (value := getattr(self, name)) > 0
        }
        if self.zoom_range != (1.0, 1.0):
            low, high = self.zoom_range
            found["zoom_range"] = round(high - 1.0, 2) if abs(low + high - 2.0) < 0.005 else self.zoom_range  # noqa: PLR2004 - rounding
        return found | {name: True for name in ("horizontal_flip", "vertical_flip") if getattr(self, name) > 0}


def _part(share: float) -> str:
    if share >= 0.995:  # noqa: PLR2004 - it would read 100 %
        return "all"
    return "half" if 0.4 <= share <= 0.6 else percent(share, 0)  # noqa: PLR2004 - as many copies can tell


def _towards(shift: tuple[float, float]) -> str:
    """Return a shift in words, what is under a half per cent left out: ``8 % right, 6 % down``."""
    ways = (("left", "right"), ("up", "down"))
    told = [
        f"{percent(abs(part), 0)} {way[part > 0]}"
        for part, way in zip(shift, ways, strict=True)
        if abs(part) >= 0.005  # noqa: PLR2004
    ]
    return ", ".join(told)


def _centred(size: Size) -> NDArray[np.float64]:
    """The map of pixel centres onto a frame from -1/2 to 1/2."""
    width, height = size
    return np.array([[1 / width, 0.0, 0.5 / width - 0.5], [0.0, 1 / height, 0.5 / height - 0.5], [0.0, 0.0, 1.0]])


def _put(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a map, (3, 3), takes points, (n, 2), and how far away these are there, (n,)."""
    there = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return there[:, :2] / there[:, 2:], there[:, 2]


def _depth_of_centre(matrix: NDArray[np.float64], size: Size) -> float:
    """Return how far away a map takes the centre of a picture of this size."""
    return float(matrix[2] @ [(size[0] - 1.0) / 2.0, (size[1] - 1.0) / 2.0, 1.0])


def _seen_from(x: float, y: float, size: Size) -> NDArray[np.float64]:
    """The homography that puts a picture of this size into perspective, of its pixel centres; its centre stays."""
    depth = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [x, y, 1.0]])
    return np.asarray(np.linalg.inv(_centred(size)) @ depth @ _centred(size), np.float64)


def _mirror(width: int) -> NDArray[np.float64]:
    """Left-right, of the pixel centres of a picture so wide."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def _rotation(angle: float) -> NDArray[np.float64]:
    """Degrees counter-clockwise, of coordinates whose y points down."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.array([[cos, sin], [-sin, cos]])
