"""Sharing money out by value, exact to the smallest coin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import fsum, nan
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from hcdv._validation import check_bool, check_int, in_native_order, short
from hcdv.tasks._text import text_table
from hcdv.tasks._values import frozen, values_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Currencies (ISO 4217) whose smallest coin is not a hundredth.
DECIMALS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"], 0),
    **dict.fromkeys(["UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
MOST_DECIMALS = 12
MOST_DIGITS = 20
MOST_CHARACTERS = 100


@dataclass(frozen=True, eq=False)
class Payouts:
    """Who gets what.  ``print`` shows a table, ``to_frame()`` gives one.

    Attributes
    ----------
    sellers : tuple
        In the order of their first rows.
    values : float64 [k]
        Sum of the values of each seller's rows.
    n_rows : int64 [k]
        0 where values came by seller.
    amounts : tuple of Decimal
        They sum to ``total`` exactly.
    total, minimum : Decimal
    currency : str
    gini : float
        Of the amounts, 0 (all alike) to 1 - 1/k; NaN where nothing is paid, or somebody pays.
    pearson, spearman : float
        Correlation of the amounts with the leave-one-out drops; NaN without these, or where either is constant.
    notes : tuple of str
        What was done beyond sharing in proportion, one sentence each.
    """

    sellers: tuple[Any, ...]
    values: NDArray[np.float64]
    n_rows: NDArray[np.int64]
    amounts: tuple[Decimal, ...]
    total: Decimal
    minimum: Decimal
    currency: str
    gini: float
    pearson: float
    spearman: float
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a seller, highest amount first: seller, n_rows, value, amount (Decimal), share, currency."""
        order = self._order()
        paid = [self.amounts[k] for k in order]
        return pd.DataFrame(
            {
                "seller": [self.sellers[k] for k in order],
                "n_rows": self.n_rows[order],
                "value": self.values[order],
                "amount": pd.Series(paid, dtype=object),
                "share": [float(amount / self.total) if self.total else 0.0 for amount in paid],
                "currency": self.currency,
            }
        )

    def _order(self) -> list[int]:
        return sorted(range(len(self.sellers)), key=lambda k: (-self.amounts[k], -self.values[k], k))

    def __str__(self) -> str:
        rows = [
            [self.sellers[k], f"{self.n_rows[k]:,}", f"{self.values[k]:.4g}", f"{self.amounts[k]:,}",
             f"{self.amounts[k] / self.total:.1%}" if self.total else ""]
            for k in self._order()
        ]  # fmt: skip
        title = f"{self.total:,} {self.currency}".rstrip() + f" over {len(self.sellers):,} sellers"
        title += "" if np.isnan(self.gini) else f", Gini {self.gini:.3f}"
        if not np.isnan(self.pearson):
            title += f", correlation with leave-one-out drops {self.pearson:.2f}"
        table = text_table(title, ["seller", "rows", "value", "amount", "share"], rows)
        return "\n".join([table, *self.notes])


