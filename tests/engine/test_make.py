import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from hcdv.engine import make_engine

needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs hcdv[dask]")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs hcdv[ray]")
clusters = [pytest.param("dask", marks=needs_dask), pytest.param("ray", marks=needs_ray)]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_engines_are_chosen_by_name():
    with pytest.raises(ValueError, match=r"engine must be one of 'threads', 'joblib', .*, got 'spark'"):
        make_engine("spark")
    with pytest.raises(ValueError, match="n_jobs must not be 0"):
        make_engine("joblib", n_jobs=0)
    for kind in ("threads", "joblib"):
        with pytest.raises(ValueError, match=f"scheduler must be None where engine is '{kind}', got 'a:1'"):
            make_engine(kind, scheduler="a:1")
        with pytest.raises(ValueError, match="at_once must be at least 1, got 0"):
            make_engine(kind).map(abs, [1], name=str, at_once=0)


@pytest.mark.parametrize(("kind", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_what_is_not_installed_is_named_with_its_extra(kind, package, monkeypatch):
    monkeypatch.delitem(sys.modules, f"hcdv.engine._{kind}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"engine='{kind}' needs {kind} .*: pip install 'hcdv\[{kind}\]'"):
        make_engine(kind)


def test_nothing_is_imported_that_is_not_asked_for():
    script = (
        "import sys, hcdv, hcdv.engine\n"
        "engine = hcdv.engine.make_engine('threads')\n"
        "assert list(engine.map(abs, [-1], name=str)) == [1]\n"
        "assert not {'dask', 'distributed', 'ray', 'joblib', 'sklearn', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", clusters)
def test_a_scheduler_that_is_not_there_is_said_within_ten_seconds(kind):
    address = f"127.0.0.1:{free_port()}"
    begin = time.perf_counter()
    with pytest.raises(ConnectionError, match=rf"scheduler='{address}' did not answer as .* such as") as caught:
        make_engine(kind, scheduler=address)
    assert time.perf_counter() - begin < 10
    assert "\n" not in str(caught.value)
    with pytest.raises(ConnectionError, match="scheduler='rubbish' did not answer"):
        make_engine(kind, scheduler="rubbish")


@pytest.mark.slow
@pytest.mark.parametrize("kind", clusters)
def test_a_port_that_takes_the_call_in_silence_is_no_scheduler(kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        begin = time.perf_counter()
        with pytest.raises(ConnectionError, match="did not answer as a"):
            make_engine(kind, scheduler=f"127.0.0.1:{server.getsockname()[1]}")
        assert time.perf_counter() - begin < 15


CTRL_C = """
import os, signal, sys, time
from hcdv.engine import make_engine

def task(i):
    time.sleep(0.5)
    return i

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    engine = make_engine({kind!r}, n_jobs=2)
    results = engine.map(task, range(1000), name=str)
    assert next(results) == 0
    try:
        print("running", flush=True)
        list(results)
    except KeyboardInterrupt:
        print("answered", flush=True)
    engine.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize(
    "kind",
    [
        "threads",
        "joblib",
        pytest.param("dask", marks=[pytest.mark.slow, needs_dask]),
        pytest.param("ray", marks=[pytest.mark.slow, needs_ray]),
    ],
)
def test_ctrl_c_is_answered_within_a_second(kind, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(CTRL_C.format(kind=kind))
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "running\n"
    begin = time.perf_counter()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers hear it too
    assert process.stdout.readline() == "answered\n"
    assert time.perf_counter() - begin < 1.0
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in said


KILLED = """
import os, time
from hcdv.engine import make_engine

def task(i):
    if i:
        time.sleep(600)
    return os.getpid()

if __name__ == "__main__":
    results = make_engine("joblib", n_jobs=1).map(task, range(3), name=str)
    print(next(results), flush=True)
    next(results)
"""


def is_alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.skipif(sys.platform == "win32", reason="asks for the process that started another")
def test_workers_end_with_a_driver_that_is_killed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(KILLED)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as driver:
        worker = int(driver.stdout.readline())
        assert is_alive(worker)
        driver.kill()
    deadline = time.monotonic() + 60
    while is_alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.1)
