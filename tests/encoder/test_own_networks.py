"""Networks of the user's own: what they may do, what is refused, and what of the user's is left alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from hcdv import HCDV  # noqa: E402
from hcdv.datasets import make_synthetic  # noqa: E402
from hcdv.encoder import Contrastive  # noqa: E402
from hcdv.encoder.contrastive._torch_networks import OnSphere, Perceptron  # noqa: E402
from hcdv.encoder.contrastive._views import as_images  # noqa: E402
from hcdv.games import Kernel  # noqa: E402

DATA = make_synthetic(n=300, n_val=60, n_test=10, random_state=0)


class Through(nn.Module):
    """A linear map and then anything."""

    def __init__(self, answer, n_columns=10):
        super().__init__()
        self.linear = nn.Linear(n_columns, 4)
        self.answer = answer

    def forward(self, rows):
        return self.answer(self.linear(rows))


def fit(network, **options):
    recipe = Contrastive(network=network, max_epochs=3, **options)
    return HCDV(encoder=recipe, n_permutations=4, random_state=0).fit(DATA.X, DATA.y, DATA.X_val, DATA.y_val)


def noise(z):
    return z + 0.1 * torch.randn(len(z), 4)


@pytest.mark.parametrize(
    "network",
    [
        lambda d: Through(noise),
        lambda d: nn.LazyLinear(3),
        lambda d: nn.Sequential(nn.Linear(d, 3), nn.Dropout()),
    ],
    ids=["noise", "lazy", "dropout"],
)
def test_whatever_a_network_draws_the_seed_decides(network):
    state = torch.get_rng_state()
    np.testing.assert_array_equal(fit(network).values_, fit(network).values_)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("network", ["perceptron", lambda d: nn.Sequential(nn.Linear(d, 3), nn.Dropout())])
def test_fits_in_threads_are_the_same(network):
    state, usual = torch.get_rng_state(), torch.get_num_threads()
    # From now on torch gives every new thread two of OpenMP's when it first computes there.
    torch.set_num_threads(2)
    try:
        alone = fit(network).values_
        with ThreadPoolExecutor(3) as pool:
            values = list(pool.map(lambda _: fit(network).values_, range(6)))
    finally:
        torch.set_num_threads(usual)
    for other in values:
        np.testing.assert_array_equal(alone, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_torch_s_defaults_are_of_no_consequence():
    usual = fit("perceptron").values_
    for outer in (torch.no_grad(), torch.inference_mode()):
        with outer:
            np.testing.assert_array_equal(fit("perceptron").values_, usual)
    torch.set_default_dtype(torch.float64)
    try:
        assert np.isfinite(fit("perceptron").values_).all()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1.0, 1e20, 1e30])
def test_vectors_of_any_size_have_length_1(size):
    net = OnSphere(nn.Linear(5, 4, bias=False))
    z = net(size * torch.linspace(-1, 1, 15).reshape(3, 5))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(3))
    zero = torch.zeros(2, 5, requires_grad=True)
    net(zero).sum().backward()
    assert zero.grad.isfinite().all() and not net(zero).any()


def test_colours_are_last_where_both_would_do():
    images = np.random.default_rng(0).random((5, 3, 3, 3))
    np.testing.assert_array_equal(as_images(images), images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda z: z[:, 0], r"one vector per row, got shape \(3,\) for 3 rows"),
        (lambda z: z.sum(), r"one vector per row, got shape \(\) for 3 rows"),
        (lambda z: z[:2], r"one vector per row, got shape \(2, 4\) for 3 rows"),
        (lambda z: z.T, r"one vector per row, got shape \(4, 3\)"),
        (lambda z: z[:, :0], r"one vector per row, got shape \(3, 0\)"),
        (lambda z: (z, z), "network must give a tensor, got tuple"),
        (lambda z: None, "network must give a tensor, got NoneType"),
        (lambda z: z.detach().numpy(), "network must give a tensor, got ndarray"),
        (lambda z: z.argsort(), "network must give real numbers, got torch.int64"),
        (lambda z: z + 1j, "network must give real numbers, got torch.complex64"),
        (lambda z: z / 0, "network must give finite numbers, got NaN or infinity"),
        (lambda z: z.detach(), "answers that its parameters move; these are detached"),
    ],
)
def test_networks_that_give_no_vectors(answer, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        fit(lambda d: Through(answer))


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (lambda d: Through(lambda z: z, n_columns=7), r"take rows of shape \(10,\) in float32, but: mat1"),
        (lambda d: nn.Linear(d, 4).double(), r"network must take rows of shape \(10,\) in float32, but: mat1"),
        (lambda d: nn.ModuleDict(), "network must take rows"),
        (lambda d: nn.Linear(d, 4).requires_grad_(False), "none of the module's wants a gradient"),
        (lambda d: Through(lambda z: torch.where(z.abs() > 1.2, torch.nan, z)), "for every row, got NaN"),
        (lambda d: "net", "network must give a torch module, got str"),
    ],
)
def test_networks_that_cannot_be_trained(network, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        fit(network)


@pytest.mark.parametrize(
    "options",
    [
        {"compiled": "yes"}, {"bounds": (0.0, np.inf)}, {"n_partners": 10**7}, {"n_dims": 10**25},
        {"n_hidden": 10**9}, {"batch_size": 10**6},
    ],
)  # fmt: skip
def test_recipes_that_no_machine_bears(options):
    with pytest.raises((ValueError, TypeError), match=f"{next(iter(options))} must"):
        Contrastive(**options)


@pytest.mark.parametrize("width", ["abc", None])
def test_a_width_may_be_a_word(width):
    with pytest.raises(ValueError, match=r"width must be 'likelihood' or a number from 0\.25 to 4, got"):
        Kernel(width=width)
    with pytest.raises(TypeError, match="width must be a number"):
        Kernel(width=np.array([1.0, 2.0]))


def test_a_perceptron_draws_nothing():
    assert not OnSphere(Perceptron(3, 4, 2)).may_draw
    assert OnSphere(nn.Linear(3, 2)).may_draw
