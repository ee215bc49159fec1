"""The SHC rules: what must not tell the class, nor the split."""

from __future__ import annotations

from typing import Final

from dataaudit.domain import Rule

__all__ = ["BORDER", "CAMERA", "COLOUR", "ENCODING", "FILE_SIZE", "NAME", "ORDER", "RESOLUTION", "RULES"]

_CLASS: Final = (
    "A network that can tell the class so need not look at the object: it scores well here and fails on pictures from elsewhere."
)
FILE_SIZE: Final = Rule(
    "SHC901",
    "file-size-shortcut",
    "warning",
    "The file size alone tells the class or the split",
    "Size and bits per pixel show how a picture was stored and how much is on it. " + _CLASS,
    "Find out why (another source, quality or background?); store all pictures the same way. Where the content explains it "
    "(plain against busy pictures), nothing is wrong.",
)
ENCODING: Final = Rule(
    "SHC902",
    "encoding-shortcut",
    "warning",
    "The file format, the mode or the JPEG settings alone tell the class or the split",
    "JPEG blocks and lost colour survive resizing, and networks read them. " + _CLASS,
    "The classes (or splits) come from different sources: mix the sources, or decode all pictures and encode them anew the same "
    "way, at the lowest quality found; augment train with RandomJpegQuality.",
)
RESOLUTION: Final = Rule(
    "SHC903",
    "resolution-shortcut",
    "warning",
    "The resolution or the aspect ratio alone tells the class or the split",
    "Resizing to the network's input leaves blur and distortion that tell what the size was. " + _CLASS,
    "Bring all pictures to one size the same way, with crop_to_aspect_ratio=True or padding; mix the sources.",
)
CAMERA: Final = Rule(
    "SHC904",
    "camera-shortcut",
    "warning",
    "The camera alone (EXIF make, model, orientation) tells the class or the split",
    "A camera leaves noise, colours and lens marks in every picture, and stands in one room. " + _CLASS,
    "Take every class with every camera; hold out whole cameras (--group-by) to measure what the score is worth on a new one.",
)
BORDER: Final = Rule(
    "SHC905",
    "border-shortcut",
    "warning",
    "The outermost pixels alone tell the class or the split",
    "Frames, rulers, labels, letterboxes and backgrounds are what networks learn first. " + _CLASS,
    "Look at the edges of both: crop or mask what was added (frames, rulers, text); vary the background.",
)
COLOUR: Final = Rule(
    "SHC906",
    "mean-colour-shortcut",
    "info",
    "The mean colour alone tells the class or the split",
    "Often the colour belongs to the class (fire, leaves), and nothing is wrong; else light or white balance differ. " + _CLASS,
    "Ask whether the colour belongs to the class. If not, balance the sources, and augment with RandomBrightness and RandomHue.",
)
NAME: Final = Rule(
    "SHC907",
    "name-shortcut",
    "info",
    "Words in the file names, other than the class's own, tell the class or the split",
    "A network sees no names, but names tell the source: where they tell the class, each class was gathered elsewhere.",
    "Ask where the files of each name come from. If sources and classes coincide, look for what else differs (SHC901–SHC906).",
)
ORDER: Final = Rule(
    "SHC908",
    "file-order-shortcut",
    "info",
    "The numbers in the file names tell the class or the split",
    "Numbers run with time, place or patient: the classes (or splits) were taken one after another, and light and camera with "
    "them. A validation_split without shuffling would then hold one end of it.",
    "Ask what the numbers count. If time or place, split by it on purpose (--group-by), or mix; never cut without shuffling.",
)
RULES: Final[tuple[Rule, ...]] = (FILE_SIZE, ENCODING, RESOLUTION, CAMERA, BORDER, COLOUR, NAME, ORDER)
