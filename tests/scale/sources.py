"""Data in memory behind the interface of data that are not."""

import numpy as np

from hcdv.io.source import Block


class ArraySource:
    """Rows and labels in arrays or frames."""

    columns = None

    def __init__(self, X, y, ids=None):
        self.X, self.y, self.names = X, np.asarray(y), ids
        self.n_rows = len(self.y)

    def read(self, begin, end):
        return self._cut(slice(begin, end))

    def take(self, rows):
        return self._cut(rows)

    def labels(self, begin, end):
        return self.y[begin:end]

    def ids(self, begin, end):
        return np.arange(begin, end) if self.names is None else self.names[begin:end]

    def place(self, row):
        return f"row {row:,} of X"

    def window(self, begin, end):
        return self

    def fingerprint(self):
        return f"{self.n_rows} rows"

    def _cut(self, rows):
        X = self.X.iloc[rows] if hasattr(self.X, "iloc") else self.X[rows]
        return Block(X, self.y[rows], None if self.names is None else self.names[rows])
