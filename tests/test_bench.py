"""The bench scripts run: their fast profile, with JSON and a profile written."""

import json
import pstats
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("kernels", []),
        ("stages", ["--sets", "digits"]),
        ("end_to_end", ["--sets", "synthetic"]),
        ("detection", ["--sets", "breast_cancer", "--seeds", "1"]),
        ("selection", []),
        ("logistic", []),
        ("estimators", []),
        ("bounds", []),
        ("cuda", ["--cases", "games", "nodes"]),
        ("encoder", []),
        ("encoding", []),
        ("affinity", []),
        ("outliers", []),
        ("copies", []),
        ("alarms", []),
        ("protocol", ["--players", "rows", "groups"]),
        ("streaming", []),
        ("scale", ["--rows", "3000", "--tasks"]),
    ],
)
def test_fast_profile_runs(module, options, tmp_path):
    figures, profile = tmp_path / "figures.json", tmp_path / "run.prof"
    command = [sys.executable, "-m", f"bench.{module}", "--scale", "fast", "--json", str(figures)]
    done = subprocess.run(
        [*command, "--profile", str(profile), *options], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(figures.read_text())
    assert record["rows"]
    assert record["machine"]["cores"] >= 1
    assert pstats.Stats(str(profile)).total_calls > 0
