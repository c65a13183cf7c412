"""The page: whole, safe, complete, and open to everybody."""

import base64
import hashlib
import io
import re
import subprocess
import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.sparse import coo_matrix

from hcdv import HCDV, ValuationResult
from hcdv.report import write_report
from hcdv.report.features import clean, shown
from hcdv.report.histogram import histogram, ticks
from hcdv.report.thumbnails import _grey_levels
from tests.report.pages import Page
from tests.updated import rows_and_labels

HOSTILE = '</script><img src=x onerror="alert(1)"> & {{ 7*7 }} \x00'
X, Y = rows_and_labels(80, n_classes=3, n_clusters_per_class=1)
FRAME = pd.DataFrame(X, columns=[f"x{j}" for j in range(6)])


@pytest.fixture(scope="module")
def model():
    labels = np.array(["ash", "birch", "cedar"])[Y]
    model = HCDV(random_state=0, n_permutations=8, n_jobs=1)
    return model.fit(FRAME[:60], labels[:60], FRAME[60:], labels[60:])


def page_of(source, tmp_path, *args, **options):
    path = write_report(source, tmp_path / "page.html", *args, **options)
    return Page(path.read_text(encoding="utf-8"))


def test_a_page_is_whole_and_alone(model, tmp_path):
    page = page_of(model, tmp_path, FRAME[:60], n_rows=10)
    for tag, attributes, _ in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "style") or tag == "style"
        assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "action", "srcset", "xlink:href", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png")), attributes
    text = (tmp_path / "page.html").read_text()
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text and "@import" not in text
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes, _ in page.elements:
        for name in ("aria-controls", "aria-labelledby", "for"):
            assert attributes.get(name) in {None, *ids}
    labelled = {attributes["for"] for attributes, _ in page.all("label")}
    for tag in ("input", "select"):
        assert all(attributes["id"] in labelled for attributes, _ in page.all(tag))
    assert all(text.strip() for _, text in page.all("button") + page.all("th") + page.all("caption"))
    assert all(attributes["scope"] in ("row", "col") for attributes, _ in page.all("th"))
    headings = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(headings))
    drawn = [attributes for tag, attributes, _ in page.elements if tag == "svg"]
    assert all("aria-label" in svg or svg.get("aria-hidden") == "true" for svg in drawn)


def test_only_its_own_script_may_run(model, tmp_path):
    page = page_of(model, tmp_path)
    ((policy, _),) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    for kind in ("script", "style"):
        (own,) = [text for attributes, text in page.all(kind) if "type" not in attributes]
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy["content"]
    assert policy["content"].startswith("default-src 'none'")


def test_it_tells_what_the_model_knows(model, tmp_path):
    page, result = page_of(model, tmp_path, FRAME[:60], n_rows=10), model.result_
    data = page.data
    n_low = max(10, int(result.label_issues()["is_issue"].sum()))
    ranking = result.ranking()
    shown = [*ranking[:n_low], *ranking[-10:]]
    table = pd.DataFrame(data["rows"], columns=data["columns"]).set_index("position", drop=False)
    assert table["position"].tolist() == shown
    assert table["value"].tolist() == result.values[shown].tolist()
    assert table["label"].tolist() == result.labels[shown].tolist()
    issues = result.label_issues().set_index("position")["is_issue"]
    assert table["is_issue"].tolist() == issues[shown].tolist()
    np.testing.assert_array_equal(table[FRAME.columns], FRAME.iloc[shown])
    parts = sum(table[f"part_{name}"] for name in result.weights)
    np.testing.assert_allclose(parts, table["value"])
    records = page.all("tbody", **{"class": "record"}) + page.all("tbody", **{"class": "record issue"})
    assert len(records) == len(shown)
    about = model.explain(ranking[0])
    ((_, first),) = page.all("tr", id="more-0")
    for sentence in about.reasons:
        assert sentence[1:] in first
    for row in about.neighbours:
        assert str(row.id) in first
    everything = (tmp_path / "page.html").read_text()
    assert f"{len(shown)} of 60 rows" in everything
    assert f"<dd>{model.result_.n_permutations} (stopped by n_permutations)</dd>" in everything


