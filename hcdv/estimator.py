"""The facade: one object that values the rows of a data set."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from hcdv._device import DEVICES, resolve_device
from hcdv._digest import fingerprint
from hcdv._dispersion import MODES
from hcdv._labels import encode_known, encode_labels
from hcdv._memory import release_freed_memory
from hcdv._progress import Progress
from hcdv._random import RandomState, check_seed, derive_seed
from hcdv._validation import check_choice, check_int, check_number
from hcdv.affinity import tree_levels
from hcdv.allocation import MODES as LITERAL_MODES
from hcdv.allocation import (
    ChainMoments,
    Checkpoint,
    Cut,
    Literal,
    LiteralAllocation,
    Resolution,
    WalkError,
    allocate,
    walk_chains,
)
from hcdv.encoder import Contrastive, Encoder, Spaces, make_encoder, parse_encoder
from hcdv.engine import Threads, single_threaded_blas
from hcdv.game import Game
from hcdv.games import (
    MAX_WEIGHT,
    CoalitionCache,
    DispersionGame,
    Function,
    GivenRows,
    MultiFidelity,
    RetrainedGame,
    TrainingRows,
    Utility,
    UtilityPlan,
    as_features,
    plan_utility,
    with_likeliest_weights,
)
from hcdv.games.dispersion import inverse_lengths
from hcdv.games.on_device import device_game
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult
from hcdv.stopping import StoppingRule, stopping_rule

# Behind the name of a checkpoint: where the encoder's training is kept.
ENCODER_SUFFIX = ".encoder"


class HCDV(BaseEstimator):
    """Values every training row by hierarchical contrastive Shapley values (arXiv 2512.19363).

    A balanced tree is built over the rows, and every row gets its Winter (nested Owen) value in the game
    v(S) = M(S) + contrast * dispersion(S): the average, over permutations that keep the tree's nodes
    together, of what the row adds.  Values sum exactly to v(all rows) - v(none).

    Parameters
    ----------
    encoder : {"auto", "identity", "contrastive", "forest"}, Contrastive, an embedding, or a list
        How rows become vectors: standardised, above 60 columns projected to principal components; tables
        with text or missing values are encoded first.  ``"contrastive"`` trains a network that brings rows
        of one label together (:class:`hcdv.encoder.Contrastive`; needs torch), ``"forest"`` puts rows together
        that share leaves of a random forest.  A scikit-learn transformer, a trained torch module or a callable
        from rows to vectors embeds them its own way.  In a list, as ``["identity", "contrastive"]``, learned
        spaces stand beside the first one, and games are played in all.  ``"auto"`` is the identity.
    utility : "auto", name, object, list of them, or list of (name or object, weight)
        M: ``"kernel"``, ``"forest"``, ``"fit"``, ``"evidence"``, ``"knn"``, ``"ridge"``, ``"logistic"``, a
        scikit-learn classifier, a torch module, a callable from row numbers to a value, an object of
        :mod:`hcdv.games` such as ``Logistic(C=10, metric="auc")``, or a sum of them.  ``"auto"`` is
        kernel + fit; on tables with text, categories or missing values it is fit + twice the forest.  A
        model that must be retrained values the upper nodes of the tree, and ``"auto"`` shares out below
        (:class:`hcdv.games.MultiFidelity`).
    validation_weight : float
        What the confidence in the validation rows' labels weighs beside the training rows' confidence in
        each other's (kernel and forest).  Validation rows vote on the training rows in any case.
    weights : {"auto", "fixed", "likelihood"}
        Where the weights of M's terms come from.  ``"likelihood"`` shares their sum out anew among kernel,
        forest, fit and evidence, in all spaces, so that the validation rows' labels are likeliest under the
        product of what these predict.  Without validation rows, or where kernel or forest take none
        (``validation_weight=0``), the training rows predict each other, except in learned spaces, which have
        seen their labels.  The kernel's width in the first space is the one under which training rows predict
        each other best.  ``"auto"`` does so for
        ``utility="auto"`` and leaves sums that you name as they are (docs/method.md).
    contrast : float
        Weight of the cross-label dispersion (lambda of the paper); 0 leaves it out.
    dispersion : {"centred", "normalised", "sum"}
        Form of the dispersion.
    allocation : {"winter", "sibling", "weights", "level"} or Literal
        How v is shared.  ``"winter"`` values a node in every context that the levels above can put it in; the
        others hand pots down the tree as the paper prints it (:class:`hcdv.allocation.Literal`): they rank
        rows worse and are there for comparison.
    branching : int or sequence of int
        Children per node, root first; the last entry repeats.
    leaf_size : int
        Rows in a leaf at most.
    capacity_slack : float in [0, 1)
        Tolerance of the children's sizes (gamma of Eq. 35).
    n_permutations : int
        Chains at most (in antithetic pairs).
    tol : float or stopping rule, optional
        Stop once the median standard error is below ``tol`` times the mean absolute value; or a rule of
        :mod:`hcdv.stopping`, such as ``RankStability(0.99) | TimeBudget(60)``.
    cache : path, optional
        File that keeps the score of every model trained, for later fits on the same data.
    checkpoint : path, optional
        File that keeps the chains walked so far: the same call goes on from there after a crash, and ends
        with the same bits.
    engine : {"threads"}
        Where chains run.
    device : {"auto", "cpu", "cuda"}
        Where models in torch are trained; ``"auto"`` is CUDA where there is a device.  ``"cuda"`` takes the
        chains of all other games there too, which ``"auto"`` leaves to the compiled kernels on the CPU.
    n_jobs : int, optional
        Threads; all available cores by default, at most four a core.  Values do not depend on it, not in
        a single bit (of ``"logistic"`` with a metric of probabilities, to 1e-6).
    random_state : int, generator or None
        Seed; the same seed gives the same bits
        (on the same machine and versions of numpy, scipy and scikit-learn).
    verbose : int
        1 shows progress on standard error.

    Attributes
    ----------
    values_ : float64 [n]
        Value of each row, in the order of X.
    result_ : ValuationResult
        Values with standard errors, parts, the tree's node values and what to do with them.
    hierarchy_ : Hierarchy
    encoder_ : Encoder
    classes_ : [C]
        Labels met in y.
    seconds_ : dict of str to float
        Wall time by stage.
    neighbour_recall_ : float or None
        Share of the true nearest neighbours that the kernel utility works with: 1 up to 20,000 rows, where
        the search is exact, else measured on 1,000 rows; None without that utility.
    kernel_widths_ : dict of str to float
        Width of the kernel by part, in units of the usual one.  The weights are ``result_.weights``.

    Examples
    --------
    >>> from hcdv import HCDV
    >>> from hcdv.datasets import flip_labels, make_synthetic
    >>> data = make_synthetic()
    >>> y, is_flipped = flip_labels(data.y, 0.15, random_state=0)
    >>> model = HCDV(random_state=0).fit(data.X, y, data.X_val, data.y_val)
    >>> suspects = model.result_.ranking()[:450]
    >>> bool(is_flipped[suspects].mean() > 0.7)
    True
    """

    def __init__(
        self,
        encoder: Any = "auto",
        utility: Any = "auto",
        validation_weight: float = 0.03,
        weights: str = "auto",
        contrast: float = 0.1,
        dispersion: str = "centred",
        allocation: Any = "winter",
        branching: Any = 8,
        leaf_size: int = 10,
        capacity_slack: float = 0.2,
        n_permutations: int = 64,
        tol: Any = None,
        cache: Any = None,
        checkpoint: Any = None,
        engine: str = "threads",
        device: str = "auto",
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.encoder = encoder
        self.utility = utility
        self.validation_weight = validation_weight
        self.weights = weights
        self.contrast = contrast
        self.dispersion = dispersion
        self.allocation = allocation
        self.branching = branching
        self.leaf_size = leaf_size
        self.capacity_slack = capacity_slack
        self.n_permutations = n_permutations
        self.tol = tol
        self.cache = cache
        self.checkpoint = checkpoint
        self.engine = engine
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        hierarchy: Hierarchy | None = None,
    ) -> Self:
        """Value the rows of X under their labels y.

        Parameters
        ----------
        X : array [n, d] or DataFrame
            Rows to value; a DataFrame may have text, categories and missing values.
        y : [n]
            Their labels (classes), possibly wrong.
        X_val, y_val : same columns as X, n_val rows, optional
            Trusted rows.  Without them the rows validate each other.
        groups : [n] or [n, levels], optional
            Known groups of the rows, coarse to fine (sellers, sources, days): the first level(s) of the
            tree.
        ids : [n], optional
            Names of the rows; a DataFrame's index, else 0..n-1.
        hierarchy : Hierarchy, optional
            A ready tree over the rows, instead of building one.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If an argument is not what it should be.
        UtilityError
            If the utility fails on a coalition; its attribute ``result`` is the valuation by the chains
            finished before, or None.
        """
        stopping = self._check_parameters()
        literal = self._literal()
        seed = check_seed(self.random_state)
        threads = Threads(self.n_jobs)
        progress = Progress(self.verbose > 0)
        n = _count_rows(X, "X")
        if y is None:
            raise ValueError(
                "requires y to be passed, but the target y is None: rows are valued under labels."
            )
        _check_column_names(X)
        classes, labels = encode_labels(y, n)
        names = _check_ids(ids, X, n)
        labels_val = _check_validation(X_val, y_val, classes)
        _check_hierarchy(hierarchy, groups, n)

        with single_threaded_blas():
            with progress.stage("encoding") as step:
                encoder = make_encoder(
                    X, self.encoder, device=self._training_device(), checkpoint=self._encoder_checkpoint(),
                    progress=step,
                )  # fmt: skip
                # Unmixed columns are for the forest; where they are few they are the vote space.
                plan = plan_utility(
                    self.utility,
                    is_mixed=encoder.is_mixed,
                    validation_weight=self.validation_weight,
                    weights=self.weights,
                    spaces=encoder.others,
                )
                # ... and for models in torch, where the rows are no numbers as given.
                wants_columns = "forest" in plan.names or (encoder.is_mixed and plan.needs_torch)
                spaces = encoder.fit_spaces(
                    X, labels, seed=seed, columns=wants_columns, X_val=X_val, y_val=labels_val
                )
                for note in encoder.notes:
                    warnings.warn(note, stacklevel=2)
                spaces_val = None
                if labels_val is not None:
                    spaces_val = encoder.spaces(X_val, columns=wants_columns, name="X_val")
            with progress.stage("building the tree"):
                tree = self._tree(spaces.vote, groups, seed) if hierarchy is None else hierarchy
                in_order = tree.sorted()
                release_freed_memory()
            with progress.stage("preparing the games"):
                given = _given_rows(
                    X, labels, classes, X_val, labels_val, spaces, spaces_val, tree.order,
                    is_mixed=encoder.is_mixed, needs_torch=plan.needs_torch,
                )  # fmt: skip
                rows = _rows(spaces, given, spaces_val, in_order)
                del spaces  # in tree order now: no second copy of the rows
                # A literal allocation asks for nodes and leaves by themselves: nothing to be shared out.
                plan = plan.settled(rows, _blocks_by_level(in_order), points=literal is not None)
                games, weights = self._games(rows, plan, seed, threads)
                resolution = _resolution(plan, rows)
                release_freed_memory()

            def result_of(moments: ChainMoments, stopped_by: str) -> ValuationResult:
                return _result(
                    moments, stopped_by, games, weights, in_order, tree, resolution,
                    ids=names, labels=classes[labels],
                )  # fmt: skip

            if literal is not None:
                with progress.stage("handing pots down", in_order.n_nodes) as step:
                    allocation = allocate(
                        games,
                        np.array(list(weights.values())),
                        in_order,
                        literal,
                        n_permutations=self.n_permutations,
                        seed=seed,
                        threads=threads,
                        progress=step.done,
                    )
                result = _literal_result(
                    allocation, games, weights, literal.mode, self.n_permutations, tree,
                    ids=names, labels=classes[labels],
                )  # fmt: skip
                return self._fitted(X, classes, encoder, tree, progress.seconds, games, result)

            with progress.stage("walking the chains", self.n_permutations) as step:
                try:
                    moments, stopped_by = walk_chains(
                        games,
                        in_order,
                        n_permutations=self.n_permutations,
                        seed=seed,
                        threads=threads,
                        weights=np.array(list(weights.values())),
                        resolution=resolution,
                        stopping=stopping,
                        checkpoint=self._checkpoint(rows, plan, games, in_order, seed),
                        progress=step.done,
                    )
                except WalkError as error:
                    if error.moments.points.count:
                        error.result = result_of(error.moments, "error")
                    raise

        result = result_of(moments, stopped_by)
        return self._fitted(X, classes, encoder, tree, progress.seconds, games, result)

    @classmethod
    def paper(
        cls,
        K: Sequence[int] = (16, 64),
        M: int = 64,
        T: int = 64,
        lambda_: float = 1.0,
        alpha: float = 0.1,
        *,
        utility: Any = "logistic",
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> Self:
        """The paper's algorithm with every knob as printed, for comparison.

        One game a level, scaled to the level's total (Algorithm 1, line 9), exact leaves, the normalised
        dispersion (Eq. 30), a utility in [0, 1] on the validation rows alone (Eq. 8), and an encoder trained
        by Eq. 10 with the share of agreeing votes for M.

        Parameters
        ----------
        K : sequence of int
            Coalitions of each level, K_1, K_2, ... (Eq. 17); a node gets K_{l+1} / K_l children.
        M : int
            Points of a leaf at most.  Leaves of more than a few points are sampled: exact values of 64
            players of a general game cannot be computed.
        T : int
            Permutations of a local game.
        lambda_ : float
            Weight of the dispersion, in the game and in the encoder's objective; the paper gives none.
        alpha : float
            Weight of the encoder's smoothness; the paper gives none.
        utility, n_jobs, random_state, verbose
            As in the class.
        """
        counts = [check_int(k, "K", 2) for k in K]
        if not counts or any(b % a for a, b in pairwise(counts)):
            raise ValueError(f"K must be numbers each of which divides the next, got {tuple(K)}.")
        widths = [counts[0], *(b // a for a, b in pairwise(counts))]
        return cls(
            encoder=Contrastive(score="share", contrast=lambda_, smoothness=alpha),
            utility=MultiFidelity(utility, resolution="points"),
            validation_weight=0.0,
            contrast=lambda_,
            dispersion="normalised",
            allocation=Literal("level", normalise="proportional", leaf="exact"),
            branching=[max(2, width) for width in widths],
            leaf_size=M,
            n_permutations=T,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )

    def _fitted(
        self,
        X: Any,
        classes: NDArray[Any],
        encoder: Encoder,
        tree: Hierarchy,
        seconds: dict[str, float],
        games: Mapping[str, Game],
        result: ValuationResult,
    ) -> Self:
        """Set what a fit sets, all together: a fit that fails before leaves the last one whole."""
        validate_data(self, X, skip_check_array=True)
        self.classes_ = classes
        self.encoder_ = encoder
        self.hierarchy_ = tree
        self.seconds_ = seconds
        self.neighbour_recall_ = getattr(games.get("kernel"), "recall", None)
        widths = {name: getattr(game, "kernel_width", None) for name, game in games.items()}
        self.kernel_widths_ = {name: width for name, width in widths.items() if width is not None}
        self.result_ = result
        self.values_ = result.values
        return self

    def _literal(self) -> Literal | None:
        """The literal allocation asked for, if one is; what goes with chains only is refused then."""
        if self.allocation == "winter":
            return None
        for name in ("tol", "checkpoint"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} goes with chains, that is allocation='winter', only.")
        if isinstance(self.allocation, Literal):
            return self.allocation
        check_choice(self.allocation, "allocation", ["winter", *LITERAL_MODES])
        return Literal(self.allocation)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _check_parameters(self) -> StoppingRule | None:
        check_number(self.validation_weight, "validation_weight", 0.0, MAX_WEIGHT)
        check_number(self.contrast, "contrast", -MAX_WEIGHT, MAX_WEIGHT)
        check_choice(self.dispersion, "dispersion", MODES)
        parse_encoder(self.encoder)
        check_choice(self.engine, "engine", ["threads"])
        check_choice(self.device, "device", DEVICES)
        check_int(self.n_permutations, "n_permutations", 2)
        check_int(self.verbose, "verbose", 0)
        plan_utility(self.utility, is_mixed=False, weights=self.weights)
        if self.device == "cuda":
            resolve_device(self.device)
        for path, name in ((self.cache, "cache"), (self.checkpoint, "checkpoint")):
            if path is not None and not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"{name} must be a path, got {type(path).__name__}.")
        return stopping_rule(self.tol)

    def _encoder_checkpoint(self) -> str | None:
        """Beside the chains': what the encoder has learned when they are begun."""
        return None if self.checkpoint is None else f"{os.fspath(self.checkpoint)}{ENCODER_SUFFIX}"

    def _training_device(self) -> str:
        """Where the encoder is trained, if it is."""
        return resolve_device(self.device) if parse_encoder(self.encoder).trains else "cpu"

    def _tree(
        self,
        space: NDArray[Any],
        groups: ArrayLike | None,
        seed: int,
    ) -> Hierarchy:
        directions = space * inverse_lengths(space)[:, None].astype(space.dtype)
        return Hierarchy.build(
            directions,
            branching=self.branching,
            leaf_size=self.leaf_size,
            capacity_slack=self.capacity_slack,
            groups=groups,
            random_state=seed,
            n_jobs=self.n_jobs,
        )

    def _games(
        self, rows: TrainingRows, plan: UtilityPlan, seed: int, threads: Threads
    ) -> tuple[dict[str, Game], dict[str, float]]:
        cache = CoalitionCache(self.cache)
        device = "cpu"
        if plan.needs_torch or self.device == "cuda":
            device = resolve_device(self.device)
        games = {
            term.name: term.utility.game(
                rows,
                seed=derive_seed(seed, "game", term.name),
                threads=threads,
                device=device,
                cache=cache,
            )
            for term in plan.terms
        }
        plan = with_likeliest_weights(plan, games, rows)
        weights = dict(zip(plan.names, plan.weights, strict=True))
        if self.contrast:
            games["contrast"] = DispersionGame(
                rows.X, rows.labels, rows.n_classes, dispersion=self.dispersion
            )
            weights["contrast"] = float(self.contrast)
        # Pots are handed down by games among few points, which the kernels play.
        if self.device == "cuda" and self.allocation == "winter":
            games = {name: device_game(game, device) for name, game in games.items()}
        return games, weights

    def _checkpoint(
        self,
        rows: TrainingRows,
        plan: UtilityPlan,
        games: Mapping[str, Game],
        in_order: Hierarchy,
        seed: int,
    ) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        # A retrained game tells itself apart by its data and its model, others by their parameters.
        recipes = [
            f"{term.name}:{getattr(games[term.name], 'fingerprint', None) or _recipe(term.utility)}"
            for term in plan.terms
        ]
        facts = [*recipes, plan.resolution, bool(self.contrast), self.dispersion, seed, self.device == "cuda"]
        arrays = [
            rows.X, rows.labels, rows.columns, rows.X_val, rows.labels_val, rows.columns_val,
            *(space for pair in rows.others.values() for space in pair),
            *(getattr(in_order, item.name) for item in fields(in_order)),
        ]  # fmt: skip
        return Checkpoint(self.checkpoint, fingerprint(facts, arrays))


