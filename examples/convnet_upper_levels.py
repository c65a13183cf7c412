"""What are images worth to a ConvNet?  It values the upper nodes of the tree, a cheap utility shares them out.

    python examples/convnet_upper_levels.py --n 2000

Every value of a node at the first level is the average change in a ConvNet's accuracy, trained anew for each
coalition; inside a node the rows share its value by ``kernel``.  With a GPU: ``--device cuda --n 60000``.
"""

import argparse

from torch import nn

from hcdv import HCDV
from hcdv.datasets import flip_labels, load_fashion_mnist
from hcdv.games import Module, MultiFidelity


def make_net() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 7 * 7, 10),
    )  # fmt: skip


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--n", type=int, default=1000, help="training rows, at most 60,000")
parser.add_argument("--permutations", type=int, default=8, help="chains of retrained networks")
parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
options = parser.parse_args()

data = load_fashion_mnist(n=options.n, n_val=500, random_state=0)
y, is_flipped = flip_labels(data.y, fraction=0.15, random_state=0)

utility = MultiFidelity(Module(make_net, batch_size=64, learning_rate=3e-3), "kernel", resolution=1)
model = HCDV(
    utility=utility, n_permutations=options.permutations, device=options.device, random_state=0, verbose=1
)
model.fit(data.X, y, data.X_val, data.y_val)

result = model.result_
print(result.summary())
suspects = result.ranking()[: is_flipped.sum()]
print(f"{is_flipped[suspects].mean():.1%} of as many lowest rows are flipped (15.0% by chance)")
