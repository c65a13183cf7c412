"""``device=``: what runs where, and that it is the same valuation."""

import subprocess
import sys

import numpy as np
import pytest

import hcdv._device
import hcdv.estimator.fitting
from hcdv import HCDV
from hcdv.datasets import make_synthetic
from hcdv.encoder import Contrastive, load_encoder, save_encoder
from hcdv.games import Module

DATA = make_synthetic(n=300, n_val=60, n_test=10, random_state=0)
UTILITIES = ["auto", "forest", "evidence", "knn", "ridge"]


def fit(**options):
    options = {"n_permutations": 8, "random_state": 0} | options
    return HCDV(**options).fit(DATA.X, DATA.y, DATA.X_val, DATA.y_val)


@pytest.mark.parametrize("utility", ["kernel", "logistic"])
def test_cuda_is_refused_where_there_is_none(utility):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a CUDA device answers here")
    with pytest.raises(ValueError, match="torch finds no CUDA device; use 'auto' or 'cpu'"):
        fit(utility=utility, device="cuda")
    with pytest.raises(ValueError, match="device must be one of"):
        fit(utility=utility, device="gpu")


@pytest.mark.parametrize("utility", UTILITIES)
def test_the_path_of_cuda_gives_the_values_of_the_kernels(utility, monkeypatch):
    pytest.importorskip("torch")
    here = fit(utility=utility)
    monkeypatch.setattr(hcdv.estimator.fitting, "resolve_device", lambda device: "cpu")
    there = fit(utility=utility, device="cuda")
    np.testing.assert_allclose(there.values_, here.values_, rtol=0, atol=1e-12)
    assert there.neighbour_recall_ == here.neighbour_recall_
    assert there.result_.efficiency_gap < 1e-12


@pytest.mark.cuda
@pytest.mark.parametrize("utility", UTILITIES)
def test_on_cuda(utility):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    there = fit(utility=utility, device="cuda")
    np.testing.assert_allclose(there.values_, fit(utility=utility).values_, rtol=0, atol=1e-5)


def test_pots_are_handed_down_by_the_kernels(monkeypatch):
    pytest.importorskip("torch")
    here = fit(allocation="sibling")
    monkeypatch.setattr(hcdv.estimator.fitting, "resolve_device", lambda device: "cpu")
    np.testing.assert_array_equal(fit(allocation="sibling", device="cuda").values_, here.values_)


def test_without_a_device_asked_for_nothing_imports_torch():
    script = (
        "import sys\n"
        "from hcdv import HCDV\n"
        "from hcdv.datasets import make_synthetic\n"
        "data = make_synthetic(n=60, n_val=20, n_test=10, random_state=0)\n"
        "HCDV(n_permutations=2).fit(data.X, data.y, data.X_val, data.y_val)\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.fixture
def no_torch(monkeypatch):
    """As where it is not installed."""
    monkeypatch.setattr(hcdv._device, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"utility": "logistic"}, "utility 'logistic'"),
        ({"utility": Module(list)}, "utility 'module'"),
        ({"encoder": "contrastive"}, "encoder 'contrastive'"),
        ({"encoder": ["identity", "contrastive"]}, "encoder 'contrastive'"),
        ({"device": "cuda"}, "device='cuda'"),
    ],
)
def test_where_torch_is_missing_one_sentence_says_so(options, what):
    with pytest.raises(ValueError, match=f"^{what} needs torch: pip install 'hcdv\\[torch\\]'\\.$"):
        fit(**options)


def test_an_encoder_trained_elsewhere_says_so_too(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    model = fit(encoder=Contrastive(max_epochs=1), n_permutations=2)
    model.save(tmp_path / "state")
    save_encoder(model.encoder_, tmp_path / "encoder")
    monkeypatch.setattr(hcdv._device, "find_spec", lambda name: None)
    for load in (lambda: HCDV.load(tmp_path / "state"), lambda: load_encoder(tmp_path / "encoder")):
        with pytest.raises(ValueError, match=r"contrastive encoder needs torch: pip install 'hcdv\[torch\]'\."):
            load()
