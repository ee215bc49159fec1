"""INT: can the trainer read every file, and does it see the picture that you see? One finding per file.

What the catalog set aside (``skipped``) is at most *info*, so that it never changes the exit code; the one exception is a
hidden image that Keras loads all the same (INT116, warning), for it does reach the training.
"""

from __future__ import annotations

import unicodedata
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, ROLES, FileEvidence, Finding, NotRun
from dataaudit.features.loader import OUTCOMES, outcome_of
from dataaudit.features.strict import COMPLAINTS
from dataaudit.scanners.integrity_rules import RULE_OF_FAILURE, RULES, rule
from dataaudit.scanners.keras_folders import KERAS_ENDINGS, is_loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, FeatureTable, Measurements
    from dataaudit.features.loader import Outcome

__all__ = ["RULES", "scan"]

TENSORFLOW_FORMATS: Final = frozenset({"JPEG", "PNG", "GIF", "BMP", "WEBP"})
"""Of the formats measured, those that ``tf.io.decode_image`` takes (TensorFlow 2.21)."""
EXTENSIONS: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
}
TINY: Final = 32
"""Short side in pixels under which a picture is tiny: CIFAR's size is not."""
DEAD: Final = frozenset({"irregular", "dangling-link", "link-loop", "no-permission"})
"""Kinds of entries that cannot be read as a file."""
IRREGULAR: Final = DEAD | {"directory-link"}
HIDDEN: Final = frozenset({"hidden", "apple-double", "phantom-folder"})
ORIENTATIONS: Final = (
    "upright",
    "mirrored left-right",
    "turned by 180°",
    "mirrored top-bottom",
    "mirrored along its main diagonal",
    "turned by 90° clockwise",
    "mirrored along its other diagonal",
    "turned by 90° counter-clockwise",
)
"""What a viewer does to the stored pixels of EXIF orientation 1 to 8."""


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield what is wrong with single files, by their content, their names and what the catalog set aside."""
    catalog, features = measurements.catalog, measurements.features
    yield from _failures(catalog, features)
    yield from _loader(catalog, features)
    yield from _damage(catalog, features)
    yield from _changed(catalog, features)
    yield from _formats(catalog, features)
    yield from _pictures(catalog, features)
    yield from _flat(measurements, config)
    yield from _names(catalog)
    yield from _colliding(catalog)
    yield from _skipped(catalog)


def _extension(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[1].lower() if "." in name else ""


def _file(code: str, catalog: Catalog, row: int, message: str, found: str, expected: str) -> Finding:
    return Finding(rule(code), f"{catalog.paths[row]}: {message}", (row,), FileEvidence(found, expected))


def _failures(catalog: Catalog, features: FeatureTable) -> Iterator[Finding]:
    for row, failure in enumerate(features.failures):
        if failure is None:
            continue
        broken = RULE_OF_FAILURE[failure.kind]
        told = f"{broken.summary[0].lower()}{broken.summary[1:]} ({failure.detail})"
        message = told + _though(outcome_of(int(features.loader[row])))
        yield _file(broken.code, catalog, row, message, f"{failure.kind}: {failure.detail}", "a picture that decodes to its end")


def _though(outcome: Outcome) -> str:
    """Return what TensorFlow makes of a file that Pillow cannot read, where that is no refusal too."""
    return "" if outcome.effect in {"rejected", "unknown"} else "; TensorFlow reads it all the same, without a word"


def _loader(catalog: Catalog, features: FeatureTable) -> Iterator[Finding]:
    """Yield the readable files of TensorFlow's formats that it refuses, or reads as another picture."""
    supported = features.readable & _among(features.format, TENSORFLOW_FORMATS)
    codes = {"rejected": "INT117", "misread": "INT118"}
    wrong = [position for position, outcome in enumerate(OUTCOMES) if outcome.effect in codes]
    for row in np.flatnonzero(supported & np.isin(features.loader, wrong)).tolist():
        outcome = outcome_of(int(features.loader[row]))
        pillow = f"Pillow reads it ({features.mode[row]}, {features.width[row]} × {features.height[row]})"
        zeros = f" ({int(features.zeroed[row]):,} bytes of it are zeros)" if features.zeroed[row] else ""
        message = f"{outcome.found}{zeros}; {pillow}, the model gets {outcome.sees}"
        alike = "a picture that TensorFlow and Pillow read alike"
        yield _file(codes[outcome.effect], catalog, row, message, f"{outcome.found}; {pillow}", alike)


