"""A safe walk: what lies under a folder, without opening anything.

Iterative, by ``os.scandir`` (the kind of an entry comes with its name, so a regular file costs no ``stat``), and the
same answer whatever order the file system lists its entries in. Regular files only; whatever else is met is listed.
"""

# A million paths are strings here: a Path object each would cost more than the walk.
# ruff: noqa: PTH114, PTH115, PTH116, PTH117, PTH118, PTH119, PTH120

from __future__ import annotations

import heapq
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataaudit.domain import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["IMAGE_ENDINGS", "KERAS_ENDINGS", "Tree", "by_bytes", "is_image_name", "walk_tree"]

IMAGE_ENDINGS: Final = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif")
"""Endings, in lower case, of a name that is taken for an image."""
KERAS_ENDINGS: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""Endings that Keras's ``image_dataset_from_directory`` loads."""

PHANTOM_FOLDERS: Final = {
    ".ipynb_checkpoints": "the folder of Jupyter's checkpoints",
    "__MACOSX": "the folder of macOS's archive side files",
    "@eaDir": "the folder of a Synology NAS's thumbnails",
    "$RECYCLE.BIN": "the recycle bin of Windows",
    "System Volume Information": "a system folder of Windows",
    "lost+found": "the folder of a repaired file system's fragments",
    "__pycache__": "the folder of Python's compiled modules",
}
REPOSITORY_FOLDERS: Final = frozenset({".git", ".hg", ".svn", ".bzr"})
SYSTEM_FILES: Final = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"})


def is_image_name(path: str) -> bool:
    """Return whether a file's name (or path) ends as an accepted image's does, in any case."""
    return path.lower().endswith(IMAGE_ENDINGS)


@dataclass(frozen=True, slots=True)
class Tree:
    """What a walk found; paths are relative to its root, ``/`` separated, each tuple sorted by raw bytes."""

    files: tuple[str, ...]
    """Regular files and links to them, but for hidden and system files and those in phantom folders."""
    images: tuple[str, ...]
    """Those of the ``files`` whose names end as an image's."""
    others: tuple[str, ...]
    """Those whose names do not."""
    folders: tuple[str, ...]
    """Folders walked, but for phantom folders, what lies in them, and the root."""
    phantoms: tuple[str, ...]
    """Folders no one means as a part of the data (hidden, ``__MACOSX`` …), outermost ones only, repositories excluded."""
    skipped: tuple[Skipped, ...]
    """Every other entry, and why."""
    outside_links: tuple[str, ...]
    """The ``files`` that are links to files outside the root."""
    folder_links: tuple[str, ...] = ()
    """Links to folders, followed or not."""


def walk_tree(root: str, *, follow_links: bool = False) -> Tree:
    """List what lies under ``root``; nothing is opened, and nothing is left unsaid.

    Args:
        root: An existing folder.
        follow_links: Also descend into linked folders, each real folder once: the folders that lie in ``root`` itself
            come first, then the links, in the order of their paths' bytes.

    Returns:
        The tree; the same for the same files, whatever order the file system lists them in.
    """
    walker = _Walker(root, follow_links=follow_links)
    walker.run()
    files = by_bytes(walker.files)
    named = [is_image_name(path) for path in files]
    return Tree(
        files=tuple(files),
        images=tuple(path for path, image in zip(files, named, strict=True) if image),
        others=tuple(path for path, image in zip(files, named, strict=True) if not image),
        folders=tuple(by_bytes(walker.folders)),
        phantoms=tuple(by_bytes(walker.phantoms)),
        skipped=tuple(sorted(walker.skipped, key=lambda entry: os.fsencode(entry.path))),
        outside_links=tuple(by_bytes(walker.outside)),
        folder_links=tuple(by_bytes(walker.folder_links)),
    )


_SYSTEM: Final = "system-file", "a system's own file (folder settings or thumbnails)"


def by_bytes(paths: Iterable[str]) -> list[str]:
    """Return paths in the order of their bytes."""
    paths = list(paths)
    return sorted(paths) if all(map(str.isascii, paths)) else sorted(paths, key=os.fsencode)


