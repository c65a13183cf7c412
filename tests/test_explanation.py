"""Explanations of single values, against counts by hand."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from hcdv import HCDV
from hcdv.engine import Threads
from tests.reference import vote as twin
from tests.updated import rows_and_labels

X, Y = rows_and_labels(90, n_classes=3, n_clusters_per_class=1)
X_VAL, Y_VAL = rows_and_labels(40, seed=1, n_classes=3, n_clusters_per_class=1)
NAMES = np.array(["ash", "birch", "cedar"])


def model_of(utility="auto", *, n=90, val=True, ids=None, **parameters):
    trusted = (X_VAL, NAMES[Y_VAL]) if val else (None, None)
    model = HCDV(utility=utility, **{"random_state": 0, "n_permutations": 8, "n_jobs": 1, **parameters})
    return model.fit(X[:n], NAMES[Y[:n]], *trusted, ids=ids)


@pytest.fixture(scope="module")
def kernel():
    return model_of("kernel", n=60, contrast=0.0)


def kernel_weights(rows, voters, *, rows_vote):
    """exp(-2 d^2 / h^2), h the distance to the tenth neighbour: [n, n_voters], and the widths h."""
    d = np.linalg.norm(rows[:, None].astype(float) - voters[None], axis=2)
    if rows_vote:
        np.fill_diagonal(d, np.inf)
    h = np.sort(d, axis=0)[9]
    return np.exp(-2 * d**2 / h**2), h


def test_effects_are_what_the_votes_lose_without_the_row(kernel):
    rows = kernel.encoder_.spaces(X[:60], columns=False, name="X").vote
    trusted = kernel.encoder_.spaces(X_VAL, columns=False, name="X_val").vote
    labels, n, n_val, C = Y[:60], 60, 40, 3
    own, h = kernel_weights(rows, rows, rows_vote=True)
    theirs, _ = kernel_weights(rows, trusted, rows_vote=False)
    back = np.exp(-2 * np.linalg.norm(trusted[:, None].astype(float) - rows[None], axis=2) ** 2 / h**2)

    def prior(weights):
        total = 0.025 * weights.sum(axis=0)
        return np.column_stack([total / C, total])

    agree = Y_VAL[:, None] == labels
    heard = prior(own) + np.column_stack([(back * agree).sum(axis=0), back.sum(axis=0)])
    heard_val = prior(theirs)

    def of_row(j, members):
        return twin.confidence(own[:, j], labels, labels[j], members, heard[j], 1 / C, True)

    def of_trusted(v, members):
        return twin.confidence(theirs[:, v], labels, Y_VAL[v], members, heard_val[v], 1 / C, True)

    def v(members):
        mine = twin.coherence(own, labels, members, heard, 1 / C, True) / n
        return mine + 0.03 / n_val * sum(of_trusted(k, members) for k in range(n_val))

    everybody = list(range(n))
    for i in (0, 7, 41):
        others = [j for j in everybody if j != i]
        about = kernel.explain(i)
        assert about.leave_one_out == pytest.approx(v(everybody) - v(others), rel=1e-4)
        assert about.own == pytest.approx(of_row(i, everybody) / n, rel=1e-4)
        change = np.array([of_row(j, everybody) - of_row(j, others) for j in everybody])
        change[i] = 0.0
        assert_felt(about.helped, about.hurt, change, 1 / n, labels, i)
        change = np.array([of_trusted(k, everybody) - of_trusted(k, others) for k in range(n_val)])
        assert_felt(about.validation_helped, about.validation_hurt, change, 0.03 / n_val, Y_VAL, i)
        shares = {(False, j): own[j, i] for j in others} | {(True, k): back[k, i] for k in range(n_val)}
        heaviest = sorted(shares, key=lambda who: -shares[who])[:5]
        total = own[:, i].sum() + heard[i, 1]
        assert [(row.is_validation, row.position) for row in about.voters] == heaviest
        assert [row.shares["kernel"] for row in about.voters] == pytest.approx(
            [shares[who] / total for who in heaviest], rel=1e-4
        )


def assert_felt(helped, hurt, change, share, labels, i):
    order = np.argsort(-change, kind="stable")
    most, least = order[change[order] > 0][:5], order[::-1][change[order[::-1]] < 0][:5]
    for listed, wanted in ((helped, most), (hurt, least)):
        assert [row.position for row in listed] == wanted.tolist()
        assert [row.change for row in listed] == pytest.approx(change[wanted].tolist(), rel=1e-3, abs=1e-9)
        effects = (share * change[wanted]).tolist()
        assert [row.effect for row in listed] == pytest.approx(effects, rel=1e-3, abs=1e-9)
        assert [row.label for row in listed] == NAMES[labels[wanted]].tolist()
        assert [row.has_same_label for row in listed] == (labels[wanted] == Y[i]).tolist()


def lost_without(model, numbers):
    """What each of these rows adds to v beside all others in the vote games, played anew."""
    live = model._live
    voting = tuple(term for term in live.settled.terms if term.name in ("kernel", "forest"))
    rows = replace(live.rows, order=live.tree.order)
    ready = {name: lists.game(live.rows) for name, lists in live.lists.items()}
    games = model._games(rows, replace(live.settled, terms=voting), live.seed, Threads(1), ready)
    lost = []
    for i in numbers:
        slot = int(np.flatnonzero(live.position == i)[0])
        last = np.append(np.delete(np.arange(live.n_rows), slot), slot)[None]
        ends = [games[t.name].chains(last, np.array([live.n_rows - 1, live.n_rows]))[0] for t in voting]
        weights = [model.result_.weights[term.name] for term in voting]
        lost.append(sum(weight * (v[1] - v[0]) for weight, v in zip(weights, ends, strict=True)))
    return lost


def test_leave_one_out_is_that_of_the_games():
    model = model_of(["kernel", "forest", "fit"])
    abouts = [model.explain(i) for i in (0, 50)]
    assert [about.leave_one_out for about in abouts] == pytest.approx(lost_without(model, (0, 50)), rel=1e-9)
    votes = model.explainer().votes["forest"]
    for slot in range(0, 90, 9):
        rows, trusted = (votes.voters_on(slot, trusted=kind)[1].sum() for kind in (False, True))
        prior = votes.game.rows.prior(3)[slot, 1] / votes.rows[slot, 1]
        assert trusted > 0
        assert prior + rows + trusted == pytest.approx(1.0)


@pytest.mark.parametrize(
    "utility", ["auto", "kernel", "forest", "fit", "evidence", "knn", "ridge", "logistic"]
)
def test_every_utility(utility):
    if utility == "logistic":
        pytest.importorskip("torch", reason="utility 'logistic' needs torch")
    model = model_of(utility, val=utility != "ridge")
    tree, result = model.hierarchy_, model.result_
    near = NearestNeighbors(n_neighbors=6).fit(model.encoder_.spaces(X, columns=False, name="X").vote)
    distance, neighbour = near.kneighbors()
    for i in (3, 60):
        about = model.explain(i)
        assert (about.value, about.rank) == (result.values[i], result.to_frame()["rank"][i])
        assert about.std_error == result.std_error[i]
        assert sum(about.parts.values()) == pytest.approx(about.value)
        assert list(about.parts) == list(result.weights)
        assert [node.level for node in about.path] == list(range(len(about.path)))
        assert tree.is_leaf[about.path[-1].node]
        for node in about.path:
            members = tree.order[tree.start[node.node] : tree.stop[node.node]]
            assert i in members
            assert node.size == len(members)
            assert node.value == pytest.approx(result.values[members].sum(), abs=1e-12)
            assert node.value_per_row == node.value / node.size
            assert node.label_share == (Y[members] == Y[i]).mean()
        assert [row.position for row in about.neighbours] == neighbour[i][:5].tolist()
        assert [row.distance for row in about.neighbours] == pytest.approx(distance[i][:5].tolist(), rel=1e-6)
        assert [row.value for row in about.neighbours] == result.values[neighbour[i][:5]].tolist()
        differ = int((Y[neighbour[i][:5]] != Y[i]).sum())
        has = "has" if differ == 1 else "have"
        assert f"{differ} of its 5 nearest training rows {has} another label" in str(about)
        assert len(about.validation_neighbours) == (0 if utility == "ridge" else 5)
        votes = utility in ("auto", "kernel", "forest", "logistic")
        assert (about.leave_one_out is not None) == bool(about.voters) == bool(about.helped) == votes
        assert ("vote" in about.note) == (not votes)
        assert json.loads(json.dumps(about.to_dict(), allow_nan=False))["value"] == about.value


def test_it_follows_updates_and_files(tmp_path):
    model = model_of(n=80)
    first = model.explain(5)
    model.save(tmp_path / "state")
    assert HCDV.load(tmp_path / "state").explain(5) == first
    assert "_explainer" not in pickle.loads(pickle.dumps(model)).__dict__
    assert pickle.loads(pickle.dumps(model)).explain(5) == first
    model.partial_fit(X[80:], NAMES[Y[80:]]).forget([2])
    about = model.explain(5)
    assert about.position == 4
    assert (about.n_rows, about.value) == (89, model.values_[4])
    assert about.leave_one_out == pytest.approx(lost_without(model, [4])[0], rel=1e-9)
    model.save(tmp_path / "state")
    again = HCDV.load(tmp_path / "state").explain(5)
    assert again.leave_one_out == pytest.approx(about.leave_one_out, rel=1e-9)
    assert again.neighbours == about.neighbours


def test_rows_out_of_core_keep_their_place_in_the_tree():
    model = model_of(memory_limit="500MB")
    about = model.explain(5)
    assert "rows are not at hand" in about.note
    assert sum(about.parts.values()) == pytest.approx(about.value)
    assert [node.node for node in about.path] == model.hierarchy_.path(5).tolist()
    assert (about.neighbours, about.voters, about.helped, about.leave_one_out) == ((), (), (), None)
    assert (about.n_duplicates, about.reasons) == (None, ())


def test_duplicates_of_other_labels_are_named():
    rows, labels = np.vstack([X, X[7], X[7] + 1e-4]), np.append(NAMES[Y], [NAMES[Y[7]], "another"])
    about = HCDV("identity", "kernel", random_state=0, n_permutations=4).fit(rows, labels).explain(7)
    assert [row.position for row in about.duplicates] == [90, 91]
    assert about.duplicates[0].distance == 0.0
    assert [row.has_same_label for row in about.duplicates] == [True, False]
    assert "it has 2 near-duplicates, 1 of the nearest with another label" in str(about)
    assert model_of("kernel").explain(7).n_duplicates == 0


@pytest.mark.parametrize(
    "ids", [[f"id{k}" for k in range(90)], list(range(90, 0, -1)), pd.date_range("2026-01-01", periods=90)]
)
def test_rows_go_by_their_names(ids):
    model = model_of("kernel", ids=ids, n_permutations=2)
    about = model.explain(ids[11])
    assert (about.position, about.id, about.std_error) == (11, ids[11], None)
    plain = ids[11] if isinstance(ids[11], int) else str(ids[11])
    assert json.loads(json.dumps(about.to_dict()))["id"] == plain


def test_what_names_no_single_row_is_refused(kernel):
    with pytest.raises(ValueError, match=r"ids: 1 of 1 name no row \(first: 60\)"):
        kernel.explain(60)
    for several in ([1, 2], (1, 2), np.array([1]), [[1], [1, 2]]):
        with pytest.raises(ValueError, match=r"row must be one name, as in result_\.ids \(0, \.\.\.\), got"):
            kernel.explain(several)
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        HCDV().explain(0)
