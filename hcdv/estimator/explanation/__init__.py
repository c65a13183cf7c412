"""Why a row has its value: where it lies, who surrounds it, whom it helps and hurts."""

from hcdv.estimator.explanation.explainer import Explainer
from hcdv.estimator.explanation.record import Duplicate, Explanation, Listener, Neighbour, PathNode, Voter

__all__ = ["Duplicate", "Explainer", "Explanation", "Listener", "Neighbour", "PathNode", "Voter"]
