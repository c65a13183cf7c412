"""Dask: names on the dashboard, a scheduler lost in mid-run, and two hosts (as two network namespaces)."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from hcdv.engine import make_engine

pytest.importorskip("distributed", reason="needs hcdv[dask]")


def test_tasks_have_readable_names(dask_client):
    engine = make_engine(dask_client)
    assert list(engine.map(abs, [-3, 4], name=lambda i: f"walk-part-{abs(i)}")) == [3, 4]
    groups = dask_client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    assert "walk-part" in groups


def test_the_client_of_the_user_stays_open(dask_client):
    make_engine(dask_client).close()
    assert dask_client.status == "running"
    with dask_client.as_current():
        make_engine("dask").close()
    assert dask_client.status == "running"
    with pytest.raises(ValueError, match="scheduler must be None where engine is a Dask client, got 'a:1'"):
        make_engine(dask_client, scheduler="a:1")


def dask(kind, *arguments, netns=None):
    """A scheduler or a worker as a process of its own, perhaps on another (pretended) host."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *map(str, arguments)]
    return subprocess.Popen(on_host(netns, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def on_host(netns, command):
    return ["ip", "netns", "exec", netns, *command] if netns else command


def ended(process):
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_scheduler_without_workers_is_told_and_one_lost_in_mid_run_too(tmp_path):
    where = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        scheduler = dask("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", where)
        stack.callback(ended, scheduler)
        deadline = time.time() + 60
        while not where.exists() and time.time() < deadline:
            time.sleep(0.1)
        address = json.loads(where.read_text())["address"]
        with pytest.warns(UserWarning, match=f"Dask scheduler '{address}' has no worker yet"):
            engine = make_engine("dask", scheduler=address)
        results = engine.map(lambda i: time.sleep(0.2) or i, range(100), name=str)
        stack.callback(ended, dask("worker", address, "--no-nanny", "--nthreads", 1))
        assert next(results) == 0
        scheduler.kill()
        with pytest.raises(ConnectionError, match="the connection to the cluster was lost") as caught:
            list(results)
        assert "\n" not in str(caught.value)
        engine.close()


DRIVER = """
import hashlib, os, sys
import numpy as np
from hcdv.engine import make_engine

def product(seed):
    a = np.random.default_rng(seed).standard_normal((150, 200))
    return np.linalg.inv(a @ a.T).tobytes(), os.readlink("/proc/self/ns/net")

if __name__ == "__main__":
    engine = make_engine(sys.argv[1], scheduler=sys.argv[2] if sys.argv[2:] else None)
    while sys.argv[2:] and engine.n_workers < 4:  # two threads on each host
        pass
    results, hosts = zip(*engine.map(product, range(40), name=lambda seed: f"product-{seed}"))
    print(hashlib.sha256(b"".join(results)).hexdigest(), len(set(hosts)))
    engine.close()
"""


@pytest.fixture
def two_hosts():
    """Two network namespaces with a cable between them: names and addresses."""
    if not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("needs root and iproute2")
    names = [f"hcdv{os.getpid()}{side}" for side in "ab"]
    ends = [f"hv{os.getpid() % 10**7}{side}" for side in "ab"]
    addresses = ["10.231.77.1", "10.231.77.2"]

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    with ExitStack() as stack:
        for name in names:
            try:
                ip("netns", "add", name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
            stack.callback(ip, "netns", "delete", name)
        other_end = ("peer", "name", ends[1], "netns", names[1])
        ip("link", "add", ends[0], "netns", names[0], "type", "veth", *other_end)
        for name, end, address in zip(names, ends, addresses, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names, addresses


@pytest.mark.slow
def test_two_hosts_give_the_same_bits(two_hosts, tmp_path):
    names, addresses = two_hosts
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)

    def driven(*arguments, netns=None):
        command = on_host(netns, [sys.executable, str(script), *arguments])
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    scheduler = f"tcp://{addresses[0]}:8786"
    with ExitStack() as stack:
        stack.callback(ended, dask("scheduler", "--host", addresses[0], "--port", 8786, netns=names[0]))
        for name, address in zip(names, addresses, strict=True):
            worker = dask("worker", scheduler, "--host", address, "--nthreads", 2, "--no-nanny", netns=name)
            stack.callback(ended, worker)
        time.sleep(3)
        there, n_hosts = driven("dask", scheduler, netns=names[0])
    assert n_hosts == "2"
    assert driven("threads") == [there, "1"]


def test_a_clone_shares_the_client(dask_client):
    from sklearn.base import clone

    from hcdv import HCDV

    model = HCDV(engine=dask_client, utility=[("kernel", 2.0)], n_permutations=6)
    again = clone(model)
    assert again.engine is dask_client
    assert again.utility == model.utility
    assert again.utility is not model.utility
    assert again.get_params() == model.get_params()