def _damage(catalog: Catalog, features: FeatureTable) -> Iterator[Finding | NotRun]:
    """Yield what was lost in the picture, and what lies behind it; where TensorFlow refuses the file, INT117 tells."""
    if not features.strict.any():
        how = "needs-extra: only with --integrity deep, which needs simplejpeg (pip install 'dataaudit[integrity]')"
        yield NotRun(rule("INT122"), how)
    for row in np.flatnonzero((features.zeroed > 0) | (features.trailing > 0) | (features.strict > 1)).tolist():
        if outcome_of(int(features.loader[row])).effect == "rejected":
            continue
        zeros, behind = int(features.zeroed[row]), int(features.trailing[row])
        complaint = COMPLAINTS[int(features.strict[row])].words
        if zeros:
            told = f"{zeros:,} bytes of its coded pixels are zeros that begin and end where blocks of a disk do"
            yield _file("INT120", catalog, row, told, f"{zeros:,} zero bytes", "coded pixels throughout")
        if behind:
            told = f"{behind:,} of its {int(features.file_bytes[row]):,} bytes follow the end of the picture"
            yield _file("INT121", catalog, row, told, f"{behind:,} bytes behind the end", "nothing behind the end")
        if complaint:
            yield _file(
                "INT122", catalog, row, f"strictly decoded: {complaint}", complaint, "pixels that decode without a warning"
            )


def _changed(catalog: Catalog, features: FeatureTable) -> Iterator[Finding | NotRun]:
    """Yield what is not as a committed list of digests has it."""
    hashes = catalog.hashes
    if hashes is None:
        why = "not-applicable: no committed digests (--manifest-hashes FILE, or a manifest with a column sha256)"
        yield from (NotRun(rule(code), why) for code in ("INT123", "INT124"))
        return
    for row, (listed, found) in enumerate(zip(hashes.digests, features.hex_digests(), strict=True)):
        if not listed:
            yield _file("INT124", catalog, row, f"{hashes.name} does not list it", "no digest", f"a line in {hashes.name}")
        elif found and found != listed:
            told = f"its content is not what {hashes.name} says (SHA-256 {found[:12]}…, not {listed[:12]}…)"
            yield _file("INT123", catalog, row, told, found, listed)
    for path in hashes.missing:
        evidence = FileEvidence("no such file", f"the file that {hashes.name} lists")
        yield Finding(rule("INT123"), f"{path}: {hashes.name} lists it, and the dataset has no such file", (), evidence)


def _formats(catalog: Catalog, features: FeatureTable) -> Iterator[Finding]:
    counts = catalog.counts()
    beside = [bool(catalog.split_folders) and bool(counts[code].any()) for code in range(len(ROLES) + 1)]
    no_class = np.array(beside)[catalog.split_codes] & (catalog.label_codes == NONE)
    endings = [path[path.rfind(".") :] for path in catalog.paths]  # without a point its last character, which is no ending
    known = {ending: _extension(ending) for ending in set(endings)}
    extensions, contents = [known[ending] for ending in endings], features.format.tolist()
    odd = {kind for kind in set(zip(extensions, contents, strict=True)) if not _usual(*kind)}
    if not odd and not no_class.any():
        return
    kinds = zip(extensions, contents, no_class.tolist(), strict=True)
    for row in [row for row, (extension, content, lost) in enumerate(kinds) if lost or (extension, content) in odd]:
        extension, content = extensions[row], contents[row]
        if extension not in KERAS_ENDINGS:
            told = (
                f"the extension {extension or '(none)'} is not one that Keras's folder loader reads; it skips the file in silence"
            )
            yield _file("INT106", catalog, row, told, extension or "no extension", " ".join(KERAS_ENDINGS))
        elif no_class[row]:
            told = "lies beside the class folders, and Keras's folder loader looks only into them; it skips the file in silence"
            yield _file("INT106", catalog, row, told, "no class folder", "a class folder")
        if not content:
            continue
        if content not in TENSORFLOW_FORMATS:
            told = f"the content is {content}, which tf.io.decode_image cannot decode"
            yield _file("INT105", catalog, row, told, content, "JPEG, PNG, GIF, BMP, WebP or JPEG XL")
        if extension not in EXTENSIONS[content]:
            told = f"named {extension or 'without an extension'}, but the content is {content}"
            yield _file("INT107", catalog, row, told, content, f"the content of a {extension or 'named'} file")


