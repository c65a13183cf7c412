"""The utility of a torch module: one model a coalition, whatever it is trained beside."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from hcdv._errors import UtilityError
from hcdv.engine import Threads
from hcdv.games.metrics import make_metric
from hcdv.games.retrained.cache import CoalitionCache
from hcdv.games.retrained.module import Module
from hcdv.games.rows import GivenRows, TrainingRows

torch = pytest.importorskip("torch")
nn = torch.nn
SEED = 3


def mlp(hidden=8, d=4, outputs=3, *, dropout=0.0):
    middle = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.Linear(d, hidden), nn.Tanh(), *middle, nn.Linear(hidden, outputs))


class Scaled(nn.Module):
    """Its ``scale`` shows in training alone."""

    def __init__(self, scale):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.scale = scale

    def forward(self, x):
        return self.layer(x * 1.0 if not self.training or callable(self.scale) else x * self.scale)


def in_float64():
    return mlp().double()


def given_rows(n=90, n_val=40, d=4, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(n_classes, d))
    labels = rng.integers(0, n_classes, n + n_val)
    X = (centres[labels] + rng.normal(size=(n + n_val, d))).astype(np.float32)
    order = rng.permutation(n)
    return GivenRows(
        X[:n], X[:n], labels[:n], np.arange(n_classes), order, X[n:], X[n:], labels[n:]
    )


def training_rows(given):
    X = np.asarray(given.features, np.float32).reshape(given.n_rows, -1)[given.order]
    return TrainingRows(X, given.labels[given.order], given.n_classes, X, (), given=given)


def play(recipe, given, *, seed=SEED, device="cpu", cache=None):
    return recipe.game(training_rows(given), seed=seed, threads=Threads(1), device=device, cache=cache)


def trainer_of(recipe, given, *, seed=SEED, device="cpu", at_once=None):
    from hcdv.games.retrained._torch_module import ModuleTrainer
    from hcdv.games.retrained._torch_prototype import Prototype

    prototype = Prototype.of(recipe.factory, given, recipe.name, seed=seed, device=device)
    if at_once is not None:
        prototype = replace(prototype, at_once=at_once)
    metric = make_metric(recipe.metric)
    return ModuleTrainer(given, recipe, metric, prototype, seed=seed)


def subsets(n, sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [np.sort(rng.choice(n, size, replace=False)) for size in sizes]


SIZES = (5, 9, 10, 30, 31, 33, 64, 65, 90)


class TestBatches:
    @pytest.mark.parametrize("patience", [None, 1])
    @pytest.mark.parametrize("factory", [mlp, lambda: mlp(dropout=0.4)], ids=["plain", "dropout"])
    def test_neighbours_do_not_matter(self, factory, patience, monkeypatch):
        given = given_rows()
        recipe = Module(factory, epochs=6, batch_size=16, learning_rate=0.02, patience=patience)
        coalitions = subsets(90, SIZES)
        trainer = trainer_of(recipe, given)
        together = trainer.probabilities(coalitions)
        assert trainer._group_size(trainer._coalition(coalitions[-1])) >= len(SIZES)
        backwards = trainer.probabilities(coalitions[::-1])[::-1]
        # To the bit on this path: values are promised not to depend on threads, nor on a crash and a new start,
        # and both change what is known already and so what is trained together.
        np.testing.assert_array_equal(backwards, together)
        for size in (1, 3):
            monkeypatch.setattr(trainer, "_group_size", lambda longest, size=size: size)
            np.testing.assert_array_equal(trainer.probabilities(coalitions), together)

    @pytest.mark.parametrize("metric", ["accuracy", "log_loss", "auc"])
    def test_scores_to_the_bit(self, metric):
        trainer = trainer_of(Module(mlp, metric=metric, epochs=2), given_rows())
        coalitions = subsets(90, SIZES)
        alone = [trainer.scores([coalition])[0] for coalition in coalitions]
        np.testing.assert_array_equal(trainer.scores(coalitions), alone)

    def test_memory_bounds_the_copies(self, monkeypatch):
        from hcdv.games.retrained import _torch_module

        given = given_rows()
        small, large = (trainer_of(Module(lambda h=h: mlp(h)), given) for h in (8, 800))
        longest = small._coalition(np.arange(90))
        assert small._group_size(longest) > 10 * large._group_size(longest) > 0
        monkeypatch.setattr(_torch_module, "CPU_BYTES", 1)
        assert small._group_size(longest) == 1

    def test_out_of_memory_halves_the_batch(self, monkeypatch):
        trainer = trainer_of(Module(mlp, epochs=1), given_rows())
        coalitions = subsets(90, SIZES)
        expected, train = trainer.probabilities(coalitions), trainer._trained
        tried = []

        def scarce(group):
            tried.append(len(group))
            if len(group) > 1:
                raise torch.cuda.OutOfMemoryError("no memory")
            return train(group)

        monkeypatch.setattr(trainer, "_trained", scarce)
        np.testing.assert_allclose(trainer.probabilities(coalitions), expected, atol=1e-5)
        # Two coalitions of each width (128, 64, 32, 16), and the smallest alone.
        assert tried == [2, 1, 1] * 4 + [1]

    @pytest.mark.parametrize("patience", [None, 2])
    def test_one_by_one_is_the_same(self, patience):
        given = given_rows()
        recipe = Module(
            lambda: mlp(dropout=0.2), epochs=5, batch_size=16, learning_rate=0.02, patience=patience
        )
        coalitions = subsets(90, SIZES)
        together = trainer_of(recipe, given, at_once=True).probabilities(coalitions)
        alone = trainer_of(recipe, given, at_once=False).probabilities(coalitions)
        np.testing.assert_allclose(alone, together, atol=1e-5)
        assert np.ptp(together, axis=0).max() > 0.05, "the models must differ for this to mean something"

    def test_convolutions(self):
        def net():
            return nn.Sequential(
                nn.Unflatten(1, (1, 6, 6)), nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Dropout2d(0.3), nn.Flatten(),
                nn.Linear(48, 3),
            ).double()  # fmt: skip

        given = given_rows(n=40, d=36)
        recipe = Module(net, epochs=2, batch_size=16)
        coalitions = subsets(40, (8, 21, 40))
        # A choice on a CPU, not a failure: no warning.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trainer = trainer_of(recipe, given)
        assert not trainer.prototype.at_once
        together = trainer_of(recipe, given, at_once=True).probabilities(coalitions)
        np.testing.assert_allclose(trainer.probabilities(coalitions), together, atol=1e-10)

    def test_same_coalition_in_a_chain_and_by_groups(self):
        given = given_rows()
        game = play(Module(mlp, metric="log_loss", epochs=2), given)
        order = np.random.default_rng(1).permutation(90)
        along = game.chains(order[None], np.array([0, 20, 45, 90]))[0]
        other = play(Module(mlp, metric="log_loss", epochs=2), given)
        backwards = np.r_[order[:45][::-1], order[45:]]
        bounds = np.array([0, 25, 45, 90])
        masks = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]], bool)
        np.testing.assert_allclose(
            other.coalitions(backwards, bounds, masks), along[[2, 3, 0]], atol=1e-5
        )
        assert along[0] == pytest.approx(1 / 3) and along[3] > along[1]

    def test_threads(self):
        given = given_rows()
        coalitions = subsets(90, SIZES)
        recipe = Module(lambda: mlp(dropout=0.3), epochs=3, learning_rate=0.02)
        trainer = trainer_of(recipe, given)
        expected = trainer.probabilities(coalitions)
        found = list(Threads(2).map(lambda _: trainer.probabilities(coalitions), range(6)))
        for probabilities in found:
            np.testing.assert_allclose(probabilities, expected, atol=1e-5)


class TestTraining:
    @pytest.mark.parametrize("weight_decay", [0.0, 0.1])
    def test_equals_a_plain_loop(self, weight_decay):
        """The textbook loop with torch's own AdamW, on the mini-batches of the plan."""
        from hcdv.games.retrained._torch_copies import epoch_plan

        given = given_rows()
        recipe = Module(
            in_float64, epochs=4, batch_size=16, learning_rate=0.01, weight_decay=weight_decay
        )
        trainer = trainer_of(recipe, given)
        rows = np.sort(np.random.default_rng(2).choice(90, 41, replace=False))
        coalition = trainer._coalition(rows)
        model = in_float64()
        model.load_state_dict(trainer.prototype.module.state_dict())
        adam = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=weight_decay)
        X, y = torch.from_numpy(given.features).double(), torch.from_numpy(given.labels)
        for _ in range(4):
            order = coalition.random.permutation(coalition.rows)
            plan, counts = epoch_plan([order], 16, 16)
            seen = [batch[:count] for batch, count in zip(plan[0], counts[0], strict=True)]
            assert sorted(np.concatenate(seen)) == list(rows)
            assert counts.max() <= 16 and np.ptp(counts) <= 1
            for batch in seen:
                adam.zero_grad()
                nn.functional.cross_entropy(model(X[batch]), y[batch]).backward()
                adam.step()
        with torch.no_grad():
            expected = torch.softmax(model(torch.from_numpy(given.features_val).double()), 1).numpy()
        others = subsets(90, (20, 77))
        found = trainer.probabilities([others[0], rows, others[1]])[1]
        np.testing.assert_allclose(found, expected, atol=1e-10)

    def test_only_own_rows_are_seen(self):
        """Rows outside the coalition, and validation labels, change nothing but the score."""
        given = given_rows()
        rows = np.arange(0, 90, 3)
        recipe = Module(mlp, epochs=3, patience=1)
        before = trainer_of(recipe, given).probabilities([rows])
        spoilt = given.features.copy()
        spoilt[np.setdiff1d(np.arange(6, 90), rows)] += 50
        labels = given.labels.copy()
        labels[1::3] = (labels[1::3] + 1) % 3
        changed = replace(
            given, features=spoilt, labels=labels, labels_val=(given.labels_val + 1) % 3
        )
        np.testing.assert_array_equal(trainer_of(recipe, changed).probabilities([rows]), before)

    def test_it_learns(self):
        given = given_rows(n=200, n_val=100)
        values = trainer_of(Module(mlp, epochs=30, learning_rate=0.02), given).scores(
            [np.arange(200), np.arange(6)]
        )
        assert values[0] > 0.8 and values[0] > values[1]

    def test_early_stopping_goes_back_to_the_best(self, monkeypatch):
        """With labels of pure noise and a step far too long, epochs after the best only do harm."""
        noise = replace(given_rows(), labels=np.random.default_rng(5).integers(0, 3, 90))
        trainer = trainer_of(Module(mlp, epochs=40, batch_size=8, learning_rate=0.3, patience=3), noise)
        losses, judge = [], trainer._held_out_losses

        def noted(copies, running):
            losses.append(judge(copies, running))
            return losses[-1]

        monkeypatch.setattr(trainer, "_held_out_losses", noted)
        coalition = trainer._coalition(np.arange(90))
        assert len(coalition.held_out) == 9 and not set(coalition.held_out) & set(coalition.rows)
        weights, buffers = trainer._train([coalition])
        logits = trainer.prototype.copies(training=False, common_features=True)(
            weights, buffers, trainer.X[coalition.held_out]
        )[0]
        found = float(nn.functional.cross_entropy(logits, trainer.y[coalition.held_out]))
        by_epoch = torch.cat(losses).numpy()
        assert found == pytest.approx(by_epoch.min(), rel=1e-5)
        assert len(by_epoch) == by_epoch.argmin() + 1 + 3 < 40
        assert by_epoch[-1] > by_epoch.min() + 0.01

    def test_patience_stops(self, monkeypatch):
        from hcdv.games.retrained._torch_module import ModuleTrainer

        epochs, running = 0, ModuleTrainer._epoch

        def counted(self, forward, copies, group):
            nonlocal epochs
            epochs += len(group)
            return running(self, forward, copies, group)

        monkeypatch.setattr(ModuleTrainer, "_epoch", counted)
        recipe = Module(mlp, epochs=200, learning_rate=0.3, patience=2)
        trainer_of(recipe, given_rows()).scores(subsets(90, (60, 70, 8)))
        # The coalition of eight has no row to spare and runs to the end.
        assert 200 < epochs < 400

    def test_one_class_is_not_trained(self):
        given = given_rows()

        class Untrainable(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 3)

            def forward(self, x):
                if len(x) > 4:
                    raise RuntimeError("trained")
                return self.layer(x)

        game = play(Module(Untrainable), given)
        points = np.flatnonzero(given.labels[given.order] == 1)
        order = np.r_[points, np.setdiff1d(np.arange(90), points)]
        value = game.chains(order[None], np.array([len(points)]))[0, 0]
        assert value == pytest.approx((given.labels_val == 1).mean())

    def test_bytes_images_are_scaled(self):
        rng = np.random.default_rng(0)
        given = given_rows(n=30, n_val=10)
        images = rng.integers(0, 256, (40, 3, 3), np.uint8)
        def with_features(X):
            return replace(given, features=X[:30], features_val=X[30:])

        recipe = Module(lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), epochs=2)
        rows = [np.arange(30)]
        bytes_ = trainer_of(recipe, with_features(images)).probabilities(rows)
        floats = trainer_of(recipe, with_features(images / np.float32(255))).probabilities(rows)
        np.testing.assert_allclose(bytes_, floats, atol=1e-6)
        with pytest.raises(ValueError, match="both be images of bytes"):
            trainer_of(recipe, replace(with_features(images), features_val=images[30:] / 255.0))


