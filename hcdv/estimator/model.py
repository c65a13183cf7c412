"""The facade: one object that values the rows of a data set, and keeps the values current."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Self

import numpy as np

from hcdv._labels import shown
from hcdv._random import RandomState
from hcdv._validation import check_int, short
from hcdv.allocation import Literal
from hcdv.encoder import Contrastive, parse_encoder
from hcdv.estimator.checks import positions_of
from hcdv.estimator.explanation import Explainer, Explanation
from hcdv.estimator.state import load_model, save_model
from hcdv.estimator.state.recipe import PLACES, from_facts, is_own
from hcdv.estimator.updating import Updating
from hcdv.games import MultiFidelity


class HCDV(Updating):
    """Values every training row by hierarchical contrastive Shapley values (arXiv 2512.19363).

    A balanced tree is built over the rows, and every row gets its Winter (nested Owen) value in the game
    v(S) = M(S) + contrast * dispersion(S): the average, over permutations that keep the tree's nodes
    together, of what the row adds.  Values sum exactly to v(all rows) - v(none).

    Parameters
    ----------
    encoder : {"auto", "identity", "contrastive", "forest"}, Contrastive, an embedding, or a list
        How rows become vectors: standardised, above 60 columns projected to principal components; tables
        with text or missing values are encoded first.  ``"contrastive"`` trains a network that brings rows
        of one label together (:class:`hcdv.encoder.Contrastive`; needs torch), ``"forest"`` puts rows
        together that share leaves of a random forest.  A scikit-learn transformer, a trained torch module
        or a callable from rows to vectors embeds them its own way; a fitted encoder (``encoder_`` of
        another model) as it did.  In a list, as ``["identity", "contrastive"]``, learned spaces stand
        beside the first one, and games are played in all.  ``"auto"`` is the identity.
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
    keep_chains : bool
        Keep what every chain gave every row (n_permutations / 2 x games x 8 bytes a row), so that the first
        update is as fast as later ones.  Without, the first :meth:`partial_fit` walks all chains once more.
    cache : path, optional
        File that keeps the score of every model trained, for later fits on the same data.
    checkpoint : path, optional
        File that keeps the chains walked so far: the same call goes on from there after a crash, and ends
        with the same bits.  Out of core a folder, in which the values stay; workers on other machines must
        reach it.
    engine : {"threads", "joblib", "dask", "ray"} or a dask.distributed client
        Where tasks run.  All but threads value the rows out of core, part by part: see ``memory_limit``.
    scheduler : str, optional
        Address of the Dask scheduler or Ray cluster, if one runs already.
    memory_limit : str or int, optional
        Bytes that all tasks at once may take, as ``"4GB"``.  If given, or where X lies on disk, the rows are
        valued part by part (docs/scale.md).  ``crossing_votes_`` says how many votes that touches.
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
    crossing_votes_ : dict of str to float
        Share of the votes, by part of the sum, between rows of different parts where rows were valued out of
        core, measured on a sample; empty after a fit in memory.
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

    # What explanations of the present values have in common; made at the first.
    _explainer: Explainer | None = None

    def explain(self, row: Any) -> Explanation:
        """Why a row has its value: its parts, its place in the tree, who surrounds it, whom it helps and hurts.

        The first call after a fit, load or update makes the vote games once more (about what the stage
        "preparing the games" took) and keeps them; further ones compare one row with all others, O(n d).

        Parameters
        ----------
        row : number, text or date
            Name of the row, as in ``result_.ids`` and in :meth:`forget`; without names of their own rows are
            numbered from 0 in the order of X.  For the row at a position k: ``model.result_.ids[k]``.

        Returns
        -------
        Explanation
            ``print`` shows it, ``to_dict()`` gives plain numbers and text.  Where no part of the utility lets
            rows vote (kernel and forest do), and where the rows were valued out of core, its ``note`` says what
            is left out.

        Raises
        ------
        ValueError
            If no row, or more than one, is named.
        """
        explainer = self.explainer()
        if isinstance(row, (tuple, list)) or np.ndim(row) != 0:
            first = shown(self.result_.ids[0])
            raise ValueError(f"row must be one name, as in result_.ids ({first}, ...), got {short(row)}.")
        return explainer.explain(int(positions_of(row, self.result_.ids)[0]))

    def explainer(self) -> Explainer:
        """What :meth:`explain` asks: it goes by positions of rows, and holds for the present values only."""
        self._followed()
        if self._explainer is None or self._explainer.result is not self.result_:
            self._explainer = Explainer.of(self)
        return self._explainer

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state.pop("_explainer", None)  # as large as the games, and soon made again
        return state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: arrays, JSON and safetensors, with checksums; no pickle.

        Everything but the paths ``cache`` and ``checkpoint``, which are of this machine.

        Where an earlier state of the same model lies, only the updates since are written: an update costs
        what came with it.  Where parameters have changed since, or chains were walked under a rule that looks
        at the clock, all is written anew.  Whatever moment a crash picks, the folder holds the old state or
        the new one, and can be written again; after an error this model can be saved again.

        Parameters
        ----------
        path : path-like
            A folder that is not there (any more), or where this model was saved or loaded before.

        Raises
        ------
        ValueError
            If something else stands there, another process has changed it since, or the model holds what a
            file cannot (rows as sparse matrices for a model that is trained on them, names of mixed kinds).
        OSError
            If the folder cannot be written, because the disk is full, say; or another process writes it.
        """
        self._followed()
        self._store = save_model(self, path, self._store)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        if self._store is not None:
            # The rows that come to one must not be saved as the other's.
            twin._store = self._store.twin()
        return twin

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        utility: Any = None,
        encoder: Any = None,
        network: Any = None,
        tol: Any = None,
    ) -> Self:
        """Read what :meth:`save` wrote; nothing in it is ever executed.

        Parameters
        ----------
        path : path-like
        utility, encoder, tol
            What was passed to the model, where that was an object of your own: a file does not hold it.
        network : callable or torch module, optional
            The ``network`` of a ``Contrastive`` of your own.

        Raises
        ------
        ValueError
            If the folder is damaged, of a newer version, holds something else, or needs what was not passed.
        """
        own = {"utility": utility, "encoder": encoder, "tol": tol}
        embedding = None if encoder is None else parse_encoder(encoder).first
        model, store = load_model(
            partial(cls._from_facts, own), path, network=network,
            embedding=None if isinstance(embedding, str) else embedding,
        )  # fmt: skip
        assert isinstance(model, cls)
        model._store = store
        return model

    @classmethod
    def _from_facts(cls, own: Mapping[str, Any], facts: Mapping[str, Any]) -> Self:
        """A model not yet fitted, from the parameters that a file tells of."""
        told = facts["parameters"]
        known = cls().get_params(deep=False)
        if not isinstance(told, Mapping) or set(told) - set(known) or set(told) & set(PLACES):
            raise ValueError("it tells of parameters that a state does not have")
        given = {}
        for name, fact in told.items():
            if not is_own(fact):
                given[name] = from_facts(fact)
            elif own.get(name) is not None:
                given[name] = own[name]
            elif name in own:
                raise ValueError(f"the model was given {name} as an object of its own: pass {name}= again")
        model = cls(**given)
        model._check_parameters()
        model._bounds()
        return model

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
        if not np.iterable(K):
            raise TypeError(f"K must be a list of numbers, got {short(K)}.")
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
