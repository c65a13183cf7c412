"""Valuation of data that need not fit into memory, part by part, on one machine or many."""

from hcdv.scale.learn import check_recipe
from hcdv.scale.recipe import Recipe
from hcdv.scale.run import OutOfCoreResult, value_out_of_core
from hcdv.scale.sizes import Sizes, parse_bytes
from hcdv.scale.work import claimed

__all__ = [
    "OutOfCoreResult", "Recipe", "Sizes", "check_recipe", "claimed", "parse_bytes", "value_out_of_core"
]  # fmt: skip
