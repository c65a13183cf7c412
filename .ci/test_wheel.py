"""Runs the tests from the installed package, outside the source tree.

    python .ci/test_wheel.py [arguments of pytest]

What is about the sources (layers, docs, benches, builds), clusters and the paper's tables stays with .ci/run;
what needs torch skips itself where torch is not installed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OF_THE_SOURCES = [
    "engine",
    "integrations",
    "kernels/test_annotation.py",
    "paper",
    "plot/test_gallery.py",
    "scale",
    "test_bench.py",
    "test_comparison.py",
    "test_docs.py",
    "test_layers.py",
    "test_peers.py",
    "test_wheel.py",
    "test_wheel_build.py",
    "test_wheel_compilers.py",
    "typing",
]


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "tests", Path(folder, "tests"), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        where = "import hcdv, pathlib; print(pathlib.Path(hcdv.__file__).resolve())"
        found = subprocess.check_output([sys.executable, "-c", where], cwd=folder, text=True).strip()
        if Path(found).is_relative_to(ROOT / "hcdv"):
            print(f"hcdv comes from the source tree ({found}): install the wheel first.", file=sys.stderr)
            return 2
        left_out = [f"--ignore=tests/{path}" for path in OF_THE_SOURCES]
        command = [sys.executable, "-m", "pytest", "-q", *left_out, *arguments]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