def _odd_file(name: str) -> tuple[str, str] | None:
    """Return the kind and the reason of a file that no one means as data; None for any other."""
    if not name.startswith("."):
        return _SYSTEM if name.lower() in SYSTEM_FILES else None
    if name.lower() in SYSTEM_FILES:
        return _SYSTEM
    loaded = ", but Keras's folder loader would load it as an image" if name.lower().endswith(KERAS_ENDINGS) else ""
    if name.startswith("._"):
        return "apple-double", f"macOS's side file of {name[2:]!r}, not a picture{loaded}"
    return "hidden", f"a hidden file{loaded}"


def _odd_folder(name: str) -> tuple[str, str] | None:
    """Return the kind and the reason of a folder that no one means as data; None for any other."""
    if name in REPOSITORY_FOLDERS:
        return "hidden", "a version-control folder; nothing in it was looked at"
    if name in PHANTOM_FOLDERS:
        return "phantom-folder", PHANTOM_FOLDERS[name]
    return ("hidden", "a hidden folder") if name.startswith(".") else None


_IRREGULAR: Final = (
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def _irregular(mode: int) -> str:
    """Return what an entry is that is neither a regular file nor a folder, by its ``st_mode``."""
    return next((text for is_kind, text in _IRREGULAR if is_kind(mode)), "not a regular file")


class _Walker:
    """The lists a walk fills, and what it has seen."""

    def __init__(self, root: str, *, follow_links: bool) -> None:
        self.root = root
        self.follow_links = follow_links
        self.real_root = os.path.realpath(root)
        self.files: list[str] = []
        self.folders: list[str] = []
        self.phantoms: list[str] = []
        self.skipped: list[Skipped] = []
        self.outside: list[str] = []
        self.folder_links: list[str] = []
        self.waiting: list[tuple[bytes, str]] = []  # heap of linked folders
        self.seen: dict[tuple[int, int], str] = {}  # real folder → where it was walked; filled only to follow links
        self.real_folders: dict[str, str] = {}

    def run(self) -> None:
        """Walk the root, then the linked folders, first path first: a real folder never loses its files to a link."""
        self._descend("")
        while self.waiting:
            self._descend(heapq.heappop(self.waiting)[1])

    def _skip(self, path: str, kind: str, reason: str) -> None:
        self.skipped.append(Skipped(path, kind, reason))

    def _descend(self, start: str) -> None:
        stack = [start]
        while stack:
            folder = stack.pop()
            if self.follow_links and not self._first_visit(folder):
                continue
            prefix = f"{folder}/" if folder else ""
            if folder:
                self.folders.append(folder)
            try:
                with os.scandir(f"{self.root}/{folder}") as entries:
                    for entry in entries:
                        path = prefix + entry.name
                        if entry.is_file(follow_symlinks=False):
                            self._file(path, entry.name)
                        elif entry.is_dir(follow_symlinks=False):
                            self._folder(path, entry.name, stack)
                        else:
                            self._other(path, entry)
            except OSError as error:
                self._unlistable(folder or ".", error)

    def _unlistable(self, folder: str, error: OSError) -> None:
        kind = "no-permission" if isinstance(error, PermissionError) else "irregular"
        self._skip(folder, kind, f"the folder cannot be listed ({error.strerror}); what lies in it was not looked at")

    def _first_visit(self, folder: str) -> bool:
        try:
            status = os.stat(f"{self.root}/{folder}")
        except OSError as error:
            self._unlistable(folder or ".", error)
            return False
        where = self.seen.setdefault((status.st_dev, status.st_ino), folder)
        if where != folder:
            self._skip(folder, "directory-link", f"the same folder as {where or '.'!r}, which was walked already")
        return where == folder

    def _file(self, path: str, name: str) -> None:
        odd = _odd_file(name)
        if odd is None:
            self.files.append(path)
        else:
            self._skip(path, *odd)

    def _folder(self, path: str, name: str, stack: list[str]) -> None:
        odd = _odd_folder(name)
        if odd is None:
            stack.append(path)
            return
        self._skip(path, *odd)
        if name not in REPOSITORY_FOLDERS:
            self.phantoms.append(path)
            self._list_phantom(path, odd[0])

    def _list_phantom(self, phantom: str, kind: str) -> None:
        """List every file in a phantom folder; links in it are not followed, whatever they lead to."""
        stack = [phantom]
        while stack:
            folder = stack.pop()
            try:
                with os.scandir(f"{self.root}/{folder}") as entries:
                    for entry in entries:
                        path = f"{folder}/{entry.name}"
                        if not entry.is_dir(follow_symlinks=False):
                            self._skip(path, *(_odd_file(entry.name) or (kind, f"in {phantom!r}, which is no part of the data")))
                        elif entry.name in REPOSITORY_FOLDERS:
                            self._skip(path, "hidden", "a version-control folder; nothing in it was looked at")
                        else:
                            stack.append(path)
            except OSError as error:
                self._unlistable(folder, error)

    def _other(self, path: str, entry: os.DirEntry[str]) -> None:
        """Sort out a link, or an entry that is neither file nor folder."""
        odd = _odd_file(entry.name)
        try:
            mode = os.stat(f"{self.root}/{path}").st_mode if entry.is_symlink() else entry.stat(follow_symlinks=False).st_mode
        except OSError as error:
            self._skip(path, *(odd or self._broken_link(path, error)))
            return
        if stat.S_ISDIR(mode):
            self._linked_folder(path, entry.name)
        elif odd is not None:
            self._skip(path, *odd)
        elif stat.S_ISREG(mode):
            self.files.append(path)
            if not _contains(self.real_root, self._real_file(path)):
                self.outside.append(path)
        else:
            what = ("a link to " if entry.is_symlink() else "") + _irregular(mode)
            self._skip(path, "irregular", f"{what}, never opened")

    def _broken_link(self, path: str, error: OSError) -> tuple[str, str]:
        if isinstance(error, PermissionError):
            return "no-permission", f"a link that may not be followed ({error.strerror})"
        if isinstance(error, FileNotFoundError):
            try:
                target = os.readlink(f"{self.root}/{path}")
            except OSError:
                return "irregular", "vanished while the dataset was listed"
            shown = os.path.basename(target) if os.path.isabs(target) else target  # reports hold no absolute path
            return "dangling-link", f"a link to {shown!r}, which does not exist"
        return "link-loop", f"a link that leads nowhere ({error.strerror})"

    def _linked_folder(self, path: str, name: str) -> None:
        target = os.path.realpath(f"{self.root}/{path}")
        holder = os.path.realpath(os.path.dirname(f"{self.root}/{path}"))
        odd = _odd_folder(name)
        self.folder_links.append(path)
        if any(_contains(target, inner) for inner in (holder, self.real_root)):
            self._skip(path, "link-loop", "a link to a folder that contains it; never followed")
        elif odd is not None:
            self._skip(path, odd[0], f"a link to a folder: {odd[1]}; not followed")
        elif self.follow_links:
            heapq.heappush(self.waiting, (os.fsencode(path), path))
        else:
            self._skip(
                path,
                "directory-link",
                "a link to a folder; not followed without --follow-links (Keras follows one that stands for a class)",
            )

    def _real_file(self, path: str) -> str:
        """Return where a link to a file ends; the folders it names are resolved once each."""
        link = f"{self.root}/{path}"
        folder, name = os.path.split(os.path.join(os.path.dirname(link), os.readlink(link)))
        if folder not in self.real_folders:
            self.real_folders[folder] = os.path.realpath(folder)
        target = os.path.join(self.real_folders[folder], name)
        return os.path.realpath(target) if os.path.islink(target) else target


def _contains(outer: str, inner: str) -> bool:
    """Return whether the real path ``inner`` is ``outer`` or lies in it."""
    return inner == outer or inner.startswith(outer if outer.endswith(os.sep) else outer + os.sep)
