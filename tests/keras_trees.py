"""Odd dataset trees, made by code: what Keras makes of each stands in ``test_keras_folders.py``.

A tree is its paths: a path that ends in ``/`` is a folder, ``a -> b`` a link, ``a |`` a named pipe, any other an empty file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = ("train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3.jpg", "val/dog/4.jpg")

TREES: dict[str, tuple[str, ...]] = {
    "plain": PLAIN,
    "three splits": (*PLAIN, "test/cat/5.png", "test/dog/6.png"),
    "val lacks a class": (*PLAIN[:3], "train/eel/5.jpg", "val/eel/6.jpg"),
    "val lacks the last class": PLAIN[:3],
    "val has one more": (*PLAIN, "val/ant/5.jpg"),
    "spelt otherwise": (*PLAIN[:3], "val/Dog/4.jpg"),
    "numbers": (*(f"train/{n}/x.jpg" for n in (1, 2, 10)), *(f"val/{n}/x.jpg" for n in (1, 2, 9))),
    "letters beyond ASCII": ("train/écu/1.jpg", "train/zoo/1.jpg", "train/Œuf/1.jpg", "val/zoo/1.jpg", "val/écu/1.jpg"),
    "a space behind": (*PLAIN[:3], "val/dog /4.jpg"),
    "a hidden class": (*PLAIN, "val/.hid/5.jpg"),
    "checkpoints beside the classes": (*PLAIN, "train/.ipynb_checkpoints/1-checkpoint.jpg"),
    "checkpoints in a class": (*PLAIN, "train/cat/.ipynb_checkpoints/1-checkpoint.jpg"),
    "side files of macOS": (*PLAIN, "train/__MACOSX/cat/._1.jpg", "train/cat/._1.jpg", "train/cat/.DS_Store"),
    "thumbnails of a NAS": (*PLAIN, "train/cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "val/@eaDir/3.jpg"),
    "an empty class": (*PLAIN, "train/eel/", "val/ant/"),
    "a class of WebP": (*PLAIN, "train/eel/5.webp", "val/eel/6.WEBP"),
    "endings in capitals": ("train/cat/1.JPG", "train/dog/2.PnG", "train/dog/3.Jpeg", "train/dog/4.JPE", "train/dog/5.tif"),
    "endings alone": ("train/cat/.jpg", "train/cat/jpg", "train/cat/x.", "train/cat/a.jpg", "train/dog/b.jpg.txt"),
    "folders in classes": (*PLAIN, "train/cat/a/b/5.jpg", "train/cat/a b/6.jpg", "val/dog/x/7.gif"),
    "a folder with an image's name": (*PLAIN, "train/cat/x.jpg/5.jpg", "train/y.jpg/"),
    "images beside the classes": (*PLAIN, "train/5.jpg", "val/6.png"),
    "texts": (*PLAIN, "train/labels.txt", "train/docs/readme.md", "notes/a.txt"),
    "a linked class": (*PLAIN, "more/eel/5.txt", "train/eel -> ../more/eel"),
    "a class linked to another": (*PLAIN, "train/eel -> cat", "val/.eel -> cat"),
    "a loop": (*PLAIN, "train/loop -> ..", "val/cat/up -> ../.."),
    "linked files": (*PLAIN, "train/cat/5.jpg -> 1.jpg", "train/cat/6.jpg -> nowhere.jpg", "train/cat/7.jpg -> 7.jpg"),
    "a pipe": (*PLAIN, "train/cat/5.jpg |", "val/dog/pipe |"),
    "a class that is not UTF-8": (*PLAIN, "train/caf\udce9/5.jpg"),
    "a file that is not UTF-8": (*PLAIN, "train/cat/caf\udce9.jpg"),
    "other names of splits": ("Training/cat/1.jpg", "Training/dog/2.jpg", "valid/cat/3.jpg", "holdout/dog/4.jpg"),
    "unsplit": ("cat/1.jpg", "dog/2.jpg", ".hid/3.jpg", "eel/", "__MACOSX/4.jpg"),
    "unsplit, with links": ("cat/1.jpg", "dog/2.jpg", "eel -> cat", "all -> .", "cat/.x/5.jpg"),
    "unsplit, one class": ("cat/1.jpg", "cat/a/2.jpg", "cat/b.jpg/3.jpg", "cat/b/4.jpg", "cat/._1.jpg"),
}


def plant(root: Path) -> dict[str, Path]:
    """Make every tree in a folder of its own; return the folders by name."""
    folders = {name: root / f"tree{number}" for number, name in enumerate(TREES)}
    for name, folder in folders.items():
        folder.mkdir()
        for entry in TREES[name]:
            make(folder, entry)
    return folders


def make(folder: Path, entry: str) -> None:
    """Make one entry of a tree."""
    path, arrow, target = entry.partition(" -> ")
    place = folder / path.removesuffix(" |")
    place.parent.mkdir(parents=True, exist_ok=True)
    if arrow:
        place.symlink_to(target)
    elif entry.endswith(" |"):
        os.mkfifo(place)
    elif entry.endswith("/"):
        place.mkdir()
    else:
        place.touch()
