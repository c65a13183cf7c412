"""A training that is killed goes on where it was, to the same bits."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from hcdv import HCDV  # noqa: E402
from hcdv._tensors import read_tensors, write_tensors  # noqa: E402
from hcdv.datasets import make_synthetic  # noqa: E402
from hcdv.encoder import Contrastive, make_encoder  # noqa: E402
from hcdv.encoder.contrastive import _torch_files as files  # noqa: E402

DATA = make_synthetic(n=400, n_val=100, n_test=10, random_state=0)
RECIPE = Contrastive(max_epochs=6, patience=6)


class _KilledError(Exception):
    pass


class _Stops:
    """Ends the training from within, after so many epochs."""

    def __init__(self, after):
        self.after = after

    def expect(self, total):
        pass

    def done(self, epoch):
        if epoch == self.after:
            raise _KilledError


def learn(path=None, recipe=RECIPE, seed=0, y=DATA.y, progress=None):
    encoder = make_encoder(DATA.X, recipe, checkpoint=path, progress=progress)
    return encoder.fit_spaces(DATA.X, y, seed=seed, X_val=DATA.X_val, y_val=DATA.y_val).vote, encoder.space_


@pytest.fixture
def every_epoch(monkeypatch):
    monkeypatch.setattr(files, "WRITE_EVERY", 0.0)


@pytest.mark.parametrize("after", [1, 3, 5])
def test_it_goes_on_to_the_same_bits(tmp_path, every_epoch, after):
    z, space = learn()
    with pytest.raises(_KilledError):
        learn(tmp_path / "t", progress=_Stops(after))
    again, resumed = learn(tmp_path / "t")
    np.testing.assert_array_equal(again, z)
    assert resumed.history == space.history


def test_one_that_has_ended_is_not_trained_again(tmp_path):
    z, _ = learn(tmp_path / "t")
    again, space = learn(tmp_path / "t", progress=_Stops(1))  # would raise in the first epoch
    np.testing.assert_array_equal(again, z)
    assert len(space.history) == 7


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"recipe": Contrastive(max_epochs=5)}, {"y": np.roll(DATA.y, 1)}],
)
def test_another_training_s_is_refused_and_kept(tmp_path, other):
    learn(tmp_path / "t")
    before = (tmp_path / "t").read_bytes()
    with pytest.raises(ValueError, match="is the checkpoint of another encoder"):
        learn(tmp_path / "t", **other)
    assert (tmp_path / "t").read_bytes() == before


def test_another_network_s_is_refused(tmp_path):
    def network(activation, width=4):
        def make(p):
            return torch.nn.Sequential(torch.nn.Linear(p, 8), activation(), torch.nn.Linear(8, width))

        return Contrastive(network=make, max_epochs=2)

    learn(tmp_path / "t", network(torch.nn.ReLU))
    learn(tmp_path / "t", network(torch.nn.ReLU))
    weights = torch.nn.Linear(DATA.X.shape[1], 4)
    trained_on = Contrastive(network=weights, max_epochs=2)
    for other in (network(torch.nn.Tanh), network(torch.nn.ReLU, 5), trained_on):
        with pytest.raises(ValueError, match="is the checkpoint of another encoder"):
            learn(tmp_path / "t", other)


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "t"
    learn(path)
    good = path.read_bytes()
    for bad in (b"", b"\0" * 100, good[:-7], good[:4000], good[:-3] + b"abc"):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"damaged|holds no training"):
            learn(path)


def test_a_place_that_takes_no_file_is_told_before_the_training(tmp_path):
    class Never(_Stops):
        def done(self, epoch):
            raise AssertionError("it was trained")

    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="is a folder, not a file"):
        learn(tmp_path / "folder", progress=Never(0))
    with pytest.raises(OSError, match=r"the folder .*nowhere does not exist"):
        learn(tmp_path / "nowhere" / "t", progress=Never(0))


class Odd(torch.nn.Module):
    """A parameter without dimensions, and any precision."""

    def __init__(self, p, dtype=torch.float32):
        super().__init__()
        self.temper = torch.nn.Parameter(torch.tensor(1.5))
        self.linear = torch.nn.Linear(p, 4)
        self.to(dtype)

    def forward(self, rows):
        return self.linear(rows.to(self.temper.dtype)) * self.temper + self.temper


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_own_networks_go_on_to_the_same_bits(tmp_path, every_epoch, dtype):
    recipe = Contrastive(network=lambda p: Odd(p, dtype), max_epochs=4, patience=4)
    z, space = learn(recipe=recipe)
    with pytest.raises(_KilledError):
        learn(tmp_path / "t", recipe, progress=_Stops(2))
    again, resumed = learn(tmp_path / "t", recipe)
    np.testing.assert_array_equal(again, z)
    assert resumed.history == space.history
    weights = resumed._network.state_dict()
    for name, value in space._network.state_dict().items():
        assert weights[name].dtype == dtype and torch.equal(weights[name], value)
    # The same numbers in another precision are another training.
    other = Contrastive(network=lambda p: Odd(p, dtype).float().to(torch.float64), max_epochs=4, patience=4)
    with pytest.raises(ValueError, match="is the checkpoint of another encoder"):
        learn(tmp_path / "t", other)


def test_bfloat16_and_float32_are_two_trainings(tmp_path):
    # Initial weights that both hold exactly.
    def network(dtype):
        return Contrastive(network=lambda p: Odd(p, torch.bfloat16).to(dtype), max_epochs=1)

    learn(tmp_path / "t", network(torch.bfloat16))
    with pytest.raises(ValueError, match="is the checkpoint of another encoder"):
        learn(tmp_path / "t", network(torch.float32))


def test_a_model_with_a_network_in_bfloat16_keeps_a_checkpoint(tmp_path):
    recipe = Contrastive(network=lambda p: Odd(p, torch.bfloat16), max_epochs=2)
    values = [
        HCDV(encoder=recipe, n_permutations=2, random_state=0, checkpoint=path).fit(DATA.X, DATA.y).values_
        for path in (None, tmp_path / "run", tmp_path / "run")
    ]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[1], values[2])


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("history"),
        lambda arrays: arrays.update(history=np.zeros(0)),
        lambda arrays: arrays.pop("now:network.linear.weight"),
        lambda arrays: arrays.update({"best:network.linear.bias": np.zeros(99, np.float32)}),
        lambda arrays: arrays.pop("adam:0:exp_avg"),
        lambda arrays: arrays.update({"adam:0:exp_avg": np.zeros(99, np.float32)}),
        lambda arrays: arrays.update({"adam:99:exp_avg": np.zeros(1, np.float32)}),
        lambda arrays: arrays.update({"adam:x": np.zeros(1, np.float32)}),
    ],
)
def test_crafted_files_end_in_one_sentence(tmp_path, change):
    """Right checksum, right training, wrong contents."""
    path = tmp_path / "t"
    learn(path, Contrastive(max_epochs=1))
    arrays, facts = read_tensors(path, "training", 1)
    change(arrays)
    write_tensors(path, arrays, "training", 1, facts)
    with pytest.raises(ValueError, match=r"t is damaged: \w+ at .*\.$"):
        learn(path, Contrastive(max_epochs=1))


def test_a_killed_fit_ends_with_the_same_values(tmp_path):
    """kill -9 while the encoder trains; the same command then gives the values of an undisturbed one."""
    script = f"""