def test_what_is_hostile_stays_text(tmp_path):
    frame = FRAME[:60].assign(word=HOSTILE, **{HOSTILE: 1.0})
    labels = np.where(Y[:60] == 0, HOSTILE, "other")
    model = HCDV("identity", "kernel", random_state=0, n_permutations=4).fit(
        FRAME[:60], labels, ids=[f"{HOSTILE}{k}" for k in range(60)]
    )
    for text_columns in ([], ["word"]):
        page = page_of(model, tmp_path, frame, text_columns=text_columns, title=HOSTILE)
        assert not page.all("img")
        assert len(page.all("script")) == 2
        kept = HOSTILE.replace("\x00", "\ufffd")
        row = dict(zip(page.data["columns"], page.data["rows"][0], strict=True))
        assert row["word"] == kept and row[kept] == 1.0 and kept in row["id"]
        ((_, details),) = page.all("tr", id="more-0")
        assert kept in details
        assert page.all("title")[0][1].startswith("</script><img")
    assert clean("\ud800\x1b[31m\u202e") == "\ufffd\ufffd[31m\ufffd"
    title = page_of(model, tmp_path, title="half \ud800").all("title")[0][1]
    assert title == "half \ufffd"


@pytest.mark.parametrize(
    "text", ["1\xa0000 €", "👨\u200d👩\u200d👧", "می\u200cخواهم", "東京\u3000都", "two\r\nlines", "co\xadop"]
)
def test_text_of_any_language_stays(text):
    assert clean(text) == text


def test_long_texts_are_cut(model, tmp_path):
    long = "x" * 100_000
    labels = np.where(Y[:60] == 0, long, "other")
    frame = FRAME[:60].assign(word=long, **{long: 1.0})
    source = HCDV("identity", "kernel", random_state=0, n_permutations=4).fit(
        FRAME[:60], labels, ids=[f"{k}{long}" for k in range(60)]
    )
    page = page_of(source, tmp_path, frame, text_columns=[])
    row = dict(zip(page.data["columns"], page.data["rows"][0], strict=True))
    cut = "x" * 1_999 + "\N{HORIZONTAL ELLIPSIS}"
    assert row["word"] == cut
    label = page.data["columns"].index("label")
    assert {row[label] for row in page.data["rows"]} == {cut, "other"}
    assert (tmp_path / "page.html").stat().st_size < 2_000_000


def test_one_long_text_takes_its_own_room_only(model, tmp_path):
    texts = [*["short"] * 59, "x" * 1_000_000]
    tracemalloc.start()
    try:
        page_of(model.result_, tmp_path, texts, n_rows=3)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


def test_cells_of_any_kind(model, tmp_path):
    nested = page_of(model.result_, tmp_path, pd.DataFrame({"a": [[1, [2, 3]]] * 60}), n_rows=2)
    assert nested.data["rows"][0][-1] == "[1, [2, 3]]"
    sparse = page_of(model.result_, tmp_path, coo_matrix(np.eye(60)), n_rows=2)
    first = nested.data["rows"][0][1]
    assert sparse.data["rows"][0][-30:] == [float(first == j) for j in range(30)]
    # A column with gaps has floats for its whole numbers.
    assert [shown(item) for item in (14084.0, 14084, 0.123456, None)] == ["14084", "14084", "0.1235", "–"]


def test_same_input_same_bytes(model, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 9, 9, 3)).astype(np.uint8)
    twice = [
        write_report(model, tmp_path / f"{k}.html", FRAME[:60], images=images).read_bytes() for k in range(2)
    ]
    assert twice[0] == twice[1]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0.html", "1.html"]


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        (np.arange(60 * 4).reshape(60, 2, 2).astype(np.uint8), lambda a: a),
        (np.linspace(0, 1, 60 * 4).reshape(60, 2, 2), lambda a: np.rint(a * 255)),
        (np.linspace(-3, 7, 60 * 4).reshape(60, 2, 2, 1), lambda a: np.rint((a[..., 0] + 3) * 25.5)),
        (np.arange(60 * 12).reshape(60, 2, 2, 3) % 256, lambda a: a),
        (np.zeros((60, 2, 2, 4), bool), lambda a: a),
    ],
)
def test_pictures_are_those_of_the_rows(model, tmp_path, images, wanted):
    page = page_of(model, tmp_path, images=images, n_rows=2)
    first = int(model.result_.ranking()[0])
    address, _ = page.all("img", alt=f"picture of row {first}")[0]
    picture = Image.open(io.BytesIO(base64.b64decode(address["src"].split(",")[1])))
    np.testing.assert_array_equal(np.asarray(picture), wanted(images)[first])


