"""Every term of the objective: by hand, and its gradient against finite differences."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hcdv.encoder.contrastive import _torch_objective as objective  # noqa: E402
from hcdv.encoder.contrastive._torch_networks import OnSphere, Perceptron, initial  # noqa: E402

LABELS = torch.tensor([0, 0, 1, 1, 2, 0, 1])


def unit_rows(seed=0, n=7, d=4):
    rows = torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def smooth_network():
    """Twice differentiable, unlike the default one."""

    def make():
        return torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4))

    return initial(make, 0, torch.ones(2, 5)).double()


def some_rows():
    return torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("score", ["log", "share"])
def test_confidence_by_hand(score):
    z = unit_rows()
    found = objective.confidences(z, LABELS, 3, temperature=0.5, score=score)
    for i in range(7):
        weights = [np.exp(-(1 - float(z[i] @ z[j])) / 0.5) for j in range(7) if j != i]
        agree = [bool(LABELS[i] == LABELS[j]) for j in range(7) if j != i]
        prior = objective.PRIOR_SHARE * sum(weights)
        share = (np.dot(weights, agree) + prior / 3) / (sum(weights) + prior)
        assert float(found[i]) == pytest.approx(np.log(3 * share) if score == "log" else share, abs=1e-12)


def test_dispersion_by_hand():
    z = unit_rows()
    pairs = [(i, j) for i in range(7) for j in range(i) if LABELS[i] != LABELS[j]]
    by_hand = np.mean([1 - float(z[i] @ z[j]) for i, j in pairs])
    assert float(objective.dispersion(z, LABELS)) == pytest.approx(by_hand, abs=1e-12)
    assert float(objective.dispersion(z, torch.zeros(7))) == 0.0


def test_gradients_equal_finite_differences():
    z = unit_rows().requires_grad_()
    # The weight of the prior is held fixed: it is no part of what is learned.
    heard = torch.full((7,), 3.0, dtype=torch.float64)

    def votes(z, score):
        weights = torch.exp((z @ z.T - 1) / 0.5) * ~torch.eye(7, dtype=torch.bool)
        share = ((weights * (LABELS[:, None] == LABELS)).sum(1) + heard / 3) / (weights.sum(1) + heard)
        return torch.log(3 * share) if score == "log" else share

    for score in ("log", "share"):
        assert torch.autograd.gradcheck(lambda z, s=score: votes(z, s), z)
    with torch.no_grad():
        prior = objective.PRIOR_SHARE * torch.exp((z @ z.T - 1) / 0.5).fill_diagonal_(0).sum(1)
    heard = prior
    for score in ("log", "share"):
        ours = objective.confidences(z, LABELS, 3, temperature=0.5, score=score)
        torch.testing.assert_close(
            torch.autograd.grad(ours.sum(), z)[0], torch.autograd.grad(votes(z, score).sum(), z)[0]
        )
    assert torch.autograd.gradcheck(lambda z: objective.dispersion(z, LABELS), z)


def test_gradient_of_the_smoothness():
    network, rows = smooth_network(), some_rows()
    weight = network.network[0].weight

    def term(w):
        def moved(x):
            return torch.nn.functional.normalize(
                network.network[2](torch.tanh(x @ w.T + network.network[0].bias)), dim=1
            )

        return objective.smoothness(
            moved, rows, moved(rows), LABELS, epsilon=0.1, n_partners=3,
            generator=torch.Generator().manual_seed(1),
        )  # fmt: skip

    assert torch.autograd.gradcheck(term, weight.detach().clone().requires_grad_())


def test_the_proxy_tends_to_the_gradient_norm():
    network, rows = smooth_network(), some_rows()
    with torch.no_grad():
        z = network(rows)
    norms = []
    for p in range(7):
        for q in range(7):
            if LABELS[p] != LABELS[q]:
                x = rows[p].clone().requires_grad_()
                distance = 1 - network(x[None])[0] @ z[q]
                norms.append((p, float(torch.autograd.grad(distance, x)[0].square().sum())))
    # Partners are drawn evenly for each row.
    exact = np.mean([np.mean([g for r, g in norms if r == p]) for p in range(7)])
    gaps = []
    for epsilon in (1.0, 0.1, 1e-3):
        with torch.no_grad():
            draws = torch.Generator().manual_seed(0)
            found = np.mean(
                [
                    float(
                        objective.smoothness(
                            network, rows, z, LABELS, epsilon=epsilon, n_partners=8, generator=draws
                        )
                    )
                    for _ in range(3000)
                ]
            )
        gaps.append(abs(found - exact) / exact)
    assert gaps[2] < 0.05 and gaps[2] < gaps[0]


def test_smoothness_at_its_edges():
    network, rows = smooth_network(), some_rows()
    z, draws = network(rows), torch.Generator().manual_seed(0)
    nothing = objective.smoothness(
        network, rows, z, torch.zeros(7), epsilon=0.1, n_partners=2, generator=draws
    )
    assert float(nothing) == 0.0
    clamped = objective.smoothness(
        network, rows.clamp(0, 0), network(rows.clamp(0, 0)), LABELS, epsilon=0.1, n_partners=2,
        generator=draws, bounds=(0.0, 0.0),
    )  # fmt: skip
    assert float(clamped) == 0.0


def test_networks_start_from_their_seed_and_leave_torch_s_own_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, two = (initial(lambda: Perceptron(5, 8, 3), 7, torch.ones(2, 5)) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    rows = torch.randn(4, 5)
    assert torch.equal(one(rows), two(rows))
    # The correction starts at nothing.
    linear = OnSphere(one.network.linear)
    torch.testing.assert_close(one(rows), linear(rows))
    torch.testing.assert_close(one(rows).norm(dim=1), torch.ones(4))
