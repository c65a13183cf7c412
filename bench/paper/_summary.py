"""The top of docs/paper.md: a line for each claim, so that nobody reads all tables to see which hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bench.paper._experiment import markdown_table
from bench.paper._verdicts import Claim, Finding

TITLE = "## Where the paper's claims stand"
WORDS = f"""{TITLE}

Our figures, and in round brackets those that the paper prints; links lead to the evidence. A claim of several
parts (sets, cells, rivals) holds if all of them do, partly if some do. *Default* is HCDV as it comes (in Figure
3 on trees of the paper's sizes, in the theory its allocation and its chains); what no setting of HCDV decides
stands there too, beside a dash. *The paper's settings* are those of `HCDV.paper`: where both were measured,
only they judge the paper's method. As elsewhere on this page, they are among the default's rivals in Table 1.
"""


def summary(claims: Iterable[tuple[Claim, str]]) -> str:
    """Claims, each with the heading of the section that has its evidence."""
    lines = [
        [
            f"[{claim.source}](#{anchor(heading)})",
            claim.says,
            cell(claim.default),
            cell(claim.literal) if claim.literal else "–",
        ]
        for claim, heading in claims
    ]
    head = ["", "the paper's claim", "default", "the paper's settings"]
    return f"{WORDS}\n{markdown_table(head, lines, of_words=True)}\n"


def cell(finding: Finding) -> str:
    return f"**{finding.verdict}**" + (f": {finding.told}" if finding.told else "")


def anchor(heading: str) -> str:
    """GitHub's, of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower())
    return kept.replace(" ", "-")
