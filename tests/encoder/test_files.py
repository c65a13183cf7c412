"""Encoders in files: the same bits come back, and nothing but whole, honest files is read."""

import contextlib
import copy
import functools
import json
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

from hcdv import HCDV  # noqa: E402
from hcdv._tensors import _digest, read_tensors, write_tensors  # noqa: E402
from hcdv.encoder import (  # noqa: E402
    Contrastive,
    ContrastiveEncoder,
    ForestEncoder,
    FrameEncoder,
    IdentityEncoder,
    load_encoder,
    make_encoder,
    save_encoder,
)

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


# Networks of the user's own --------------------------------------------------------------------------


class OwnNetwork(torch.nn.Module):
    """A linear map in any precision, with a parameter and a mask that are no matrices."""

    def __init__(self, p, dtype=torch.float32, n_dims=4):
        super().__init__()
        self.linear = torch.nn.Linear(p, n_dims)
        self.temper = torch.nn.Parameter(torch.tensor(1.5))
        self.register_buffer("mask", torch.full((2,), -torch.inf))
        self.to(dtype)

    def forward(self, rows):
        return self.linear(rows.flatten(1).to(self.temper.dtype)) * self.temper


def own_network(*shape, dtype=torch.float32):
    return OwnNetwork(int(np.prod(shape)), dtype)


def saved_with_own(tmp_path, make=own_network, X=NUMBERS):
    made = fitted(X, Contrastive(network=make, **FAST))
    save_encoder(made, tmp_path / "e")
    return made


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.float32], ids=str)
def test_own_networks_of_any_precision_come_back(tmp_path, dtype):
    make = functools.partial(own_network, dtype=dtype)
    made = saved_with_own(tmp_path, make)
    loaded = load_encoder(tmp_path / "e", network=make)
    weights, again = (encoder.space_._network.state_dict() for encoder in (made, loaded))
    for name, value in weights.items():
        assert again[name].dtype == dtype and again[name].shape == value.shape
        assert torch.equal(again[name], value)
    np.testing.assert_array_equal(loaded.transform(NUMBERS), made.transform(NUMBERS))
    save_encoder(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "e").read_bytes()
    other = torch.float32 if dtype != torch.float32 else torch.bfloat16
    with pytest.raises(ValueError, match=r"e cannot be loaded: its weights do not fit .* is of torch\.\w+"):
        load_encoder(tmp_path / "e", network=functools.partial(own_network, dtype=other))


def test_what_no_file_can_hold_is_told(tmp_path):
    made = fitted(NUMBERS, Contrastive(network=own_network, **FAST))
    network = made.space_._network.network
    network.register_buffer("small", torch.ones(3).to(torch.float8_e4m3fn))
    with pytest.raises(TypeError, match=r"must hold numbers .* 'network\.small' is of torch\.float8_e4m3fn"):
        save_encoder(made, tmp_path / "e")
    network.small = torch.ones(3, dtype=torch.complex128)
    with pytest.raises(TypeError, match=r"small is of dtype complex128, which a safetensors file cannot"):
        save_encoder(made, tmp_path / "e")
    type(network).get_extra_state = lambda self: "more"
    try:
        with pytest.raises(TypeError, match=r"must hold tensors .* '.*_extra_state' is of type str"):
            save_encoder(made, tmp_path / "e")
    finally:
        del type(network).get_extra_state
    assert not list(tmp_path.iterdir())


def test_what_a_network_of_the_user_s_own_raises_is_its_cause(tmp_path):
    saved_with_own(tmp_path)

    def broken(p):
        return {}[p]

    with pytest.raises(ValueError, match=r"e cannot be loaded: .* of shape \(5,\): KeyError: 5\.$") as caught:
        load_encoder(tmp_path / "e", network=broken)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (NUMBERS, [10**9]),
        (NUMBERS, [6]),
        (NUMBERS, []),
        (NUMBERS, [5, 1]),
        (NUMBERS, [5.0]),
        (IMAGES, [1, 10**5, 10**5]),
        (IMAGES, [1, 6, 7]),
        (IMAGES, [36, 1, 1]),
        (IMAGES, [6, 6]),
        (IMAGES, [36]),
    ],
)
def test_no_file_decides_what_a_network_is_called_with(tmp_path, X, shape):
    saved_with_own(tmp_path, X=X)
    forge(tmp_path / "e", lambda facts, arrays: facts["space"]["view"].update(shape=shape))

    def network(*shape):
        raise AssertionError("it was called")

    with pytest.raises(ValueError, match="e cannot be loaded: ") as caught:
        load_encoder(tmp_path / "e", network=network)
    assert caught.value.__cause__ is None and "it was called" not in str(caught.value)


