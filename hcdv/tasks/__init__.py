"""What people do with values: find wrong labels, drop and add rows, pay sellers, choose augmentations."""

from hcdv.tasks.augmentations import Augmentations, Batch, rank_augmentations
from hcdv.tasks.curves import Curves, addition_curve, removal_curve
from hcdv.tasks.label_noise import DetectionScores, LabelNoise, detect_label_noise
from hcdv.tasks.payouts import Payouts, marketplace_payouts
from hcdv.tasks.planted import PlantedFlips, plant_flips
from hcdv.tasks.redundancy import Redundancy, redundancy
from hcdv.tasks.stability import Repeats, Stability, stability

__all__ = [
    "Augmentations",
    "Batch",
    "Curves",
    "DetectionScores",
    "LabelNoise",
    "Payouts",
    "PlantedFlips",
    "Redundancy",
    "Repeats",
    "Stability",
    "addition_curve",
    "detect_label_noise",
    "marketplace_payouts",
    "plant_flips",
    "rank_augmentations",
    "redundancy",
    "removal_curve",
    "stability",
]
