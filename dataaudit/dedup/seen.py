"""What a worker remembers of the pictures it compares: decoded once, turned into a square once, looked at for features once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup import windows
from dataaudit.dedup.windows import SIDE
from dataaudit.features.decode import load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dataaudit.dedup.align import View

__all__ = ["Seen", "look_at"]

_REMEMBERED: Final = 64  # decoded pictures a worker keeps: about 50 MiB with their features


@dataclass(slots=True, eq=False)
class Seen:
    """A decoded picture, as it is compared."""

    luma: NDArray[np.uint8]
    """(height, width), of the measured picture."""
    square: NDArray[np.float32]
    """(side, side) of ``SIDE`` or, for a tiny picture, half of it; 0 to 255."""
    _view: View | None = None
    _contents: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    _textures: dict[int, int] = field(default_factory=dict)

    def at(self, side: int) -> tuple[NDArray[np.float32], int]:
        """Return the square at its own side or half of it, and the number of its textured windows, counted once."""
        square = self.square if len(self.square) == side else _halved(self.square)
        if side not in self._textures:
            self._textures[side] = windows.textured(square)
        return square, self._textures[side]

    def content(self, side: int) -> NDArray[np.float32]:
        """Return where the square of that side shows something within a plain border, see ``windows.content``."""
        if side not in self._contents:
            self._contents[side] = windows.content(self.at(side)[0])
        return self._contents[side]

    def halved(self) -> Seen:
        """Return the picture as if it were tiny: noise and blur leave coarse details."""
        return Seen(self.luma, _halved(self.square), self._view)

    def view(self, make: type[View]) -> View:
        """Return the picture as ``align`` wants it, made once."""
        if self._view is None:
            self._view = make(self.luma)
        return self._view


_remembered: OrderedDict[Path, Seen] = OrderedDict()  # a worker's memory of what it has just decoded


def look_at(path: Path, max_pixels: int) -> Seen:
    """Decode a file, or remember it.

    Raises:
        DecodeError: if the file cannot be decoded.
    """
    if path in _remembered:
        _remembered.move_to_end(path)
        return _remembered[path]
    from PIL import Image  # noqa: PLC0415 - workers only

    luma = load(path, max_pixels, SIDE).image.convert("L")
    side = SIDE if min(luma.size) > SIDE // 2 else SIDE // 2
    square = np.asarray(luma.resize((side, side), Image.Resampling.LANCZOS), np.float32)
    _remembered[path] = Seen(np.asarray(luma), square)
    if len(_remembered) > _REMEMBERED:
        _remembered.popitem(last=False)
    return _remembered[path]


def _halved(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    half = len(picture) // 2
    halved: NDArray[np.float32] = picture.reshape(half, 2, half, 2).mean(axis=(1, 3), dtype=np.float32)
    return halved
