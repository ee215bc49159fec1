"""Images a second of ``dataaudit scan`` beside the bare decoder and three other tools, in one run, alternating.

    PYTHONPATH=. python tests/benchmarks/speed.py --data DIR… [--work DIR] [--count 1000] [--rounds 2]

From the pictures of --data four datasets are made (once; kept in --work): JPEG of 500 px, JPEG of 12 MP, PNG of 500 px, and
10,000 PNG of 32 px, which are tiles of the pictures, or the pictures themselves where --data has as many small ones. 12-MP
pictures are enlarged ones with grain, of about 2 MB. Each tool reads the same files in the same number of processes:

- *bare limit*: read, Pillow ``draft('RGB', (128, 128))``, load; nothing else. No tool that decodes can be quicker.
- *scan* as it is, without the search for transformed copies, and a second time, with what the first has kept (its cache);
- imagededup (``PHash().find_duplicates``), cleanvision (``Imagelab.find_issues``), vision-data-doctor (``scan``), each in a
  virtual environment of its own that this script makes. One that cannot be installed or fails is told as such.

*Cold*: the files are put out of the page cache first (``posix_fadvise``), and scan has no cache. *Warm*: the files have just been
read. Whole commands are timed; what a tool takes for two files (its start) is told beside it and taken off before images a
second are. Of the rounds the quickest counts. The table goes to RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif")
SIDE, LARGE, SMALL, SMALL_FILES = 500, (4000, 3000), 32, 10_000
GRAIN = 6.0
START_FILES = 2
INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""The environment of every tool: pip compiles what it installs, and so may the first run of a tool from its sources."""
BARE = "bare limit"
SCAN, PLAIN, AGAIN = "scan", "scan without transformed copies", "scan again (its cache)"
PEERS = {
    "imagededup": f"""
import sys
sys.path.insert(0, {str(HERE / "planted")!r})
from torch_on_cpu import allow_torchvision
allow_torchvision()
from imagededup.methods import PHash
if __name__ == "__main__" and sys.argv[1]:
    jobs = int(sys.argv[2])
    PHash(verbose=False).find_duplicates(image_dir=sys.argv[1], num_enc_workers=jobs, num_dist_workers=jobs)
""",
    "cleanvision": """
import sys
from cleanvision import Imagelab
if __name__ == "__main__" and sys.argv[1]:
    Imagelab(data_path=sys.argv[1], verbose=False).find_issues(n_jobs=int(sys.argv[2]), verbose=False)
""",
    "vision-data-doctor": """
import sys
from data_doctor.cli import main
if __name__ == "__main__" and sys.argv[1]:
    sys.argv[1:] = ["scan", sys.argv[1]]
    main()
""",
}


@dataclass(frozen=True)
class Tool:
    name: str
    command: tuple[str, ...]
    """``{files}`` and ``{jobs}`` are filled in."""


# ----------------------------------------------------------------------------------------------- the files


