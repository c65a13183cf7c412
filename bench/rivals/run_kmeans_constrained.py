"""k-means-constrained, for bench.peers (see _worker.py)."""

from __future__ import annotations

from typing import Any

from _worker import Answer, Arrays, serve
from k_means_constrained import KMeansConstrained


def balanced(arrays: Arrays, options: dict[str, Any]) -> Answer:
    n, k = len(arrays["Z"]), options["clusters"]
    kmeans = KMeansConstrained(k, n // k, -(-n // k), n_init=options["starts"], random_state=options["seed"])
    return kmeans.fit(arrays["Z"]).labels_, {}


if __name__ == "__main__":
    serve("k-means-constrained", {"balanced k-means": balanced})