def test_large_pictures_are_made_small(model, tmp_path):
    page = page_of(model, tmp_path, images=np.zeros((60, 200, 100), np.uint8), n_rows=2)
    address, _ = page.all("img")[0]
    picture = Image.open(io.BytesIO(base64.b64decode(address["src"].split(",")[1])))
    assert picture.size == (32, 64)


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_as_dark_or_light_as_can_be():
    images = np.full((60, 2, 2), 3.0)
    images[:, 0] = [1.0, -np.inf]
    images[:, 1] = [np.nan, np.inf]
    images[0, 0, 0] = 5.0
    pixels = _grey_levels(images)
    assert pixels[0].tolist() == [[255, 0], [0, 255]]
    assert pixels[1].tolist() == [[0, 0], [0, 255]]
    assert not _grey_levels(np.full((1, 2, 2), np.nan)).any()


def test_a_result_alone_has_no_reasons_but_a_page(model, tmp_path):
    text = [f"row {k} says something that is rather long, longer than any cell {'x' * 40}" for k in range(60)]
    assert "beside its nearest training rows" in str(page_of(model, tmp_path, text, n_rows=3).all("caption"))
    page = page_of(model.result_, tmp_path, text, n_rows=3)
    assert "Neighbours" not in "".join(text for _, text in page.all("th"))
    assert page.data["rows"][0][-1] == text[int(model.result_.ranking()[0])]
    assert len(page.all("svg", role="img")) == 2


def test_scores_without_labels_tree_or_game(tmp_path):
    scores = ValuationResult(
        np.linspace(0.0, 1.0, 30), np.arange(30), {}, {}, 0.0, 15.0, 30, 0, "exact", has_game=False
    )
    page = page_of(scores, tmp_path)
    assert "These values come without a tree." in (tmp_path / "page.html").read_text()
    assert len(page.data["rows"]) == 30
    terms = [text for _, text in page.all("dt")]
    assert "Efficiency gap" not in terms and "Classes" not in terms
    page = page_of(scores, tmp_path, y=["a", "b"] * 15, X=pd.DataFrame({"t": [None, np.nan, pd.NaT] * 10}))
    captions = [text for _, text in page.all("caption")]
    assert "The row" in captions and not any("nearest training rows" in text for text in captions)
    assert page.data["rows"][0][page.data["columns"].index("label")] == "a"
    assert page.data["rows"][0][page.data["columns"].index("t")] is None


def test_parts_that_are_no_numbers_are_no_numbers_of_the_page(tmp_path):
    # A script's JSON has no NaN.
    parts = {"kernel": np.array([np.nan, 1.0, np.inf])}
    result = ValuationResult(np.ones(3), np.arange(3), parts, {"kernel": 1.0}, 0.0, 3.0, 3, 0, "exact")
    page = page_of(result, tmp_path)
    place = page.data["columns"].index("part_kernel")
    assert sorted(str(row[place]) for row in page.data["rows"]) == ["1.0", "None", "inf"]


