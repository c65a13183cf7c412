"""What rows get out of core is what they get in memory, as far as votes do not cross parts; and what does."""

import numpy as np
import pytest

from hcdv import HCDV
from hcdv._progress import Progress
from hcdv.affinity import Affinity, kernel_affinity
from hcdv.affinity.forest import shared_leaf_affinity
from hcdv.allocation import walk_chains
from hcdv.engine import Threads, make_engine
from hcdv.games import DispersionGame, Electorate, EvidenceGame, VoteGame
from hcdv.games.local import FOREST_PRIOR, KERNEL_PRIOR
from hcdv.games.named import FIT_NOISE
from hcdv.scale import Recipe, Sizes, claimed, value_out_of_core
from hcdv.scale.work import Work
from tests.scale.assembled import Assembled
from tests.scale.sources import ArraySource


def spread(n, d=5, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float32)
    score = X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=n)
    return X, np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))


def valued(source, folder, recipe, sizes, validation=None, n_jobs=2, engine=None, memory_limit=None):
    with claimed(folder):
        return value_out_of_core(
            source, validation, recipe=recipe, engine=engine or make_engine("threads", n_jobs), work=folder,
            memory_limit=memory_limit, sizes=sizes, threads=Threads(n_jobs), progress=Progress(False),
        )  # fmt: skip


@pytest.fixture
def kept(monkeypatch):
    """Work folders stay as they are."""
    monkeypatch.setattr(Work, "clear", lambda self, stage: None)


def work_in(folder):
    import json

    return Work(str(folder), json.loads((folder / "work.json").read_text())["fingerprint"])


SMALL = Sizes(part_rows=300, sample_rows=1000, block_rows=500)


@pytest.mark.parametrize("dispersion", ["centred", "normalised", "sum"])
def test_games_of_sums_are_those_of_the_whole(tmp_path, kept, dispersion):
    X, y = spread(2200, n_classes=3)
    recipe = Recipe(
        utility=["fit", "evidence"], dispersion=dispersion, branching=[4, 3, 5], n_permutations=6, seed=3
    )
    result = valued(ArraySource(X, y), tmp_path / "work", recipe, SMALL).result
    whole = Assembled(work_in(tmp_path / "work"))
    assert whole.layout.n_parts > 5
    tree = whole.tree
    rows, labels = whole.vote[tree.order], whole.labels[tree.order]
    games = {
        "fit": EvidenceGame(rows, labels, 3, noise=FIT_NOISE, leverage=False),
        "evidence": EvidenceGame(rows, labels, 3),
        "contrast": DispersionGame(rows, labels, 3, dispersion=dispersion),
    }
    moments, _ = walk_chains(
        games, tree.sorted(), n_permutations=6, seed=3, threads=Threads(1), weights=np.ones(3)
    )
    points = moments.points.placed(tree.order)
    for k, name in enumerate(games):
        scale = np.abs(points.mean[k]).max()
        np.testing.assert_allclose(result.parts[name], points.mean[k], atol=1e-12 * max(1, scale), rtol=1e-9)
    weights = np.array(list(result.weights.values()))
    np.testing.assert_allclose(result.std_error, points.std_error(weights), rtol=1e-6)
    upper = {int(key): value for key, value in zip(tree.node_key, moments.nodes.value(weights), strict=True)}
    expected = [upper[int(key)] for key in result.hierarchy.node_key]
    np.testing.assert_allclose(result.node_values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.part_bounds[1], moments.v_full, rtol=1e-9, atol=1e-12)


def within_parts(affinity, part, part_of_voter):
    """The votes that stay inside a part."""
    source = np.repeat(np.arange(affinity.n_sources), np.diff(affinity.indptr))
    stays = part[source] == part_of_voter[affinity.indices]
    assert stays.all()
    return affinity


def joined(pieces, n, n_voters):
    """One affinity of the affinities of parts: (rows, voters, affinity) each."""
    dense = np.zeros((n, n_voters), np.float32)
    for rows, voters, affinity in pieces:
        dense[np.ix_(rows, voters)] = affinity.to_scipy().toarray()
    source, voter = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]).astype(np.int64)
    return Affinity(indptr, voter.astype(np.int32), dense[source, voter], n_voters)


