"""What a user's Keras model makes of a dataset's pictures. What the cache knows is not asked again.

The key is the picture's content, and all that decides the output: the digest of the model's file, the code of its process, the
versions of Keras and TensorFlow, how pictures are made smaller. It has nothing to do with what is measured of a picture: the
numbers of one model are never taken for another's, nor for the built-in descriptor's.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from dataaudit.features.cache import packages
from dataaudit.features.keras_model import KerasModel, model_digest
from dataaudit.features.store import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, FeatureTable
    from dataaudit.features.cache import Cache

    Watch = Callable[[str, int, int, int], None]
    """Called with (stage, done, total, found); the stage is ``embed``."""
    Embed = Callable[[Catalog, FeatureTable, Watch], NDArray[np.float32] | None]

__all__ = ["ModelOutputs", "embedder"]

_BLOCK: Final = 4096  # rows that are looked up at a time
_READY: Final = b"ready"
_KNOWN: Final = (
    "SELECT a.number, o.id, o.used, o.row FROM temp.asked_outputs AS a JOIN outputs AS o ON o.key = a.key ORDER BY a.number"
)
_KEEP: Final = (
    "INSERT INTO outputs (key, used, row) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used, row = excluded.row"
)


class ModelOutputs:
    """A model that is known to be usable. Use it in a ``with``: it may hold processes."""

    def __init__(self, file: str, option: str, config: Config, cache: Cache | None, *, processes: int, antialias: bool) -> None:
        """Take a model, and try it if the cache does not know that it is usable.

        Args:
            file: the ``.keras`` file, relative to the working directory.
            option: what it was given by, as ``--descriptor``.
            config: ``file_timeout`` applies.
            cache: what it knows is not asked again.
            processes: that may run at a time; the output does not depend on it.
            antialias: filter before a picture is made smaller. Keras's folder loader does not; for copies it is better.

        Raises:
            UsageError: if the file cannot be loaded, or TensorFlow is not installed.
            ModelError: if the model cannot be used.
        """
        self.digest = model_digest(file, option)
        """SHA-256 of the file, hexadecimal."""
        self.name = Path(file).name
        self._cache = cache
        self._model: KerasModel | None = None
        self._start = partial(KerasModel, file, antialias=antialias, processes=processes, file_timeout=config.file_timeout)
        told = [self.digest, antialias, _code(), packages(("keras", "tensorflow", "numpy")), platform.machine(), sys.byteorder]
        self._key = hashlib.sha256(json.dumps(told).encode()).digest()
        known = self._looked_up([self._key_of(_READY)])[0]
        self.numbers = int(np.frombuffer(known, np.int64)[0]) if known else self._opened().numbers
        """How many it makes of a picture."""
        if not known:
            self._keep([(_READY, np.array([self.numbers], np.int64).tobytes())])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._model is not None:
            self._model.__exit__()

    def of(self, catalog: Catalog, features: FeatureTable, progress: Callable[[int, int], None]) -> NDArray[np.float32]:
        """Return the model's output for every sample, (n, numbers); NaN where a file cannot be read.

        Args:
            catalog: where the files are.
            features: their digests, and which were measured: TensorFlow is not asked of any other.
            progress: called with how many different pictures are done, of how many.

        Raises:
            ModelError: if the model crashes, hangs, or returns something else than finite numbers. What it made of the pictures
                before is kept in the cache.
        """
        found = np.full((len(catalog), self.numbers), np.nan, np.float32)
        self._fill(found, catalog, features, progress)
        return found

    def directions(self, catalog: Catalog, features: FeatureTable, progress: Callable[[int, int], None]) -> NDArray[np.float16]:
        """Return the output scaled to length 1, (n, numbers); zeros where a file cannot be read. Otherwise as :meth:`of`."""
        found = np.zeros((len(catalog), self.numbers), np.float16)
        self._fill(found, catalog, features, progress)
        return found

    def _fill(
        self,
        found: NDArray[np.float32] | NDArray[np.float16],
        catalog: Catalog,
        features: FeatureTable,
        progress: Callable[[int, int], None],
    ) -> None:
        readable = np.flatnonzero(features.readable)
        _, first, place = np.unique(features.sha256[readable], axis=0, return_index=True, return_inverse=True)
        leaders = readable[first]
        contents = features.sha256.astype(">u8")
        unknown = []
        for start in range(0, len(leaders), _BLOCK):
            part = leaders[start : start + _BLOCK].tolist()
            for row, blob in zip(part, self._looked_up([self._key_of(contents[row].tobytes()) for row in part]), strict=True):
                if blob is None:
                    unknown.append(row)
                elif blob:
                    _enter(found, [row], np.frombuffer(blob, np.float32)[None])
        progress(len(leaders) - len(unknown), len(leaders))
        if unknown:
            done = len(leaders) - len(unknown)
            files = [catalog.root / catalog.paths[row] for row in unknown]
            for start, digests, rows in self._opened().outputs(files):
                _enter(found, unknown[start : start + len(rows)], rows)
                self._keep(
                    [
                        (digest.tobytes(), b"" if np.isnan(row).any() else row.tobytes())
                        for digest, row in zip(digests, rows, strict=True)
                        if digest.any()
                    ]
                )
                done += len(rows)
                progress(done, len(leaders))
        found[readable] = found[leaders[place.reshape(-1)]]

    def _opened(self) -> KerasModel:
        if self._model is None:
            self._model = self._start()
        return self._model

    def _key_of(self, content: bytes) -> bytes:
        return hashlib.sha256(self._key + content).digest()

    def _looked_up(self, keys: list[bytes]) -> list[bytes | None]:
        """Return what the cache holds, a row a key; None where it holds nothing, or nothing whole."""
        found: list[bytes | None] = [None] * len(keys)
        if self._cache is None:
            return found
        known = self._cache.store.join("asked_outputs (number, key)", enumerate(keys), _KNOWN)
        self._cache.touch("outputs", [(number, used) for _, number, used, _ in known])
        for place, _, _, blob in known:
            found[place] = unsealed(blob)
        return found

    def _keep(self, rows: list[tuple[bytes, bytes]]) -> None:
        if self._cache is not None:
            self._cache.write((_KEEP, [(self._key_of(content), self._cache.today, sealed(body)) for content, body in rows]))


@contextmanager
def embedder(file: str | None, config: Config, cache: Cache | None, processes: int) -> Iterator[Embed]:
    """Yield what makes a dataset's embeddings by a Keras model; None of any where no model is given.

    Raises:
        UsageError, ModelError: as :class:`ModelOutputs`.
    """
    if file is None:
        yield lambda _catalog, _features, _watch: None
        return
    with ModelOutputs(file, "--embeddings", config, cache, processes=processes, antialias=False) as model:
        yield lambda catalog, features, watch: model.of(catalog, features, lambda done, total: watch("embed", done, total, 0))


def _enter(found: NDArray[np.float32] | NDArray[np.float16], at: list[int], rows: NDArray[np.float32]) -> None:
    """Enter rows as they are; or, in half floats, what can be told of their direction."""
    if found.dtype == np.float32:
        found[at] = rows
    else:
        told = np.nan_to_num(rows).astype(np.float64)
        lengths = np.linalg.norm(told, axis=1, keepdims=True)
        found[at] = told / np.where(lengths > 0, lengths, 1.0)


def _code() -> str:
    return hashlib.sha256(Path(__file__).with_name("keras_process.py").read_bytes()).hexdigest()
