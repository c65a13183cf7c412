"""The engine's contract, and the ordered map that every engine shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for
from typing import Any, ClassVar, Protocol, TypeVar

from hcdv._errors import WorkersLost, said
from hcdv._validation import check_int
from hcdv.engine._task import Outcome
from hcdv.engine.threads import WAKE_UP

Item = TypeVar("Item")
Result = TypeVar("Result")

# Tasks begun for every worker: the one that runs, and the next, so that no worker waits for this process.
TASKS_PER_WORKER = 2

# Results held back by an unfinished one before them, for every task that may be under way: a slow task does not
# make the others wait, and results still do not pile up.
HELD_PER_TASK = 4

# A task whose worker is lost is begun again this often.
RETRIES = 3


class Engine(Protocol):
    """Runs tasks on workers: threads, processes, or a cluster (see `make_engine`)."""

    @property
    def n_workers(self) -> int:
        """Tasks that run side by side at the moment; a cluster may grow and shrink."""

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        name: Callable[[Item], str],
        at_once: int | None = None,
    ) -> Iterator[Result]:
        """``function`` of every item, lazily and in the order of the items.

        Parameters
        ----------
        function : callable
            What a worker does. Other processes get it by pickling: keep it at the top of a module and the items
            small. It may run twice on the same item, if its worker was lost.
        items : iterable
            Taken a little ahead of the results.
        name : callable
            A name for an item's task, such as ``"walk-17"``; Dask and Ray show it, and Dask groups the tasks by
            what stands before the number.
        at_once : int or None
            At most this many tasks are under way, and never more than two per worker.

        Raises
        ------
        TypeError
            The task cannot be pickled, and the workers are other processes.
        WorkersLost
            A task was begun again three times, its workers being lost, and lost the last one too.
        ConnectionError
            The cluster cannot be reached any more.
        Exception
            What a task raises is raised here as it is, and at once: results before it may be missing.
            Tasks not begun are dropped then, as they are on Ctrl-C or when the consumer stops early.
        """

    def close(self) -> None:
        """Let go of the workers; those that the engine started itself are stopped."""


class Task:
    """An item on its way: begun, then done, then handed out."""

    def __init__(self, item: Any, name: str) -> None:
        self.item = item
        self.name = name
        self.future: Future[Any]
        self.remote: Any = None  # what its worker knows it by; a cluster keeps its result for that
        self.lost = 0  # workers that were lost with it
        self.outcome: Outcome | None = None


class Pool(ABC):
    """An `Engine` for every way of starting a task that answers by a future."""

    # Errors of a future that mean a lost worker, and how often the pool begins such a task again: 0 where the
    # cluster does so itself.
    lost_errors: ClassVar[tuple[type[BaseException], ...]] = ()
    retries: ClassVar[int] = 0

    # Errors of a future that mean that the whole cluster is out of reach.
    gone_errors: ClassVar[tuple[type[BaseException], ...]] = ()

    @property
    @abstractmethod
    def n_workers(self) -> int:
        """Tasks that run side by side."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the workers."""

    @abstractmethod
    def _start(self, function: Callable[[Any], Any], task: Task) -> Future[Any]:
        """Begin a task."""

    @abstractmethod
    def _read(self, answer: Any) -> Outcome:
        """The outcome that a future answered with."""

    @abstractmethod
    def _drop(self, tasks: list[Task]) -> None:
        """Forget tasks that are not done; return at once, whether they run or not."""

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        name: Callable[[Item], str],
        at_once: int | None = None,
    ) -> Iterator[Result]:
        """See `Engine.map`."""
        if at_once is not None:
            check_int(at_once, "at_once", 1)
        return self._in_order(function, iter(items), name, at_once)

    def _in_order(
        self,
        function: Callable[[Any], Any],
        items: Iterator[Any],
        name: Callable[[Any], str],
        at_once: int | None,
    ) -> Iterator[Any]:
        waiting: deque[Task] = deque()
        try:
            more = True
            while True:
                more = more and self._begin(function, items, name, waiting, at_once)
                if not waiting:
                    return
                if (outcome := waiting[0].outcome) is not None:
                    waiting.popleft()
                    yield outcome.value
                else:
                    self._wait(function, waiting)
        finally:
            self._drop([task for task in waiting if task.outcome is None])

    def _begin(
        self,
        function: Callable[[Any], Any],
        items: Iterator[Any],
        name: Callable[[Any], str],
        waiting: deque[Task],
        at_once: int | None,
    ) -> bool:
        """Begin as many tasks as may be under way; False once there are no more items."""
        limit = TASKS_PER_WORKER * self.n_workers
        if at_once is not None:
            limit = min(limit, at_once)
        under_way = sum(task.outcome is None for task in waiting)
        for _ in range(min(limit - under_way, HELD_PER_TASK * limit - len(waiting))):
            try:
                item = next(items)
            except StopIteration:
                return False
            task = Task(item, name(item))
            task.future = self._start(function, task)
            waiting.append(task)
        return True

    def _wait(self, function: Callable[[Any], Any], waiting: deque[Task]) -> None:
        """Wait until a task is done, but not so long that Ctrl-C would wait with us."""
        under_way = [task for task in waiting if task.outcome is None]
        wait_for([task.future for task in under_way], timeout=WAKE_UP, return_when=FIRST_COMPLETED)
        for task in under_way:
            if task.future.done():
                self._settle(function, task)

    def _settle(self, function: Callable[[Any], Any], task: Task) -> None:
        """Take the outcome of a future that is done; begin the task again if its worker was lost."""
        try:
            outcome = self._read(task.future.result())
        except self.gone_errors as error:
            raise cluster_gone(error) from error
        except self.lost_errors as error:
            if task.lost == self.retries:
                raise WorkersLost(
                    f"task {task.name!r} was given up: worker after worker was lost while it was under way, as "
                    f"happens where memory runs out{said(error)}."
                ) from error
            task.lost += 1
            task.future = self._start(function, task)
            return
        if outcome.error is not None:
            raise outcome.error
        task.outcome, task.remote = outcome, None


def cluster_gone(error: BaseException) -> ConnectionError:
    """What to raise where the cluster cannot be reached any more."""
    return ConnectionError(f"the connection to the cluster was lost{said(error)}.")