def tree_by_tree(whole):
    """Of each tree: which rows it has not seen, and their leaves."""
    unseen = whole.learned.forest.unseen_by(np.arange(len(whole.labels)))
    for t in range(whole.leaves.shape[1]):
        yield np.array([int(word) >> t % 64 & 1 == 1 for word in unseen[:, t // 64]]), whole.leaves[:, t]


def brute_leaf_sizes(whole):
    sizes = [
        [np.count_nonzero(unseen & (leaf == k)) for k in range(n_leaves)]
        for (unseen, leaf), n_leaves in zip(tree_by_tree(whole), whole.learned.forest.n_leaves, strict=True)
    ]
    return np.concatenate(sizes)


def brute_votes_from_elsewhere(whole):
    """Pair by pair: matching and all votes of rows in other parts."""
    n, labels, part = len(whole.labels), whole.labels, whole.part_of_row
    heard, trees, n_trees = np.zeros((n, 2)), np.zeros(n), whole.leaves.shape[1]
    for unseen, _ in tree_by_tree(whole):
        trees += unseen
    counts_for = n_trees / np.maximum(1, trees)
    for unseen, leaf in tree_by_tree(whole):
        together = (leaf[:, None] == leaf) & unseen[:, None] & unseen
        weight = 1 / np.maximum(1, together.sum(axis=1) - 1)
        away = (together & (part[:, None] != part)) * counts_for
        heard[:, 0] += weight * (away * (labels[:, None] == labels)).sum(axis=1)
        heard[:, 1] += weight * away.sum(axis=1)
    return heard / np.maximum(1, trees)[:, None]


def brute_votes(whole, term, n_classes, validation):
    """The game of votes on all rows, with an affinity that was put together part by part."""
    pieces, theirs = [], []
    n, bandwidth = len(whole.labels), np.empty(len(whole.labels))
    for number, part in enumerate(whole.parts):
        # In the order of the part's tree: ties go to the row that stands first there.
        rows = np.array(part.records["row"])
        voters = np.flatnonzero(whole.layout.validation == number)
        if term.kind == "kernel":
            own = kernel_affinity(whole.vote[rows], threads=Threads(1)).widened(term.width)
            bandwidth[rows] = own.bandwidth
            heard = None
            if len(voters):
                heard = kernel_affinity(
                    whole.vote[rows], whole.learned.validation.vote[voters], threads=Threads(1)
                ).widened(term.width)
        else:
            own, heard = shared_leaf_affinity(
                whole.leaves[rows], whole.learned.forest.unseen_by(rows), whole.learned.forest.n_leaves,
                whole.learned.validation.leaves[voters] if len(voters) else None,
                n_neighbors=whole.learned.forest_neighbours, leaf_sizes=brute_leaf_sizes(whole),
                threads=Threads(1),
            )  # fmt: skip
        pieces.append((rows, rows, own))
        if heard is not None:
            theirs.append((rows, voters, heard))
    prior = KERNEL_PRIOR if term.kind == "kernel" else FOREST_PRIOR
    affinity = joined(pieces, n, n)
    elsewhere = np.zeros((n, 2))
    if term.kind == "forest":
        elsewhere = brute_votes_from_elsewhere(whole)
        elsewhere += FOREST_PRIOR * elsewhere[:, 1:] * [1 / n_classes, 1]
    if validation is None:
        electorate = Electorate.of(affinity, whole.labels, n_classes, prior_share=prior, trusted=elsewhere)
        return VoteGame(electorate, n_classes)
    labels_val = whole.learned.validation.labels
    heard = joined(theirs, n, len(labels_val))
    if term.kind == "kernel":
        d2 = ((whole.vote[:, None].astype(float) - whole.learned.validation.vote[None]) ** 2).sum(axis=2)
        said = np.exp(-2 * d2 / bandwidth[:, None] ** 2)
    else:
        said = heard.to_scipy().toarray().astype(float)
    said *= whole.part_of_row[:, None] == whole.layout.validation
    trusted = np.column_stack([(said * (whole.labels[:, None] == labels_val)).sum(axis=1), said.sum(axis=1)])
    rows = Electorate.of(affinity, whole.labels, n_classes, prior_share=prior, trusted=trusted + elsewhere)
    voters = Electorate.of(heard, labels_val, n_classes, prior_share=prior)
    return VoteGame(rows, n_classes, validation=voters, validation_weight=term.validation_weight)


@pytest.mark.parametrize("name", ["kernel", "forest"])
@pytest.mark.parametrize("has_validation", [False, True])
def test_votes_part_by_part(tmp_path, kept, name, has_validation):
    X, y = spread(1500, n_classes=3)
    validation = spread(40, n_classes=3, seed=1) if has_validation else None
    recipe = Recipe(utility=[name, "fit"], validation_weight=0.3, contrast=0.0, n_permutations=4)
    result = valued(ArraySource(X, y), tmp_path / "work", recipe, SMALL, validation).result
    whole = Assembled(work_in(tmp_path / "work"))
    assert whole.layout.n_parts > 3
    game = brute_votes(whole, whole.learned.terms[0], 3, validation)
    moments, _ = walk_chains(
        {name: game}, whole.tree, n_permutations=4, seed=0, threads=Threads(1), weights=np.ones(1)
    )
    np.testing.assert_allclose(result.parts[name], moments.points.mean[0], rtol=1e-5, atol=1e-10)
    assert result.part_bounds[1, 0] == pytest.approx(moments.v_full[0], rel=1e-7)


def test_votes_in_parts_of_which_trees_have_seen_every_row(tmp_path, kept):
    X, y = spread(40, n_classes=3)
    recipe = Recipe(utility="forest", contrast=0.0, n_permutations=4)
    sizes = Sizes(part_rows=1, sample_rows=40, block_rows=15)
    result = valued(ArraySource(X, y), tmp_path / "work", recipe, sizes).result
    whole = Assembled(work_in(tmp_path / "work"))
    assert whole.layout.sizes.tolist() == [1] * 40
    game = brute_votes(whole, whole.learned.terms[0], 3, None)
    moments, _ = walk_chains(
        {"forest": game}, whole.tree, n_permutations=4, seed=0, threads=Threads(1), weights=np.ones(1)
    )
    np.testing.assert_allclose(result.parts["forest"], moments.points.mean[0], rtol=1e-5, atol=1e-10)


def test_values_sum_to_v_of_all_rows(tmp_path):
    X, y = spread(2500)
    recipe = Recipe(utility=["kernel", "forest", "fit"], n_permutations=4)
    result = valued(ArraySource(X, y), tmp_path / "work", recipe, SMALL, spread(30, seed=1)).result
    assert result.efficiency_gap < 1e-12
    leaf_sums = result.hierarchy.node_sums(result.values)
    np.testing.assert_allclose(leaf_sums, result.node_values, atol=1e-12)
    result.hierarchy.validate()


@pytest.mark.parametrize("has_validation", [False, True])
def test_one_part_is_the_whole(tmp_path, has_validation):
    X, y = spread(900)
    validation = spread(50, seed=1) if has_validation else (None, None)
    usual = HCDV(
        utility=["kernel", "fit"], weights="likelihood", n_permutations=4, random_state=5
    ).fit(X, y, *validation)
    recipe = Recipe(utility=["kernel", "fit"], weights="likelihood", n_permutations=4, seed=5)
    found = valued(
        ArraySource(X, y), tmp_path / "work", recipe, Sizes(block_rows=200),
        validation if has_validation else None,
    )  # fmt: skip
    assert found.result.weights == usual.result_.weights
    np.testing.assert_array_equal(found.result.values, usual.values_)
    np.testing.assert_array_equal(found.result.std_error, usual.result_.std_error)
    assert found.result.v_full == pytest.approx(usual.result_.v_full, rel=1e-12)
    assert found.kernel_widths == usual.kernel_widths_
    assert found.crossing_votes == {"kernel": 0.0}
