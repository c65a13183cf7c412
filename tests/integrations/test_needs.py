"""A library that is missing, or of a version that does not do, is one sentence that says what to install."""

import subprocess
import sys

EXTRA, BY_HAND = "pip install 'hcdv[integrations]'.", "docs/integrations.md says how to install it."
NEEDS = {
    "cleanlab": ("cleanlab", EXTRA),
    "huggingface": ("datasets", EXTRA),
    "mlflow": ("mlflow", EXTRA),
    "shapiq": ("shapiq", EXTRA),
    "pydvl": ("pydvl", BY_HAND),
    "opendataval": ("opendataval", BY_HAND),
    "torch": ("torch", "pip install 'hcdv[torch]'."),
}
# Modules of a library, and nothing of what our modules take from it.
OLD = {module: needs for module, needs in NEEDS.items() if module not in ("mlflow", "shapiq")}
TRY = """
import importlib, sys, types
import hcdv.integrations.run_log, hcdv.integrations.row_game
kind, *pairs = sys.argv[1:]
for pair in pairs:
    sys.modules[pair.split(":")[1]] = types.ModuleType("old") if kind == "old" else None
for pair in pairs:
    try:
        importlib.import_module("hcdv.integrations." + pair.split(":")[0])
        print("imported")
    except ImportError as error:
        print(error)
"""


def said_of(kind, needs):
    pairs = [f"{module}:{library}" for module, (library, _) in needs.items()]
    command = [sys.executable, "-c", TRY, kind, *pairs]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_what_is_missing_or_old_is_named():
    for kind, needs in (("missing", NEEDS), ("old", OLD)):
        for line, (library, remedy) in zip(said_of(kind, needs), needs.values(), strict=True):
            assert line.startswith(f"this module needs {library}") and line.endswith(remedy), line