import numpy as np
from hcdv import HCDV
from hcdv.datasets import make_synthetic
from hcdv.encoder import Contrastive
import hcdv.encoder.contrastive._torch_files as files
files.WRITE_EVERY = 0.0
data = make_synthetic(n=2000, n_val=200, n_test=10, random_state=0)
recipe = Contrastive(max_epochs=25, patience=25)
model = HCDV(encoder=recipe, n_permutations=4, random_state=0, checkpoint={str(tmp_path / "run")!r})
np.save({str(tmp_path / "values.npy")!r}, model.fit(data.X, data.y, data.X_val, data.y_val).values_)
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    kept = tmp_path / "run.encoder"
    end = time.monotonic() + 60
    while not kept.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert kept.exists() and not (tmp_path / "values.npy").exists()
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    data = make_synthetic(n=2000, n_val=200, n_test=10, random_state=0)
    model = HCDV(encoder=Contrastive(max_epochs=25, patience=25), n_permutations=4, random_state=0)
    expected = model.fit(data.X, data.y, data.X_val, data.y_val).values_
    np.testing.assert_array_equal(np.load(tmp_path / "values.npy"), expected)


def test_epochs_are_shown(capsys):
    HCDV(encoder=Contrastive(max_epochs=2), n_permutations=2, random_state=0, verbose=1).fit(DATA.X, DATA.y)
    shown = capsys.readouterr().err
    assert "encoding" in shown and "2/2" in shown
