"""The kinds of copies that the benchmark plants, each with who makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["single", "overlay", "Keras parameter", "Keras policy", "both sides", "beyond", "not copies"]


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of copy."""

    name: str
    library: str
    """The module beside this one that makes it."""
    kind: Kind
    made_as: str = ""
    """Its name in the library's ``MAKERS``; empty: its own name."""

    @property
    def maker(self) -> str:
        """The name in ``MAKERS``."""
        return self.made_as or self.name

    @property
    def shows_another(self) -> bool:
        """Whether a part of another picture is laid over it: a pair with that one is true, too."""
        return self.name.startswith("patch")

    @property
    def copies(self) -> bool:
        """Whether there is a copy to be found."""
        return self.kind != "not copies"

    @property
    def both_sides(self) -> bool:
        """Whether train holds augmented copies too, in place of the originals."""
        return self.kind == "both sides"

    @property
    def slug(self) -> str:
        """A name for a folder."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


_MODES: Final = ("nearest", "reflect", "wrap", "constant")

FAMILIES: Final[tuple[Family, ...]] = (
    *(Family(f"jpeg {quality}", "imagemagick", "single") for quality in (30, 50, 75, 95)),
    *(Family(name, "imagemagick", "single") for name in ("half size", "96 px", "noise", "blur", "grey")),
    *(Family(name, "imagemagick", "single") for name in ("brightness", "contrast", "colour", "flips", "quarter turns")),
    *(Family(f"rotation {degrees}°", "imagemagick", "single") for degrees in (5, 15, 20)),
    *(Family(f"crop {side}% a side", "imagemagick", "single") for side in (90, 80, 70)),
    *(Family(f"shift {share}%", "imagemagick", "single") for share in (10, 20)),
    *(Family(name, "imagemagick", "single") for name in ("zoom in 1.4", "zoom out 1.4", "shear 10°", "shear 20°", "border 10%")),
    *(Family(name, "torchvision_v2", "single") for name in ("colour jitter", "flip + crop")),
    *(Family(name, "augly_image", "single") for name in ("padded to a square", "aspect")),
    *(Family(name, "augly_image", "overlay") for name in ("text", "patch 20%", "patch 33%", "emoji 40%")),
    *(Family(name, "imagemagick", "overlay") for name in ("logo 15%", "logo 33%")),
    Family("erasing 20–33%", "torchvision_v2", "overlay"),
    *(
        Family(name, "keras_all", "Keras parameter")
        for name in (
            "rotation_range=20",
            "width_shift_range=.2",
            "height_shift_range=.2",
            "shear_range=20",
            "zoom_range=.2",
            "horizontal_flip",
            "vertical_flip",
            "brightness_range=(.6, 1.4)",
            "channel_shift_range=50",
            "RandomRotation(20°)",
            "RandomTranslation(.2, .2)",
            "RandomZoom(.3)",
            "RandomContrast(.5)",
        )
    ),
    *(Family(f"policy, {mode}", "keras_all", "Keras policy") for mode in (*_MODES, "layers")),
    *(Family(f"both sides, {mode}", "keras_all", "both sides", f"policy, {mode}") for mode in (*_MODES, "layers")),
    *(
        Family(name, "torchvision_v2", "beyond")
        for name in ("random affine", "perspective", "posterize", "equalize", "auto augment")
    ),
    *(Family(name, "augly_image", "beyond") for name in ("screenshot", "stripes")),
    Family("not copies: one screenshot frame", "augly_image", "not copies"),
    *(Family(f"not copies: {name}", "not_copies", "not copies") for name in ("one logo", "text pages", "gratings")),
)
"""In the order of the table. ``beyond`` are kinds that the product does not promise; they are in no mean."""
