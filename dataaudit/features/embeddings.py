"""What a user's own model makes of the pictures: embeddings or predicted probabilities, from a NumPy file.

Two forms, both read without pickle:

- ``FILE.npy``: a table (samples, columns), one row a sample *in the order of the catalogue's paths*, that is, sorted by the bytes
  of the path relative to the dataset, as ``manifest.csv`` and ``report.json`` list them;
- ``FILE.npz`` with ``paths`` (samples,), relative to the dataset with ``/``, and ``embeddings`` or ``pred_probs``, in any order;
  beside ``pred_probs`` it may hold ``classes``, the name of each column.

(A ``.keras`` model in place of such a file is run by :mod:`dataaudit.features.model_outputs`.)

A row of NaN is a sample the model has nothing to say of (an unreadable file); any other row has to be finite.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dataaudit.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["read_embeddings", "read_probabilities"]

Kind = Literal["embeddings", "pred_probs"]
ROUNDING: Final = 1e-3
"""What a row of probabilities may miss 1 by, and a probability 0 or 1: float16 rounds that much."""


def read_embeddings(file: str | Path, paths: Sequence[str]) -> NDArray[np.float32]:
    """Read the embeddings of the samples.

    Args:
        file: a ``.npy`` or ``.npz`` file as the module says, relative to the working directory.
        paths: (n,) the catalogue's paths.

    Returns:
        (n, d) in the order of ``paths``; rows of NaN where the file says so.

    Raises:
        ManifestError: if it cannot be read, or is no table with a row a sample.
    """
    return _rows(Path(file), "embeddings", paths)[0]


def read_probabilities(file: str | Path, paths: Sequence[str], classes: Sequence[str]) -> NDArray[np.float32]:
    """Read the predicted class probabilities of the samples; they should be *out of sample*, as by cross-validation.

    Args:
        file: a ``.npy`` or ``.npz`` file as the module says; columns in the order of ``classes``, or named by its own.
        paths: (n,) the catalogue's paths.
        classes: (k,) the catalogue's classes, sorted by code point, as Keras sorts them.

    Returns:
        (n, k) in the order of ``paths`` and ``classes``; rows of NaN where the file says so.

    Raises:
        ManifestError: if it cannot be read, or its rows are not the probabilities of these classes.
    """
    where = Path(file)
    table, named = _rows(where, "pred_probs", paths)
    if named is None and table.shape[1] != len(classes):
        message = (
            f"{where}: found {table.shape[1]} columns, expected {len(classes)}, one a class in this order: {_some(classes)}. "
            "Or give an .npz that names its columns in 'classes'."
        )
        raise ManifestError(message)
    if named is not None:
        if sorted(named) != sorted(classes):
            message = f"{where}: 'classes' names {_some(named)}, expected the {len(classes)} of the dataset: {_some(classes)}."
            raise ManifestError(message)
        table = table[:, [named.index(name) for name in classes]]
    told = ~np.isnan(table[:, 0])
    wrong = told & ((np.abs(table.sum(axis=1) - 1) > ROUNDING) | (table < -ROUNDING).any(1) | (table > 1 + ROUNDING).any(1))
    if wrong.any():
        row = int(np.argmax(wrong))
        message = (
            f"{where}: the row of {paths[row]!r} sums to {table[row].sum():.4g} and reaches from {table[row].min():.4g} to "
            f"{table[row].max():.4g}; expected probabilities, 0 to 1 and 1 in all. Apply softmax, if these are logits."
        )
        raise ManifestError(message)
    return table


def _rows(where: Path, kind: Kind, paths: Sequence[str]) -> tuple[NDArray[np.float32], list[str] | None]:
    """Return the table in the order of ``paths``, and the names of its columns where it has some."""
    listed, table, named = _load(where, kind)
    if table.ndim != 2 or table.shape[1] == 0 or table.dtype.kind not in "fiu":  # noqa: PLR2004 - a table
        message = f"{where}: found an array of shape {table.shape} and type {table.dtype}, expected numbers, (samples, columns)."
        raise ManifestError(message)
    if named is not None and len(named) != table.shape[1]:
        message = f"{where}: 'classes' has {len(named)} names, but '{kind}' has {table.shape[1]} columns; expected one a column."
        raise ManifestError(message)
    if listed is not None:
        table = table[_order(where, listed, paths, len(table))]
    elif len(table) != len(paths):
        message = (
            f"{where}: found {len(table)} rows, expected {len(paths)}, one a sample in path order (the first is {paths[0]!r}). "
            f"Where the order is another, save an .npz with 'paths' and '{kind}'."
        )
        raise ManifestError(message)
    ordered = np.asarray(table, np.float32)
    finite = np.isfinite(ordered).all(axis=1)
    broken = ~finite & ~np.isnan(ordered).all(axis=1)
    if broken.any() or not finite.any():
        which = f"the row of {paths[int(np.argmax(broken))]!r} holds" if broken.any() else "every row is"
        message = f"{where}: {which} NaN or infinity; expected finite numbers (float32), or NaN all along for a sample left out."
        raise ManifestError(message)
    return ordered, named


def _load(where: Path, kind: Kind) -> tuple[list[str] | None, NDArray[np.generic], list[str] | None]:
    """Return the paths an .npz lists (None for an .npy), the table, and the column names an .npz gives."""
    try:
        with where.open("rb") as stream:  # NumPy does not close what it cannot read
            found = np.load(stream, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return None, found, None
            arrays = {name: found[name] for name in ("paths", kind, "classes") if name in found.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        message = (
            f"{where}: cannot be read as NumPy's .npy or .npz ({error}). Expected what numpy.save or numpy.savez writes of plain "
            "arrays (no objects)."
        )
        raise ManifestError(message) from error
    if missing := {"paths", kind} - set(arrays):
        has = ", ".join(map(repr, sorted(found.files))) or "nothing"
        message = f"{where}: holds {has}, but not {_some(sorted(missing))}. Expected 'paths' and '{kind}'."
        raise ManifestError(message)
    named = _texts(where, "classes", arrays["classes"]) if "classes" in arrays else None
    return _texts(where, "paths", arrays["paths"]), arrays[kind], named


def _texts(where: Path, name: str, array: NDArray[np.generic]) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "US":
        message = f"{where}: '{name}' has shape {array.shape} and type {array.dtype}, expected a list of strings."
        raise ManifestError(message)
    return [text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else str(text) for text in array.tolist()]


def _order(where: Path, listed: list[str], paths: Sequence[str], rows: int) -> list[int]:
    """Return the row of each path."""
    if len(listed) != rows:
        message = f"{where}: 'paths' has {len(listed)} entries, but the table {rows} rows; expected one a row."
        raise ManifestError(message)
    row_of = {path.replace("\\", "/").removeprefix("./"): row for row, path in enumerate(listed)}
    if len(row_of) != len(listed):
        message = f"{where}: 'paths' names {len(listed) - len(row_of)} files more than once; expected each once."
        raise ManifestError(message)
    if absent := [path for path in paths if path not in row_of]:
        message = (
            f"{where}: has no row for {len(absent)} of the {len(paths)} samples; the first is {absent[0]!r}, its own first path "
            f"is {listed[0] if listed else 'none'!r}. Expected every sample, relative to the dataset (NaN for one left out)."
        )
        raise ManifestError(message)
    return [row_of[path] for path in paths]


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (" …" if len(names) > 5 else "")  # noqa: PLR2004 - enough to see
