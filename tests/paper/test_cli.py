"""The paper's tables from the command line: cells are measured once, a killed run goes on."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Barrier

import pytest
from joblib import parallel_config

from bench.paper import __main__ as cli
from bench.paper import _page, theory
from bench.paper._store import RESULTS, ResultsError, Store, claimed, run_cells
from bench.paper._verdicts import Claim, Finding, verdict

ROOT = Path(__file__).parents[2]


class Counting:
    """An experiment of three cells that notes what is measured, and dies when told to."""

    __name__ = "counting"

    def __init__(self):
        self.measured, self.dies_at = [], None

    def cells(self, scale):
        return [{"what": "square", "of": k} for k in range(3)]

    def measure(self, scale, what, of):
        if of == self.dies_at:
            raise KeyboardInterrupt
        self.measured.append(of)
        return {"is": of**2}

    def side_by_side(self, **key):
        return False

    def section(self, rows):
        return "## Counting\n\n" + " ".join(str(row["is"]) for row in rows)

    def in_short(self, rows):
        return [Claim("Table 0", "squares grow", Finding(verdict(len(rows) > 2), "to 4"), None)]

    def pictures(self, rows, folder):
        (folder / "paper_counting.txt").write_text(str(len(rows)))


def test_a_killed_run_goes_on(tmp_path):
    experiment = Counting()
    experiment.dies_at = 2
    with pytest.raises(KeyboardInterrupt):
        run_cells(experiment, Store(tmp_path, "ci", "counting"))
    assert experiment.measured == [0, 1]
    experiment.dies_at = None
    store = Store(tmp_path, "ci", "counting")
    run_cells(experiment, store)
    assert experiment.measured == [0, 1, 2]
    record = json.loads((tmp_path / "ci" / "counting.json").read_text())
    assert [row["is"] for row in record["rows"]] == [0, 1, 4]
    assert record["machine"]["cores"] >= 1 and all(row["seconds"] >= 0 for row in record["rows"])
    run_cells(experiment, Store(tmp_path, "ci", "counting"))
    assert experiment.measured == [0, 1, 2]


def test_cells_that_may_are_measured_side_by_side(tmp_path):
    """After those that may not."""
    experiment = Meeting()
    store = Store(tmp_path, "ci", "counting")
    with parallel_config("threading"):
        run_cells(experiment, store, jobs=2)
    assert experiment.measured[0] == 2 and sorted(experiment.measured) == [0, 1, 2]
    assert {row["of"]: row["is"] for row in store.rows} == {0: 0, 1: 1, 2: 4}


class Meeting(Counting):
    """Its first two cells wait for each other."""

    def __init__(self):
        super().__init__()
        self.both = Barrier(2, timeout=60)

    def side_by_side(self, what, of):
        return of < 2

    def measure(self, scale, what, of):
        if of < 2:
            self.both.wait()
        return super().measure(scale, what, of)


def test_processes_measure_what_one_does(tmp_path):
    """Of an experiment of this package: each figure, bit for bit."""
    alone, together = (Store(tmp_path / str(jobs), "ci", "theory") for jobs in (1, 2))
    for jobs, store in ((1, alone), (2, together)):
        run_cells(FirstGaps(), store, jobs)
    unordered = [sorted(({**row, "seconds": 0} for row in store.rows), key=str) for store in (alone, together)]
    assert unordered[0] == unordered[1] and len(alone.rows) == 4


class FirstGaps:
    """The first cells of Theorem 1's gap."""

    measure = staticmethod(theory.measure)
    side_by_side = staticmethod(theory.side_by_side)

    def cells(self, scale):
        return [key for key in theory.cells(scale) if key["part"] == "gap"][:4]


def test_the_page_shows_the_largest_scale(tmp_path):
    experiment = Counting()
    for scale in ("ci", "laptop"):
        run_cells(experiment, Store(tmp_path, scale, "counting"))
    page = tmp_path / "docs" / "paper.md"
    _page.write(page, tmp_path, {"counting": experiment, "missing": experiment})
    assert "0 1 4" in page.read_text() and "`laptop`" in page.read_text() and "`ci`" not in page.read_text()
    assert (tmp_path / "docs" / "images" / "paper_counting.txt").read_text() == "3"
    assert "| [Table 0](#counting) | squares grow | **holds**: to 4 | – |" in page.read_text()


