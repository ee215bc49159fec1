"""Verdicts are kept, too: what a comparison of two contents gave is not asked again, nor what was nominated among many.

The key is the contents, what was asked of them, and all that decides the answer: the code of this package and of ``features``,
the versions of the libraries. The answers are the raw correlations; thresholds are applied to them anew in every run.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import numpy as np

from dataaudit import transform
from dataaudit.dedup.nominations import Nominations
from dataaudit.dedup.verify import Answer
from dataaudit.domain import IndexRecall
from dataaudit.features.store import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import DTypeLike, NDArray

    from dataaudit.config import Config
    from dataaudit.dedup.verify import Question
    from dataaudit.domain import FeatureTable
    from dataaudit.features.cache import Cache

__all__ = ["Memory"]

_BATCH: Final = 64
_KNOWN: Final = (
    "SELECT a.number, p.id, p.used, p.answer FROM temp.asked_pairs AS a JOIN pairs AS p ON p.key = a.key ORDER BY a.number"
)
_KEEP: Final = "INSERT INTO pairs (key, used, answer) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used"
_MANY: Final = 1_000  # rows: fewer are searched about as quickly as looked up
_KNOWN_SEARCH: Final = "SELECT id, used, row FROM nominations WHERE key = ?"
_KEEP_SEARCH: Final = (
    "INSERT INTO nominations (key, used, row) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used, row = excluded.row"
)
_COLUMNS: Final[dict[str, DTypeLike]] = {"a": "<i8", "b": "<i8", "orientation": "|i1", "distance": "<f8"}


class Memory:
    """The answers that the cache holds."""

    def __init__(self, cache: Cache, features: FeatureTable) -> None:
        """Take the contents' digests from ``features``."""
        self._cache, self._features = cache, features
        self._contents = features.sha256.astype(">u8")
        digest = hashlib.sha256(cache.key)
        for path in (*sorted(Path(__file__).parent.glob("*.py")), Path(transform.__file__)):
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        self._key = digest.digest()

    def answers(
        self,
        pairs: Sequence[tuple[int, int]],
        questions: Sequence[Question],
        ask: Callable[[Sequence[Question]], Iterator[Answer | None]],
    ) -> Iterator[Answer | None]:
        """Yield an answer a question, in order; only those that are not known are asked."""
        keys = [self._key_of(a, b, question) for (a, b), question in zip(pairs, questions, strict=True)]
        found = self._cache.store.join("asked_pairs (number, key)", enumerate(keys), _KNOWN)
        known = {number: _revived(Answer, json.loads(text)) for number, _, _, text in found}
        self._cache.touch("pairs", [(number, used) for _, number, used, _ in found])
        asked = ask([question for number, question in enumerate(questions) if number not in known])
        new: list[tuple[bytes, int, str]] = []
        try:
            for number, (key, question) in enumerate(zip(keys, questions, strict=True)):
                if number in known:
                    yield known[number]
                    continue
                answer = next(asked)
                if answer is not None and not answer.failure and self._unchanged(question):
                    new.append((key, self._cache.today, json.dumps(asdict(answer))))
                if len(new) >= _BATCH:
                    self._keep(new)
                yield answer
        finally:
            self._keep(new)

    def nominations(self, rows: NDArray[np.int64], config: Config, nominate: Callable[[], Nominations]) -> Nominations:
        """Return what ``nominate`` proposes among ``rows``; of the same contents in the same order, searched alike, it is known.

        Args:
            rows: (m,) of the features.
            config: every option that has a part in the search is one of the key.
            nominate: asked where it is not known, or there are few rows.
        """
        if len(rows) < _MANY:
            return nominate()
        searched = json.dumps([len(self._contents), config.of_the_search()], sort_keys=True)
        digest = hashlib.sha256(self._key + searched.encode())
        digest.update(rows.astype("<i8").tobytes() + self._contents[rows].tobytes())
        if config.descriptor is not None:  # by which pictures are searched is a model's of the user, whatever its file is called
            digest.update(self._features.descriptor[rows].astype("<f2").tobytes())
        key = digest.digest()
        for number, used, row in self._cache.store.read(_KNOWN_SEARCH, (key,)):
            if (known := _unpacked(row)) is not None:
                self._cache.touch("nominations", [(number, used)])
                return known
        found = nominate()
        self._cache.write((_KEEP_SEARCH, [(key, self._cache.today, _packed(found))]))
        return found

    def _key_of(self, a: int, b: int, question: Question) -> bytes:
        asked = {field.name: getattr(question, field.name) for field in fields(question)}
        told = json.dumps({name: value for name, value in asked.items() if not isinstance(value, Path)}, sort_keys=True)
        contents = self._contents[a].tobytes() + self._contents[b].tobytes()
        return hashlib.sha256(self._key + contents + told.encode()).digest()

    def _unchanged(self, question: Question) -> bool:
        """Whether both files are those that were measured: neither was changed since the run began, nor just before."""
        try:
            states = [os.stat(path) for path in (question.a, question.b)]  # noqa: PTH116 - as the cache looks at them
        except OSError:
            return False
        return all(max(state.st_mtime_ns, state.st_ctime_ns) < self._cache.settled for state in states)

    def _keep(self, new: list[tuple[bytes, int, str]]) -> None:
        if new:
            self._cache.write((_KEEP, tuple(new)))
            new.clear()


def _packed(found: Nominations) -> bytes:
    """Return nominations as bytes, sealed: the length of a JSON head and it, the columns."""
    recall = None if found.index_recall is None else asdict(found.index_recall)
    head = json.dumps([len(found), recall]).encode()
    columns = b"".join(getattr(found, name).astype(kind).tobytes() for name, kind in _COLUMNS.items())
    return sealed(len(head).to_bytes(4, "little") + head + columns)


def _unpacked(row: bytes) -> Nominations | None:
    """Return what :func:`_packed` was given; None where a byte is not as it was."""
    body = unsealed(row)
    if body is None:
        return None
    start = 4 + int.from_bytes(body[:4], "little")
    count, recall = json.loads(body[4:start])
    columns = []
    for kind in _COLUMNS.values():
        columns.append(np.frombuffer(body, kind, count, start))
        start += columns[-1].nbytes
    a, b, orientation = (column.astype(np.int64) for column in columns[:3])
    return Nominations(a, b, orientation, columns[3].astype(np.float64), None if recall is None else IndexRecall(**recall))


def _revived(kind: Any, value: Any) -> Any:  # noqa: ANN401 - whatever fields an answer has
    """Return what ``asdict`` and JSON made of a value of type ``kind``."""
    kind = next((part for part in get_args(kind) if is_dataclass(part)), kind) if value is not None else None
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: _revived(hints[name], part) for name, part in value.items()})
    return _tuples(value)


def _tuples(value: Any) -> Any:  # noqa: ANN401 - see above
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
