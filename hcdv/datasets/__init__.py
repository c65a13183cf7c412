"""Data sets to try things on: the paper's generator, scikit-learn's bundled sets, and real data.

All loaders are called alike, ``load_X(*, n=None, n_val=None, n_test=None, random_state=0)``, and
return a `Dataset` of three disjoint parts with labels 0..C-1, drawn with the proportions of the
classes kept. ``n=None`` takes all rows that may be trained on, ``n_val=None`` and ``n_test=None`` a
share of the rows held out. Equal arguments give equal rows.

Files are looked for in ``$HCDV_DATA``, then in the cache folder (``$HCDV_CACHE``, or the platform's
own place), and then, where an official source exists, downloaded into that cache.
"""

from hcdv.datasets._bundled import load_breast_cancer, load_digits, load_iris, load_wine
from hcdv.datasets._clickstream import make_clickstream
from hcdv.datasets._ctr import ctr_blocks, make_ctr, write_ctr
from hcdv.datasets._dataset import Dataset
from hcdv.datasets._images import load_cifar10, load_fashion_mnist
from hcdv.datasets._noise import flip_labels
from hcdv.datasets._store import DatasetNotFound
from hcdv.datasets._synthetic import make_synthetic
from hcdv.datasets._tables import load_adult, load_criteo
from hcdv.datasets._texts import load_bbc, load_imdb

__all__ = [
    "Dataset",
    "DatasetNotFound",
    "ctr_blocks",
    "flip_labels",
    "load_adult",
    "load_bbc",
    "load_breast_cancer",
    "load_cifar10",
    "load_criteo",
    "load_digits",
    "load_fashion_mnist",
    "load_imdb",
    "load_iris",
    "load_wine",
    "make_clickstream",
    "make_ctr",
    "make_synthetic",
    "write_ctr",
]
