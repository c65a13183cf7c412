"""Every engine with two workers, started once: the Dask and Ray clusters as a user would have them."""

import os

import pytest

from hcdv.engine import make_engine


@pytest.fixture(scope="session")
def dask_client():
    distributed = pytest.importorskip("distributed", reason="needs hcdv[dask]")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def ray_address():
    """A Ray cluster of two nodes with one CPU each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    pytest.importorskip("ray", reason="needs hcdv[ray]")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 1 << 27}
    # Workers that are nice, as Ray's are, starve beside whatever else this machine does.
    head = {**node, "include_dashboard": False, "_system_config": {"worker_niceness": 0}}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**node)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="module", params=["threads", "joblib", "dask", "ray"])
def engine(request):
    kind = request.param
    if kind == "dask":
        made = make_engine(request.getfixturevalue("dask_client"))
    elif kind == "ray":
        made = make_engine("ray", scheduler=request.getfixturevalue("ray_address"))
    else:
        made = make_engine(kind, n_jobs=2)
    yield made
    made.close()
