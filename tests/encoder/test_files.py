"""Encoders in files: the same bits come back, and nothing but whole, honest files is read."""

import contextlib
import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.decomposition import PCA

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

from hcdv import HCDV  # noqa: E402
from hcdv._tensors import read_tensors, write_tensors  # noqa: E402
from hcdv.encoder import Contrastive, load_encoder, make_encoder, save_encoder  # noqa: E402

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 200)
NUMBERS = RNG.normal(size=(200, 5)).astype(np.float32) + Y[:, None]
WIDE = RNG.normal(size=(200, 80))
SPARSE = scipy.sparse.random(200, 90, 0.1, format="csr", random_state=0)
IMAGES = RNG.integers(0, 255, (200, 6, 6)).astype(np.uint8)
FRAME = pd.DataFrame(NUMBERS, columns=[*"abcd", "long name"])
TABLE = pd.DataFrame({
    "x": np.where(RNG.random(200) < 0.1, np.nan, RNG.lognormal(size=200)),
    "few": RNG.choice(["a", "b", None], 200),
    "many": [f"m{k}" for k in RNG.integers(0, 30, 200)],
    "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, 200), "D"),
    7: RNG.normal(size=200),
})  # fmt: skip
FAST = {"max_epochs": 2}
CASES = {
    "numbers": (NUMBERS, "identity"),
    "wide": (WIDE, "identity"),
    "sparse": (SPARSE, "identity"),
    "frame": (FRAME, "identity"),
    "table": (TABLE, "identity"),
    "contrastive": (NUMBERS, Contrastive(**FAST)),
    "both, table": (TABLE, ["identity", Contrastive(**FAST)]),
    "convnet": (IMAGES, Contrastive(network="convnet", bounds=(0, 255), **FAST)),
    "forest": (TABLE, "forest"),
    "all": (NUMBERS, ["identity", Contrastive(**FAST), "forest"]),
}


def fitted(X, encoder):
    made = make_encoder(X, encoder)
    made.fit_spaces(X, Y)
    return made


def rows(encoder, X):
    spaces = encoder.spaces(X)
    return [spaces.vote, spaces.columns, *spaces.others.values()]


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_come_back(tmp_path, case):
    X, encoder = CASES[case]
    made = fitted(X, encoder)
    save_encoder(made, tmp_path / "e")
    loaded = load_encoder(tmp_path / "e")
    assert type(loaded) is type(made)
    assert (loaded.others, loaded.is_mixed, loaded.notes) == (made.others, made.is_mixed, made.notes)
    some = X[:50] if not isinstance(X, pd.DataFrame) else X.iloc[:50]
    for found, expected in zip(rows(loaded, some), rows(made, some), strict=True):
        np.testing.assert_array_equal(found, expected)
    # What was loaded can be saved again, to the same bytes.
    save_encoder(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "e").read_bytes()


def test_what_is_the_user_s_own_is_asked_for(tmp_path):
    def network(p):
        return torch.nn.Linear(p, 4)

    pca = PCA(3)
    made = fitted(NUMBERS, [pca, Contrastive(network=network, **FAST)])
    save_encoder(made, tmp_path / "e")
    with pytest.raises(ValueError, match="pass it, fitted, as embedding="):
        load_encoder(tmp_path / "e")
    with pytest.raises(ValueError, match="pass it as network="):
        load_encoder(tmp_path / "e", embedding=made.first.embedding_)
    with pytest.raises(ValueError, match="weights do not fit the network"):
        load_encoder(tmp_path / "e", embedding=made.first.embedding_, network=lambda p: torch.nn.Linear(p, 5))
    loaded = load_encoder(tmp_path / "e", embedding=made.first.embedding_, network=network)
    for found, expected in zip(rows(loaded, NUMBERS), rows(made, NUMBERS), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_fitted_model_s_encoder_is_saved(tmp_path):
    model = HCDV(n_permutations=2, random_state=0).fit(NUMBERS, Y)
    save_encoder(model.encoder_, tmp_path / "e")
    np.testing.assert_array_equal(
        load_encoder(tmp_path / "e").transform(NUMBERS), model.encoder_.transform(NUMBERS)
    )
    with pytest.raises(TypeError, match=r"must be one of hcdv\.encoder, fitted, got PCA"):
        save_encoder(PCA(), tmp_path / "other")
    odd = pd.DataFrame(NUMBERS, columns=pd.Index([(0, k) for k in range(5)], tupleize_cols=False))
    with pytest.raises(TypeError, match="named by text or numbers"):
        save_encoder(fitted(odd, "identity"), tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "e"
    save_encoder(fitted(NUMBERS, ["identity", "forest"]), path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    broken = [b"", b"PK\3\4", good[:-1], good[: len(good) // 2], b"\xff" * 8 + good[8:]]
    for _ in range(60):
        place = int(rng.integers(len(good)))
        broken.append(good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :])
    for bad in broken:
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"damaged|no encoder of HCDV|holds version"):
            load_encoder(path)
    with pytest.raises(OSError, match="no such file"):
        load_encoder(tmp_path / "nowhere")
    safetensors.save_file({"x": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="holds no encoder of HCDV"):
        load_encoder(path)


@pytest.mark.parametrize("case", ["numbers", "table", "contrastive", "forest"])
def test_crafted_files_end_in_one_sentence(tmp_path, case):
    """Right checksum, wrong contents."""
    X, encoder = CASES[case]
    path = tmp_path / "e"
    save_encoder(fitted(X, encoder), path)
    arrays, facts = read_tensors(path, "encoder", 1)
    crafted = []
    for name in arrays:
        crafted.append(({k: v for k, v in arrays.items() if k != name}, facts))
        crafted.append(({**arrays, name: np.zeros((3, 3, 3), arrays[name].dtype)}, facts))
    if case == "forest":
        for side in ("left", "right"):
            crafted.append(({**arrays, f"space/{side}": np.zeros_like(arrays[f"space/{side}"])}, facts))
    crafted.append((arrays, {**facts, "kind": "pickle"}))
    crafted += [(arrays, {k: v for k, v in facts.items() if k != key}) for key in facts]
    if case == "contrastive":
        huge = json.loads(json.dumps(facts))
        huge["space"]["view"]["shape"] = [10**12]
        crafted.append((arrays, huge))
    for members, told in crafted:
        write_tensors(path, members, "encoder", 1, told)
        # What is left may be whole: components are optional.
        with contextlib.suppress(ValueError):
            assert rows(load_encoder(path), X)


def test_newer_files_are_told(tmp_path):
    write_tensors(tmp_path / "e", {}, "encoder", 2, {})
    with pytest.raises(ValueError, match="version 2 of the format"):
        load_encoder(tmp_path / "e")