def test_images_behind_an_embedding_are_bounded(tmp_path):
    def flat(X):
        return X.reshape(len(X), -1).astype(np.float32)

    save_encoder(fitted(IMAGES, [flat, Contrastive(network=own_network, **FAST)]), tmp_path / "e")
    assert load_encoder(tmp_path / "e", network=own_network, embedding=flat).space_.view.shape == (1, 6, 6)
    forge(tmp_path / "e", lambda facts, arrays: facts["space"]["view"].update(shape=[1, 10**5, 10**5]))
    with pytest.raises(ValueError, match="no images of at most 16777216 numbers"):
        load_encoder(tmp_path / "e", network=own_network, embedding=flat)


def test_an_embedding_s_names_come_back(tmp_path):
    made = fitted(FRAME, torch.nn.Linear(5, 3))
    save_encoder(made, tmp_path / "e")
    loaded = load_encoder(tmp_path / "e", embedding=made.embedding_)
    turned = FRAME[FRAME.columns[::-1]]
    np.testing.assert_array_equal(loaded.transform(turned), made.transform(FRAME))


# Arguments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"embedding": 5}, "embedding must be a fitted transformer, .*, got int"),
        ({"embedding": PCA}, "embedding must be a fitted transformer, .*, got the class PCA"),
        ({"network": 5}, "network must be a function that makes a torch module, or a module, got int"),
        ({"network": "auto"}, "network must be a function .*, got str"),
        ({"network": torch.nn.Linear}, "network must be a function .*, got the class Linear"),
    ],
)
def test_what_is_neither_a_network_nor_an_embedding_is_refused(tmp_path, given, told):
    save_encoder(fitted(NUMBERS, [PCA(3), Contrastive(**FAST)]), tmp_path / "e")
    with pytest.raises(TypeError, match=told):
        load_encoder(tmp_path / "e", **given)


@pytest.mark.parametrize("encoder", ["identity", PCA(2), "forest", Contrastive(), ["identity", "forest"]])
@pytest.mark.parametrize("X", [NUMBERS, TABLE], ids=["numbers", "table"])
def test_encoders_that_are_not_fitted_are_refused(tmp_path, X, encoder):
    with pytest.raises(NotFittedError, match=r"^encoder must be fitted, but this \w+ is not"):
        save_encoder(make_encoder(X, encoder), tmp_path / "e")
    assert not list(tmp_path.iterdir())


def test_a_fit_that_failed_is_none(tmp_path):
    made = make_encoder(NUMBERS, lambda X: X)
    made.embedding_, made.identity_ = made.embedding, IdentityEncoder()
    for encoder in (made, ForestEncoder(fitted(NUMBERS, "identity"), beside=True)):
        with pytest.raises(NotFittedError):
            save_encoder(encoder, tmp_path / "e")


@pytest.mark.parametrize(
    ("encoder", "told"), [(None, "NoneType"), (FrameEncoder, "the class FrameEncoder"), (3, "int")]
)
def test_what_is_no_encoder_is_refused(tmp_path, encoder, told):
    with pytest.raises(TypeError, match=rf"^encoder must be one of hcdv\.encoder, fitted, got {told}\.$"):
        save_encoder(encoder, tmp_path / "e")


# Forged files ----------------------------------------------------------------------------------------


def forge(path, change):
    """Change a file and give it the right checksum."""
    arrays, facts = read_tensors(path, "encoder", 1)
    change(facts, arrays)
    write_tensors(path, arrays, "encoder", 1, facts)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved encoder of each case, as arrays and facts."""

    @functools.cache
    def of(case):
        path = tmp_path_factory.mktemp("saved") / "e"
        save_encoder(fitted(*CASES[case]), path)
        return read_tensors(path, "encoder", 1)

    return of


def one_sentence(path, told):
    with pytest.raises(ValueError) as caught:
        load_encoder(path)
    message = str(caught.value)
    assert message.startswith(f"{path} ") and message.endswith(".") and "\n" not in message
    assert re.search(told, message), message


def write_raw(path, header, data=b""):
    """A safetensors file byte by byte."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ('{"kind": "encoder", "version": 1}', "is damaged: its checksum is another"),
        ("[" * 100_000, "no safetensors file, or it is damaged"),
        ("9" * 5000, "no safetensors file, or it is damaged: Exceeds the limit"),
        ('{"kind": "encoder", "facts": ' + '{"a":' * 100_000, "no safetensors file, or it is damaged"),
        ("[]", "holds no encoder of HCDV"),
        ('{"kind": ["encoder"]}', "holds no encoder of HCDV"),
    ],
    ids=["no facts", "deep", "many digits", "deep facts", "list", "kind"],
)
def test_forged_headers(tmp_path, header, told):
    write_raw(tmp_path / "e", {"__metadata__": {"hcdv": header}})
    one_sentence(tmp_path / "e", told)


