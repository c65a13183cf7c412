"""docs/comparison.md, written from the figures in bench/results.

    python -m bench.comparison

Nothing on that page is typed by hand but its sentences; tests/test_comparison.py fails when it is stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.paper._store import Store
from bench.paper.opendataval import origins
from bench.protocol import LEVELS, TASKS, costs, figures, verdict
from bench.rivals._ratios import claims_table, detection_table, fits_table, install_table, task_table

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "bench" / "results", ROOT / "docs" / "comparison.md"

INTRODUCTION = """# Beside the others

The other libraries, each in a virtual environment of its own with pinned versions
(`bench/rivals/requirements/`), on the same arrays with one BLAS thread; and every method of `hcdv.baselines` in
the protocol of OpenDataVal. This page is written by `python -m bench.comparison` from what the two scripts
measured: the sentences are by hand, the figures are not.
"""

TABLES = """## How to read the tables of the libraries

Each line is a method in a process of its own; "of ours" is its CPU seconds (of data Shapley: those of a
permutation) as a multiple of our first line of that method. *mc* is scikit-learn's `make_classification`:
two classes, 20 columns of which 10 tell something, standardised, 500 clean validation rows; three seeds.
"how many" are chains, permutations, coalitions or models, doubled until AUC .90 is reached (on the first
seed; "best" is the best of any seed where it is not), or as many as fit into 10 CPU seconds of the first
seed. Our Data-OOB refuses to value rows that were in every bag, and so starts at more models than the
others, which fill such rows in. "ridge evidence" is `HCDV(utility="fit")`, "fewer chains"
`HCDV(n_permutations=...)`.
"""

BETTER_THERE = """## What the others do better

- **cleanlab** is more than a score: it says which label is likely right, finds outliers, near-duplicates
  and rows that are not drawn independently, knows multi-label, token and segmentation labels, and retrains
  for you. With a logistic regression its recipe takes a fraction of our time (see the tables), and in the
  DA columns below its lowest rows harm that model as much as ours or more in most cells. Its ranking (AUC)
  is often as good as ours; what sets HCDV apart is where the values fall into two groups (F1).
- **KNN-Shapley** (`hcdv.baselines` has it too), cleanlab's KNN values and **Data-OOB** of few logistic
  regressions, on digits that of trees too, reach an AUC of .90 sooner than HCDV as it comes; the tables say
  by how much.
- **DU-Shapley, Data Shapley and KNN-Shapley** put rows first without which a model does worse: in the
  protocol, taking their highest rows away (DR) hurts more than taking ours, which hurts little more than
  taking random ones. They rank by the score on the validation rows, we by how well rows and validation rows
  confirm each other; and a model can spare what many rows confirm. `HCDV(utility="ridge")` ranks by such a
  score too, and then costs a model about as much as they do where data sets are the players, more than ours
  do where rows are; but it finds far fewer wrong labels than ours.
- **pyDVL** has influence functions for torch models, least cores, and more semi-values and samplers than we
  do. It needs less than half of our memory where we import torch, its Data-OOB of trees is a little faster
  than ours, and on ten classes its TMC is nearly as fast as ours.
- **OpenDataVal** is the benchmark itself: data sets, noise models, experiments; and it has DVRL, AME and
  LAVA.
- **shapiq** computes interactions of any order and explains trees exactly. We compute no interactions.
- **k-means-constrained** takes any bounds on each cluster and solves every assignment to optimality.
- All of them have met more strange data than this library, which is new.
"""

PROTOCOL = """## The OpenDataVal protocol