def _recipe(utility: Utility) -> str:
    """What a utility is, in words that stay the same from process to process."""
    return utility.name if isinstance(utility, Function) else repr(utility)


def _blocks_by_level(tree: Hierarchy) -> list[int]:
    """How many nodes tile the points at each level."""
    nothing: frozenset[str] = frozenset()
    return [len(Cut.of(Resolution(k, nothing, nothing), tree).blocks) for k in range(tree.depth + 1)]


def _resolution(plan: UtilityPlan, rows: TrainingRows) -> Resolution | None:
    if not isinstance(plan.resolution, int):
        return None
    below = frozenset(term.name for term in plan.terms if term.shares_below)
    return Resolution(plan.resolution, frozenset(plan.above(rows)), below)


def _result(
    moments: ChainMoments,
    stopped_by: str,
    games: Mapping[str, Game],
    weights: Mapping[str, float],
    in_order: Hierarchy,
    tree: Hierarchy,
    resolution: Resolution | None,
    *,
    ids: NDArray[Any],
    labels: NDArray[Any],
) -> ValuationResult:
    """The result in the order of the rows as given."""
    nodes, bounds = moments.nodes, np.array([moments.v_empty, moments.v_full])
    fidelity = {}
    if resolution is not None:
        cut = Cut.of(resolution, in_order)
        factors = cut.in_one_unit(nodes, list(games), np.array(list(weights.values())))
        weights = dict(zip(weights, factors.tolist(), strict=True))
        nodes = cut.settled(nodes, list(games))
        bounds[:, [name in resolution.below for name in games]] = 0.0
        fidelity = _fidelity(games, resolution, len(cut.blocks))
    fits = _fits(games)
    return ValuationResult.from_moments(
        moments.points.placed(tree.order),
        nodes,
        bounds,
        weights,
        ids=ids,
        labels=labels,
        hierarchy=tree,
        n_evaluations=moments.n_permutations * tree.n_points if fits is None else fits,
        stopped_by=stopped_by,
        fidelity=fidelity,
    )


