from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hcdv.cli import main
from hcdv.io import read_table, write_values


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def sold(tmp_path):
    """Values as `hcdv value` writes them, and who sold which row (in another order)."""
    frame = pd.DataFrame({"id": ["r1", "r2", "r3", "r4"], "value": [0.3, 0.1, -0.2, 0.4]})
    frame["label"] = list("xyxy")
    values, sellers = tmp_path / "values.csv", tmp_path / "sellers.csv"
    frame.to_csv(values, index=False)
    pd.DataFrame({"row": ["r4", "r3", "r2", "r1"], "seller": ["ann", "bob", "bob", "cid"]}).to_csv(
        sellers, index=False
    )
    return values, sellers


def test_a_column_of_the_values(sold):
    answer = call("payout", sold[0], "--by", "label", "--total", 100, "--currency", "EUR")
    assert answer.exit_code == 0, answer.output
    # x: 0.3 - 0.2 = 0.1, y: 0.1 + 0.4 = 0.5, of 0.6.
    lines = [line.split() for line in answer.output.splitlines()]
    assert ["y", "2", "0.5", "83.33", "83.3%"] in lines
    assert ["x", "2", "0.1", "16.67", "16.7%"] in lines
    assert answer.output.startswith("100.00 EUR over 2 sellers")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_a_column_of_another_file_and_what_is_written(sold, tmp_path, suffix):
    values, sellers = (tmp_path / f"{name}.in.{suffix}" for name in ("values", "sellers"))
    write_values(read_table(sold[0]), values)
    write_values(read_table(sold[1]), sellers)
    out = tmp_path / "paid.csv"
    answer = call(
        "payout", values, "--by", "seller", "--sellers", sellers, "--id", "row", "--total", "80.01",
        "--currency", "EUR", "--minimum", "0.50", "--out", out,
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    # ann .4, cid .3, bob .1 - .2 < 0: bob is raised to the minimum, 79.51 is split 4 : 3.
    paid = pd.read_csv(out, dtype=str)
    assert paid["seller"].tolist() == ["ann", "cid", "bob"]
    assert paid["amount"].tolist() == ["45.43", "34.08", "0.50"]
    assert sum(map(Decimal, paid["amount"])) == Decimal("80.01")
    assert "1 of 3 sellers have a negative value and get the minimum." in answer.output
    assert f"Wrote 3 amounts to {out}" in answer.output


def test_sellers_of_negative_value_pay_where_asked(sold):
    answer = call("payout", sold[0], "--by", "seller", "--sellers", sold[1], "--id", "row", "--total", 60,
                  "--negative", "--decimals", 0)  # fmt: skip
    assert answer.exit_code == 0, answer.output
    amounts = {line.split()[0]: line.split()[3] for line in answer.output.splitlines() if "%" in line}
    assert amounts == {"ann": "40", "cid": "30", "bob": "-10"}


def test_numbers_and_text_name_the_same_rows(tmp_path):
    values, sellers = tmp_path / "v.csv", tmp_path / "s.parquet"
    pd.DataFrame({"id": [0, 1, 2], "value": [1.0, 2.0, 1.0]}).to_csv(values, index=False)
    pd.DataFrame({"id": ["2", "1", "0"], "who": ["b", "a", "a"]}).to_parquet(sellers)
    answer = call("payout", values, "--by", "who", "--sellers", sellers, "--total", 4)
    assert answer.exit_code == 0, answer.output
    assert ["a", "2", "3", "3.00", "75.0%"] in [line.split() for line in answer.output.splitlines()]


def test_after_hcdv_value(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    data = pd.DataFrame({"name": [f"n{i}" for i in range(60)], "a": rng.normal(size=60) + 2 * y, "y": y})
    data["shop"] = [f"s{i % 4}" for i in range(60)]
    path, values, out = tmp_path / "data.csv", tmp_path / "values.csv", tmp_path / "paid.csv"
    data.to_csv(path, index=False)
    made = call("value", path, "--label", "y", "--id", "name", "--drop", "shop", "--out", values,
                "--permutations", 4, "--quiet")  # fmt: skip
    assert made.exit_code == 0, made.output
    answer = call("payout", values, "--by", "shop", "--sellers", path, "--id", "name", "--total", 999.99,
                  "--out", out)  # fmt: skip
    assert answer.exit_code == 0, answer.output
    paid = pd.read_csv(out, dtype=str)
    assert sum(map(Decimal, paid["amount"])) == Decimal("999.99")
    expected = pd.read_csv(values).set_index("id")["value"].groupby(data.set_index("name")["shop"]).sum()
    np.testing.assert_allclose(paid["value"].astype(float), expected[paid["seller"]])


@pytest.fixture
def shops(tmp_path):
    """A file of data: names, one column, labels, and the shop of each row."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    data = pd.DataFrame({"name": [f"n{i}" for i in range(60)], "a": rng.normal(size=60) + 2 * y, "y": y})
    data["shop"] = [f"s{i % 4}" for i in range(60)]
    data["day"] = 20.5 + np.arange(60) // 30
    path = tmp_path / "shops.csv"
    data.to_csv(path, index=False)
    return path


def valued(data, out, *options):
    made = call("value", data, "--label", "y", "--out", out, "--permutations", 4, "--quiet", *options)
    assert made.exit_code == 0, made.output
    return out


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "arrow", "npz"])
def test_groups_are_written_and_paid(shops, tmp_path, suffix):
    options = ["--id", "name", "--groups", "day", "--groups", "shop"]
    values = valued(shops, tmp_path / f"values.{suffix}", *options)
    data, table = pd.read_csv(shops), read_table(values)
    assert list(table)[:4] == ["id", "day", "shop", "value"]
    for name in ("day", "shop"):
        assert table[name].tolist() == data[name].tolist()
        answer = call("payout", values, "--by", name, "--total", 100, "--out", tmp_path / "paid.csv")
        assert answer.exit_code == 0, answer.output
        assert set(pd.read_csv(tmp_path / "paid.csv")["seller"]) == set(data[name])


@pytest.mark.parametrize("name", ["shop", "day"])
def test_a_row_without_a_group(shops, tmp_path, name):
    data = pd.read_csv(shops)
    data.loc[3, name] = None
    data.to_csv(shops, index=False)
    answer = call("value", shops, "--label", "y", "--groups", name, "--out", tmp_path / "values.csv")
    assert answer.exit_code == 2 and f"1 rows without a group in column '{name}'" in answer.output


@pytest.mark.parametrize("name", ["value", "label", "part_kernel"])
def test_a_group_called_like_a_column_of_the_values(shops, tmp_path, name):
    pd.read_csv(shops).rename(columns={"shop": name}).to_csv(shops, index=False)
    answer = call("value", shops, "--label", "y", "--groups", name, "--out", tmp_path / "values.csv")
    assert answer.exit_code == 2
    assert f"--groups '{name}' is the name of a column of the values" in answer.output


def test_rows_without_names_are_joined_by_their_number(shops, tmp_path):
    values = valued(shops, tmp_path / "values.csv", "--drop", "name", "--drop", "shop")
    pay = ["payout", values, "--by", "shop", "--total", 100, "--out", tmp_path / "paid.csv"]
    answer = call(*pay)
    assert answer.exit_code == 2
    assert "has no column 'shop'; it has id, value, std_error, rank, label" in answer.output
    assert "by --sellers FILE --id COLUMN, or let `hcdv value --groups shop` write it." in answer.output
    answer = call(*pay, "--sellers", shops)
    assert answer.exit_code == 0, answer.output
    assert f"row k of {shops} is taken to be row k of the data" in " ".join(answer.output.split())
    paid = pd.read_csv(tmp_path / "paid.csv").set_index("seller")
    expected = pd.read_csv(values)["value"].groupby(pd.read_csv(shops)["shop"]).sum()
    np.testing.assert_allclose(paid["value"], expected[paid.index])
    # A file of other rows, or of other names, is none to count in.
    short = tmp_path / "short.csv"
    pd.read_csv(shops).iloc[1:].to_csv(short, index=False)
    answer = call(*pay, "--sellers", short)
    assert answer.exit_code == 2 and "has 59 rows for 60 values of rows without names" in answer.output
    named = valued(shops, tmp_path / "named.csv", "--id", "name", "--drop", "shop")
    answer = call("payout", named, "--by", "shop", "--total", 100, "--sellers", shops)
    assert answer.exit_code == 2
    assert "has no column 'id'; it has name, a, y, shop, day; name the one" in answer.output


BAD = {
    "no file": (["nowhere.csv", "--by", "label", "--total", "1"], "nowhere.csv does not exist"),
    "no column": (["VALUES", "--by", "shop", "--total", "1"], "has no column 'shop'"),
    "no values": (["SELLERS", "--by", "seller", "--total", "1"], "has no column 'value'"),
    "no ids in the sellers": (
        ["VALUES", "--by", "seller", "--sellers", "SELLERS", "--total", "1"], "has no column 'id'",
    ),
    "no money": (["VALUES", "--by", "label", "--total", "much"], "total must be an amount of money"),
    "parts of a coin": (["VALUES", "--by", "label", "--total", "1.001"], "2 decimals at most"),
    "coins of Japan": (
        ["VALUES", "--by", "label", "--total", "1.5", "--currency", "JPY"], "0 decimals at most",
    ),
    "minimum": (["VALUES", "--by", "label", "--total", "1", "--minimum", "0.6"], "more than the total of 1"),
    "unknown suffix": (["VALUES", "--by", "label", "--total", "1", "--out", "paid.doc"], "unknown suffix"),
    "over the values": (["VALUES", "--by", "label", "--total", "1", "--out", "VALUES"], "would overwrite it"),
    "a row nobody sold": (
        ["SHORT", "--by", "seller", "--sellers", "SELLERS", "--id", "row", "--total", "1"],
        "has no row for 1 of the 4 values (first: r9)",
    ),
    "a row sold twice": (
        ["VALUES", "--by", "seller", "--sellers", "TWICE", "--id", "row", "--total", "1"],
        "has the row r1 more than once",
    ),
    "no seller": (["EMPTY", "--by", "label", "--total", "1"], "1 rows without a seller in column 'label'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(sold, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    values, sellers = map(read_table, sold)
    values.assign(id=["r1", "r2", "r3", "r9"]).to_csv("short.csv", index=False)
    values.assign(label=["x", None, "y", "y"]).to_csv("empty.csv", index=False)
    pd.concat([sellers, sellers.iloc[3:]]).to_csv("twice.csv", index=False)
    files = {name.upper(): f"{name}.csv" for name in ("short", "empty", "twice")}
    files |= {"VALUES": sold[0], "SELLERS": sold[1]}
    before = sold[0].read_bytes()
    arguments, sentence = BAD[case]
    answer = call("payout", *[files.get(a, a) for a in arguments])
    assert answer.exit_code == 2
    line = answer.output.strip().splitlines()[-1]
    assert line.startswith("hcdv: ")
    assert sentence in line
    assert "Traceback" not in answer.output
    assert sold[0].read_bytes() == before


def written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("one", "other"),
    [("007", "7"), ("1e3", "1000"), ("TRUE", "true"), ("9007199254740993.0", "9007199254740992")],
)
def test_names_that_read_alike_are_not_one_seller(tmp_path, one, other):
    text = f"id,value,seller\n0,1,{one}\n1,2,{other}\n"
    values = written(tmp_path / "values.csv", text)
    said = f"has both '{one}' and '{other}' in column 'seller', which read as one value"
    answer = call("payout", values, "--by", "seller", "--total", 10)
    assert answer.exit_code == 2 and said in answer.output
    bare = written(tmp_path / "bare.csv", "id,value\n0,1\n1,2\n")
    answer = call("payout", bare, "--by", "seller", "--total", 10, "--sellers", values)
    assert answer.exit_code == 2 and said in answer.output


def test_groups_that_read_alike_are_not_one_group(shops, tmp_path):
    table = pd.read_csv(shops)
    table["shop"] = ["007", "7", "8"] * 20
    table.to_csv(shops, index=False)
    answer = call("value", shops, "--label", "y", "--groups", "shop", "--out", tmp_path / "values.csv")
    assert answer.exit_code == 2
    assert "has both '007' and '7' in column 'shop', which read as one value" in answer.output
    assert not (tmp_path / "values.csv").exists()


def test_numbers_with_gaps_and_truth_values_name_rows(tmp_path):
    values = written(tmp_path / "values.csv", "id,value\n0,1\n1,2\n2,1\n")
    sellers = written(tmp_path / "sellers.csv", "id,seller\n1,bob\n,cid\n,dee\n0,ann\n2,ann\n")
    answer = call("payout", values, "--by", "seller", "--total", 4, "--sellers", sellers)
    assert answer.exit_code == 0, answer.output
    assert ["ann", "2", "2", "2.00", "50.0%"] in [line.split() for line in answer.output.splitlines()]
    values = written(tmp_path / "values.csv", "id,value\nTrue,1\nFalse,3\n")
    sellers = written(tmp_path / "sellers.csv", "id,seller\nFalse,f\nTrue,t\n")
    answer = call("payout", values, "--by", "seller", "--total", 4, "--sellers", sellers)
    assert answer.exit_code == 0, answer.output
    assert ["f", "1", "3", "3.00", "75.0%"] in [line.split() for line in answer.output.splitlines()]


@pytest.mark.parametrize(
    ("number", "said"), [("1e308", "too large to add up"), ("9" * 400, "too large for floats")]
)
def test_numbers_beyond_floats_are_one_sentence(tmp_path, number, said):
    values = written(tmp_path / "values.csv", f"id,value,seller\n0,{number},a\n1,{number},a\n")
    answer = call("payout", values, "--by", "seller", "--total", 1)
    assert answer.exit_code == 2 and said in answer.output
