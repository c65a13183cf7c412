"""Games over training rows: what a coalition of rows is worth."""

from hcdv._errors import UtilityError
from hcdv._validation import MAX_WEIGHT
from hcdv.games.catalog import NAMES, UtilityPlan, plan_utility
from hcdv.games.dispersion import DispersionGame, normalised_dispersion
from hcdv.games.evidence import EvidenceGame
from hcdv.games.fidelity import MultiFidelity
from hcdv.games.following import KernelLists, LevelsOf, learns_width
from hcdv.games.learning import with_likeliest_weights
from hcdv.games.named import KNN, Evidence, Fit, Forest, Kernel, Ridge
from hcdv.games.retrained import (
    CoalitionCache,
    Estimator,
    Function,
    Logistic,
    Module,
    RetrainedGame,
)
from hcdv.games.ridge import RidgeGame
from hcdv.games.rows import GivenRows, TrainingRows, as_features
from hcdv.games.utility import Utility
from hcdv.games.vote import Electorate, VoteGame

__all__ = [
    "KNN",
    "MAX_WEIGHT",
    "NAMES",
    "CoalitionCache",
    "DispersionGame",
    "Electorate",
    "Estimator",
    "Evidence",
    "EvidenceGame",
    "Fit",
    "Forest",
    "Function",
    "GivenRows",
    "Kernel",
    "KernelLists",
    "LevelsOf",
    "Logistic",
    "Module",
    "MultiFidelity",
    "RetrainedGame",
    "Ridge",
    "RidgeGame",
    "TrainingRows",
    "Utility",
    "UtilityError",
    "UtilityPlan",
    "VoteGame",
    "as_features",
    "learns_width",
    "normalised_dispersion",
    "plan_utility",
    "with_likeliest_weights",
]
