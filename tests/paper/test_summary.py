"""The top of docs/paper.md: words, links and the line under each section."""

import re

import pytest

from bench.paper import _page
from bench.paper._store import Store
from bench.paper._summary import TITLE, summary
from bench.paper._verdicts import NOTHING, Claim, Finding, verdict


@pytest.mark.parametrize(
    ("parts", "word"),
    [((), "not tested"), ((True,), "holds"), ((True, True), "holds"), ((True, False), "partly"),
     ((False,), "does not hold"), ((False, False), "does not hold")],
)  # fmt: skip
def test_words(parts, word):
    assert verdict(*parts) == word


def test_lines():
    claim = Claim("Table 7", "it is first", Finding("partly", "1 of 2 (2 of 2)"), NOTHING)
    independent = Claim("Theorem 7", "sums are 0", Finding("holds", "0"), None)
    text = summary([(claim, "## Table 7: a 30% cut"), (independent, "## Theory, Eqs. 1-2")])
    assert text.startswith(TITLE)
    *_, first, last = text.strip().splitlines()
    assert first == (
        "| [Table 7](#table-7-a-30-cut) | it is first | **partly**: 1 of 2 (2 of 2) | **not tested** |"
    )
    assert last == "| [Theorem 7](#theory-eqs-1-2) | sums are 0 | **holds**: 0 | – |"


def test_links_of_the_page_lead_somewhere():
    """Anchors made another way: as those of words, joined by what is between them."""
    page = _page.PAGE.read_text()
    headings = [
        re.findall(r"[A-Za-z0-9]+", heading) for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    ]
    anchors = {"-".join(words).lower() for words in headings}
    top = page.split(TITLE)[1].split("\n## ")[0]
    assert {line.count("|") for line in top.splitlines() if line.startswith("|")} == {5}
    links = re.findall(r"\]\(#([^)]*)\)", top)
    assert len(links) > 10 and set(links) <= anchors
    assert page.index(TITLE) < page.index("## Tables 1 and 2")


def test_where_rows_come_from(tmp_path):
    def told(*rows):
        store = Store(tmp_path, "ci", "counting")
        store.forget()
        for row in rows:
            store.add(row)
        return _page.footer(store)

    assert told({"commit": "a"}, {"commit": "a"}).startswith("*Scale `ci`, ") and "cells of" not in told({})
    assert "*Scale `ci`, cells of 2 commits, the last one on " in told({"commit": "a"}, {"commit": "b"})
    both = told({"commit": "a", "processor": "x"}, {"commit": "b", "processor": "y"}, {"commit": "c"})
    assert "cells of 3 commits and 2 processors, the last one on " in both