def sources(folders: list[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def made(name: str, work: Path, paths: list[Path], count: int) -> Path:
    """Make one dataset, ``work/name-count/photos/…``, unless it is there."""
    folder = work / f"{name}-{count}"
    if not folder.exists():
        ruin = work / f".{name}-{count}"
        shutil.rmtree(ruin, ignore_errors=True)
        (ruin / "photos").mkdir(parents=True)
        MAKERS[name](paths, ruin / "photos", count)
        ruin.rename(folder)
    return folder


def photographs(paths: list[Path]) -> list[Path]:
    """The pictures large enough to be made smaller."""
    return [path for path in paths if min(Image.open(path).size) >= SIDE // 2]


def of_500(paths: list[Path], folder: Path, count: int, ending: str) -> None:
    for number, path in enumerate(photographs(paths)[:count]):
        image = opened(path)
        scale = SIDE / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        image.save(folder / f"{number:05}{ending}", quality=90)


def of_12_megapixels(paths: list[Path], folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    grain = rng.normal(0, GRAIN, (*LARGE[::-1], 1)).astype(np.float32)
    for number, path in enumerate(photographs(paths)[:count]):
        pixels = np.asarray(opened(path).resize(LARGE, Image.Resampling.BICUBIC), np.float32)
        noisy = pixels + np.roll(grain, int(rng.integers(grain.size)))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05}.jpg", quality=85)


def of_32(paths: list[Path], folder: Path, count: int) -> None:
    small = [path for path in paths if max(Image.open(path).size) <= 2 * SMALL]
    if len(small) >= count:
        for number, path in enumerate(small[:count]):
            shutil.copyfile(path, folder / f"{number:05}{path.suffix.lower()}")
        return
    large = photographs(paths)
    across = 1 + int((count / max(1, len(large))) ** 0.5)
    for number, (path, row, column) in enumerate(product(large, range(across), range(across))):
        if number == count:
            return
        image = opened(path)
        width, height = image.width // across, image.height // across
        tile = image.crop((column * width, row * height, (column + 1) * width, (row + 1) * height))
        tile.resize((SMALL, SMALL), Image.Resampling.BOX).save(folder / f"{number:05}.png")


MAKERS = {
    "JPEG, 500 px": partial(of_500, ending=".jpg"),
    "JPEG, 12 MP": of_12_megapixels,
    "PNG, 500 px": partial(of_500, ending=".png"),
    "32 px": of_32,
}


# ----------------------------------------------------------------------------------------------- the tools


def decode(path: str) -> int:
    with open(path, "rb") as file:  # noqa: PTH123 - the quickest way there is
        data = file.read()
    image = Image.open(BytesIO(data))
    image.draft("RGB", (128, 128))
    image.load()
    return image.width


def bare(folder: str, jobs: int) -> None:
    paths = [entry.path for entry in os.scandir(f"{folder}/photos")] if folder else []
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(decode, paths, chunksize=32))


def our_tools(scratch: Path, jobs: int) -> list[Tool]:
    scan = (sys.executable, "-m", "dataaudit", "scan", "{files}", "--quiet", "--format", "json", "--jobs", str(jobs))
    told = subprocess.run([*scan[:4], "--help"], capture_output=True, text=True, check=True).stdout
    plain = scratch / "plain.toml"
    plain.write_text("neighbours = 0\n")
    without = ("--no-transformed",) if "--no-transformed" in told else ("--config", str(plain))
    return [
        Tool(BARE, (sys.executable, __file__, "--bare", "{files}", "--jobs", str(jobs))),
        Tool(SCAN, (*scan, "--cache-dir", str(scratch / "cache"))),
        Tool(AGAIN, (*scan, "--cache-dir", str(scratch / "cache"))),
        Tool(PLAIN, (*scan, "--no-cache", *without)),
    ]


def peer(name: str, work: Path) -> Tool | None:
    """Install a peer into an environment of its own; None, and a line that says so, where that fails."""
    home = work / "peers" / name
    python = home / "bin" / "python"
    try:
        if not python.exists():
            venv.create(home, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", name]
        subprocess.run(command, check=True, capture_output=True, text=True)
        runner = home / "run.py"
        runner.write_text(PEERS[name].lstrip())
        subprocess.run([python, runner, "", "1"], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        print(f"{name}: NOT INSTALLED: {(error.stderr or '').strip().splitlines()[-1:]}", flush=True)
        return None
    return Tool(name, (str(python), str(runner), "{files}/photos", "{jobs}"))


def version(tool: Tool) -> str:
    script = f"from importlib.metadata import version; print(version({tool.name!r}))"
    return subprocess.run([tool.command[0], "-c", script], capture_output=True, text=True, check=True).stdout.strip()


# ---------------------------------------------------------------------------------------------- the timing


def forget(folder: Path) -> None:
    """Put the files out of the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def seconds(tool: Tool, files: str, jobs: int) -> float | None:
    """Return the wall time of a run; None where it failed."""
    command = [part.replace("{files}", files).replace("{jobs}", str(jobs)) for part in tool.command]
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=errors, env=INSTALLED)
        wall = time.perf_counter() - start
        if done.returncode not in ({0, 1} if "dataaudit" in command else {0}):  # 1: findings
            errors.seek(0)
            print(f"  {tool.name}: FAILED with {done.returncode}: {errors.read().strip().splitlines()[-1:]}", flush=True)
            return None
    return wall


def run_all(tools: list[Tool], folder: Path, scratch: Path, rounds: int, jobs: int) -> dict[str, dict[str, float]]:
    """Time every tool cold, then warm, round after round; the quickest of each."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    two = scratch / "two" / folder.name
    (two / "photos").mkdir(parents=True)
    for path in sorted((folder / "photos").iterdir())[:START_FILES]:
        shutil.copyfile(path, two / "photos" / path.name)
    for tool in tools:
        found[tool.name]["start"] = seconds(tool, str(two), jobs) or 0.0
    for _ in range(rounds):
        for state in ("cold", "warm"):
            for tool in tools:
                if tool.name == SCAN:
                    shutil.rmtree(scratch / "cache", ignore_errors=True)
                if state == "cold":
                    forget(folder)
                wall = seconds(tool, str(folder), jobs)
                if wall is not None:
                    found[tool.name][state] = min(wall, found[tool.name].get(state, wall))
                    print(f"  {tool.name:<34}{state:<6}{wall:8.2f} s", flush=True)
    return found


# ----------------------------------------------------------------------------------------------- the table


def table(name: str, files: int, megabytes: float, found: dict[str, dict[str, float]]) -> list[str]:
    rate = {tool: rates(walls, files) for tool, walls in found.items()}
    lines = [
        f"### {name}: {files:,} files, {megabytes:,.0f} MB",
        "",
        "| tool | start | cold, images/s | of the bare limit | warm, images/s | of the bare limit |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for tool, of_tool in rate.items():
        cells = [f"{found[tool]['start']:.1f} s"]
        for state in ("cold", "warm"):
            known = state in of_tool and state in rate[BARE]
            cells.append(f"{of_tool[state]:,.0f} | {of_tool[state] / rate[BARE][state]:.2f}" if known else "failed | –")
        lines.append(f"| {tool} | {' | '.join(cells)} |")
    return [*lines, ""]


def rates(walls: dict[str, float], files: int) -> dict[str, float]:
    """Return images a second, cold and warm, beyond the start; a start that took longer than the run took no part in it."""
    return {
        state: (files - START_FILES) / (wall - walls["start"]) if wall > 1.1 * walls["start"] else files / wall
        for state, wall in walls.items()
        if state != "start"
    }


def hours(found: dict[str, dict[str, float]], files: int) -> str:
    rate = rates(found[SCAN], files)["cold"]
    return (
        f"Everything on, {rate * 3600:,.0f} images an hour: {1e6 / rate / 3600:.1f} hours for 10⁶ photos of 500 px "
        "(in proportion; relating and judging a million rows is measured by `scale.py`)."
    )


def machine(jobs: int) -> list[str]:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?"
    )
    load = os.getloadavg()[0]
    return [
        f"{model}, {os.cpu_count()} cores, {jobs} processes; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, Pillow {Image.__version__}, NumPy {np.__version__}. "
        f"Load average at the end: {load:.1f}"
        + (" (**others were computing: the ratios hold, the times do not**)." if load > 1 else "."),
    ]


def write(sections: list[str], jobs: int, peers: list[str], missing: list[str]) -> None:
    lines = [
        "# Speed, side by side",
        "",
        f"Written by `tests/benchmarks/speed.py` on {datetime.now(tz=UTC):%Y-%m-%d}; its docstring says how it is measured.",
        "",
        *machine(jobs),
        "",
        f"Peers: {', '.join(peers) or 'none'}."
        + (f" Could not be installed or started: {', '.join(missing)}." if missing else ""),
        "",
        *sections,
    ]
    RESULTS.write_text("\n".join(lines).rstrip() + "\n")
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", help="folders with pictures, photographs of 500 px and more among them")
    parser.add_argument(
        "--work", type=Path, default=Path.home() / ".cache" / "dataaudit-speed", help="where files and peers are made"
    )
    parser.add_argument("--count", type=int, default=1_000, help="files of 500 px; a tenth of it of 12 MP")
    parser.add_argument("--small", type=int, default=SMALL_FILES, help="files of 32 px")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare is not None:
        bare(arguments.bare, arguments.jobs)
        return
    if not arguments.data:
        parser.error("--data is needed: folders with pictures")
    jobs, work = arguments.jobs, arguments.work
    work.mkdir(parents=True, exist_ok=True)
    paths = sources(arguments.data)
    counts = dict.fromkeys(MAKERS, arguments.count) | {"JPEG, 12 MP": max(1, arguments.count // 10), "32 px": arguments.small}
    installed = {name: peer(name, work) for name in PEERS}
    peers = [tool for tool in installed.values() if tool]
    sections, last = [], ""
    with tempfile.TemporaryDirectory(prefix="dataaudit-speed-") as scratch:
        tools = [*our_tools(Path(scratch), jobs), *peers]
        for name, count in counts.items():
            folder = made(name, work, paths, count)
            files = [path for path in folder.rglob("*") if path.is_file()]
            print(f"{name}: {len(files):,} files", flush=True)
            found = run_all(tools, folder, Path(scratch), arguments.rounds, jobs)
            sections += table(name, len(files), sum(path.stat().st_size for path in files) / 1e6, found)
            last = last or hours(found, len(files))
    told = [f"{tool.name} {version(tool)}" for tool in peers]
    write([*sections, last], jobs, told, [name for name, tool in installed.items() if tool is None])


if __name__ == "__main__":
    main()