The shape is that of Table 3 of the paper ([arXiv 2512.19363](https://arxiv.org/abs/2512.19363)).

1,000 training and 100 validation rows of sentence or convolutional embeddings, p of the labels of both
shifted. **NLD**: F1 of the noisy players, by two-means of the values; **AUC** of the same players, whatever
the cut (both: higher is better). **DR**: test accuracy of a logistic regression once the p highest players
are gone; **DA**: trained on the p lowest alone (both: lower is better). Mean and deviation over five seeds,
the best of a column in bold. Models of coalitions see 32 principal components; what each method was given
stands at the head of `bench/protocol.py`.
"""
PLAYERS = {
    "rows": "### Rows as players\n",
    "groups": """### 100 data sets of ten rows as players

p of the data sets have all their labels shifted; values of rows are summed over a data set.
""",
}


def page() -> str:
    """The whole page as text."""
    peers = json.loads((RESULTS / "peers.json").read_text())
    protocol = protocol_record()
    claimed = claims_table([row for row in peers["rows"] if row["task"] == "claim"])
    parts = [
        INTRODUCTION,
        "## Claims, and whether they hold\n\n" + block(claimed),
        TABLES,
        *side_by_side([row for row in peers["rows"] if row["task"] != "claim"]),
        machine("bench.peers", peers),
        *protocol_sections(protocol["rows"]),
        machine("bench.paper table3", protocol),
        BETTER_THERE,
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def protocol_record() -> dict[str, Any]:
    """What was measured for Table 3 of the paper, the rows with their origins."""
    record = Store(RESULTS / "paper", "laptop", "opendataval").record
    return {**record, "note": origins(record["rows"])}


def block(text: str) -> str:
    return f"```text\n{text}\n```\n"


def machine(module: str, record: dict[str, Any]) -> str:
    """Where the figures above come from."""
    it = record["machine"]
    note = f" {record['note']}" if "note" in record else ""
    return (
        f"(`python -m {module} --scale {record['scale']}`; {it['cores']} cores, {it['processor']}, Python "
        f"{it['python']}, numpy {it['numpy']}, scikit-learn {it['scikit-learn']}.{note})"
    )


def side_by_side(rows: list[dict[str, Any]]) -> list[str]:
    """The ratio tables: wrong labels first, for that is what most people come for."""
    cases = dict.fromkeys(row["case"] for row in rows if row["task"] == "detection")
    parts = ["## Finding wrong labels: quality in the same time, time to the same quality\n"]
    parts += [block(detection_table(case, rows)) for case in cases]
    titles = {
        "fits": "Data Shapley with a logistic regression",
        "knn": "KNN-Shapley",
        "oob": "Data-OOB",
        "game": "Exact Shapley values",
        "groups": "Groups of rows",
        "split": "Balanced k-means",
    }
    for task, title in titles.items():
        if any(row["task"] == task for row in rows):
            parts.append(f"## {title}\n\n" + block(task_table(task, rows)))
            if task == "fits":
                parts.append(block(fits_table(rows)))
    parts.append("## What was installed\n\n" + block(install_table(rows)))
    return parts


def protocol_sections(rows: list[dict[str, Any]]) -> list[str]:
    """The paper's Table 3, for rows and for data sets as players."""
    parts = [PROTOCOL]
    for players, heading in PLAYERS.items():
        if any(row["players"] == players for row in rows):
            parts += [heading, protocol_table(rows, players)]
            parts.append("".join(f"- {line}\n" for line in verdict(rows, players)))
    return parts


def protocol_table(rows: list[dict[str, Any]], players: str) -> str:
    """Markdown, one table for each data set."""
    mine = figures(rows, players)
    names, methods = (list(dict.fromkeys(key[k] for key in mine)) for k in (1, 0))
    parts = []
    for name in names:
        cells = [(task, level) for task in TASKS for level in LEVELS]
        best = {
            (task, level): (max if task in ("nld", "auc") else min)(
                round(mine[method, name, task, level][0], 3) for method in methods
            )
            for task, level in cells
        }
        lines = [f"| {name} | " + " | ".join(f"{TASKS[t]} {p:.0%}" for t, p in cells) + " | CPU s | fits |"]
        lines.append("|---" * (len(cells) + 3) + "|")
        for method in methods:
            text = []
            for cell in cells:
                mean, deviation = mine[method, name, *cell]
                figure = f"{mean:.3f} ± {deviation:.3f}"
                text.append(f"**{figure}**" if round(mean, 3) == best[cell] else figure)
            seconds, fits = costs([row for row in rows if row["set"] == name], players, method)
            who = f"**{method}**" if method == "HCDV" else method
            lines.append(f"| {who} | " + " | ".join(text) + f" | {seconds:.2f} | {fits:,.0f} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")