def _literal_result(
    allocation: LiteralAllocation,
    games: Mapping[str, Game],
    weights: Mapping[str, float],
    mode: str,
    n_permutations: int,
    tree: Hierarchy,
    *,
    ids: NDArray[Any],
    labels: NDArray[Any],
) -> ValuationResult:
    """The result of pots handed down, in the order of the rows as given."""
    if allocation.n_near_zero:
        warnings.warn(
            f"at {allocation.n_near_zero} nodes the paper's denominator was near zero, and the pot was split "
            "by the number of rows.",
            stacklevel=3,
        )
    if mode == "weights" and allocation.v_full < allocation.v_empty:
        warnings.warn(
            "allocation='weights' splits a loss here, v(all rows) < v(none), and then charges the most to the "
            "best: Eqs. 14-15 are made for utilities that are not negative.",
            stacklevel=3,
        )

    def placed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.empty_like(values)
        out[..., tree.order] = values
        return out

    parts = {} if allocation.parts is None else dict(zip(weights, placed(allocation.parts), strict=True))
    fits = _fits(games)
    return ValuationResult(
        values=placed(allocation.values),
        std_error=None if allocation.std_error is None else placed(allocation.std_error),
        ids=ids,
        parts=parts,
        weights=dict(weights),
        v_empty=allocation.v_empty,
        v_full=allocation.v_full,
        n_evaluations=allocation.n_evaluations if fits is None else fits,
        n_permutations=n_permutations,
        stopped_by="n_permutations" if allocation.std_error is None else "exact",
        labels=labels,
        hierarchy=tree,
        node_values=allocation.node_values,
        node_parts=allocation.node_parts,
        part_bounds=allocation.part_bounds,
        estimated_leaves=allocation.estimated_leaves,
    )


