"""An engine for the tests that starts no process."""

from __future__ import annotations

from dataaudit.engines import Lost


class Inline:
    """An engine that runs everything here, in batches of its own size."""

    def __init__(self, size=None, lost=()):
        self.size, self.lost = size, lost

    def map_batches(self, function, items, *, batch_size, progress=None):
        size = self.size or batch_size
        for start in range(0, len(items), size):
            batch = items[start : start + size]
            if len(batch) == 1 and batch[0] in self.lost:
                yield batch, Lost("timeout", "took longer than 1 s")
            else:
                yield batch, function(batch, lambda _index: None)
            if progress:
                progress(len(batch))
