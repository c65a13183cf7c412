"""The facade: one object that values the rows of a data set, and keeps their values current."""

from hcdv.estimator.explanation import Explainer, Explanation
from hcdv.estimator.fitting import ENCODER_SUFFIX
from hcdv.estimator.model import HCDV
from hcdv.estimator.update import Update

__all__ = ["ENCODER_SUFFIX", "HCDV", "Explainer", "Explanation", "Update"]
