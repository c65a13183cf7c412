"""One call that measures all of it."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from hcdv._random import RandomState, check_seed
from hcdv._validation import check_fraction, check_int
from hcdv.diagnostics.axioms import propositions_2_to_4
from hcdv.diagnostics.bounds import check_delta
from hcdv.diagnostics.concentration import proposition_1, standard_errors
from hcdv.diagnostics.copies import copies
from hcdv.diagnostics.diagnosis import Diagnosis
from hcdv.diagnostics.efficiency import against_shapley, theorem_1
from hcdv.diagnostics.evidence import Evidence
from hcdv.diagnostics.regret import theorem_2
from hcdv.diagnostics.repeats import repeat
from hcdv.diagnostics.setting import check_model, setting_of
from hcdv.engine import single_threaded_blas


def diagnose(
    model: Any,
    X: Any,
    y: ArrayLike,
    X_val: Any = None,
    y_val: ArrayLike | None = None,
    *,
    n_repeats: int = 10,
    delta: float = 0.05,
    fraction: float = 0.3,
    random_state: RandomState = 0,
) -> Diagnosis:
    """Hold a fitted model against the paper's theorems and axioms: what each promises, and what was measured.

    The games behind the model are taken from a refit on its own tree and played again with fresh permutations;
    nothing of the model changes.  It takes about as long as ``n_repeats`` + 7 fits (twice that for
    literal allocations), and as many models are trained where the utility trains some.

    Parameters
    ----------
    model : HCDV
        Fitted, with an integer ``random_state`` if its utility is itself random (forests, folds, networks).
    X, y, X_val, y_val
        What it was fitted on.
    n_repeats : int
        Repeats with fresh permutations, at least 2.
    delta : float in (0, 1)
        Proposition 1 may fail with this probability.
    fraction : float in [0, 1]
        Share of the rows that Theorem 2 chooses.
    random_state : int, generator or None
        Of the fresh permutations.

    Returns
    -------
    Diagnosis
        ``print`` shows it, ``to_frame()`` is a table, ``holds`` says whether every promise was kept.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, such as rows that the model was not fitted on.
    UtilityError
        If the utility fails on a coalition.

    Examples
    --------
    >>> from hcdv import HCDV
    >>> from hcdv.datasets import load_iris
    >>> from hcdv.diagnostics import diagnose
    >>> data = load_iris()
    >>> model = HCDV(random_state=0).fit(data.X, data.y, data.X_val, data.y_val)
    >>> diagnose(model, data.X, data.y, data.X_val, data.y_val, n_repeats=3).holds
    True
    """
    check_model(model)
    n_repeats = check_int(n_repeats, "n_repeats", 2)
    delta = check_delta(delta)
    fraction = check_fraction(fraction, "fraction")
    seed = check_seed(random_state)
    with single_threaded_blas():
        setting = setting_of(model, X, y, X_val, y_val)
        seen = Evidence(
            model.result_, setting, repeat(setting, n_repeats, seed), seed, delta
        )
        lines = [
            *theorem_1(seen),
            *against_shapley(seen),
            *proposition_1(seen),
            *standard_errors(seen),
            *theorem_2(seen, fraction),
            *propositions_2_to_4(seen),
            *copies(seen, model, X, y, X_val, y_val),
        ]
    literal = setting.literal
    how = "winter" if literal is None else f"{literal.mode} ({literal.normalise}, {literal.leaf} leaves)"
    return Diagnosis(
        tuple(lines), how, setting.tree.n_points, setting.tree.n_nodes, setting.n_permutations, n_repeats, delta
    )
