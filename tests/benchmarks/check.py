"""How long ``dataaudit check`` takes with 20 changed files of 50,000, and what it imports.

The 50,000 files are small random bytes; what they "show" is put into a cache of their own, as if they had been measured: random
hashes and descriptors, which nothing looks like. Then 20 real photographs come in.

    python tests/benchmarks/check.py [FILES [CHANGED]]
"""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.domain import PROPERTY_NAMES, FeatureTable
from dataaudit.features import _table
from dataaudit.features.cache import Cache

sys.path.insert(0, str(Path(__file__).parents[1]))
from speed import INSTALLED

from pictures import photo, save


def seed(root: Path, config: Config, files: int) -> None:
    """Write ``files`` files of random bytes and enter made-up measurements of them into the cache."""
    rng = np.random.default_rng(0)
    digests = []
    for number in range(files):
        data = rng.bytes(64)
        path = root / ("train" if number % 5 else "val") / f"{number // 5 % 100:02}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digests.append((str(path.relative_to(root)), hashlib.sha256(data).digest()))
    time.sleep(2.1)
    digests.sort()
    one = _table([])
    columns = {
        field.name: np.zeros((files, *getattr(one, field.name).shape[1:]), getattr(one, field.name).dtype)
        for field in fields(FeatureTable)
        if field.name != "failures"
    }
    columns["sha256"] = np.frombuffer(b"".join(digest for _, digest in digests), ">u8").astype(np.uint64).reshape(-1, 4)
    for name in ("phash64", "phash256", "pixel_digest"):
        columns[name] = rng.integers(1, 2**63, columns[name].shape, np.uint64)
    vectors = rng.normal(size=columns["descriptor"].shape)
    columns["descriptor"] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    columns["keypoints"] = rng.integers(0, 256, columns["keypoints"].shape, np.uint8)
    columns["properties"][:, PROPERTY_NAMES.index("contrast")] = 50.0
    for name in ("width", "height"):
        columns[name] += 300
    columns["format"][:] = "JPEG"
    columns["mode"][:] = "RGB"
    columns["frames"][:] = 1
    columns["loader"][:] = 1  # a picture that TensorFlow reads
    table = FeatureTable(**columns, failures=(None,) * files)
    with Cache(config) as cache:
        list(cache.known(root, find(root, config).paths))
        cache.keep(np.arange(files), table)
        cache.remember(table)


def main() -> None:
    """Seed, change, check, three times."""
    files, changed = (int(text) for text in (*sys.argv[1:], "50000", "20")[:2])
    with tempfile.TemporaryDirectory() as folder:
        root, config = Path(folder, "data"), Config(cache_dir=f"{folder}/cache")
        seed(root, config, files)
        for neighbours in (0, 5):
            run(root, folder, changed, neighbours)


def run(root: Path, folder: str, changed: int, neighbours: int) -> None:
    """Check three times; without neighbours the made-up photographs, which resemble one another, are compared with nothing."""
    options = Path(folder, "options.toml")
    options.write_text(f"neighbours = {neighbours}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "dataaudit",
        "check",
        "--dataset",
        str(root),
        "--cache-dir",
        f"{folder}/cache",
        "--config",
        str(options),
    ]
    for attempt in range(3):
        new = [
            save(
                photo(10_000 * neighbours + 1000 * attempt + number, (320, 240)),
                root / "train/00" / f"new-{neighbours}-{attempt}-{number}.jpg",
            )
            for number in range(changed)
        ]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([*command, *map(str, new)], capture_output=True, text=True, check=False, env=INSTALLED)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{changed} changed, {neighbours} neighbours: {wall:.2f} s wall, {cpu:.2f} s of processors, exit {done.returncode}")
        print(done.stderr.strip()[-300:])


if __name__ == "__main__":
    main()