def _fits(games: Mapping[str, Game]) -> int | None:
    """Models trained by the games that train some; None where none does."""
    fits = [game.n_evaluations for game in games.values() if isinstance(game, RetrainedGame)]
    return sum(fits) if fits else None


def _fidelity(games: Mapping[str, Game], resolution: Resolution, n_blocks: int) -> dict[str, str]:
    """Which game valued what, in words."""
    words = {}
    for name in games:
        if name in resolution.above:
            words[name] = f"nodes down to level {resolution.level} ({n_blocks:,} of them)"
        elif name in resolution.below:
            words[name] = "rows inside these nodes"
        else:
            words[name] = "every row"
    return words


def _given_rows(
    X: Any,
    labels: NDArray[np.int64],
    classes: NDArray[Any],
    X_val: Any,
    labels_val: NDArray[np.int64] | None,
    spaces: Spaces,
    spaces_val: Spaces | None,
    order: NDArray[np.int64],
    *,
    is_mixed: bool,
    needs_torch: bool,
) -> GivenRows:
    """The rows as the user passed them; where they are no numbers, the encoder's columns stand in."""

    def plain(rows: Any) -> Any:
        return rows if hasattr(rows, "shape") or rows is None else np.asarray(rows)

    given, given_val = plain(X), plain(X_val)
    # Only where they are asked for: on a table they are a second copy of the rows.
    features = features_val = None
    if needs_torch and is_mixed:
        features = spaces.columns
        features_val = None if spaces_val is None else spaces_val.columns
    elif needs_torch:
        features, features_val = as_features(given), None if given_val is None else as_features(given_val)
    return GivenRows(
        X=given,
        features=features,
        labels=labels,
        classes=classes,
        order=order,
        X_val=given_val,
        features_val=features_val,
        labels_val=labels_val,
    )


