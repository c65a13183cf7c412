import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from hcdv.engine import Threads, available_cores, check_n_jobs, single_threaded_blas


def thread_counts(api):
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == api]


@pytest.mark.parametrize("n_jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(n_jobs):
    def slow_first(i):
        time.sleep(0.02 if i == 0 else 0)
        return i * i

    assert list(Threads(n_jobs).map(slow_first, range(50))) == [i * i for i in range(50)]
    assert list(Threads(n_jobs).map(slow_first, [])) == []


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_items_are_taken_only_a_little_ahead(n_jobs):
    taken = []

    def items():
        for i in range(1_000):
            taken.append(i)
            yield i

    results = Threads(n_jobs).map(lambda i: i, items(), look_ahead=4)
    for expected in range(20):
        assert next(results) == expected
        assert len(taken) <= expected + 1 + 4
    results.close()
    assert len(taken) < 30


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_an_exception_arrives_in_its_place_and_ends_the_rest(n_jobs):
    ran = []

    def task(i):
        ran.append(i)
        if i == 3:
            raise KeyError("three")
        return i

    results = Threads(n_jobs).map(task, range(10_000))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(results)
    count = len(ran)
    assert count < 100
    time.sleep(0.05)
    assert len(ran) == count


def test_a_task_may_raise_a_timeout_of_its_own():
    def task(_):
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        list(Threads(2).map(task, [0]))


def test_one_job_runs_in_the_calling_thread():
    assert list(Threads(1).map(lambda _: threading.get_ident(), [0])) == [threading.get_ident()]
    assert threading.get_ident() not in list(Threads(2).map(lambda _: threading.get_ident(), [0]))


def test_tasks_really_run_side_by_side():
    meeting = threading.Barrier(3)
    assert sorted(Threads(3).map(lambda _: meeting.wait(10), range(3))) == [0, 1, 2]


def test_n_jobs():
    assert check_n_jobs(None) == check_n_jobs(-1) == available_cores()
    assert check_n_jobs(3) == 3
    for bad in (0, -available_cores() - 1):
        with pytest.raises(ValueError, match="n_jobs"):
            check_n_jobs(bad)
    with pytest.raises(TypeError, match="n_jobs"):
        check_n_jobs(1.5)
    with pytest.raises(TypeError, match="n_jobs must be an integer, got 'a'"):
        check_n_jobs("a")
    for many in (3000, 10**30):
        assert check_n_jobs(many) == Threads(many).n_jobs == 4 * available_cores()
    assert check_n_jobs(-available_cores()) == 1
    with pytest.raises(ValueError, match="look_ahead"):
        Threads(2).map(abs, [1], look_ahead=0)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_blas_and_openmp_have_one_thread_within_tasks(n_jobs):
    import sklearn.cluster  # noqa: F401  brings an OpenMP runtime

    before = thread_counts("blas"), thread_counts("openmp")
    for api in ("blas", "openmp"):
        counts = next(Threads(n_jobs).map(thread_counts, [api]))
        assert counts
        assert set(counts) == {1}
    assert (thread_counts("blas"), thread_counts("openmp")) == before


def test_overlapping_contexts_restore_the_limit_only_at_the_end():
    from threadpoolctl import threadpool_limits

    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(limits=3, user_api="blas"):
        inside = threading.Barrier(8)
        wrong = []

        def visit(k):
            with single_threaded_blas():
                inside.wait()
                time.sleep(0.01 * k)  # the first one in is not the last one out
                wrong.extend(count for count in thread_counts("blas") if count != 1)

        visitors = [threading.Thread(target=visit, args=(k,)) for k in range(8)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        assert not wrong
        assert set(thread_counts("blas")) == {3}


def test_libraries_that_come_later_are_limited_too():
    script = (
        "import os\n"
        "os.environ.update(OPENBLAS_NUM_THREADS='3', OMP_NUM_THREADS='3')\n"
        "from threadpoolctl import threadpool_info\n"
        "from hcdv.engine import Threads, single_threaded_blas\n"
        "counts = lambda: sorted(library['num_threads'] for library in threadpool_info())\n"
        "before = len(counts())\n"
        "with single_threaded_blas():\n"
        "    pass\n"
        "import scipy.linalg, sklearn.cluster\n"
        "loaded = counts()\n"
        "assert len(loaded) > before, loaded\n"
        "with single_threaded_blas():\n"
        "    assert set(counts()) == {1}\n"
        "assert counts() == loaded\n"
        "for n_jobs in (1, 2):\n"
        "    assert set(next(Threads(n_jobs).map(lambda _: counts(), [0]))) == {1}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_libraries_are_not_looked_for_twice(monkeypatch):
    from hcdv.engine import blas

    with single_threaded_blas():
        pass

    def look():
        raise AssertionError("looked again")

    monkeypatch.setattr(blas, "ThreadpoolController", look)
    with single_threaded_blas():
        pass
    list(Threads(2).map(abs, [1, 2]))


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_answers_within_a_second(n_jobs):
    script = (
        "import signal, time\n"
        "from hcdv.engine import Threads\n"
        # A job in the background of a shell is started with SIGINT ignored, and so are its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def task(i):\n"
        "    if i == 4: print('running', flush=True)\n"
        "    time.sleep(0.05)\n"
        f"list(Threads({n_jobs}).map(task, range(10_000)))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "running\n"
    asked = time.perf_counter()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert time.perf_counter() - asked < 1.0
    assert "KeyboardInterrupt" in error