def marketplace_payouts(
    values: Any,
    by: ArrayLike | None = None,
    total: Any = None,
    *,
    currency: str = "",
    decimals: int | None = None,
    nonnegative: bool = True,
    minimum: Any = 0,
    leave_one_out: Any = None,
) -> Payouts:
    """Share a sum of money out over sellers, in proportion to what their rows are worth.

    Amounts are whole coins by largest remainders (ties: the higher value, then the earlier seller), computed
    in integers and fractions: they sum to ``total`` exactly.

    Parameters
    ----------
    values : ValuationResult, array [n], or mapping of seller to value
        A mapping (or a pandas Series by seller) goes without ``by``.
    by : [n], optional
        The seller of each row.
    total : int, str, Decimal or float
        Money to share out, not negative, in whole coins of ``currency``.
    currency : str
        ISO 4217 code or any other name.
    decimals : int, optional
        Digits behind the point of an amount; by default those of the currency (JPY 0, KWD 3, else 2).
    nonnegative : bool
        True: sellers whose rows are worth less than nothing together get 0 (or the minimum).  False: they
        pay, in proportion, and the others share that, too.
    minimum : int, str, Decimal or float
        Every seller gets this at least; those above it pay for it in proportion to their values.
    leave_one_out : mapping of seller to float, or array [k], optional
        What the score drops by when a seller is left out, for the correlations of the paper's Table 5; an
        array is in the order of the sellers' first rows.

    Returns
    -------
    Payouts

    Raises
    ------
    ValueError, TypeError
        If lengths differ, a row has no seller, an amount has parts of a coin, the minima exceed the total, or
        with ``nonnegative=False`` the values sum to nothing or less.

    Notes
    -----
    Values of a seller's rows sum to the seller's exact Shapley value where few sellers are the ``groups`` of
    HCDV under :class:`hcdv.games.MultiFidelity`.

    Where no seller has a positive value, all get the same, and a note says so.  Copies are rows like any here,
    and in HCDV's default game each is paid in full: look for them first (:func:`hcdv.tasks.redundancy`).

    Examples
    --------
    >>> print(marketplace_payouts([3.0, 1.0, 2.0], ["ann", "bob", "ann"], "100", currency="EUR").amounts[0])
    83.33
    """
    sellers, sums, n_rows = _by_seller(values, by)
    if not isinstance(currency, str):
        raise TypeError(f"currency must be a name such as 'EUR', got {short(currency)}.")
    if decimals is None:
        decimals = DECIMALS.get(currency.strip().upper(), 2)
    decimals = check_int(decimals, "decimals", 0, MOST_DECIMALS)
    check_bool(nonnegative, "nonnegative")
    if total is None:
        raise ValueError("total must be the sum of money to share out, got None.")
    coins = _coins(total, "total", decimals)
    least = _coins(minimum, "minimum", decimals)
    if least * len(sellers) > coins:
        raise ValueError(
            f"minimum is {minimum} for each of {len(sellers)} sellers, which is more than the total of {total}."
        )
    if not nonnegative and least:
        raise ValueError("minimum goes with nonnegative=True: with False, sellers may have to pay.")

    worth = [Fraction(value) for value in sums]
    notes = []
    losers = sum(value < 0 for value in worth)
    if nonnegative:
        if losers:
            what = "the minimum" if least else "nothing"
            notes.append(f"{losers} of {len(sellers)} sellers have a negative value and get {what}.")
        worth = [max(value, Fraction(0)) for value in worth]
        if not any(worth):
            worth = [Fraction(1)] * len(worth)
            notes.append("No seller has a positive value, so all get the same.")
    elif sum(worth) <= 0:
        raise ValueError("the sellers' values sum to nothing or less, so there is no share of it to pay out.")
    elif losers:
        notes.append(f"{losers} of {len(sellers)} sellers have a negative value and pay.")
    parts = _with_floor(coins, worth, least, sums) if nonnegative else _largest_remainders(coins, worth, sums)
    unit = Decimal(1).scaleb(-decimals)
    drops = None if leave_one_out is None else _drops(leave_one_out, sellers)
    paid = np.array(parts, dtype=np.float64)
    return Payouts(
        sellers=tuple(sellers),
        values=frozen(np.array(sums)),
        n_rows=frozen(n_rows),
        amounts=tuple(_money(part, unit) for part in parts),
        total=_money(coins, unit),
        minimum=_money(least, unit),
        currency=currency,
        gini=_gini(parts),
        pearson=nan if drops is None else _correlation(pearsonr, paid, drops),
        spearman=nan if drops is None else _correlation(spearmanr, paid, drops),
        notes=tuple(notes),
    )


def _by_seller(values: Any, by: Any) -> tuple[list[Any], list[float], NDArray[np.int64]]:
    """Sellers in order of appearance, the sum of their values, and their rows."""
    if isinstance(values, (Mapping, pd.Series)) and by is None:
        items = list(values.items())
        sellers = [seller for seller, _ in items]
        nameless = int(pd.isna(pd.Index(sellers, dtype=object, tupleize_cols=False)).sum())
        if nameless:
            raise ValueError(f"values has {nameless} entries without a seller.")
        if len(set(sellers)) < len(sellers):
            raise ValueError("values names a seller more than once; pass the names as by instead.")
        sums = values_of([value for _, value in items])
        return sellers, sums.tolist(), np.zeros(len(sellers), np.int64)
    worth = values_of(values)
    if by is None:
        raise ValueError("by must name the seller of each row, unless values is a mapping by seller.")
    column = by if isinstance(by, pd.Series) else _names(by)
    if column.ndim != 1 or len(column) != len(worth):
        raise ValueError(f"by must name the seller of each of {len(worth)} rows, got shape {column.shape}.")
    missing = np.asarray(pd.isna(column))
    if missing.any():
        first = int(missing.argmax())
        raise ValueError(f"by has {int(missing.sum())} rows without a seller (first at row {first}).")
    try:
        codes, sellers = pd.factorize(column)
    except TypeError:
        raise TypeError("by must name sellers by text, numbers or the like, one a row.") from None
    n_rows = np.bincount(codes, minlength=len(sellers)).astype(np.int64)
    by_seller = np.split(worth[np.argsort(codes, kind="stable")], np.cumsum(n_rows)[:-1])
    # Exactly rounded: a seller's sum does not depend on the order of the rows.
    try:
        return list(sellers), [fsum(mine) for mine in by_seller], n_rows
    except OverflowError:
        raise ValueError("values are too large to add up; scale them down first.") from None


