"""What the README and the docstrings show is what happens."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
END = "--- end of block ---"
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?%?")


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


@pytest.mark.parametrize("page", ["baselines", "tasks", "streaming", "scale"])
def test_pages_print_what_they_say(page, tmp_path):
    # All blocks of a page, one after the other; what is printed up to a block of text is what that shows.
    steps, said = ["import subprocess, sys"], []
    for kind, block in re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.S):
        if kind == "text":
            said.append(block)
            steps.append(f"print({END!r}, flush=True)")
        elif kind == "sh":
            # Files and clusters of no one; tests/test_cli_state.py and tests/scale run such commands.
            for line in block.splitlines() if page not in ("streaming", "scale") else []:
                assert line.startswith("hcdv ")
                command = f"[sys.executable, '-m', *{shlex.split(line)!r}]"
                steps += ["sys.stdout.flush()", f"subprocess.run({command}, check=True)"]
        else:
            steps.append(block)
    code = [sys.executable, "-c", "\n".join(steps)]
    done = subprocess.run(code, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    *printed, rest = done.stdout.split(f"{END}\n")
    assert not rest
    for here, there in zip(printed, said, strict=True):
        assert NUMBER.sub("#", here).split() == NUMBER.sub("#", there).split()
        assert figures(here) == pytest.approx(figures(there), rel=0.2, abs=0.03)


def figures(text):
    return [float(number.replace(",", "").rstrip("%.")) for number in NUMBER.findall(text)]


def test_docstring_examples():
    import hcdv.estimator.model

    assert doctest.testmod(hcdv.estimator.model).failed == 0


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+?)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