def _rows(
    spaces: Spaces, given: GivenRows, spaces_val: Spaces | None, in_order: Hierarchy
) -> TrainingRows:
    """Everything in tree order: a node's rows lie together in memory, and so do neighbours."""
    vote = spaces.vote[given.order]
    levels = tree_levels(
        in_order.start, in_order.stop, in_order.first_child, in_order.n_children
    )
    return TrainingRows(
        X=vote,
        labels=given.labels[given.order],
        n_classes=given.n_classes,
        columns=vote if spaces.columns is spaces.vote else spaces.columns[given.order],
        levels=levels,
        X_val=None if spaces_val is None else spaces_val.vote,
        labels_val=given.labels_val,
        columns_val=None if spaces_val is None else spaces_val.columns,
        given=given,
        others={
            name: (space[given.order], None if spaces_val is None else spaces_val.others[name])
            for name, space in spaces.others.items()
        },
        is_learned=spaces.is_learned,
    )


def _check_validation(
    X_val: Any, y_val: ArrayLike | None, classes: NDArray[Any]
) -> NDArray[np.int64] | None:
    if (X_val is None) != (y_val is None):
        missing = "y_val" if y_val is None else "X_val"
        raise ValueError(f"X_val and y_val come together, but {missing} is missing.")
    if X_val is None or y_val is None:
        return None
    return encode_known(y_val, _count_rows(X_val, "X_val"), classes, "y_val")