def test_no_facts_under_the_right_checksum(tmp_path):
    header = {"kind": "encoder", "version": 1}
    for more in ({}, {"facts": None}, {"facts": [1]}):
        told = {**header, **more}
        told["sha256"] = _digest({}, told)
        write_raw(tmp_path / "e", {"__metadata__": {"hcdv": json.dumps(told)}})
        one_sentence(tmp_path / "e", "is damaged")


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1), ("F8_E8M0", 1)])
def test_dtypes_that_numpy_lacks(tmp_path, dtype, size):
    header = {"__metadata__": {"hcdv": '{"kind": "encoder", "version": 1, "facts": {}}'}}
    header["x"] = {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * size]}
    write_raw(tmp_path / "e", header, bytes(2 * size))
    one_sentence(tmp_path / "e", "its array 'x' is of dtype|no safetensors file")
    # Another library's file is none of ours, whatever it holds.
    del header["__metadata__"]
    write_raw(tmp_path / "e", header, bytes(2 * size))
    one_sentence(tmp_path / "e", "holds no encoder of HCDV|no safetensors file")


@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [0, 2**63], [1] * 70])
def test_shapes_that_numpy_lacks(tmp_path, shape):
    header = {"__metadata__": {"hcdv": '{"kind": "encoder", "version": 1, "facts": {}}'}}
    data = b"" if 0 in shape else bytes(4)
    header["x"] = {"dtype": "F32", "shape": shape, "data_offsets": [0, len(data)]}
    write_raw(tmp_path / "e", header, data)
    one_sentence(tmp_path / "e", "damaged")


HUGE = 10**400
FORGED_FACTS = [
    ("numbers", ["n_columns"], np.inf, "n_columns is no whole number"),
    ("numbers", ["n_columns"], 5.0, "n_columns is no whole number"),
    ("numbers", ["n_columns"], HUGE, "expected float64 and"),
    ("numbers", ["is_sparse"], "no", "is_sparse is neither true nor false"),
    ("numbers", ["is_sparse"], True, "scale_ has dtype float64 and shape .5,., expected float64 and .1."),
    ("numbers", ["max_columns"], None, "max_columns must be an integer"),
    ("frame", ["names"], ["a"], "it has 1 names for 5 columns"),
    ("frame", ["names"], [*"abcdef"], "it has 6 names for 5 columns"),
    ("frame", ["names"], [*"aabcd"], "two columns of one name"),
    ("frame", ["names"], [["a"], *"bcde"], "not named by text or numbers"),
    ("table", ["table", "seed"], np.inf, "seed is no whole number"),
    ("table", ["table", "names"], ["x"], "column 'few' is none of its names"),
    ("table", ["table", "columns", 0, "label"], ["x"], "is damaged: TypeError"),
    ("table", ["table", "columns", 0, "kind"], "pickle", "is of kind 'pickle'"),
    ("table", ["table", "columns", 0, "values", "unit"], -1.0, "unit is no finite number from 0"),
    ("table", ["table", "columns", 0, "values", "std"], np.nan, "std is no finite number from 0"),
    ("table", ["table", "columns", 0, "values", "mean"], HUGE, "mean is no finite number"),
    ("table", ["table", "columns", 0, "values", "flag_missing"], None, "flag_missing is neither"),
    ("table", ["table", "columns", 1, "values", "levels"], [1, 2], "levels must be text"),
    ("table", ["table", "columns", 1, "values", "levels"], ["a", "a"], "has a level twice"),
    ("table", ["table", "columns", 2, "values", "log_std"], np.inf, "log_std is no finite number"),
    ("table", ["table", "columns", 2, "values", "class_names"], ["0", "1"], "counts has dtype float64"),
    ("table", ["table", "columns"], [], "its tables do not fit together"),
    ("table", ["identity", "n_columns"], 3, "mean_ has dtype float64 and shape"),
    ("contrastive", ["space", "shift"], HUGE, "shift is no finite number"),
    ("contrastive", ["space", "shift"], np.nan, "shift is no finite number"),
    ("contrastive", ["space", "shift"], 1e300, "must be float32 numbers"),
    ("contrastive", ["space", "scale"], 0, "scale above 0"),
    ("contrastive", ["space", "scale"], 1e-300, "scale above 0"),
    ("contrastive", ["space", "scale"], 1e300, "must be float32 numbers"),
    ("contrastive", ["space", "scale"], -1.0, "scale is no finite number from 0"),
    ("contrastive", ["space", "scale"], np.nan, "scale is no finite number"),
    ("contrastive", ["space", "history"], [HUGE], "is damaged: OverflowError"),
    ("contrastive", ["space", "history"], None, "is damaged: TypeError"),
    ("contrastive", ["space", "view", "shape"], [], "rows of shape \\(\\), the first encoder gives 5"),
    ("contrastive", ["space", "view", "shape"], [4], "rows of shape \\(4,\\), the first encoder gives 5"),
    ("contrastive", ["space", "view", "kind"], "sound", "its network is 'auto' and sees 'sound'"),
    ("contrastive", ["space", "view", "kind"], "image", "its network is 'auto' and sees 'image'"),
    ("contrastive", ["space", "view", "kind"], "bags", "sees other codes|weights do not fit"),
    ("contrastive", ["space", "view", "code_sizes"], [3], "sees other codes"),
    ("contrastive", ["space", "recipe", "network"], "bags", "its network is 'bags' and sees 'columns'"),
    ("contrastive", ["space", "recipe", "n_hidden"], 64, "weights do not fit the network"),
    ("contrastive", ["space", "recipe", "n_dims"], 2**70, "cannot be loaded: "),
    ("contrastive", ["space", "recipe", "epsilon"], HUGE, "damaged|cannot be loaded"),
    ("contrastive", ["space", "bfloat16"], ["network.linear.weight"], "is of torch.bfloat16, the network's of"),
    ("contrastive", ["space", "bfloat16"], ["other"], "is damaged: KeyError"),
    ("contrastive", ["beside"], [], "beside is neither true nor false"),
    ("contrastive", ["first"], [], "is damaged: TypeError"),
    ("both, table", ["space", "view", "code_sizes"], [10**9], "sees other codes"),
    ("convnet", ["space", "view", "shape"], [1, 6, 7], "no images of 36 numbers"),
    ("convnet", ["space", "view", "shape"], [1, HUGE, 1], "no images of 36 numbers"),
    ("forest", ["kind"], "contrastive", "is damaged: KeyError"),
]


