"""Carry a plan out: a new tree ``split/class/file``. The source is only ever read.

The tree is built under a temporary name beside its place and renamed at the end: it is there whole, or not at all.
A file keeps its name; sub-folders below a class are flattened, and of two files that would share a name (also but for
case or Unicode form) all but the first, in the order of their paths, get a suffix made from their path.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from dataaudit.errors import PlanError
from dataaudit.fixers.plan_folder import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataaudit.fixers.plan_folder import Row, SavedPlan

__all__ = ["Mode", "apply"]

Mode = Literal["copy", "hardlink", "symlink"]
_CHUNK: Final = 1 << 20
_LONGEST: Final = 255
"""Bytes a file name may have on common file systems."""


def apply(
    plan_dir: Path, to: Path, mode: Mode, source: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> int:
    """Build the dataset that a plan describes.

    A class that one split lacks gets an empty folder there, for Keras numbers classes by the folders it finds; unlabelled
    samples lie in the folder of their split.

    Args:
        plan_dir: a folder that ``plan_folder.write`` wrote.
        to: the new dataset; must not exist, or be an empty folder, outside the source.
        mode: copy files, hard-link them (same file system), or link to them symbolically (relative where possible).
        source: the dataset, where it is no longer where ``plan.json`` says.
        progress: called with the numbers of files done and of all.

    Returns:
        The number of files placed.

    Raises:
        PlanError: if a file is missing or changed since the plan was made, a path or class name is unsafe, or the
            target is not free; nothing is left behind.
    """
    plan = read(plan_dir)
    root = Path(os.path.realpath(source if source is not None else plan.root))
    target = Path(os.path.realpath(to))
    _check(plan, root, target)
    places = _places(plan)
    target.parent.mkdir(parents=True, exist_ok=True)
    ruin = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for folder in _folders(plan):
            (ruin / folder).mkdir(parents=True, exist_ok=True)
        for done, (row, place) in enumerate(places):
            _put(root / row.path, row, ruin / place, target / place, mode)
            if progress is not None:
                progress(done + 1, len(places))
        ruin.chmod(0o777 & ~_umask())
        if target.exists():
            target.rmdir()
        ruin.rename(target)
    except OSError as error:
        message = f"{to}: the dataset cannot be written ({error}). Nothing was left behind; free the place, or try --mode copy."
        raise PlanError(message) from error
    finally:
        shutil.rmtree(ruin, ignore_errors=True)
    return len(places)


def _check(plan: SavedPlan, root: Path, target: Path) -> None:
    if not root.is_dir():
        message = f"{root}: is not there, and the plan takes its files from it. Name the dataset's folder with --source."
        raise PlanError(message)
    if target == root or root in target.parents:
        message = f"{target}: lies inside the dataset {root}. Name a folder outside."
        raise PlanError(message)
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        message = f"{target}: exists and is not an empty folder; nothing is overwritten. Name a new one with --to."
        raise PlanError(message)
    for name in plan.class_names:
        if name in {"", ".", ".."} or name.startswith(".") or any(character in name for character in "/\\\0"):
            message = f"Class name {name!r} cannot be a folder's name. Rename the class in the dataset, and make the plan again."
            raise PlanError(message)
    known = {"", *plan.class_names}
    for row in plan.rows:
        parts = PurePosixPath(row.path).parts
        if not parts or ".." in parts or row.path.startswith("/") or Path(row.path).is_absolute() or "\0" in row.path:
            message = f"{plan.directory / 'manifest.csv'}: path {row.path!r} leads out of the dataset. Make the plan again."
            raise PlanError(message)
        if row.label not in known:
            message = f"{plan.directory / 'manifest.csv'}: label {row.label!r} is not in class_weights.json. Make the plan again."
            raise PlanError(message)
    if not any(row.split for row in plan.rows):
        message = f"{plan.directory / 'manifest.csv'}: no sample has a split, so there is nothing to place. Make the plan again."
        raise PlanError(message)


def _folders(plan: SavedPlan) -> list[str]:
    """Return the folders of the tree: every class that occurs, in every split with labelled samples."""
    placed = [row for row in plan.rows if row.split]
    labels = sorted({row.label for row in placed if row.label})
    labelled = {row.split for row in placed if row.label}
    return sorted({row.split for row in placed} | {f"{split}/{label}" for split in labelled for label in labels})


def _places(plan: SavedPlan) -> list[tuple[Row, str]]:
    """Return the placed rows, in the order of their paths, with their new paths."""
    taken: set[tuple[str, str]] = set()
    places = []
    classes = {_folded(name) for name in plan.class_names}
    for row in sorted((row for row in plan.rows if row.split), key=lambda row: row.path.encode()):
        folder = f"{row.split}/{row.label}" if row.label else row.split
        name = PurePosixPath(row.path).name
        digits = 8
        while (folder, _folded(name)) in taken or (not row.label and _folded(name) in classes):
            name = _suffixed(PurePosixPath(row.path), sha256(row.path.encode()).hexdigest()[:digits])
            digits += 8
        taken.add((folder, _folded(name)))
        places.append((row, f"{folder}/{name}"))
    return places


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _suffixed(path: PurePosixPath, digits: str) -> str:
    ending = f"-{digits}{path.suffix}"
    room = _LONGEST - len(ending.encode())
    return path.stem.encode()[:room].decode(errors="ignore") + ending


def _put(origin: Path, row: Row, temporary: Path, final: Path, mode: Mode) -> None:
    """Place one file, and check that it is the one the plan was made for."""
    digest = sha256()
    try:
        with origin.open("rb") as file:
            if mode == "copy":
                with temporary.open("xb") as copy:
                    while block := file.read(_CHUNK):
                        digest.update(block)
                        copy.write(block)
            else:
                while block := file.read(_CHUNK):
                    digest.update(block)
    except FileNotFoundError as error:
        message = (
            f"{origin}: is missing, and the plan places it. Restore it, name the dataset with --source, or make the plan again."
        )
        raise PlanError(message) from error
    if digest.hexdigest() != row.sha256:
        found, expected = digest.hexdigest()[:16], row.sha256[:16]
        message = f"{origin}: has changed since the plan was made (SHA-256 {found}…, expected {expected}…). Make the plan again."
        raise PlanError(message)
    if mode == "hardlink":
        os.link(os.path.realpath(origin), temporary)
    elif mode == "symlink":
        temporary.symlink_to(_way(origin, final.parent))


def _way(origin: Path, start: Path) -> str:
    try:
        return os.path.relpath(origin, start)
    except ValueError:  # another Windows drive
        return str(origin)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
