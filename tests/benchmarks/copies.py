"""How many copies are found? Known copies are planted among the pictures of a directory, and the search is run.

    python tests/benchmarks/copies.py --data DIR [--title NAME] [--queries 200] [--families NAME …] [--peers] [--size 32]

*Truth is the id of the source picture*, never our verifier. A family is a kind of copy; each is made by an implementation
that neither the descriptor's training nor the choice of thresholds has used (ImageMagick, torchvision, AugLy) or by Keras
itself. Of each family, ``--queries`` copies of as many pictures form the val split, all pictures of DIR the train split (in
the families *both sides* an augmented copy stands in for the original), and ``dataaudit``'s own stages find, measure and
relate them. A false pair is a pair of different sources; pairs that the bare pictures of DIR make among themselves are
listed apart, to be looked at. The table goes to stdout and, as the section of its title, to ``COPIES.md``.

Needs ImageMagick's ``convert``, TensorFlow in the Python that runs this, and makes a virtual environment for the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from planted.families import FAMILIES, Family
from planted.search import Copy, Searched, Searcher
from planted.table import render, replace_section

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PLANTED = HERE / "planted"
FOREIGN = ("torchvision_v2", "augly_image")
"""Libraries that run in the virtual environment; the others run in this Python."""


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of pictures, searched recursively")
    parser.add_argument("--title", help="of the section in COPIES.md; default: the directory's name")
    parser.add_argument("--queries", type=int, default=200, help="copies a family")
    parser.add_argument("--limit", type=int, help="take this many of the pictures, drawn at random")
    parser.add_argument("--families", nargs="+", default=[""], help="names or beginnings of names; default: all")
    parser.add_argument("--size", type=int, help="bring the pictures down to this short side first")
    parser.add_argument("--peers", action="store_true", help="ask imagededup and PDQ as well")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--venv", type=Path, default=Path("~/.cache/dataaudit-benchmark/venv").expanduser())
    parser.add_argument("--work", type=Path, default=Path("~/.cache/dataaudit-benchmark/copies").expanduser())
    parser.add_argument("--output", type=Path, default=HERE / "COPIES.md")
    return parser.parse_args()


def main() -> None:
    """Make the copies, search them, print the table."""
    given = arguments()
    title = given.title or given.data.name
    families = [family for family in FAMILIES if family.name.startswith(tuple(given.families))]
    python = virtual_environment(given.venv)
    work = given.work / f"{title}-{given.size or 'full'}-{given.limit or 'all'}-{given.seed}"
    gallery = collect(given.data, work / "gallery", given.limit, given.size, given.seed)
    say(f"{len(gallery)} pictures, {len(families)} families of {given.queries} copies")
    searches = list(planned(families, gallery, given.queries, given.seed, work))
    make(searches, python, work)
    results = []
    with Searcher(gallery, given.jobs) as searcher:
        for plans in searches:
            results += searcher.search(plans)
            say("\n".join(result.line() for result in results[-len(plans) :]))
    results.sort(key=lambda result: families.index(result.family))
    peers = asked(results, python, work) if given.peers else {}
    section = render(title, given, searcher, results, peers)
    print(section)
    replace_section(given.output, title, section)


def say(message: str) -> None:
    """Tell how far we are."""
    print(message, file=sys.stderr, flush=True)


def virtual_environment(path: Path) -> Path:
    """Return the Python of the environment with torchvision, AugLy and the peers; make it where it is not there."""
    python = path / "bin" / "python"
    if not python.exists():
        say(f"making {path}")
        subprocess.run([sys.executable, "-m", "venv", path], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", PLANTED / "requirements.txt"], check=True)
    return python


def collect(data: Path, to: Path, limit: int | None, size: int | None, seed: int) -> list[Path]:
    """Put the pictures of ``data`` into ``to`` as ``00000.jpg`` …: the stem is the source id. Return them in order."""
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if limit is not None:
        files = [files[i] for i in sorted(np.random.default_rng(seed).permutation(len(files))[:limit])]
    if to.exists() and len(list(to.iterdir())) == len(files):
        return sorted(to.iterdir())
    to.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        if size is None:
            shutil.copyfile(file, to / f"{number:05d}{file.suffix.lower()}")
            continue
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        factor = min(1.0, size / min(picture.size))
        sides = tuple(round(side * factor) for side in picture.size)
        picture.resize(sides, Image.Resampling.LANCZOS).save(to / f"{number:05d}.png")
    return sorted(to.iterdir())


def planned(
    families: list[Family], gallery: list[Path], queries: int, seed: int, work: Path
) -> Iterator[dict[Family, list[Copy]]]:
    """Yield the searches: families whose sources are different pictures, at most about two in three of the gallery."""
    together = max(1, round(0.6 * len(gallery) / queries))
    copies = [family for family in families if family.copies]
    groups = [copies[i : i + together] for i in range(0, len(copies), together)]
    for group in [*groups, *([family] for family in families if not family.copies)]:
        taken: set[int] = set()
        plans = {}
        for family in group:
            key = [seed, zlib.crc32(family.name.encode())]
            free = [source for source in np.random.default_rng(key).permutation(len(gallery)).tolist() if source not in taken]
            chosen = free[: queries if family.copies else 2 * queries]
            taken |= set(chosen)
            sides = {"train": chosen, "val": chosen} if family.both_sides else {"val": chosen}
            if not family.copies:
                sides = {"train": chosen[::2], "val": chosen[1::2]}
            plans[family] = [
                drawn(gallery, source, work / family.slug / side, [*key, source, side == "val"])
                for side, sources in sides.items()
                for source in sources
            ]
        yield plans


def drawn(gallery: list[Path], source: int, folder: Path, key: list[int]) -> Copy:
    """Draw how a copy is made: the same for any number of queries."""
    rng = np.random.default_rng(key)
    other = gallery[(source + int(rng.integers(1, len(gallery)))) % len(gallery)]
    return Copy(gallery[source], folder / gallery[source].stem, int(rng.integers(2**31)), other)


def make(searches: list[dict[Family, list[Copy]]], python: Path, work: Path) -> None:
    """Make the copies that are not there yet, a process a library."""
    jobs: dict[str, list[tuple[str, str, str, int, str]]] = {}
    for family, plan in (item for plans in searches for item in plans.items()):
        for copy in plan:
            copy.target.parent.mkdir(parents=True, exist_ok=True)
            if not any(copy.target.with_suffix(suffix).exists() for suffix in (".jpg", ".png")):
                job = (family.maker, str(copy.source), str(copy.target), copy.seed, str(copy.other))
                jobs.setdefault(family.library, []).append(job)
    for library, job in jobs.items():
        say(f"making {len(job)} copies by {library}")
        file = work / f"{library}.json"
        file.write_text(json.dumps(job), encoding="utf-8")
        command = [python if library in FOREIGN else sys.executable, PLANTED / "run.py", library, file]
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env={**os.environ, **quiet}, cwd=PLANTED)


def asked(results: list[Searched], python: Path, work: Path) -> dict[str, object]:
    """Ask the peers about the same files."""
    say("asking the peers")
    job, answer = work / "peers.json", work / "peers-answer.json"
    job.write_text(json.dumps({result.family.name: [str(file) for file in result.files] for result in results}), encoding="utf-8")
    subprocess.run([python, PLANTED / "peers.py", job, answer], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found: dict[str, object] = json.loads(answer.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
