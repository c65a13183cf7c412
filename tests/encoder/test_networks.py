"""Networks and what they see: columns, images, codes of levels; precision, and torch's compiler."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

torch = pytest.importorskip("torch")

from hcdv import HCDV  # noqa: E402
from hcdv.encoder import Contrastive, FrameEncoder, IdentityEncoder, make_encoder  # noqa: E402
from hcdv.encoder.contrastive import _torch_objective as objective  # noqa: E402
from hcdv.encoder.contrastive._torch_networks import Bags, ConvNet, OnSphere  # noqa: E402
from hcdv.encoder.contrastive._views import View, as_images  # noqa: E402

DIGITS = load_digits()
IMAGES, Y = DIGITS.images[:600], DIGITS.target[:600]
IMAGES_VAL, Y_VAL = DIGITS.images[600:900], DIGITS.target[600:900]


def learn(recipe, X=IMAGES, y=Y, X_val=IMAGES_VAL, y_val=Y_VAL, seed=0, **options):
    encoder = make_encoder(X, recipe, **options)
    encoder.fit_spaces(X, y, seed=seed, X_val=X_val, y_val=y_val)
    return encoder


def levels(n=800, seed=0):
    """A table whose label hangs on a column of many levels alone, and one of numbers that tell nothing."""
    rng = np.random.default_rng(seed)
    town = rng.integers(0, 40, n)
    table = pd.DataFrame({"town": [f"t{k}" for k in town], "noise": rng.normal(size=n)})
    return table, (town % 2).astype(np.int64)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 9), (5, 1, 8, 9)),
        ((5, 8, 9, 3), (5, 3, 8, 9)),
        ((5, 3, 8, 9), (5, 3, 8, 9)),
        ((5, 1, 8, 9), (5, 1, 8, 9)),
        ((5, 8), None),
        ((5, 8, 9, 7), None),
    ],
)
def test_images_are_told_from_other_arrays(shape, expected):
    X = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    images = as_images(X)
    assert (images is None) == (expected is None)
    if images is not None:
        assert images.shape == expected
        # Pixel (2, 1) of the first channel of image 3.
        pixel = {3: lambda: X[3, 2, 1], 4: lambda: X[3, 2, 1, 0] if shape[3] == 3 else X[3, 0, 2, 1]}
        assert images[3, 0, 2, 1] == pixel[len(shape)]()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 5), (1, 28, 28), (3, 32, 32), (2, 9, 64)])
def test_the_convnet_takes_images_of_any_size(shape):
    net = OnSphere(ConvNet(shape, 16, 6))
    z = net(torch.randn(4, *shape))
    assert z.shape == (4, 6)
    np.testing.assert_allclose(z.norm(dim=1).detach(), 1.0, atol=1e-5)


def test_the_convnet_learns_images():
    space = learn(Contrastive(network="convnet", max_epochs=6)).space_
    assert space.view == View("image", (1, 8, 8))
    assert max(space.history) > space.history[0] + 0.5
    with pytest.raises(ValueError, match=r"X must hold images of shape \(1, 8, 8\).*got shape \(2, 64\)"):
        learn(Contrastive(network="convnet", max_epochs=1)).transform(IMAGES[:2].reshape(2, 64))


def test_colours_first_or_last_give_the_same_space():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (60, 6, 6, 3)).astype(np.uint8)
    y = (X[:, :, :, 0].mean((1, 2)) > 127).astype(np.int64)
    recipe = Contrastive(network="convnet", max_epochs=2)
    last = learn(recipe, X, y, None, None).space_
    first = learn(recipe, X.transpose(0, 3, 1, 2), y, None, None).space_
    assert last.history == first.history


def test_moved_images_stay_inside_their_bounds():
    seen = []

    class Recorder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(64, 4)

        def forward(self, x):
            if len(x) > 3:  # no mere example
                seen.append((float(x.detach().min()), float(x.detach().max())))
            return self.linear(x.flatten(1))

    def range_of(bounds):
        seen.clear()
        learned = learn(
            Contrastive(network=lambda c, h, w: Recorder(), max_epochs=1, epsilon=3.0, bounds=bounds)
        )
        space = learned.space_
        low, high = np.min(seen), np.max(seen)
        return low * space.scale + space.shift, high * space.scale + space.shift

    assert range_of((0.0, 16.0)) == pytest.approx((0.0, 16.0), abs=1e-3)
    low, high = range_of(None)
    assert low < -5 and high > 21
    with pytest.raises(ValueError, match="bounds are of pixels"):
        learn(Contrastive(bounds=(0.0, 16.0)))


def test_levels_have_codes_where_they_have_rows_enough():
    table = pd.DataFrame({"town": [f"t{i % 30}" for i in range(300)] + ["rare"], "x": np.arange(301.0)})
    y = np.arange(301) % 2
    encoder = FrameEncoder()
    encoder.fit_spaces(table, y)
    assert encoder.table.code_sizes == (32,)
    codes = encoder.table.codes(table)
    assert codes.shape == (301, 1) and codes[300, 0] == 0
    assert len(np.unique(codes[:300])) == 30 and codes[:300].min() > 0
    other = pd.DataFrame({"town": ["t7", "never seen", None], "x": 0.0})
    np.testing.assert_array_equal(encoder.table.codes(other)[:, 0] == 0, [False, True, True])
    assert encoder.table.codes(other)[0, 0] == codes[7, 0]


def test_bags_add_the_embeddings_of_known_levels():
    net = Bags(2, (4, 3), 8, 5)
    assert net.n_buckets == 5
    rows = torch.tensor([[0.5, -1.0, 0.0, 0.0], [0.5, -1.0, 3.0, 1.0], [0.5, -1.0, 0.0, 2.0]])
    bags = net.bags.weight
    for row, buckets in zip(rows, ([], [3, 4], [5]), strict=True):
        heard = bags[buckets].sum(0) if buckets else torch.zeros(5)
        expected = net.perceptron(torch.cat([row[:2], heard])[None])
        torch.testing.assert_close(net(row[None]), expected)


def test_bags_learn_what_levels_say():
    X, y = levels()
    X_val, y_val = levels(seed=1)
    bags = learn("contrastive", X, y, X_val, y_val).space_
    assert bags.view.kind == "bags" and bags.view.code_sizes == (41,)
    without = learn(Contrastive(network="perceptron"), X, y, X_val, y_val).space_
    assert max(bags.history) > max(without.history) - 0.02
    with pytest.raises(ValueError, match="needs a table with a column of many levels"):
        learn(Contrastive(network="bags"))
    model = HCDV(encoder="contrastive", n_permutations=4, random_state=0).fit(X, y, X_val, y_val)
    assert model.encoder_.transform(pd.DataFrame({"town": ["t3", "elsewhere"], "noise": 0.0})).shape == (2, 32)


def test_no_step_moves_a_code():
    seen = []

    def network(rows):
        seen.append(rows)
        return torch.nn.functional.normalize(rows, dim=1)

    rows = torch.rand(6, 4) + 1
    objective.smoothness(
        network, rows, network(rows), torch.tensor([0, 1, 0, 1, 0, 1]), epsilon=0.5, n_partners=2,
        generator=torch.Generator().manual_seed(0), n_codes=2,
    )  # fmt: skip
    torch.testing.assert_close(seen[-1][:, 2:], rows[:, 2:], rtol=0, atol=0)
    assert (seen[-1][:, :2] != rows[:, :2]).all()


def test_a_module_is_trained_on_in_a_copy():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5))
    before = module[1].weight.detach().clone()
    space = learn(Contrastive(network=module, max_epochs=3)).space_
    assert space.view.kind == "image"
    torch.testing.assert_close(module[1].weight.detach(), before, rtol=0, atol=0)
    assert max(space.history) > space.history[0]
    with pytest.raises(TypeError, match="network must give a torch module, got int"):
        learn(Contrastive(network=lambda *shape: 3))
    with pytest.raises(TypeError, match="got the class Flatten"):
        Contrastive(network=torch.nn.Flatten)


def test_half_precision_learns_as_well():
    full = learn(Contrastive(network="convnet", max_epochs=5)).space_
    half = learn(Contrastive(network="convnet", max_epochs=5, precision="bfloat16")).space_
    assert full.history != half.history
    assert max(half.history) == pytest.approx(max(full.history), abs=0.1)


@pytest.mark.slow
def test_the_compiled_network_is_the_same():
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2))
    except Exception as error:  # no compiler, or no support for this Python
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")
    plain = learn(Contrastive(max_epochs=2)).space_
    compiled = learn(Contrastive(max_epochs=2, compiled=True)).space_
    np.testing.assert_allclose(plain.history, compiled.history, atol=1e-3)


def test_of_many_rows_an_epoch_takes_some(monkeypatch):
    from hcdv.encoder.contrastive import _torch_training as training

    monkeypatch.setattr(training, "EPOCH_ROWS", 100)
    batches = list(training._batches(Y, 32, np.random.default_rng(0)))
    rows = torch.cat(batches).numpy()
    assert len(rows) == 100 and len(np.unique(rows)) == 100
    # Every batch has its part of every class that an epoch meets.
    counts = np.array([np.bincount(Y[batch], minlength=10) for batch in batches])
    assert (np.ptp(counts, axis=0) <= 2).all()


def test_identity_spaces_are_read_as_columns():
    assert View.of("auto", IdentityEncoder(), IMAGES, IdentityEncoder().fit_spaces(IMAGES)).kind == "columns"