def _names(by: Any) -> NDArray[Any]:
    # Objects stay what they are: out of 1 and "1" numpy would make one seller.
    if isinstance(by, Sequence) and not isinstance(by, (str, bytes)):
        return np.fromiter(by, dtype=object, count=len(by))
    return in_native_order(np.asarray(by))


def _coins(amount: Any, name: str, decimals: int) -> int:
    """``amount`` in smallest coins."""
    if isinstance(amount, Integral) and not isinstance(amount, (bool, np.bool_)):
        too_long = abs(int(amount)) >= 10**MOST_DIGITS
    else:
        too_long = isinstance(amount, str) and len(amount) > MOST_CHARACTERS
    if too_long:
        raise ValueError(f"{name} must have fewer than {MOST_DIGITS} digits.")
    if isinstance(amount, (bool, np.bool_)) or not isinstance(amount, (str, Real, Decimal)):
        raise TypeError(f"{name} must be an amount of money, got {short(amount)}.")
    try:
        # A float's shortest decimal form is what the caller wrote.
        number = Decimal(int(amount) if isinstance(amount, Integral) else str(amount).strip())
    except InvalidOperation:
        raise ValueError(f"{name} must be an amount of money, got {short(amount)}.") from None
    if not number.is_finite() or number < 0:
        raise ValueError(f"{name} must be a finite amount of at least 0, got {amount}.")
    if number and not -MOST_DIGITS < number.adjusted() < MOST_DIGITS:
        raise ValueError(f"{name} must have fewer than {MOST_DIGITS} digits, got {amount}.")
    coins = Fraction(number) * 10**decimals
    if coins.denominator != 1:
        raise ValueError(f"{name} is {amount}, but an amount has {decimals} decimals at most here.")
    return coins.numerator


def _money(coins: int, unit: Decimal) -> Decimal:
    # Built from digits: arithmetic would round to the context's 28.
    digits = tuple(map(int, str(abs(coins))))
    return Decimal((int(coins < 0), digits, int(unit.as_tuple().exponent)))


def _with_floor(coins: int, worth: list[Fraction], least: int, sums: list[float]) -> list[int]:
    """Whole coins in proportion to ``worth``, at least ``least`` each.

    ``worth`` is not negative and not all 0, and ``coins`` are enough for all minima.  Whoever would get less
    than the minimum gets it, and the others share the rest; that may bring further ones below it, so it is
    done again until nobody is.
    """
    parts = [least] * len(worth)
    above, rest = list(range(len(worth))), coins
    while True:
        # Not empty: the total covers the minima, so that those above share at least as many.
        claims = [worth[k] for k in above]
        claimed = sum(claims)
        kept = [k for k, claim in zip(above, claims, strict=True) if claim * rest >= least * claimed]
        if len(kept) == len(above):
            break
        rest -= least * (len(above) - len(kept))
        above = kept
    for k, part in zip(above, _largest_remainders(rest, claims, [sums[k] for k in above]), strict=True):
        parts[k] = part
    return parts


def _largest_remainders(coins: int, worth: list[Fraction], sums: list[float]) -> list[int]:
    """Whole coins that sum to ``coins``, in proportion to ``worth`` (of a positive sum).

    Of equal remainders the one of the higher ``sums`` comes first.
    """
    total = sum(worth)
    exact = [coins * value / total for value in worth]
    parts = [value.numerator // value.denominator for value in exact]
    by_remainder = sorted(range(len(worth)), key=lambda k: (parts[k] - exact[k], -sums[k], k))
    for k in by_remainder[: coins - sum(parts)]:
        parts[k] += 1
    return parts


def _gini(parts: list[int]) -> float:
    """Gini coefficient: mean absolute difference of two parts over twice their mean."""
    total, n = sum(parts), len(parts)
    if total == 0 or min(parts) < 0:
        return nan
    ranked = sorted(parts)
    return float(Fraction(sum((2 * k + 1 - n) * part for k, part in enumerate(ranked)), n * total))


def _drops(leave_one_out: Any, sellers: list[Any]) -> NDArray[np.float64]:
    if isinstance(leave_one_out, (Mapping, pd.Series)):
        unknown = [seller for seller in sellers if seller not in leave_one_out]
        if unknown:
            raise ValueError(f"leave_one_out has no drop for seller {unknown[0]!r}.")
        leave_one_out = [leave_one_out[seller] for seller in sellers]
    drops = values_of(leave_one_out, "leave_one_out")
    if len(drops) != len(sellers):
        raise ValueError(f"leave_one_out has {len(drops)} drops for {len(sellers)} sellers.")
    return drops


def _correlation(function: Any, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return nan
    return float(function(a, b).statistic)