def test_many_rows_and_columns_stay_within_bounds(tmp_path):
    from hcdv import Hierarchy

    n, rng = 200_000, np.random.default_rng(0)
    values, labels = rng.normal(1.0, 1.0, n), rng.integers(0, 500, n)
    tree = Hierarchy.from_labels([np.arange(n) // 20_000, np.arange(n) // 200, np.arange(n) // 10])
    result = ValuationResult(
        values, np.arange(n), {}, {}, 0.0, float(values.sum()), n, 4, "exact", labels=labels, hierarchy=tree,
        node_values=tree.node_sums(values),
    )  # fmt: skip
    page = page_of(result, tmp_path, rng.normal(size=(n, 40)), n_rows=5)
    assert (tmp_path / "page.html").stat().st_size < 600_000
    assert len(page.data["rows"]) == 30
    text = (tmp_path / "page.html").read_text()
    assert "10 further columns of the data are left out" in text
    assert re.search(r"25 of the [\d,]+ label issues among them", text)
    assert "21,000 blocks too narrow to be seen are left out" in text
    assert "480 smaller classes are left out" in text


def test_histogram_counts_every_row():
    values = np.concatenate([np.random.default_rng(0).normal(size=2_000), [80.0, -90.0]])
    labels = np.arange(2_002) % 8
    drawn = histogram(values, labels, values < -1)
    floor, top = drawn["floor"], 10
    by_kind = np.zeros(6)
    for bar in drawn["bars"]:
        by_kind[bar["kind"]] += int(bar["text"].split(": ")[1].split(" rows")[0].replace(",", ""))
        assert top - 0.01 <= bar["y"] and bar["y"] + bar["height"] <= floor + 0.02
    assert by_kind.sum() == 2_002
    assert by_kind[:5] == pytest.approx(np.bincount(labels)[:5])
    assert drawn["legend"][-1][0] == "3 other classes"
    tallest = min(bar["y"] for bar in drawn["bars"])
    assert tallest == pytest.approx(top, abs=0.01)
    assert ticks(-0.013, 0.021, 6) == pytest.approx([-0.01, 0.0, 0.01, 0.02])
    constant = histogram(np.full(5, 3.0), None, np.zeros(5, bool))
    assert len(constant["bars"]) == 1


def test_long_counts_fit_beside_the_axis():
    drawn = histogram(np.zeros(2_000_000), None, np.zeros(2_000_000, bool))
    longest = max((text for _, text in drawn["y_ticks"]), key=len)
    assert longest == "1,000,000"
    # The usual fonts draw a digit of 12 pixels .64 of that wide at most.
    assert drawn["left"] - 6 >= 12 * 0.64 * len(longest)
    assert drawn["x_ticks"][0][0] >= drawn["left"]
    assert max(bar["x"] + bar["width"] for bar in drawn["bars"]) <= drawn["right"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(X=FRAME), "X has 80 rows for 60 values"),
        (dict(X=np.zeros((60, 3, 3))), r"X must have rows and columns, got shape \(60, 3, 3\)"),
        (dict(X=FRAME[:60], text_columns=["t"]), "text_columns: X has no column 't'; it has x0"),
        (dict(text_columns=["t"]), "text_columns name columns of X"),
        (dict(images=np.zeros((60, 9))), r"images must be \[n, h, w\]"),
        (dict(images=np.zeros((61, 3, 3))), "images has 61 pictures for 60 values"),
        (dict(images=[np.zeros((3, 3)), np.zeros((4, 3))]), "images must be of one shape, got a list"),
        (dict(X=[[1.0]] * 59 + [[1.0, 2.0]]), "X must have rows of one length, got a ragged list"),
        (dict(X=np.ma.masked_less(X[:60], 9.0)), "X has 360 masked values"),
        (dict(y=[1, 2]), "y"),
        (dict(n_rows=0), "n_rows must be at least 1"),
    ],
)
def test_bad_arguments(model, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_report(model, tmp_path / "page.html", **arguments)
    assert not list(tmp_path.iterdir())


def test_bad_sources_and_places(model, tmp_path):
    with pytest.raises(TypeError, match="must be a fitted HCDV or a ValuationResult, got list"):
        write_report([1.0], tmp_path / "page.html")
    with pytest.raises(ValueError, match="not fitted yet"):
        write_report(HCDV(), tmp_path / "page.html")
    with pytest.raises(TypeError, match="X must be a table, an array or a list of texts, got dict"):
        write_report(model, tmp_path / "page.html", {"x0": X[:60, 0]})
    with pytest.raises(TypeError, match="text_columns must be a list"):
        write_report(model, tmp_path / "page.html", FRAME[:60], text_columns="x0")
    gaps = ValuationResult(np.array([1.0, np.nan]), np.arange(2), {}, {}, 0.0, 1.0, 1, 0, "exact")
    with pytest.raises(ValueError, match="values that are no finite numbers: 1 of 2"):
        write_report(gaps, tmp_path / "page.html")
    with pytest.raises(OSError, match="is a folder"):
        write_report(model, tmp_path)


def test_without_jinja_the_extra_is_named(tmp_path):
    code = (
        "import sys, hcdv.report; print('jinja2' in sys.modules, 'PIL' in sys.modules)\n"
        "sys.modules['jinja2'] = None\n"
        "from click.testing import CliRunner; from hcdv.cli import main\n"
        f"answer = CliRunner().invoke(main, ['report', 'values.csv', '--out', {str(tmp_path / 'r.html')!r}])\n"
        "print(answer.exit_code, answer.output)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("False False\n2 hcdv: a report needs jinja2")
    assert "pip install 'hcdv[report]'" in out