def _usual(extension: str, content: str) -> bool:
    """Whether nothing is to be said of the name and the content of a file; of one that cannot be read, of its name."""
    return extension in KERAS_ENDINGS and (not content or (content in TENSORFLOW_FORMATS and extension in EXTENSIONS[content]))


def _among(column: NDArray[np.str_], names: Iterable[str]) -> NDArray[np.bool_]:
    """Return which values are one of a few names; (n,)."""
    found = np.zeros(len(column), bool)
    for name in names:
        found |= column == name
    return found


def _pictures(catalog: Catalog, features: FeatureTable) -> Iterator[Finding]:
    for row in np.flatnonzero(features.exif_orientation > 1).tolist():
        tag = int(features.exif_orientation[row])
        seen = ORIENTATIONS[tag - 1] if tag <= len(ORIENTATIONS) else "unknown"
        message = f"EXIF orientation {tag} ({seen} by viewers); TensorFlow and Keras ignore it and train on the stored pixels"
        yield _file("INT108", catalog, row, message, f"EXIF orientation {tag}", "EXIF orientation 1 or none")
    modes = [mode for mode in set(features.mode.tolist()) if any(_unusual(mode, 1, outcome_of(0)))]
    outcomes = np.flatnonzero(np.bincount(features.loader)).tolist()
    loaders = [loader for loader in outcomes if any(_unusual("RGB", 1, outcome_of(loader)))]
    tiny = np.minimum(features.width, features.height) < TINY
    told = _among(features.mode, modes) | np.isin(features.loader, loaders) | (features.frames > 1) | tiny
    for row in np.flatnonzero(features.readable & told).tolist():
        outcome = outcome_of(int(features.loader[row]))
        for found in _unusual(str(features.mode[row]), int(features.frames[row]), outcome):
            yield _file("INT109", catalog, row, found, found, "a still 8-bit grey or RGB picture")
        width, height = int(features.width[row]), int(features.height[row])
        if min(width, height) < TINY:
            message = f"{width} × {height} pixels; resizing enlarges it until nothing but blur is left"
            yield _file("INT111", catalog, row, message, f"{width} × {height}", f"a short side of at least {TINY} pixels")


def _unusual(mode: str, frames: int, outcome: Outcome) -> Iterator[str]:
    if outcome.effect in {"rejected", "misread"}:  # INT117 and INT118 tell
        return
    if mode.startswith(("I", "F")):
        yield f"mode {mode}: more than 8 bits a channel, which tf.io.decode_image cuts down to 8"
    elif mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
        yield f"mode {mode}: colours must be converted to RGB, and decoders differ in how"
    elif mode in {"RGBA", "LA", "PA", "La", "RGBa"}:
        yield f"mode {mode}: it has an alpha channel, which Keras drops without blending, so that hidden pixels show"
    if outcome.effect == "altered":
        yield f"{outcome.found}: TensorFlow shows {outcome.sees}"
    if frames > 1:
        yield f"{frames} frames: only the first is used"


def _flat(measurements: Measurements, config: Config) -> Iterator[Finding]:
    catalog, contrast = measurements.catalog, measurements.features.property("contrast")
    for row in np.flatnonzero(measurements.copies.not_compared & (contrast < config.flat_contrast)).tolist():
        found = f"contrast {float(contrast[row]):.1f}"
        message = f"the picture is flat ({found} of 255); it was not compared by content, so only byte-identical copies are known"
        yield _file("INT110", catalog, row, message, found, f"a luminance standard deviation above {config.flat_contrast:g}")


