"""What the README, the pages and the docstrings show is what happens, and what they point to is there."""

import ast
import doctest
import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest

import hcdv

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?%?")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.S | re.M)
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.S | re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))

# Pages by their path without the suffix, and the README.
PAGES = {
    "README": ROOT / "README.md",
    **{path.relative_to(DOCS).with_suffix("").as_posix(): path for path in sorted(DOCS.rglob("*.md"))},
}
# tests/plot and tests/integrations run the blocks of these: they take long, or other libraries.
RUN_ELSEWHERE = {"pictures", "integrations"}
# Each of their blocks takes rows and a model of the reader's own.
TAKE_FOR_GRANTED = {"README", "bounds", "encoder"}
# Their commands find the files they name; those of other pages name files and clusters of no one, and
# tests/test_cli_state.py, tests/report and tests/scale run such commands.
COMMANDS = {"tasks", "start", "howto/pay-sellers"}
RUN_HERE = sorted(
    name for name, path in PAGES.items() if "```python\n" in path.read_text() and name not in RUN_ELSEWHERE
)


def test_readme_example_prints_what_the_readme_says():
    text = (ROOT / "README.md").read_text()
    code = re.search(r"## Ten lines\n\n```python\n(.*?)```", text, re.S).group(1)
    said = re.search(r"prints\n\n```text\n(.*?)```", text, re.S).group(1)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Other versions of numpy and scikit-learn may change last digits: words must agree, figures nearly.
    assert NUMBER.sub("#", done.stdout) == NUMBER.sub("#", said)
    flagged, right = map(int, re.search(r"flagged (\d+) rows, of which (\d+)", done.stdout).groups())
    assert abs(flagged - 160) <= 8
    assert right >= 0.95 * flagged
    assert (ROOT / "examples" / "find_label_errors.py").read_text().endswith(code)


@pytest.mark.parametrize("page", RUN_HERE)
@pytest.mark.filterwarnings("error::UserWarning")
def test_pages_print_what_they_say(page, tmp_path, monkeypatch, capsys):
    # All blocks of a page, one after the other; what is printed up to a block of text is what that shows.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    granted = taken_for_granted() if page in TAKE_FOR_GRANTED else {}
    names = {"__name__": "__main__"}
    printed = ""
    for kind, block in BLOCK.findall(PAGES[page].read_text()):
        if kind == "python" and "tcp://" not in block:  # there is no cluster here
            names |= granted
            exec(compile(block, f"{page}.md", "exec"), names)
            out, err = capsys.readouterr()
            assert not err
            printed += out
        elif kind == "sh" and page in COMMANDS:
            run_commands(block, monkeypatch)
            printed += capsys.readouterr().out
        elif kind == "text" and page not in TAKE_FOR_GRANTED:
            assert_alike(printed, block)
            printed = ""
    assert page in TAKE_FOR_GRANTED or not printed


def taken_for_granted():
    """Names that a page says nothing about: the reader's rows, a model of them, a game."""
    from hcdv import HCDV, Hierarchy
    from hcdv.datasets import make_synthetic

    data = make_synthetic(n=120, n_val=40, n_test=100)
    np.save("rows.npy", data.X_test)
    rows = (data.X, data.y, data.X_val, data.y_val)
    return {
        **dict(zip(["X", "y", "X_val", "y_val"], rows, strict=True)),
        **dict(X_new=data.X_test[:40], y_new=data.y_test[:40]),
        **dict(model=HCDV(n_permutations=8, random_state=0).fit(*rows), score=len, MyNet=object),
        **dict(table=np.arange(8.0), game=lambda coalitions: coalitions.sum(axis=1) ** 2.0),
        "hierarchy": Hierarchy.from_labels([[0, 0, 1, 1]]),
    }


def run_commands(block, monkeypatch):
    """Lines that begin with ``hcdv``; the others install it."""
    from hcdv.cli import main

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command replaces it
    for line in block.splitlines():
        if line.startswith("hcdv "):
            main(shlex.split(line)[1:], standalone_mode=False)


def assert_alike(printed, said):
    printed, said = (re.sub(r"Valued in .* s\.", "", text) for text in (printed, said))
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", said).split()
    assert figures(printed) == pytest.approx(figures(said), rel=0.2, abs=0.03)


def figures(text):
    return [float(number.replace(",", "").rstrip("%.")) for number in NUMBER.findall(text)]


def test_docstring_examples():
    import hcdv.estimator.model

    assert doctest.testmod(hcdv.estimator.model).failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = PAGES[page]
    for link in LINK.findall(CODE.sub("", path.read_text())):
        place, _, anchor = link.partition("#")
        if not place.startswith(("http:", "https:")):
            target = path.parent / place if place else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text()), link


def anchors(text):
    """Names that readers of Markdown give to the headings of a page."""
    found = []
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M):
        plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode().lower()
        slug = re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", plain).strip())
        found.append(slug if slug not in found else f"{slug}_{found.count(slug)}")
    return found


def test_every_page_is_in_the_navigation():
    shown = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(shown) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


# Reference pages

MODULES = ["games", "shapley", "baselines", "tasks", "datasets", "diagnostics", "plot", "report", "io"]


def public_names():
    """What the library offers, by its full names."""
    for name in hcdv.__all__:
        if inspect.isclass(getattr(hcdv, name)):
            yield f"hcdv.{name}"
    for module in MODULES:
        yield from (f"hcdv.{module}.{name}" for name in importlib.import_module(f"hcdv.{module}").__all__)
    for path in (ROOT / "hcdv" / "integrations").glob("[a-z]*.py"):
        for node in ast.parse(path.read_text()).body:  # not imported: other libraries may be missing
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield f"hcdv.integrations.{path.stem}.{node.name}"


REFERENCE = [
    name
    for path in sorted((DOCS / "reference").glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", path.read_text(), re.M)
]


def test_every_public_name_is_on_a_reference_page():
    assert len(REFERENCE) == len(set(REFERENCE))
    assert set(public_names()) <= set(REFERENCE)


@pytest.mark.parametrize("name", REFERENCE)
def test_what_a_reference_page_shows_is_documented(name):
    module, _, last = name.rpartition(".")
    try:
        thing = getattr(importlib.import_module(module), last)
    except ImportError:
        pytest.skip(f"{module} needs a library that is not installed")
    if not (inspect.isfunction(thing) or inspect.isclass(thing)):
        return  # a constant or an alias of types
    said = inspect.cleandoc(thing.__doc__ or "")
    assert said
    if inspect.isfunction(thing):
        takes = inspect.signature(thing)
        is_whole = not takes.parameters or section(said, "Parameters")
        if takes.return_annotation != "None":
            is_whole = is_whole and (section(said, "Returns") or section(said, "Yields"))
        assert is_whole


def section(said, title):
    return re.search(rf"^\s*{title}\n\s*-+$", said, re.M)


# Notebooks and the site


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    notebook = json.loads(path.read_text())
    assert f"](../examples/{path.name})" in PAGES["notebooks"].read_text()
    for cell in notebook["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
    client, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    client.NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    for name in ("mkdocs", "material", "mkdocstrings_handlers"):
        pytest.importorskip(name, reason="pip install 'hcdv[docs]' brings it")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"?https?:", page.read_text()), page
    for path in NOTEBOOKS:
        assert (tmp_path / "site" / "examples" / path.name).read_bytes() == path.read_bytes()