@pytest.mark.parametrize(("case", "place", "value", "told"), FORGED_FACTS)
def test_forged_facts_end_in_one_sentence(tmp_path, saved, case, place, value, told):
    arrays, facts = saved(case)
    facts = copy.deepcopy(facts)
    held = facts
    for key in place[:-1]:
        held = held[key]
    held[place[-1]] = value
    write_tensors(tmp_path / "e", arrays, "encoder", 1, facts)
    one_sentence(tmp_path / "e", told)


def with_nan(array):
    array = array.copy()
    array.flat[-1] = np.nan
    return array


FORGED_ARRAYS = [
    ("numbers", "std_", np.zeros_like, "divided by numbers that are not above 0"),
    ("numbers", "scale_", np.zeros_like, "divided by numbers that are not above 0"),
    ("numbers", "unit_", lambda a: a - 1, "divided by numbers that are not above 0"),
    ("numbers", "mean_", lambda a: a.astype(np.float32), "mean_ has dtype float32 .*, expected float64"),
    ("numbers", "mean_", with_nan, "mean_ has 1 entries that are no finite numbers"),
    ("wide", "components_", lambda a: a[:, :0], "components_ has dtype float32 and shape .80, 0., expected"),
    ("wide", "components_", with_nan, "components_ has 1 entries that are no finite numbers"),
    ("wide", "components_", lambda a: a.astype(np.float64), "components_ has dtype float64"),
    ("sparse", "components_", lambda a: a[1:], "components_ has dtype float32 and shape"),
    ("table", "table/2/share_mean", lambda a: a[:1], "share_mean has dtype float64 and shape .1,., expected"),
    ("table", "table/2/share_std", lambda a: a[:, None], "share_std has dtype float64 and shape .3, 1."),
    ("table", "table/2/share_std", with_nan, "share_std has 1 entries"),
    ("table", "table/2/counts", np.zeros_like, "no numbers of rows by level"),
    ("table", "table/2/counts", lambda a: a + 1e300, "no numbers of rows by level"),
    ("contrastive", "space/network.linear.weight", with_nan, "'network.linear.weight' has 1 entries"),
    ("contrastive", "space/network.linear.weight", lambda a: a.astype(np.float16), "is of torch.float16, the"),
    ("contrastive", "space/network.linear.bias", lambda a: a.astype(np.float64), "is of torch.float64, the"),
    ("contrastive", "space/network.linear.bias", lambda a: a[1:], "weights do not fit the network"),
    ("contrastive", "space/network.linear.bias", lambda a: a.astype(np.uint16), "is of torch.uint16, the"),
    ("forest", "space/directions", with_nan, "directions has 1 entries that are no finite numbers"),
    ("forest", "space/directions", lambda a: a[:, :0], "directions has dtype float32 and shape"),
    ("forest", "space/directions", lambda a: np.full_like(a, 3e38), "too large for float32"),
    ("forest", "space/directions", lambda a: a.astype(np.float64), "directions has dtype float64"),
    ("forest", "space/threshold", with_nan, "threshold has 1 entries"),
    ("forest", "space/threshold", lambda a: a[1:], "threshold has dtype float64 and shape"),
    ("forest", "space/feature", lambda a: a.astype(np.float64), "feature has dtype float64"),
    ("forest", "space/left", lambda a: a.astype(np.float64), "left has dtype float64"),
    ("forest", "space/right", lambda a: a.astype(np.int32), "right has dtype int32"),
    ("forest", "space/roots", lambda a: a.astype(np.float64), "roots has dtype float64"),
    ("forest", "space/roots", lambda a: a[:0], "roots has dtype int64 and shape"),
    ("forest", "space/feature", lambda a: np.where(a < 0, a, 99), "not among the 11 of the first encoder"),
    ("forest", "space/feature", lambda a: np.where(a < 0, -2, a), "not among the 11 of the first encoder"),
    ("all", "first/space/network.linear.weight", with_nan, "has 1 entries that are no finite numbers"),
]


