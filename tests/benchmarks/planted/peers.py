"""The peers' answers: ``python peers.py JOB.json ANSWER.json``, in the Python that has imagededup and pdqhash.

A job is ``{search: [files]}``; the answer ``{search: {peer: [[i, j], …]}, "milliseconds": {peer: a picture}}``. Each peer is
asked as its documentation asks it: imagededup's ``PHash`` within 10 bits of 64 (its default), PDQ within 31 of 256, PDQ with
the eight hashes that ``compute_dihedral`` makes of one side.
"""

from __future__ import annotations

import json
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pdqhash
from PIL import Image
from torch_on_cpu import allow_torchvision

allow_torchvision()

from imagededup.methods import PHash  # noqa: E402 - after that, for it imports torchvision

PHASH_DISTANCE = 10
PDQ_DISTANCE = 31


class Peers:
    """Hashes each file once, whatever searches it is in."""

    def __init__(self) -> None:
        """Start with no file."""
        self._phash = PHash(verbose=False)
        self._hashes: dict[str, tuple[str, np.ndarray]] = {}
        self.seconds = {"imagededup pHash": 0.0, "PDQ, dihedral": 0.0}

    def hashes(self, file: str) -> tuple[str, np.ndarray]:
        """Return imagededup's hash and the eight PDQ hashes (8, 32) uint8 of a file."""
        if file not in self._hashes:
            start = time.process_time()
            phash = self._phash.encode_image(file)
            middle = time.process_time()
            with Image.open(file) as image:
                bits, _ = pdqhash.compute_dihedral(np.ascontiguousarray(image.convert("RGB")))
            self._hashes[file] = phash, np.packbits(np.array(bits, np.uint8), axis=1)
            self.seconds["imagededup pHash"] += middle - start
            self.seconds["PDQ, dihedral"] += time.process_time() - middle
        return self._hashes[file]

    def pairs(self, files: tuple[str, ...]) -> dict[str, list[tuple[int, int]]]:
        """Return the pairs of indices that each peer calls copies."""
        hashes = [self.hashes(file) for file in files]
        encodings = {str(i): phash for i, (phash, _) in enumerate(hashes) if phash}
        found = self._phash.find_duplicates(
            encoding_map=encodings, max_distance_threshold=PHASH_DISTANCE, num_enc_workers=0, num_dist_workers=0
        )
        phash = sorted({(min(int(a), int(b)), max(int(a), int(b))) for a, others in found.items() for b in others})
        pdq = np.stack([bits for _, bits in hashes])
        near = set()
        for a in range(len(files)):
            distance = np.bitwise_count(pdq[a + 1 :, :1] ^ pdq[None, a]).sum(axis=2).min(axis=1)
            near |= {(a, a + 1 + int(b)) for b in np.flatnonzero(distance <= PDQ_DISTANCE)}
        return {"imagededup pHash": phash, "PDQ, dihedral": sorted(near)}


def main() -> None:
    """Answer the job."""
    job, answer = map(Path, sys.argv[1:])
    peers = Peers()
    pairs = cache(peers.pairs)  # families that were searched together have the same files
    searches = {name: pairs(tuple(files)) for name, files in json.loads(job.read_text(encoding="utf-8")).items()}
    files = max(1, len(peers._hashes))
    milliseconds = {name: 1000 * seconds / files for name, seconds in peers.seconds.items()}
    answer.write_text(json.dumps({"searches": searches, "milliseconds": milliseconds}), encoding="utf-8")


if __name__ == "__main__":
    main()
