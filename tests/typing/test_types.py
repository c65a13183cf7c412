"""Types as users meet them: stubs that fit the compiled kernels, and a consumer that mypy accepts."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import hcdv

STUBS = sorted(Path(hcdv.__file__).parent.glob("_kernels/*.pyi"))
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.stem)
def test_stub_names_what_the_kernel_has(path):
    kernel = importlib.import_module(f"hcdv._kernels.{path.stem}")
    public = {name: getattr(kernel, name) for name in dir(kernel) if not name.startswith("_")}
    stub = ast.parse(path.read_text()).body
    said = {node.name: [a.arg for a in node.args.args] for node in stub if isinstance(node, ast.FunctionDef)}
    compiled = {name: list(inspect.signature(f).parameters) for name, f in public.items() if callable(f)}
    assert said == compiled
    constants = {node.target.id for node in stub if isinstance(node, ast.AnnAssign)}
    assert constants == set(public) - set(compiled)


def test_every_kernel_has_a_stub():
    built = {path.name.split(".")[0] for path in STUBS[0].parent.glob("*.so")} | {
        path.name.split(".")[0] for path in STUBS[0].parent.glob("*.pyd")
    }
    assert built == {path.stem for path in STUBS}


@pytest.mark.slow
def test_mypy_accepts_a_consumer():
    command = [sys.executable, "-m", "mypy", "tests/typing/consumer.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Success" in done.stdout
