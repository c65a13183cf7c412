"""Other valuation methods, on the same utilities and with the same kind of result."""

from hcdv.baselines.bagging import data_oob
from hcdv.baselines.banzhaf import data_banzhaf
from hcdv.baselines.beta import beta_shapley
from hcdv.baselines.chance import random_values
from hcdv.baselines.class_wise import class_wise_shapley
from hcdv.baselines.folds import out_of_fold_confidence
from hcdv.baselines.groups import group_shapley
from hcdv.baselines.knn import knn_shapley
from hcdv.baselines.one_out import leave_one_out
from hcdv.baselines.permutations import data_shapley
from hcdv.baselines.stratified import stratified_shapley
from hcdv.baselines.uniform import du_shapley

__all__ = [
    "beta_shapley",
    "class_wise_shapley",
    "data_banzhaf",
    "data_oob",
    "data_shapley",
    "du_shapley",
    "group_shapley",
    "knn_shapley",
    "leave_one_out",
    "out_of_fold_confidence",
    "random_values",
    "stratified_shapley",
]
