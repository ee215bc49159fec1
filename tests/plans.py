"""Datasets for the tests of the fixers: files with contents, so that they can be renamed, relabelled and repaired virtually."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from dataaudit.domain import NONE, ROLES, Failure
from measurements import components, make

if TYPE_CHECKING:
    from dataaudit.domain import Measurements, SplitPlan


@dataclass(frozen=True)
class File:
    content: int
    label: int | None
    split: str | None
    group: int | None = None
    broken: bool = False
    name: str = ""


@dataclass(frozen=True)
class Dataset:
    """Files, and links between contents: (content, content, relation, verdict)."""

    files: tuple[File, ...]
    links: tuple[tuple[int, int, str, str], ...] = ()
    classes: tuple[str, ...] = ("ant", "bee", "cat", "dog", "eel")

    def path(self, index: int) -> str:
        file = self.files[index]
        label = None if file.label is None else self.classes[file.label]
        return "/".join(part for part in (file.split, label, file.name or f"{index:05}.jpg") if part)

    def measure(self) -> Measurements:
        """Return measurements whose digests follow from the contents, and whose pairs follow from contents and links."""
        paths = [self.path(index) for index in range(len(self.files))]
        rows = [
            (
                path,
                None if file.label is None else self.classes[file.label],
                file.split,
                None if file.group is None else f"g{file.group}",
            )
            for path, file in zip(paths, self.files, strict=True)
        ]
        first: dict[int, str] = {}
        pairs = []
        for path, file in sorted(zip(paths, self.files, strict=True), key=lambda item: item[0]):
            if not file.broken and first.setdefault(file.content, path) != path:
                pairs.append((first[file.content], path, "exact"))
        pairs += [
            (first[a], first[b], relation, verdict) for a, b, relation, verdict in self.relations() if a in first and b in first
        ]
        pairs = list({(min(pair[:2]), max(pair[:2])): pair for pair in reversed(pairs)}.values())
        digests = {path: digest(file.content) for path, file in zip(paths, self.files, strict=True)}
        failures = {path: Failure("unreadable", "no image") for path, file in zip(paths, self.files, strict=True) if file.broken}
        return make(rows, pairs, sha256=digests, failures=failures)

    def relations(self) -> list[tuple[int, int, str, str]]:
        """Return every related pair of contents: contents of equal pixels are related to the same others."""
        top = max((content for link in self.links for content in link[:2]), default=0) + 1
        same = components(top, [link[:2] for link in self.links if link[2] == "pixel"])
        equal = [(a, b, "pixel", "proved") for a in range(top) for b in range(a + 1, top) if same[a] == same[b]]
        others = [
            (a, b, *link[2:])
            for link in self.links
            for a in np.flatnonzero(same == same[link[0]]).tolist()
            for b in np.flatnonzero(same == same[link[1]]).tolist()
            if link[2] != "pixel" and same[a] != same[b]
        ]
        return equal + others

    def after(self, plan: SplitPlan) -> Dataset:
        """Return the dataset that applying the plan makes."""
        row = {path: index for index, path in enumerate(plan.catalog.paths)}
        files = []
        for index, file in enumerate(self.files):
            path = self.path(index)
            code = int(plan.split_codes[row[path]])
            if code != NONE:
                files.append(replace(file, split=ROLES[code], name=path.replace("/", "_")))
        return replace(self, files=tuple(files))

    def placed(self, plan: SplitPlan) -> Counter:
        """Return how often each (content, label, group, old split) went to each new split and fold."""
        row = {path: index for index, path in enumerate(plan.catalog.paths)}
        found: Counter = Counter()
        for index, file in enumerate(self.files):
            at = row[self.path(index)]
            found[(file.content, file.label, file.split, int(plan.split_codes[at]), int(plan.fold_codes[at]))] += 1
        return found


def digest(content: int) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(str(content).encode()).digest(), ">u8").astype(np.uint64)


@st.composite
def datasets(draw, *, split: bool | None = None, most: int = 60) -> Dataset:
    """Return datasets with copies, groups, broken, unlabelled and conflicting files, of every split or of none."""
    split = draw(st.booleans()) if split is None else split
    classes = draw(st.integers(1, 5))
    contents = draw(st.integers(3, most))
    role = st.sampled_from(["train", "train", "train", "val", "test"]) if split else st.none()
    files = []
    home = [draw(st.integers(0, classes - 1)) for _ in range(contents)]
    for _ in range(draw(st.integers(3, most))):
        content = draw(st.integers(0, contents - 1))
        odd = draw(st.integers(0, 19))
        label = draw(st.integers(0, classes - 1)) if odd == 0 else None if odd == 1 else home[content]
        files.append(
            File(content, label, draw(role), draw(st.none() | st.integers(0, 8)) if odd % 3 == 0 else None, broken=odd == 2)
        )
    link = st.tuples(
        st.integers(0, contents - 1),
        st.integers(0, contents - 1),
        st.sampled_from(["pixel", "near", "transformed"]),
        st.sampled_from(["proved", "probable"]),
    ).map(lambda item: (*item[:3], "proved") if item[2] == "pixel" else item)
    links = draw(st.lists(link, max_size=12))
    return Dataset(tuple(files), tuple(links))
