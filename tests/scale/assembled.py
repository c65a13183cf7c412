"""The tree over all rows, put together from that above the parts and those of the parts."""

import numpy as np

from hcdv.hierarchy import Hierarchy
from hcdv.partition.draft import Draft
from hcdv.scale.layout import Layout
from hcdv.scale.learn import load
from hcdv.scale.parts import Part


class Assembled:
    """A valuation's work folder, before it is cleared: rows as the games see them, and one tree over all."""

    def __init__(self, work):
        self.learned = load(work)
        self.layout = Layout.load(work)
        self.parts = [Part.load(work, number) for number in range(self.layout.n_parts)]
        records = np.concatenate([part.records for part in self.parts])
        n = len(records)
        assert sorted(records["row"].tolist()) == list(range(n))
        self.part_of_row = np.empty(n, np.int64)
        self.part_of_row[records["row"]] = np.repeat(np.arange(len(self.parts)), self.layout.sizes)
        by_row = records[np.argsort(records["row"])]
        self.vote = np.ascontiguousarray(by_row["vote"])
        self.labels = by_row["label"].astype(np.int64)
        self.leaves = by_row["leaves"].astype(np.int32) if "leaves" in by_row.dtype.names else None
        self.tree = self._tree(n)

    def _tree(self, n):
        upper = self.layout.tree
        parent, key = upper.parent.tolist(), upper.node_key.tolist()
        leaf = np.empty(n, np.int64)
        for number, part in enumerate(self.parts):
            node = {0: int(upper.leaves[upper.start[upper.leaves] == number][0])}
            for g in range(1, part.tree.n_nodes):
                node[g] = len(parent)
                parent.append(node[int(part.tree.parent[g])])
                key.append(int(part.tree.node_key[g]))
            assert part.tree.node_key[0] == key[node[0]]
            local = part.tree.leaf_of_point()
            leaf[part.records["row"]] = [node[g] for g in local.tolist()]
        edited = Draft(parent, key, leaf, len(parent)).arrays()
        return Hierarchy(*edited.tree, node_key=edited.node_key).validate()