class TestModules:
    def test_batch_norm_is_trained_one_by_one(self):
        def net():
            # The bias before the normalisation has no gradient but rounding, which Adam makes large in float32.
            layers = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)
            return nn.Sequential(*layers).double()

        given = given_rows()
        recipe = Module(net, epochs=2, batch_size=16)
        with pytest.warns(UserWarning, match=r"one by one, because layer '1' \(BatchNorm1d\)") as told:
            trainer = trainer_of(recipe, given)
        assert len(told) == 1
        model = net()
        model.load_state_dict(trainer.prototype.module.state_dict())
        adam = torch.optim.Adam(model.parameters(), lr=1e-3)
        coalition = trainer._coalition(np.arange(33))
        from hcdv.games.retrained._torch_copies import epoch_plan

        for _ in range(2):
            plan, counts = epoch_plan([coalition.random.permutation(coalition.rows)], 16, 16)
            for batch, count in zip(plan[0], counts[0], strict=True):
                adam.zero_grad()
                answer = model(trainer.X[batch[:count]])
                nn.functional.cross_entropy(answer, trainer.y[batch[:count]]).backward()
                adam.step()
        with torch.no_grad():
            expected = torch.softmax(model.eval()(trainer.X_val).double(), 1).numpy()
        found = trainer.probabilities([np.arange(90), np.arange(33)])[1]
        np.testing.assert_allclose(found, expected, atol=1e-10)

    def test_control_flow_names_the_layer(self):
        class Branching(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 3)

            def forward(self, x):
                y = self.layer(x)
                return y if y.sum() > 0 else 2 * y

        with pytest.warns(UserWarning, match=r"vmap cannot take its forward after layer 'layer' \(Linear\)"):
            trainer = trainer_of(Module(Branching, epochs=1), given_rows())
        assert np.isfinite(trainer.scores(subsets(90, (20, 30)))).all()

    @pytest.mark.parametrize("kind", ["rows", "buffer"])
    def test_padding_leaves_no_trace(self, kind):
        """Layers that `vmap` takes, but that would see the rows a mini-batch is padded with."""

        class Centring(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 3)
                self.register_buffer("mean", torch.zeros(4))

            def forward(self, x):
                if not self.training:
                    return self.layer(x - self.mean)
                if kind == "buffer":
                    self.mean.copy_(x.mean(0))
                    return self.layer(x)
                return self.layer(x - x.mean(0))

        words = {"rows": "mixes the rows", "buffer": "changes its buffer 'mean'"}[kind]
        with pytest.warns(UserWarning, match=words):
            trainer = trainer_of(Module(Centring, epochs=2), given_rows())
        assert not trainer.prototype.at_once
        _, buffers = trainer._train([trainer._coalition(np.arange(70))])
        if kind == "buffer":
            np.testing.assert_allclose(buffers["mean"][0], trainer.X[:70].mean(0), atol=1e-5)

    def test_torchs_own_generator_is_seeded_and_left_alone(self):
        class Noisy(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 3)

            def forward(self, x):
                return self.layer(nn.functional.dropout(x, 0.5, self.training))

        given = given_rows()
        with pytest.warns(UserWarning, match="one by one"):
            trainer = trainer_of(Module(Noisy, epochs=2, learning_rate=0.05), given)
        assert trainer.prototype.draws
        coalitions = subsets(90, (20, 50))
        before = torch.get_rng_state()
        first = trainer.probabilities(coalitions)
        torch.manual_seed(99)
        again = list(Threads(2).map(lambda _: trainer.probabilities(coalitions[::-1])[::-1], range(4)))
        for probabilities in again:
            np.testing.assert_allclose(probabilities, first, atol=1e-6)
        torch.set_rng_state(before)

    def test_dropout_masks(self):
        from hcdv.games.retrained._torch_dropout import KeyedDropout, key_dropout, step_keys

        shared = nn.Dropout(0.3)
        net = nn.ModuleDict({"a": shared, "b": shared, "c": nn.Dropout2d(0.3)})
        key_dropout(net)
        assert net["a"] is net["b"] and all(isinstance(layer, KeyedDropout) for layer in net.values())
        ones = torch.ones(200, 50)
        keys = step_keys(torch.tensor([1, 2, 1]), torch.tensor([0, 0, 1]))
        masks = []
        for key in keys:
            net["a"].hcdv_dropout_key.copy_(key)
            masks += [net["a"](ones), net["a"](ones)]
        for mask in masks:
            assert mask.unique().tolist() == pytest.approx([0, 1 / 0.7])
            assert float((mask == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
            # Rows and columns alike: no stripes.
            assert float((mask == 0).float().mean(0).std()) < 0.06
        flat = torch.stack(masks).flatten(1)
        correlations = torch.corrcoef(flat)
        assert float((correlations - torch.eye(6)).abs().max()) < 0.05
        channels = net["c"](torch.ones(20, 30, 2, 2)).flatten(2)
        assert bool((channels == channels[:, :, :1]).all()) and 0 < float((channels == 0).float().mean()) < 1
        assert torch.equal(net.eval()["a"](ones), ones)

    @pytest.mark.parametrize("outputs", [1, 2])
    def test_two_classes(self, outputs):
        given = given_rows(n_classes=2)
        trainer = trainer_of(Module(lambda: mlp(outputs=outputs), epochs=20, learning_rate=0.05), given)
        probabilities = trainer.probabilities([np.arange(90)])
        np.testing.assert_allclose(probabilities.sum(axis=2), 1)
        assert trainer.scores([np.arange(90)])[0] > 0.75

    def test_one_flat_logit(self):
        class Flat(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 1)

            def forward(self, x):
                return self.layer(x)[:, 0]

        given = given_rows(n_classes=2)
        flat = trainer_of(Module(Flat, epochs=3), given)
        column = trainer_of(Module(lambda: nn.Sequential(nn.Linear(4, 1)), epochs=3), given)
        rows = [np.arange(90)]
        np.testing.assert_allclose(flat.probabilities(rows), column.probabilities(rows), atol=1e-6)

    def test_a_module_keeps_its_weights(self):
        given = given_rows()
        net = mlp()
        net[0].weight.requires_grad_(False)
        before = {k: v.clone() for k, v in net.state_dict().items()}
        trainer = trainer_of(Module(net, epochs=2, learning_rate=0.1), given)
        weights, _ = trainer._train([trainer._coalition(np.arange(90))])
        assert set(weights) == {"0.bias", "2.weight", "2.bias"}
        assert not torch.equal(weights["2.bias"][0], before["2.bias"])
        assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
        assert torch.equal(trainer.prototype.module[0].weight, before["0.weight"])

    def test_a_class_and_lazy_layers(self):
        class Lazy(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.LazyLinear(3)

            def forward(self, x):
                return self.layer(x)

        assert np.isfinite(trainer_of(Module(Lazy, epochs=1), given_rows()).scores([np.arange(90)])).all()


class TestSeeds:
    def test_the_seed_decides_all(self):
        given = given_rows()
        recipe = Module(lambda: mlp(dropout=0.3), epochs=2)
        rows = [np.arange(40)]
        torch.manual_seed(1)
        state = torch.get_rng_state()
        first = trainer_of(recipe, given).probabilities(rows)
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(2)
        np.testing.assert_array_equal(trainer_of(recipe, given).probabilities(rows), first)
        assert not np.allclose(trainer_of(recipe, given, seed=4).probabilities(rows), first)

    def test_fingerprint(self):
        given = given_rows()

        def name(recipe, given=given, seed=SEED):
            return trainer_of(recipe, given, seed=seed).fingerprint

        spoilt = given.features.copy()
        spoilt[50] += 1
        names = [
            name(Module(mlp)),
            name(Module(mlp), seed=4),
            name(Module(lambda: mlp(hidden=9))),
            name(Module(lambda: mlp(dropout=0.1))),
            name(Module(lambda: mlp(dropout=0.2))),
            name(Module(lambda: Scaled(1.0))),
            name(Module(lambda: Scaled(2.0))),
            name(Module(mlp, epochs=6)),
            name(Module(mlp, patience=2)),
            name(Module(mlp, metric="brier")),
            name(Module(mlp), replace(given, features=spoilt)),
            name(Module(mlp), replace(given, labels_val=(given.labels_val + 1) % 3)),
        ]
        assert len(set(names)) == len(names) and None not in names
        assert name(Module(mlp)) == names[0]

    def test_what_has_no_words_has_no_fingerprint(self):
        assert trainer_of(Module(lambda: Scaled(torch.tanh)), given_rows()).fingerprint is None

    def test_code_that_cannot_be_read_has_no_fingerprint(self):
        scope = {"nn": nn}
        exec("class Typed(nn.Linear):\n    pass", scope)
        typed = scope["Typed"]
        typed.__module__ = "nowhere"
        assert trainer_of(Module(lambda: typed(4, 3)), given_rows()).fingerprint is None

    def test_the_cache_is_used(self):
        given, cache = given_rows(), CoalitionCache()
        order, stops = np.arange(90)[None], np.array([10, 50, 90])
        first = play(Module(mlp, epochs=1), given, cache=cache)
        values = first.chains(order, stops)
        second = play(Module(mlp, epochs=1), given, cache=cache)
        np.testing.assert_array_equal(second.chains(order, stops), values)
        assert (first.n_evaluations, second.n_evaluations) == (3, 0)


class TestDoor:
    @pytest.mark.parametrize(
        ("wrong", "error", "words"),
        [
            (dict(factory=3), TypeError, "factory must be a callable"),
            (dict(epochs=0), ValueError, "epochs must be at least 1"),
            (dict(batch_size=1.5), TypeError, "batch_size must be an integer"),
            (dict(learning_rate=0), ValueError, "learning_rate must be above 0"),
            (dict(weight_decay=-1), ValueError, "weight_decay"),
            (dict(patience=0), ValueError, "patience must be at least 1"),
            (dict(metric="f1"), ValueError, "needs a fitted scikit-learn model"),
        ],
    )
    def test_arguments(self, wrong, error, words):
        with pytest.raises(error, match=words):
            Module(**{"factory": mlp, **wrong})

    def test_factories(self):
        def fails():
            raise KeyError("weights")

        cases = [
            (fails, ValueError, "factory of utility 'module' failed"),
            (lambda: "net", TypeError, "must return a torch.nn.Module, got str"),
            (lambda: mlp(outputs=5), ValueError, r"logits of shape \[rows, 3\], one a class, got \[4, 5\]"),
            (lambda: mlp(d=7), ValueError, r"failed on features of shape \[4, 4\]"),
            (nn.Tanh, ValueError, "logits of shape"),
            (lambda: nn.GRU(4, 3), ValueError, "must return a tensor of logits, got tuple"),
            (lambda: mlp().requires_grad_(False), ValueError, "parameters to train"),
        ]
        for factory, error, words in cases:
            with pytest.raises(error, match=words):
                play(Module(factory), given_rows())

    def test_words_are_no_features(self):
        words = np.array([["a"] * 4] * 90)
        with pytest.raises(TypeError, match="X must hold numbers"):
            trainer_of(Module(mlp), replace(given_rows(), features=words))

    def test_diverging(self):
        game = play(Module(in_float64, epochs=3, learning_rate=1e308), given_rows())
        with pytest.raises(UtilityError, match=r"became NaN or infinite on a coalition of 90 rows"):
            game.chains(np.arange(90)[None], np.array([90]))

    def test_a_module_that_fails_later(self):
        class Fussy(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 3)

            def forward(self, x):
                if len(x) > 20:
                    raise RuntimeError("too many rows")
                return self.layer(x)

        game = play(Module(Fussy), given_rows())
        with pytest.raises(UtilityError, match=r"'module' raised RuntimeError .* 90 rows: too many rows"):
            game.chains(np.arange(90)[None], np.array([90]))

    @pytest.mark.parametrize("metric", ["balanced_accuracy", "auc", "log_loss", "brier"])
    def test_metrics(self, metric):
        given = given_rows()
        recipe = Module(mlp, metric=metric, epochs=1)
        trainer = trainer_of(recipe, given)
        rows = subsets(90, (30, 60))
        probabilities = trainer.probabilities(rows)
        made = make_metric(metric)
        predictions = probabilities.argmax(axis=2) if made.needs == "labels" else probabilities
        expected = made.scores(predictions, given.labels_val, 3)
        np.testing.assert_allclose(trainer.scores(rows), expected, atol=1e-6)

    def test_without_validation_rows_folds_stand_in(self):
        given = replace(given_rows(), X_val=None, features_val=None, labels_val=None)
        with pytest.warns(UserWarning, match="folds") as told:
            game = play(Module(mlp, epochs=1), given)
        assert len(told) == 1
        values = game.chains(np.arange(90)[None], np.array([0, 90]))[0]
        assert values[0] == pytest.approx(1 / 3) and 0 <= values[1] <= 1

    def test_cost_grows_with_the_work(self):
        rows = training_rows(given_rows())
        assert Module(mlp).chain_seconds(rows, 20) == pytest.approx(2 * Module(mlp).chain_seconds(rows, 10))
        assert Module(mlp, epochs=9).chain_seconds(rows, 1) > Module(mlp).chain_seconds(rows, 1) > 0


def test_torch_comes_late():
    code = (
        "import sys; from hcdv.games.retrained.module import Module; Module(print); "
        "print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_the_cpu():
    given = given_rows()
    recipe = Module(lambda: mlp(dropout=0.3).double(), epochs=4, learning_rate=0.02, patience=2)
    coalitions = subsets(90, SIZES)
    here = trainer_of(recipe, given).probabilities(coalitions)
    there = trainer_of(recipe, given, device="cuda").probabilities(coalitions)
    np.testing.assert_allclose(there, here, atol=1e-5)
