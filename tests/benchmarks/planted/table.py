"""The benchmark's table, as Markdown."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planted.imagemagick import CONVERT

from dataaudit import __version__
from dataaudit.statistics.proportions import wilson

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from planted.search import FalsePair, Searched, Searcher

MEANS = ("single", "overlay", "Keras parameter", "Keras policy", "both sides")
_NAMED = 4
_LISTED = 40
PEERS = ("imagededup pHash", "PDQ, dihedral")


def render(title: str, given: argparse.Namespace, searcher: Searcher, results: Sequence[Searched], peers: dict[str, Any]) -> str:
    """Return the section of one run."""
    lines = [f"## {title}", "", *_conditions(given, searcher, peers), ""]
    columns = ["family", "made by", "n", "proved", "95 %", "+ probable", "nominated", "false proved / probable"]
    columns += PEERS if peers else ()
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_row(result, peers)) + " |" for result in results]
    lines += ["", *_means(results, peers), "", *_false(searcher, results, peers)]
    return "\n".join(lines) + "\n"


def replace_section(file: Path, title: str, section: str) -> None:
    """Write a section into the file, in place of the one with the same title."""
    text = file.read_text(encoding="utf-8") if file.exists() else "# Copies found, by family\n\n"
    head, *sections = re.split(r"(?m)^(?=## )", text)
    kept = [old for old in sections if old.splitlines()[0] != f"## {title}"]
    file.write_text(head + "\n".join(part.strip() + "\n" for part in [*kept, section]), encoding="utf-8")


def _conditions(given: argparse.Namespace, searcher: Searcher, peers: dict[str, Any]) -> list[str]:
    count = len(searcher.gallery)
    imagemagick = subprocess.run([CONVERT, "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    packages = ", ".join(f"{name} {version(name)}" for name in ("keras", "tensorflow-cpu", "numpy", "pillow"))
    size = f", short side at most {given.size} px" if given.size else ""
    size = f", short side at most {given.size} px" if given.size else ""
    queries = max(searcher.queries, 1)
    told = [
        f"{count} pictures of `{given.data.name}`{size}; {given.queries} queries a family, seed {given.seed};",
        f"dataaudit {__version__} ({_commit()}), {os.cpu_count()} cores ({_processor()}), Python {platform.python_version()},",
        f"{packages}, ImageMagick {imagemagick}.",
        f"CPU time of all processes: {1000 * searcher.index_seconds / count:.1f} ms a picture to index,",
        f"{1000 * searcher.gallery_seconds / count:.1f} ms a picture to search the bare pictures,",
        f"{1000 * searcher.search_seconds / queries:.0f} ms to search a planted copy.",
    ]
    if peers:
        told.append(
            "Peers: " + ", ".join(f"{name} {peers['milliseconds'][name]:.1f} ms a picture to index" for name in PEERS) + "."
        )
    return told


def _row(result: Searched, peers: dict[str, Any]) -> list[str]:
    n = len(result.pairs_of_truth)
    wrong = [sum(pair.verdict == verdict for pair in result.false_pairs) for verdict in ("proved", "probable")]
    cells = [result.family.name, result.family.library.split("_")[0], str(n or "–")]
    if n:
        low, high = wilson(result.proved, n)
        cells += [_share(result.proved, n), f"{_number(low)}–{_number(high)}"]
        cells += [_share(result.proved + result.probable, n), _share(result.nominated, n)]
    else:
        cells += ["–"] * 4
    cells.append(f"{wrong[0]} / {wrong[1]}")
    if peers:
        found = peers["searches"][result.family.name]
        truth = set(result.pairs_of_truth)
        cells += [
            _share(len(truth & set(map(tuple, found[name]))), n) if n else _strangers(result, found[name]) for name in PEERS
        ]
    return cells


def _strangers(result: Searched, pairs: Sequence[Sequence[int]]) -> str:
    return f"{sum(result.files[a].stem != result.files[b].stem for a, b in pairs)} false"


def _means(results: Sequence[Searched], peers: dict[str, Any]) -> list[str]:
    """Mean recall over the families of a kind, and the worst of them."""
    lines = ["Mean recall at *proved* over the families of a kind, the worst family, and with *probable*:", ""]
    for kind in MEANS:
        some = [result for result in results if result.family.kind == kind]
        if some:
            recalls = {result.family.name: result.proved / len(result.pairs_of_truth) for result in some}
            also = [(result.proved + result.probable) / len(result.pairs_of_truth) for result in some]
            worst = min(recalls, key=lambda name: recalls[name])
            line = f"- {kind}: {_number(sum(recalls.values()) / len(some))}, {worst} {_number(recalls[worst])}, "
            line += f"with probable {_number(sum(also) / len(some))}"
            for name in PEERS if peers else ():
                found = [
                    len(set(result.pairs_of_truth) & set(map(tuple, peers["searches"][result.family.name][name])))
                    / len(result.pairs_of_truth)
                    for result in some
                ]
                line += f"; {name} {_number(sum(found) / len(some))}"
            lines.append(line)
    return lines


def _false(searcher: Searcher, results: Sequence[Searched], peers: dict[str, Any]) -> list[str]:
    own = [_pair(pair) for pair in searcher.gallery_pairs]
    lines = [f"Pairs that the bare pictures make among themselves ({len(own)}; at most {_LISTED} are named):"]
    lines += own[:: -(-len(own) // _LISTED) or 1]
    count = sum(len(result.false_pairs) for result in results)
    searched = sum(len(result.pairs_of_truth) for result in results)
    lines += [
        "",
        f"False pairs ({count}, of {searched} planted copies and the families that are none; at most {_LISTED} are named):",
    ]
    named = [f"{_pair(pair)}, in *{result.family.name}*" for result in results for pair in result.false_pairs[:_NAMED]]
    lines += named[:: -(-len(named) // _LISTED) or 1]
    if peers:
        alike = searcher.alike
        for name in PEERS:
            count = sum(
                result.files[a].stem != result.files[b].stem
                and frozenset((int(result.files[a].stem), int(result.files[b].stem))) not in alike
                for result in results
                for a, b in peers["searches"][result.family.name][name]
            )
            lines.append(f"{name}: {count} such pairs.")
    return lines


def _pair(pair: FalsePair) -> str:
    names = " and ".join(f"{path.parent.name}/{path.name}" for path in (pair.a, pair.b))
    return f"- {pair.verdict}: {names}, similarity {pair.similarity:.3f}, overlap {pair.overlap:.2f}"


def _share(count: int, n: int) -> str:
    return _number(count / n)


def _number(value: float) -> str:
    """Three digits: ``.985``, ``1.00``."""
    return f"{value:.2f}" if value >= 0.9995 else f"{value:.3f}"[1:]


def _commit() -> str:
    command = ["git", "-C", Path(__file__).parent, "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "no commit"


def _processor() -> str:
    names = re.findall(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return names[0] if names else platform.machine()
