"""A valuation from rows to values, stage by stage."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.base import clone as sklearn_clone
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from hcdv._device import DEVICES, resolve_device
from hcdv._digest import fingerprint
from hcdv._dispersion import MODES
from hcdv._labels import encode_labels
from hcdv._memory import release_freed_memory
from hcdv._progress import Progress
from hcdv._random import RandomState, check_seed, derive_seed
from hcdv._validation import check_bool, check_choice, check_int, check_number, check_path
from hcdv.allocation import MODES as LITERAL_MODES
from hcdv.allocation import (
    ChainMoments,
    Checkpoint,
    Cut,
    KeptChains,
    Literal,
    Resolution,
    WalkError,
    allocate,
    are_children_few,
    walk_chains,
    with_exact_children,
)
from hcdv.encoder import Encoder, make_encoder, parse_encoder
from hcdv.engine import Threads, check_engine, single_threaded_blas
from hcdv.estimator.checks import (
    check_column_names,
    check_hierarchy,
    check_ids,
    check_validation,
    count_rows,
    next_number,
)
from hcdv.estimator.live import Live, Played, group_columns, kernel_lists
from hcdv.estimator.out_of_core import fit_out_of_core, is_out_of_core
from hcdv.estimator.results import chain_result, literal_result
from hcdv.estimator.rows import blocks_by_level, given_rows, training_rows
from hcdv.estimator.update import Update
from hcdv.game import Game
from hcdv.games import (
    MAX_WEIGHT,
    CoalitionCache,
    DispersionGame,
    Function,
    TrainingRows,
    Utility,
    UtilityPlan,
    plan_utility,
    with_likeliest_weights,
)
from hcdv.games.dispersion import directions
from hcdv.games.on_device import device_game
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult
from hcdv.scale import parse_bytes
from hcdv.stopping import stopping_rule

if TYPE_CHECKING:
    from hcdv.estimator.state import Store

# Behind the name of a checkpoint: where the encoder's training is kept.
ENCODER_SUFFIX = ".encoder"


class Fitting(BaseEstimator):  # type: ignore[misc]
    """What :class:`hcdv.HCDV` does once: parameters in, encoder, tree, games and values out."""

    # Where the model was last saved or loaded.
    _store: Store | None = None

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
        keep_chains: bool = False,
        cache: Any = None,
        checkpoint: Any = None,
        engine: Any = "threads",
        scheduler: str | None = None,
        memory_limit: int | str | None = None,
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
        self.keep_chains = keep_chains
        self.cache = cache
        self.checkpoint = checkpoint
        self.engine = engine
        self.scheduler = scheduler
        self.memory_limit = memory_limit
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
            Rows to value; a DataFrame may have text, categories and missing values.  Rows that need not fit
            into memory: the path of a Parquet file, of a folder of them or of an .npy file, an Arrow data set,
            a Dask array or frame, an iterator of blocks, or a function that gives one (:mod:`hcdv.io.source`).
        y : [n], or a name
            Their labels (classes), possibly wrong; out of core also the column of X that holds them.
        X_val, y_val : same columns as X, n_val rows, optional
            Trusted rows.  Without them the rows validate each other.
        groups : [n] or [n, levels], optional
            Known groups of the rows, coarse to fine (sellers, sources, days): the first level(s) of the
            tree.
        ids : [n], or a name, optional
            Names of the rows, out of core also the column of X that holds them; by default a DataFrame's
            index, if it is of one level and tells the rows apart, else 0..n-1.
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
        self._check_parameters()
        if is_out_of_core(X, y, self.memory_limit, self.engine):
            fit_out_of_core(self, X, y, X_val, y_val, ids, groups, hierarchy)
            return self
        seed = check_seed(self.random_state)
        threads = Threads(self.n_jobs)
        progress = Progress(self.verbose > 0)
        n = count_rows(X, "X")
        if y is None:
            raise ValueError(
                "requires y to be passed, but the target y is None: rows are valued under labels."
            )
        if isinstance(y, str):
            raise TypeError(
                f"y names the column {y!r}, which is for rows on disk (docs/scale.md); of rows in memory pass "
                "the labels themselves, and X without them."
            )
        check_column_names(X)
        classes, labels = encode_labels(y, n)
        names = check_ids(ids, X, n)
        labels_val = check_validation(X_val, y_val, classes)
        check_hierarchy(hierarchy, groups, n)
        group_labels = None if groups is None else group_columns(groups, n)

        with single_threaded_blas():
            with progress.stage("encoding") as step:
                encoder = make_encoder(
                    X, self.encoder, device=self._training_device(), checkpoint=self._encoder_checkpoint(),
                    progress=step,
                )  # fmt: skip
                plan = plan_utility(
                    self.utility,
                    is_mixed=encoder.is_mixed,
                    validation_weight=self.validation_weight,
                    weights=self.weights,
                    spaces=encoder.others,
                )
                columns = wants_columns(plan, encoder)
                spaces = encoder.fit_spaces(
                    X, labels, seed=seed, columns=columns, X_val=X_val, y_val=labels_val
                )
                for note in encoder.notes:
                    warnings.warn(note, stacklevel=2)
                spaces_val = None
                if labels_val is not None:
                    spaces_val = encoder.spaces(X_val, columns=columns, name="X_val")
            with progress.stage("building the tree"):
                tree = self._tree(spaces.vote, groups, seed) if hierarchy is None else hierarchy
                release_freed_memory()
            with progress.stage("arranging the rows"):
                given = given_rows(
                    X, labels, classes, X_val, labels_val, spaces, spaces_val, tree.order,
                    is_mixed=encoder.is_mixed, needs_torch=plan.needs_torch,
                )  # fmt: skip
                rows = training_rows(spaces, given, spaces_val, tree.sorted())
                del spaces  # in tree order now: no second copy of the rows
            played = self._play(
                rows, plan, tree, names, classes[labels], seed, threads, progress,
                keep=self.keep_chains, checkpointed=True,
            )  # fmt: skip

        validate_data(self, X, skip_check_array=True)
        self.classes_ = classes
        self.encoder_ = encoder
        self._live = replace(
            Live.of(rows, tree, plan, seed, group_labels, played), next_id=next_number(names)
        )
        self._store = None  # what is on disk is another model's now
        self.__dict__.pop("update_", None)
        self.history_: list[Update] = []
        return self._set(played.result, tree, played.games, progress.seconds)

    def _play(
        self,
        rows: TrainingRows,
        plan: UtilityPlan,
        tree: Hierarchy,
        ids: NDArray[Any],
        labels: NDArray[Any],
        seed: int,
        threads: Threads,
        progress: Progress,
        *,
        keep: bool,
        checkpointed: bool,
    ) -> Played:
        """Stage III: games on rows in tree order, and what the rows are worth in them."""
        literal = self._literal()
        in_order = tree.sorted()
        with progress.stage("preparing the games"):
            # A literal allocation asks for nodes and leaves by themselves: nothing to be shared out.
            settled = plan.settled(rows, blocks_by_level(in_order), points=literal is not None)
            games = self._games(rows, settled, seed, threads)
            weights = self._weights(settled, games, rows, threads)
            lists = {}
            if keep:
                lists = kernel_lists(settled, games, rows, threads)
            games = self._on_device(games)
            resolution = _resolution(settled, rows)
            release_freed_memory()

        def result_of(moments: ChainMoments, stopped_by: str) -> ValuationResult:
            return chain_result(
                moments, stopped_by, games, weights, in_order, tree, resolution, tree.order,
                ids=ids, labels=labels,
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
            result = literal_result(
                allocation, games, weights, literal.mode, self.n_permutations, tree,
                ids=ids, labels=labels,
            )  # fmt: skip
            return Played(result, games, settled, weights, None, {})

        kept: list[NDArray[np.float64]] | None = [] if keep and resolution is None else None
        try:
            with progress.stage("walking the chains", self.n_permutations) as step:
                moments, stopped_by = walk_chains(
                    games,
                    in_order,
                    n_permutations=self.n_permutations,
                    seed=seed,
                    threads=threads,
                    weights=np.array(list(weights.values())),
                    resolution=resolution,
                    stopping=stopping_rule(self.tol),
                    checkpoint=self._checkpoint(rows, settled, games, in_order, seed) if checkpointed else None,
                    progress=step.done,
                    kept=kept,
                )
            # A budget of time has none left for coalitions.
            may_ask = stopped_by != "time_budget"
            if resolution is not None and may_ask and are_children_few(in_order, moments.n_permutations):
                with progress.stage("asking all coalitions", 1 << int(in_order.n_children[0])) as step:
                    cut = Cut.of(resolution, in_order)
                    moments = with_exact_children(
                        moments, games, in_order, cut, threads=threads, progress=step.done
                    )
        except WalkError as error:
            if error.moments.points.count:
                error.result = result_of(error.moments, "error")
            raise
        chains = None
        # Chains from a checkpoint were not walked here.
        if kept and len(kept) == moments.points.count:
            chains = KeptChains.of(kept, moments)
        return Played(result_of(moments, stopped_by), games, settled, weights, chains, lists)

    def _set(
        self,
        result: ValuationResult,
        tree: Hierarchy,
        games: Mapping[str, Game],
        seconds: dict[str, float],
    ) -> Self:
        """Set what values are in, all together: what fails before leaves the last ones whole."""
        self.hierarchy_ = tree
        self.seconds_ = seconds
        self.neighbour_recall_ = getattr(games.get("kernel"), "recall", None)
        widths = {name: getattr(game, "kernel_width", None) for name, game in games.items()}
        self.kernel_widths_ = {name: width for name, width in widths.items() if width is not None}
        self.crossing_votes_: dict[str, float] = {}
        self.result_ = result
        self.values_ = result.values
        return self

    def _literal(self) -> Literal | None:
        """The literal allocation asked for, if one is; what goes with chains only is refused then."""
        if isinstance(self.allocation, str) and self.allocation == "winter":
            return None
        for name in ("tol", "checkpoint"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} goes with chains, that is allocation='winter', only.")
        if isinstance(self.allocation, Literal):
            return self.allocation
        check_choice(self.allocation, "allocation", ["winter", *LITERAL_MODES])
        return Literal(self.allocation)

    def __sklearn_clone__(self) -> Self:
        """As scikit-learn clones; but a client of Dask's is a connection, which model and clone share."""
        parameters = self.get_params(deep=False)
        engine = parameters.pop("engine")
        clone = type(self)(**{name: sklearn_clone(item, safe=False) for name, item in parameters.items()})
        return clone.set_params(engine=engine)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _check_parameters(self) -> None:
        check_number(self.validation_weight, "validation_weight", 0.0, MAX_WEIGHT)
        check_number(self.contrast, "contrast", -MAX_WEIGHT, MAX_WEIGHT)
        check_choice(self.dispersion, "dispersion", MODES)
        parse_encoder(self.encoder)
        check_engine(self.engine, self.scheduler)
        if self.memory_limit is not None:
            parse_bytes(self.memory_limit)
        check_choice(self.device, "device", DEVICES)
        check_int(self.n_permutations, "n_permutations", 2)
        check_int(self.verbose, "verbose", 0)
        check_bool(self.keep_chains, "keep_chains")
        plan_utility(self.utility, is_mixed=False, weights=self.weights)
        if self.device == "cuda":
            resolve_device(self.device)
        for path, name in ((self.cache, "cache"), (self.checkpoint, "checkpoint")):
            if path is not None:
                check_path(path, name)
        stopping_rule(self.tol)
        self._literal()

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
        return Hierarchy.build(
            directions(space),
            branching=self.branching,
            leaf_size=self.leaf_size,
            capacity_slack=self.capacity_slack,
            groups=groups,
            random_state=seed,
            n_jobs=self.n_jobs,
        )

    def _games(
        self,
        rows: TrainingRows,
        plan: UtilityPlan,
        seed: int,
        threads: Threads,
        ready: Mapping[str, Game] | None = None,
    ) -> dict[str, Game]:
        """The games of a plan, some of which may be there already."""
        ready = {} if ready is None else ready
        cache = CoalitionCache(self.cache)
        device = "cpu"
        if plan.needs_torch or self.device == "cuda":
            device = resolve_device(self.device)
        games = {
            term.name: ready.get(term.name)
            or term.utility.game(
                rows,
                seed=derive_seed(seed, "game", term.name),
                threads=threads,
                device=device,
                cache=cache,
            )
            for term in plan.terms
        }
        if self.contrast:
            games["contrast"] = DispersionGame(
                rows.X, rows.labels, rows.n_classes, dispersion=self.dispersion
            )
        return games

    def _weights(
        self, plan: UtilityPlan, games: Mapping[str, Game], rows: TrainingRows, threads: Threads
    ) -> dict[str, float]:
        """What the games weigh."""
        plan = with_likeliest_weights(plan, games, rows, threads)
        weights = dict(zip(plan.names, plan.weights, strict=True))
        if self.contrast:
            weights["contrast"] = float(self.contrast)
        return weights

    def _on_device(self, games: dict[str, Game]) -> dict[str, Game]:
        """The games as they are played on the device asked for."""
        # Pots are handed down by games among few points, which the kernels play.
        if self.device == "cuda" and self.allocation == "winter":
            device = resolve_device(self.device)
            return {name: device_game(game, device) for name, game in games.items()}
        return games

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


def wants_columns(plan: UtilityPlan, encoder: Encoder) -> bool:
    """Whether the standardised columns are asked for, beside the vote space."""
    # For trees, and for models in torch where the rows are no numbers as given.
    return "forest" in plan.names or (encoder.is_mixed and plan.needs_torch)


def _recipe(utility: Utility) -> str:
    """What a utility is, in words that stay the same from process to process."""
    return utility.name if isinstance(utility, Function) else repr(utility)


def _resolution(plan: UtilityPlan, rows: TrainingRows) -> Resolution | None:
    if not isinstance(plan.resolution, int):
        return None
    below = frozenset(term.name for term in plan.terms if term.shares_below)
    return Resolution(plan.resolution, frozenset(plan.above(rows)), below)


