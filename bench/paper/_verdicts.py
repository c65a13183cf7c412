"""What a claim of the paper comes to here: one word, and our figure beside the printed one."""

from __future__ import annotations

from typing import NamedTuple

HOLDS, PARTLY, FAILS, UNTESTED = "holds", "partly", "does not hold", "not tested"


def verdict(*parts: bool) -> str:
    """Of a claim that has these parts; without any, nothing was tested."""
    if not parts:
        return UNTESTED
    return HOLDS if all(parts) else PARTLY if any(parts) else FAILS


class Finding(NamedTuple):
    """One of the words above, and what was measured."""

    verdict: str
    told: str


NOTHING = Finding(UNTESTED, "")


class Claim(NamedTuple):
    """A sentence of the paper, and what it comes to.

    Attributes
    ----------
    source : str
        The paper's table, figure or theorem.
    says : str
        The claim in a few words.
    default : Finding
        Of HCDV as it comes, or of what no setting of HCDV decides.
    literal : Finding or None
        Of the paper's own settings; None where the claim is not about settings.
    """

    source: str
    says: str
    default: Finding
    literal: Finding | None


def count(parts: list[bool]) -> str:
    """``3 of 4``"""
    return f"{sum(parts)} of {len(parts)}"
