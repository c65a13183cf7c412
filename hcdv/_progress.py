"""A progress line on standard error, for people; silent unless asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Names the stages of a fit, times them, and shows a bar where the number of steps is known.

    Attributes
    ----------
    seconds : dict of str to float
        Wall time by stage, in the order they ran.
    """

    def __init__(self, show: bool) -> None:
        self.seconds: dict[str, float] = {}
        self._show = show

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Step]:
        """Run a stage; the yielded object takes ``done(k)`` with the steps finished so far."""
        begin = time.perf_counter()
        try:
            if not self._show:
                yield Step()
            else:
                with _bar(name, total) as step:
                    yield step
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


class Step:
    """One running stage."""

    def expect(self, total: int) -> None:
        """Say how many steps there are, where that was not known before."""

    def done(self, count: int) -> None:
        """Report ``count`` steps finished."""


@contextmanager
def _bar(name: str, total: int | None) -> Iterator[Step]:
    # Imported here: a silent fit must not pay for a progress bar.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Count(MofNCompleteColumn):
        def render(self, task: Task) -> Text:
            return super().render(task) if task.fields["counted"] else Text()

    columns = [TextColumn("{task.description:<22}"), BarColumn(), Count(), TimeElapsedColumn()]
    with Bar(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(name, total=total, counted=total is not None)

        class Shown(Step):
            def expect(self, total: int) -> None:
                bar.update(task, total=total, counted=True)

            def done(self, count: int) -> None:
                bar.update(task, completed=count)

        yield Shown()
        if bar.tasks[0].total is None:
            bar.update(task, total=1, completed=1)
