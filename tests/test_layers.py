"""The architecture, enforced: imports go downwards only, and never sideways (DESIGN 4)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hcdv"

# Module or package of hcdv (or a name that hcdv itself resolves) -> layer.  `result` stands above `hierarchy`,
# of which it holds one.
LAYERS = {
    "__main__": 11,
    "cli": 10,
    "integrations": 9,
    "plot": 9,
    "report": 9,
    "tasks": 8,
    "estimator": 7,
    "HCDV": 7,
    "ValuationResult": 4,
    "Hierarchy": 3,
    "scale": 6,
    "baselines": 6,
    "diagnostics": 6,
    "allocation": 5,
    "result": 4,
    "encoder": 4,
    "games": 4,
    "shapley": 4,
    "hierarchy": 3,
    "game": 3,
    "datasets": 3,
    "io": 3,
    "partition": 2,
    "affinity": 2,
    "selection": 2,
    "stopping": 2,
    "engine": 2,
    "_kernels": 1,
}


def layer(unit):
    # Helpers with an underscore are layer 2 and free to use each other.
    return LAYERS.get(unit, 2 if unit.startswith("_") else None)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        unit = relative.parts[0].removesuffix(".py")
        if unit != "__init__":
            yield pytest.param(path, unit, id=str(relative))


def imported_units(path):
    """Units of hcdv that a module imports at run time, at any depth of nesting."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
            if node.module == "hcdv":
                names = [f"hcdv.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "hcdv" and len(parts) > 1 and parts[1] != "__version__":
                yield parts[1]


@pytest.mark.parametrize(("path", "unit"), list(modules()))
def test_imports_go_downwards(path, unit):
    assert layer(unit) is not None, f"{unit} has no layer: name it in LAYERS"
    for other in imported_units(path):
        if other == unit or (other.startswith("_") and layer(other) == 2 <= layer(unit)):
            continue
        assert layer(other) is not None, f"{path} imports hcdv.{other}, which has no layer"
        assert layer(other) < layer(unit), (
            f"{path.relative_to(ROOT)} (layer {layer(unit)}) imports "
            f"hcdv.{other} (layer {layer(other)})"
        )


def test_importing_hcdv_is_light():
    heavy = ["torch", "sklearn", "pandas", "pyarrow", "numba", "matplotlib", "rich"]
    code = f"import sys, hcdv; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_valuing_never_imports_torch():
    code = "import sys; from hcdv import HCDV; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
