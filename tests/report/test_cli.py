"""``hcdv report`` and ``hcdv value --report``."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_iris

from hcdv import ValuationResult
from hcdv.cli import main
from tests.report.pages import Page


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data, and what ``hcdv value`` made of it."""
    folder = tmp_path_factory.mktemp("made")
    frame = load_iris(as_frame=True).frame
    frame["species"] = np.array(["setosa", "versicolor", "virginica"])[frame.pop("target")]
    frame.insert(0, "flower", [f"f{i:03d}" for i in range(len(frame))])
    frame.to_csv(folder / "iris.csv", index=False)
    answer = call(
        "value", folder / "iris.csv", "--label", "species", "--id", "flower", "--out", folder / "values.csv",
        "--save", folder / "state", "--report", folder / "page.html", "--utility", "kernel", "--quiet",
        "--permutations", 8,
    )  # fmt: skip
    assert (answer.exit_code, answer.output) == (0, "")
    return folder


def page_at(path):
    return Page(path.read_text(encoding="utf-8"))


def test_value_writes_a_report(made):
    page = page_at(made / "page.html")
    rows = pd.DataFrame(page.data["rows"], columns=page.data["columns"])
    values = pd.read_csv(made / "values.csv").sort_values("rank")
    assert rows["id"].iloc[0] == values["id"].iloc[0]
    assert rows["value"].iloc[0] == values["value"].iloc[0]
    assert {"sepal length (cm)", "petal width (cm)"} < set(rows.columns)
    assert "species" not in rows.columns and "flower" not in rows.columns
    assert "nearest training rows" in (made / "page.html").read_text()


def test_a_state_and_its_data_give_the_same_page(made, tmp_path):
    shuffled = pd.read_csv(made / "iris.csv").sample(frac=1.0, random_state=0)
    shuffled.to_parquet(tmp_path / "data.parquet")
    answer = call("report", made / "state", tmp_path / "data.parquet", "--out", tmp_path / "page.html")
    assert answer.exit_code == 0, answer.output
    assert "Wrote a report on 150 rows" in answer.output
    again, first = page_at(tmp_path / "page.html").data, page_at(made / "page.html").data
    assert again["columns"] == first["columns"]
    assert again["rows"] == first["rows"]


@pytest.mark.parametrize("kind", ["csv", "saved", "state"])
def test_every_source_goes_without_data(made, tmp_path, kind):
    source = made / {"csv": "values.csv", "saved": "saved.hcdv", "state": "state"}[kind]
    if kind == "saved":
        table = pd.read_csv(made / "values.csv")
        ValuationResult(
            table["value"].to_numpy(), table["id"].to_numpy(), {}, {}, 0.0, 1.0, 1, 0, "exact",
            labels=table["label"].to_numpy(),
        ).save(source)  # fmt: skip
    answer = call("report", source, "--out", tmp_path / "page.html", "--title", "Iris", "--rows", 7)
    assert answer.exit_code == 0, answer.output
    page = page_at(tmp_path / "page.html")
    assert page.all("title")[0][1] == "Iris"
    assert 14 <= len(page.data["rows"]) <= 42


def test_rows_without_names_go_by_their_number(made, tmp_path):
    call("value", made / "iris.csv", "--label", "species", "--drop", "flower", "--out", tmp_path / "v.csv",
         "--utility", "fit", "--permutations", 4, "--quiet")  # fmt: skip
    values, out = tmp_path / "v.csv", tmp_path / "page.html"
    answer = call("report", values, made / "iris.csv", "--label", "species", "--out", out)
    assert answer.exit_code == 0, answer.output
    data = page_at(out).data
    name, position = data["columns"].index("flower"), data["columns"].index("position")
    assert all(row[name] == f"f{row[position]:03d}" for row in data["rows"])
    pd.read_csv(made / "iris.csv")[:100].to_csv(tmp_path / "short.csv")
    answer = call("report", values, tmp_path / "short.csv", "--label", "species", "--out", out)
    assert answer.exit_code == 2
    assert "short.csv has 100 rows for the 150 values of" in answer.output