def _check_hierarchy(hierarchy: Any, groups: ArrayLike | None, n: int) -> None:
    if hierarchy is None:
        return
    if groups is not None:
        raise ValueError("pass groups or hierarchy, not both: a hierarchy has its own levels.")
    if not isinstance(hierarchy, Hierarchy):
        raise TypeError(f"hierarchy must be an hcdv.Hierarchy, got {type(hierarchy).__name__}.")
    hierarchy.validate()
    if hierarchy.n_points != n:
        raise ValueError(f"hierarchy is over {hierarchy.n_points} rows, but X has {n}.")


def _count_rows(X: Any, name: str) -> int:
    if type(X) in (str, bytes, dict):
        raise TypeError(f"{name} must be an array or a DataFrame, got {type(X).__name__}.")
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) == 0:
        try:
            n = len(X)
        except TypeError:
            raise TypeError(
                f"{name} must be an array or a DataFrame, got {type(X).__name__}."
            ) from None
    else:
        n = int(shape[0])
    if n == 0:
        raise ValueError(f"{name} has no rows.")
    return n


def _check_column_names(X: Any) -> None:
    kinds = sorted({type(name).__name__ for name in getattr(X, "columns", [])})
    if len(kinds) > 1 and "str" in kinds:
        raise TypeError(
            f"X has column names of several types ({', '.join(kinds)}); make them all text with "
            "X.columns.astype(str)."
        )


def _check_ids(ids: ArrayLike | None, X: Any, n: int) -> NDArray[Any]:
    if ids is None:
        index = getattr(X, "index", None)
        # Row labels that repeat are no names.
        if index is not None and getattr(index, "is_unique", False) and len(index) == n:
            return np.asarray(index)
        return np.arange(n)
    names = np.asarray(ids)
    if names.ndim != 1 or len(names) != n:
        raise ValueError(f"ids must be 1-dimensional of length {n}, got shape {names.shape}.")
    if len(np.unique(names.astype(str) if names.dtype.kind == "O" else names)) < n:
        raise ValueError("ids must be unique: some occur more than once.")
    return names
