from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from dataaudit.domain import CopyEvidence, Finding, Leak, Summary
from dataaudit.reports import exhibits, html
from dataaudit.reports.names import shown
from dataaudit.reports.outline import blocks
from dataaudit.reports.pictures import Album
from measurements import make
from reports_fixture import HOSTILE, RULES, clean, crowded, hostile, report, unsplit

VOID = {"meta", "img", "br", "wbr"}


class Page(HTMLParser):
    """What a browser would see: tags that match, their attributes, and the text between."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    @property
    def text(self):
        return "".join(self.words)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return hostile(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def page(told):
    return Page(html.render(told))


def test_the_page_is_whole_and_asks_for_nothing(page):
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert all(source.startswith("data:image/") for source in page.attributes("src"))
    assert all(target.startswith("#") for target in page.attributes("href"))
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "url(" not in page.text
    assert "@import" not in page.text
    policy = next(attributes["content"] for _, attributes in page.tags if "Content-Security-Policy" in attributes.values())
    assert policy.startswith("default-src 'none'")


def test_every_link_leads_somewhere(page):
    places = page.attributes("id")
    assert len(places) == len(set(places))
    assert {f"#{place}" for place in places} == set(page.attributes("href"))


def test_hostile_names_are_text(page):
    for name in ("script", "newline", "pipe", "bytes"):
        assert shown(HOSTILE[name]) in page.text


def test_pairs_lie_side_by_side_laid_on_one_another_and_compared(told):
    block = next(block for block in blocks(told) if block.rule.code == "LEK203")
    near, turned = exhibits.exhibits(block, Album(told.measurements))[0]
    first, second = "train/cat/0000.jpg", "val/cat/turned.png"
    assert [figure.path for figure in near.figures] == [first, "val/cat/resaved.jpg", ""]
    assert [figure.path for figure in turned.figures] == [first, second, "", ""]
    assert [figure.alt for figure in turned.figures[2:]] == [
        f"{first}, mirrored, rotated 90°, half-transparent on {second}",
        f"where {first} and {second} differ",
    ]
    assert [near.message, turned.message] == [found.message for found in block.findings]
    assert near.relation == turned.relation == ""  # the message says it
    assert turned.crosses == "train ↔ val"
    sizes = [(figure.thumbnail.width, figure.thumbnail.height) for figure in turned.figures]
    assert sizes[0] == sizes[1][::-1]
    assert sizes[1:] == [sizes[1]] * 3


def test_where_two_pictures_truly_differ_stands_in_a_box(told):
    measurements = told.measurements
    pair = next(pair for pair in measurements.copies.pairs if pair.relation == "near")
    other = replace(pair, differs=(0.1, 0.2, 0.3, 0.4))
    found = (Finding(RULES["LEK203"], "said", (pair.a, pair.b), CopyEvidence((other,))),)
    source = html.render(replace(told, findings=found))
    assert source.count('<i class="box" style="left:10.0%;top:20.0%;width:30.0%;height:40.0%">') == 2
    assert "coloured where the two differ: on the left, 12 % of the picture" in source
    assert "<i class" not in html.render(replace(told, findings=(replace(found[0], evidence=CopyEvidence((pair,))),)))


def test_the_picture_of_the_later_split_comes_second():
    rows = [("test/a.jpg", "cat", "test"), ("train/b.jpg", "cat", "train")]
    measurements = make(rows, [("test/a.jpg", "train/b.jpg", "transformed")])
    found = (Finding(RULES["LEK203"], "x", (0, 1), CopyEvidence(measurements.copies.pairs)),)
    (pair,), _ = exhibits.exhibits(blocks(report(measurements, Summary("suspect", "x", ()), found))[0], Album(measurements))
    assert [figure.path for figure in pair.figures] == ["train/b.jpg", "test/a.jpg"]
    assert pair.crosses == "train ↔ test"


def test_a_file_that_cannot_be_shown_leaves_a_placeholder(told, page):
    missing = [figure for block in blocks(told) for each in exhibits.exhibits(block, Album(told.measurements))[0]
               for figure in getattr(each, "figures", ()) if figure.thumbnail.uri is None]  # fmt: skip
    assert {figure.thumbnail.problem for figure in missing} == {"unreadable", "truncated"}
    assert page.text.count("no picture") == len(missing) == 3


def test_pictures_are_bounded_and_the_page_says_so(tmp_path):
    names = [f"{split}/cat/{n:03}.jpg" for split in ("train", "val") for n in range(60)]
    measurements = make(
        [(name, "cat", name.split("/")[0]) for name in names],
        [(f"train/cat/{n:03}.jpg", f"val/cat/{n:03}.jpg", "exact") for n in range(60)],
        catalog={"root": tmp_path},
    )
    found = tuple(Finding(RULES["LEK201"], "copy", (p.a, p.b), CopyEvidence((p,))) for p in measurements.copies.pairs)
    source = html.render(report(measurements, Summary("not-trustworthy", "LEAK: x", (Leak("val", 60, 60, 0, None),)), found))
    page = Page(source)
    assert sum("pair" in attributes.get("class", "").split() for _, attributes in page.tags) == exhibits.LIMIT
    assert "… and 36 more in report.json" in page.text
    assert page.text.count("changed since it was measured") == 2 * exhibits.LIMIT


def test_of_every_group_the_pair_that_crosses_comes_first():
    measurements = make(
        [
            ("train/a.jpg", "cat", "train"), ("train/b.jpg", "cat", "train"), ("train/d.jpg", "cat", "train"),
            ("val/c.jpg", "cat", "val"), ("val/e.jpg", "dog", "val"),
        ],
        [("train/a.jpg", "train/b.jpg", "exact"), ("train/a.jpg", "val/c.jpg", "exact"), ("train/d.jpg", "val/e.jpg", "exact")],
    )  # fmt: skip
    first, second, third = measurements.copies.pairs
    found = (
        Finding(RULES["LEK201"], "x", (0, 1, 3), CopyEvidence((second, first))),
        Finding(RULES["LEK201"], "y", (2, 4), CopyEvidence((third,))),
    )
    told = report(measurements, Summary("suspect", "x", ()), found)
    shown_pairs, more = exhibits.exhibits(blocks(told)[0], Album(measurements))
    assert [pair.crosses for pair in shown_pairs] == ["train ↔ val", "train ↔ val, cat ≠ dog", ""]
    assert [pair.message for pair in shown_pairs] == ["x", "y", ""]
    assert [pair.relation for pair in shown_pairs] == ["", "", "exact: same bytes"]
    assert more == 0


def test_many_rules_share_the_page():
    assert exhibits.limits(["error", "warning", "info"]) == (24, 24, 8)
    assert exhibits.limits(["error"] * 30) == (8,) * 30
    assert exhibits.limits(["info"] * 500) == (4,) * 500


def test_the_verdict_is_told_once(told):
    source = html.render(told)
    assert "<h1>Validation not trustworthy</h1>" in source
    assert '<p class="sentence">5 of 14 images are copies' in source
    plain = replace(told, summary=replace(told.summary, sentence="It leaks: a lot"))
    assert "<h1>Validation cannot be trusted</h1>" in html.render(plain)
    assert '<p class="sentence">It leaks: a lot</p>' in html.render(plain)


def test_other_reports_are_pages_too():
    assert "Nothing found." in Page(html.render(clean())).text
    assert "always “" not in Page(html.render(unsplit())).text  # the sentence says it
    crowd = html.render(crowded())
    assert "… 260 classes between" in Page(crowd).text
    assert len(crowd) < 1_000_000