def test_bad_input_is_one_sentence(made, tmp_path):
    values, data, out = made / "values.csv", made / "iris.csv", tmp_path / "page.html"
    frame = pd.read_csv(data)
    frame.assign(flower=[f"g{k}" for k in range(150)]).to_csv(tmp_path / "strange.csv", index=False)
    frame.assign(flower="f000").to_csv(tmp_path / "twice.csv", index=False)
    told = pd.read_csv(values)
    told.assign(value="high").to_csv(tmp_path / "words.csv", index=False)
    told.assign(std_error="high").to_csv(tmp_path / "errors.csv", index=False)
    told.assign(std_error=-1.0).to_csv(tmp_path / "below.csv", index=False)
    told.assign(id="f000").to_csv(tmp_path / "same.csv", index=False)
    told.assign(id=[None, *told["id"][1:]]).to_csv(tmp_path / "gap.csv", index=False)
    (tmp_path / "noise.bin").write_bytes(b"noise")
    (tmp_path / "empty").mkdir()
    named = ["--label", "species", "--id", "flower"]
    for arguments, said in [
        (["report", tmp_path / "none.csv"], "none.csv does not exist"),
        (["report", tmp_path / "none.bin"], "none.bin"),
        (["report", tmp_path / "noise.bin"], "noise.bin"),
        (["report", tmp_path / "empty"], "empty"),
        (["report", data], "has no column 'id'"),
        (["report", tmp_path / "words.csv"], "has values that are no numbers"),
        (["report", tmp_path / "errors.csv"], "errors.csv has standard errors that are no numbers from 0 on"),
        (["report", tmp_path / "below.csv"], "below.csv has standard errors that are no numbers from 0 on"),
        (["report", tmp_path / "same.csv"], "same.csv: ids must be unique: 'f000' occurs 150 times"),
        (["report", tmp_path / "gap.csv"], "gap.csv: ids: 1 is missing (first at row 0)"),
        (["report", values, tmp_path / "none.csv", *named], "none.csv does not exist"),
        (["report", values, data], "--label is missing"),
        (["report", values, "--label", "species"], "--label and --id are columns of DATA"),
        (["report", values, data, "--label", "species"], "tell by --id which column"),
        (["report", values, data, "--label", "flower", "--id", "flower"], "other labels in column 'flower'"),
        (["report", values, data, "--label", "kind", "--id", "flower"], "has no column 'kind'"),
        (["report", values, data, "--label", "species", "--id", "name"], "has no column 'name'"),
        (["report", values, tmp_path / "strange.csv", *named], "150 of 150 name no row (first: 'f000')"),
        (["report", values, tmp_path / "twice.csv", *named], "'f000' occurs 150 times"),
    ]:
        answer = call(*arguments, "--out", out)
        assert answer.exit_code == 2, arguments
        lines = answer.output.strip().splitlines()
        assert len(lines) == 1 and said in lines[0], (arguments, answer.output)
        assert not out.exists()
    for place, said in [(values, "would overwrite it"), (tmp_path / "no" / "p.html", "does not exist")]:
        answer = call("report", values, "--out", place)
        assert answer.exit_code == 2 and said in answer.output
    answer = call("report", made / "state", "--out", made / "state" / "page.html")
    assert answer.exit_code == 2 and "lies in the state" in answer.output
    answer = call("value", data, "--label", "species", "--out", tmp_path / "v.csv", "--report", tmp_path)
    assert answer.exit_code == 2 and "is a folder" in answer.output
    answer = call("value", data, "--label", "species", "--out", tmp_path / "v.csv", "--report", out,
                  "--memory-limit", "1GB")  # fmt: skip
    assert answer.exit_code == 2 and "--report needs all rows in memory" in answer.output