@pytest.mark.parametrize(("case", "name", "change", "told"), FORGED_ARRAYS)
def test_forged_arrays_end_in_one_sentence(tmp_path, saved, case, name, change, told):
    arrays, facts = saved(case)
    write_tensors(tmp_path / "e", {**arrays, name: change(arrays[name])}, "encoder", 1, facts)
    one_sentence(tmp_path / "e", told)


def test_encoders_nested_too_deep(tmp_path, saved):
    arrays, facts = saved("forest")
    deep = facts["first"]
    for _ in range(300):
        deep = {"kind": "forest", "beside": True, "first": deep, "space": {}}
    write_tensors(tmp_path / "e", arrays, "encoder", 1, deep)
    one_sentence(tmp_path / "e", "is damaged")


def test_infinities_of_an_own_network_are_its_own(tmp_path):
    saved_with_own(tmp_path)
    load_encoder(tmp_path / "e", network=own_network)
    arrays, facts = read_tensors(tmp_path / "e", "encoder", 1)
    for name, change in (("mask", np.negative), ("mask", with_nan), ("linear.weight", with_nan)):
        key = f"space/network.{name}"
        write_tensors(tmp_path / "e", {**arrays, key: change(arrays[key])}, "encoder", 1, facts)
        with pytest.raises(ValueError, match=rf"its 'network\.{name}' has \d entries that are no finite"):
            load_encoder(tmp_path / "e", network=own_network)


@pytest.mark.parametrize("beside", [True, False])
def test_widths_of_learned_spaces_are_known(tmp_path, beside):
    """Learned spaces in any order, one on what the other gives."""
    forest = ForestEncoder(make_encoder(NUMBERS, "identity"), beside=beside)
    made = ContrastiveEncoder(forest, Contrastive(**FAST), beside=False)
    made.fit_spaces(NUMBERS, Y)
    save_encoder(made, tmp_path / "e")
    np.testing.assert_array_equal(load_encoder(tmp_path / "e").transform(NUMBERS), made.transform(NUMBERS))


def test_tables_of_odd_columns_come_back(tmp_path):
    """What checks must not refuse: two classes, one class, missing values only, numbers as names."""
    few = pd.DataFrame({
        1.5: np.where(np.arange(200) % 2, np.nan, 3.0),
        "many": [f"m{k}" for k in RNG.integers(0, 30, 200)],
        True: [None if k == 3 else f"n{k}" for k in RNG.integers(0, 30, 200)],
        "two": np.where(np.arange(200) % 2, 1e300, -1e300),
    })  # fmt: skip
    for y in (Y % 2, np.zeros(200, int)):
        made = make_encoder(few, "identity")
        made.fit_spaces(few, y)
        save_encoder(made, tmp_path / "e")
        loaded = load_encoder(tmp_path / "e")
        np.testing.assert_array_equal(loaded.columns(few), made.columns(few))
