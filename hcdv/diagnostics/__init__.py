"""The paper's bounds and axioms: as formulas, and measured on a fitted model."""

from hcdv.diagnostics.bounds import (
    bound_of,
    evaluations_for,
    level_sizes,
    permutations_for,
    radius,
    regret_bound,
)
from hcdv.diagnostics.diagnose import diagnose
from hcdv.diagnostics.diagnosis import Diagnosis, Line

__all__ = [
    "Diagnosis",
    "Line",
    "bound_of",
    "diagnose",
    "evaluations_for",
    "level_sizes",
    "permutations_for",
    "radius",
    "regret_bound",
]