def _names(catalog: Catalog) -> Iterator[Finding]:
    row_of = {path: row for row, path in enumerate(catalog.paths)} if catalog.outside_links else {}
    for path in catalog.outside_links:
        message = f"{path}: a link to a file outside the dataset; it breaks when the dataset is copied or the target moves"
        rows = (row_of[path],) if path in row_of else ()
        yield Finding(rule("INT113"), message, rows, FileEvidence("a link that leaves the dataset", "a file of the dataset"))
    for row, path in enumerate(catalog.paths):
        if not path.isascii() and any("\ud800" <= character <= "\udfff" for character in path):
            fails = "; image_dataset_from_directory fails on the whole dataset because of it" if is_loaded(catalog, path) else ""
            message = f"the name is not UTF-8{fails}"
            yield _file("INT115", catalog, row, message, ascii(path), "a name that is valid UTF-8")


def _colliding(catalog: Catalog) -> Iterator[Finding]:
    """Yield names in one folder (of files or of folders) that are equal but for case or Unicode form."""
    folders = dict.fromkeys(path.rpartition("/")[0] for path in catalog.paths)
    above = {folder: tuple(accumulate(folder.split("/"), lambda upper, name: f"{upper}/{name}")) for folder in folders if folder}
    if _all_unlike((*dict.fromkeys(chain.from_iterable(above.values())), *catalog.paths)):
        return
    first: dict[str, str] = {}
    clashes: dict[tuple[str, str], list[str]] = {}
    for prefix in chain(dict.fromkeys(chain.from_iterable(above.values())), catalog.paths):
        parent, _, name = prefix.rpartition("/")
        folded = _folded(name)
        other = first.setdefault(f"{parent}/{folded}", prefix)
        if other != prefix:
            clashes.setdefault((parent, folded), [other]).append(prefix)
    if not clashes:
        return
    rows_of: dict[str, list[int]] = {prefix: [] for found in clashes.values() for prefix in found}
    for row, path in enumerate(catalog.paths):
        for prefix in (*above.get(path.rpartition("/")[0], ()), path):
            if prefix in rows_of:
                rows_of[prefix].append(row)
    for _, found in sorted(clashes.items()):
        names = " and ".join(sorted(found, key=lambda prefix: rows_of[prefix][0]))
        message = f"{names}: equal but for case or Unicode form; on Windows and macOS one of them replaces the other"
        rows = tuple(sorted(row for prefix in found for row in rows_of[prefix]))
        yield Finding(rule("INT114"), message, rows, FileEvidence(names, "names that differ in more than case"))


def _all_unlike(paths: Sequence[str]) -> bool:
    """Whether it is plain that no two of these paths are equal but for case or Unicode form."""
    return all(map(str.isascii, paths)) and len(set(map(str.lower, paths))) == len(paths)


def _folded(name: str) -> str:
    """Return a name as file systems that know neither case nor Unicode form see it."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _skipped(catalog: Catalog) -> Iterator[Finding]:
    for skipped in catalog.skipped:
        loaded = is_loaded(catalog, skipped.path)
        if skipped.kind in DEAD and loaded:
            message = (
                f"{skipped.path}: {skipped.reason}, but it has an image's name, and Keras's folder loader will try to read it"
            )
            yield Finding(rule("INT119"), message, (), FileEvidence(f"{skipped.kind}: {skipped.reason}", "a regular file"))
        elif skipped.kind in IRREGULAR:
            message = f"{skipped.path}: {skipped.reason}; it was not opened and is not part of the audit"
            yield Finding(rule("INT112"), message, (), FileEvidence(f"{skipped.kind}: {skipped.reason}", "a regular file"))
        elif skipped.kind in HIDDEN and loaded:
            where = "a hidden file" if skipped.path.rpartition("/")[2].startswith(".") else "a file in a folder that is no data"
            message = f"{skipped.path}: {where}, with an image's name; Keras's folder loader reads it as a sample"
            yield Finding(rule("INT116"), message, (), FileEvidence(f"{skipped.kind}: {skipped.reason}", "no hidden image"))
