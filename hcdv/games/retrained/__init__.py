"""Utilities that train a model on every coalition; torch is imported only when one of its models is used."""

from hcdv.games.retrained.cache import CoalitionCache
from hcdv.games.retrained.estimator import Estimator
from hcdv.games.retrained.function import Function
from hcdv.games.retrained.game import RetrainedGame, Trainer
from hcdv.games.retrained.logistic import Logistic
from hcdv.games.retrained.module import Module

__all__ = [
    "CoalitionCache",
    "Estimator",
    "Function",
    "Logistic",
    "Module",
    "RetrainedGame",
    "Trainer",
]
