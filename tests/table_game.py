"""A game given by the table of all its coalitions."""

import numpy as np

from hcdv.game import coalitions_from_chains, stops_by_chain


class TableGame:
    """table float64 [2^n], bit j = point j."""

    def __init__(self, table):
        self.table = np.asarray(table, float)
        self.n_points = len(self.table).bit_length() - 1
        self.v_empty = float(self.table[0])

    def chains(self, orders, stops):
        orders = np.asarray(orders)
        masks = np.cumsum(1 << orders, axis=1)
        masks = np.column_stack([np.zeros(len(orders), np.int64), masks])
        return self.table[np.take_along_axis(masks, stops_by_chain(orders, stops), axis=1)]

    def coalitions(self, order, bounds, masks):
        return coalitions_from_chains(self, order, bounds, masks)

    def __call__(self, coalitions):
        return self.table[coalitions @ (1 << np.arange(self.n_points))]
