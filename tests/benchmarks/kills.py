"""Kill whole scans at random moments, go on, and compare: is every report the same bytes?

    python tests/benchmarks/kills.py DATASET [KILLS [SEED]]

A scan without a cache says what is right. Then, on a cache of its own, scans by one and by two workers in turn are killed
with their whole process group (SIGKILL) after a random share of the time that one takes, until as many were killed as asked;
after every tenth kill one is let through. Last: warm, ``--jobs 1`` and ``--jobs 2``.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# ruff: noqa: S311 - random moments, no secrets


def start(dataset: str, out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", "-m", "dataaudit", "scan", dataset, "--quiet", "--fail-on", "never"]
    return subprocess.Popen(
        [*command, "--output", str(out), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def told(dataset: str, *options: str) -> tuple[str, float]:
    """Return a digest of all that a whole scan writes, and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        _, errors = (run := start(dataset, Path(folder), *options)).communicate()
        if run.returncode or errors:
            sys.exit(f"the scan ended with {run.returncode}: {errors.decode()}")
        digest = hashlib.sha256()
        for name in ("report.json", "report.html"):
            digest.update((Path(folder) / name).read_bytes())
        return digest.hexdigest(), time.monotonic() - began


def main() -> None:
    dataset, kills, seed = sys.argv[1], int((sys.argv[2:] or ["30"])[0]), int((sys.argv[3:] or ["0"])[0])
    generator = random.Random(seed)
    truth, seconds = told(dataset, "--no-cache", "--jobs", "2")
    same = [told(dataset, "--no-cache", "--jobs", "1")[0] == truth]
    print(f"cold, --jobs 1 and 2: the same bytes: {same[0]}; {seconds:.1f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = ("--cache-dir", f"{folder}/cache")
        killed = number = 0
        while killed < kills:
            number += 1
            with start(dataset, Path(folder) / "out", *cache, "--jobs", str(1 + number % 2)) as run:
                try:
                    run.wait(generator.uniform(0.0, 1.1) * seconds)
                    continue  # it was through before
                except subprocess.TimeoutExpired:
                    os.killpg(run.pid, signal.SIGKILL)
            killed += 1
            if killed % 10 == 0:
                same.append(told(dataset, *cache)[0] == truth)
                print(f"{killed} killed: the same bytes: {same[-1]}", flush=True)
        for jobs in ("1", "2"):
            digest, warm = told(dataset, *cache, "--jobs", jobs)
            same.append(digest == truth)
            print(f"warm, --jobs {jobs}: the same bytes: {same[-1]}; {warm:.1f} s", flush=True)
    sys.exit(0 if all(same) else "REPORTS DIFFER")


if __name__ == "__main__":
    main()
