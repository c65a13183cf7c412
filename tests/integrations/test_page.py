"""Every block of docs/integrations.md runs and prints what it says, where its library is installed."""

import ast
import re

import numpy as np
import pytest

from tests.test_docs import NUMBER, ROOT, figures

PAGE = (ROOT / "docs" / "integrations.md").read_text()
FIRST, *BLOCKS = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", PAGE, re.S)


def imported(code):
    """Modules that a block imports, but our own."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def name_of(block):
    return next((name for name in imported(block[0]) if name.startswith("hcdv.integrations.")), "table")


@pytest.mark.parametrize("block", BLOCKS, ids=name_of)
def test_block(block, tmp_path, monkeypatch, capsys):
    code, said = block
    for name in imported(code):
        if name.split(".")[0] != "hcdv":
            reason = f"{name} cannot be imported (docs/integrations.md says how to install it)"
            pytest.importorskip(name, reason=reason, exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    exec(compile(FIRST[0] + code, "docs/integrations.md", "exec"), {})
    printed = capsys.readouterr().out
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", said).split()
    if "Elapsed" not in said:
        np.testing.assert_allclose(figures(printed), figures(said), rtol=0.1, atol=0)