def test_names_and_scales(tmp_path, monkeypatch, capsys):
    experiment = Counting()
    monkeypatch.setattr(cli, "EXPERIMENTS", {"table1": "counting", "table2": "counting"})
    monkeypatch.setattr(cli, "experiment", lambda name: experiment)
    monkeypatch.setattr(sys, "argv", ["paper", "table1", "table2", "--results", str(tmp_path)])
    cli.main()
    assert experiment.measured == [0, 1, 2]
    assert "## Counting" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["paper", "table2", "--again", "--results", str(tmp_path)])
    cli.main()
    assert experiment.measured == [0, 1, 2] * 2
    monkeypatch.setattr(sys, "argv", ["paper", "table9"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "invalid choice: 'table9'" in capsys.readouterr().err


def refused(monkeypatch, capsys, *arguments):
    """What the command line says of a mistake: one line."""
    monkeypatch.setattr(cli, "EXPERIMENTS", {"table1": "counting"})
    monkeypatch.setattr(cli, "experiment", lambda name: Counting())
    monkeypatch.setattr(_page, "ORDER", ("counting",))
    monkeypatch.setattr(sys, "argv", ["paper", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "damaged",
    ['{"scale": "ci", "rows": [', "[]", "7", '{"rows": [{}]}', '{"scale": "ci", "machine": {}, "rows": [1]}'],
)
@pytest.mark.parametrize("name", ["table1", "page"])
def test_damaged_results_are_kept_and_named(tmp_path, monkeypatch, capsys, damaged, name):
    path = tmp_path / "ci" / "counting.json"
    path.parent.mkdir()
    path.write_text(damaged)
    told = refused(monkeypatch, capsys, name, "--results", tmp_path, "--page", tmp_path / "paper.md")
    assert f"{path} does not hold results" in told
    assert path.read_text() == damaged and not (tmp_path / "paper.md").exists()


def test_a_folder_that_is_none(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    told = refused(monkeypatch, capsys, "table1", "--results", tmp_path / "file")
    assert told.endswith(f"error: {tmp_path / 'file' / 'ci'}: Not a directory.")


def test_no_page_of_nothing(tmp_path, monkeypatch, capsys):
    page = tmp_path / "paper.md"
    page.write_text("weeks of work")
    told = refused(monkeypatch, capsys, "page", "--results", tmp_path / "typo", "--page", page)
    assert "nothing was measured in" in told and page.read_text() == "weeks of work"


def test_two_runs_do_not_undo_each_other(tmp_path, monkeypatch, capsys):
    """Each writes the whole file."""
    with claimed(tmp_path, "ci", "counting") as store:
        told = refused(monkeypatch, capsys, "table1", "--results", tmp_path)
        assert f"another process measures counting into {tmp_path / 'ci'}" in told
        run_cells(Counting(), store)
        with claimed(tmp_path, "laptop", "counting"):
            pass
    with claimed(tmp_path, "ci", "counting") as store:
        assert [row["is"] for row in store.rows] == [0, 1, 4]


def test_a_store_refuses_what_is_no_result(tmp_path):
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "counting.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ResultsError, match="does not hold results"):
        Store(tmp_path, "ci", "counting")


def test_every_name_has_its_module():
    for name in set(cli.EXPERIMENTS.values()):
        module = cli.experiment(name)
        parts = ("cells", "measure", "section", "in_short", "pictures")
        assert all(callable(getattr(module, part)) for part in parts)
        for scale in ("ci", "laptop", "gpu", "paper"):
            keys = [json.dumps(key, sort_keys=True) for key in module.cells(scale)]
            assert keys and len(set(keys)) == len(keys)
    assert set(_page.ORDER) == set(cli.EXPERIMENTS.values())


def test_the_page_is_current():
    experiments = {name: cli.experiment(name) for name in _page.ORDER}
    assert _page.PAGE.read_text() == _page.text(RESULTS, experiments), "run python -m bench.paper page"


@pytest.mark.slow
def test_everything_at_the_smallest_scale(tmp_path):
    command = [sys.executable, "-m", "bench.paper", "all", "--scale", "ci"]
    command += ["--results", str(tmp_path / "results"), "--page", str(tmp_path / "paper.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Table 2" in (tmp_path / "paper.md").read_text()
