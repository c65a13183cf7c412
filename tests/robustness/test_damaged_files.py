"""Damage that no checksum stops: tables of other makers, and facts changed under right checksums.

What checksums do stop (flipped bytes, cut files, swapped members) is in test_archive.py, test_state_files.py,
test_result.py, encoder/test_files.py, allocation/test_checkpoint.py and games/retrained/test_cache.py.
"""

import json
import warnings

import numpy as np
import pytest

from hcdv.games import UtilityError
from tests.robustness.loaders import LOADERS

OPEN_TO_DAMAGE = [name for name in LOADERS if name.startswith(("table", "source", "cache", "work"))]
SIGNED = [name for name, loader in LOADERS.items() if loader.signed]
# What a forged fact may be in the place of another.
FORGED = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, -1e308, "", "nonsense", [], [[]], {}, {"a": []}, [1, "a"],
]  # fmt: skip
# What parsers of text stumble over.
ODD = [b'"', b",", b"\n", b"\r", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"1e999", b"-0", b"\xed", b"NaN"]


def damaged(data, rng):
    """Bytes that were flipped, cut, swapped, doubled, or filled with what parsers stumble over."""
    data = bytearray(data)
    begin, end = np.sort(rng.integers(0, len(data) + 1, 2))
    kind = rng.integers(6)
    if kind == 0:
        for place in rng.integers(0, len(data), 4):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[begin:end]
    elif kind == 2:
        data[begin:end] = data[begin:end][::-1]
    elif kind == 3:
        data[begin:begin] = data[begin:end]
    elif kind == 4:
        data[begin : begin + 8] = rng.integers(0, 256, 8, dtype=np.uint8).tobytes()
    else:
        data[begin:begin] = ODD[rng.integers(len(ODD))] * int(rng.integers(1, 4))
    return bytes(data)


def forged(facts, rng):
    """JSON with one item, at any depth, replaced, doubled or left out."""
    facts = json.loads(facts)
    place = facts
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = keys[rng.integers(len(keys))]
        if not (isinstance(place[key], (dict, list)) and place[key]) or rng.random() < 0.3:
            break
        place = place[key]
    if rng.random() < 0.2:
        del place[key]
    else:
        place[key] = FORGED[rng.integers(len(FORGED))]
    return json.dumps(facts).encode()


def load(loader, path):
    """What a loader may end in: a whole answer, or one sentence; the sentence, if there is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        try:
            loader.load(path)
        except (ValueError, OSError, UtilityError) as error:
            said = str(error)
        else:
            return None
    assert "\n" not in said
    assert len(said) < 600
    return said


@pytest.fixture(params=OPEN_TO_DAMAGE)
def open_file(request, tmp_path):
    LOADERS[request.param].make(tmp_path)
    return LOADERS[request.param], tmp_path / LOADERS[request.param].name


@pytest.fixture(params=SIGNED)
def signed_file(request, tmp_path):
    if request.param == "encoder" or "state" in request.param:
        pytest.importorskip("safetensors")
    LOADERS[request.param].make(tmp_path)
    return LOADERS[request.param], tmp_path / LOADERS[request.param].name


def damage(open_file, n, seed):
    loader, path = open_file
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    assert load(loader, path) is None
    said = 0
    for _ in range(n):
        path.unlink()
        path.write_bytes(damaged(whole, rng))
        for beside in path.parent.glob(f"{path.name}-*"):
            beside.unlink()
        said += load(loader, path) is not None
    assert said > n / 20


def forge(signed_file, n, seed):
    loader, path = signed_file
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    facts, sign = loader.signed
    told = facts(path)
    sign(path, told)
    assert load(loader, path) is None
    said = 0
    for _ in range(n):
        path.write_bytes(whole)
        try:
            sign(path, forged(told, rng))
        except (ValueError, TypeError):  # no version, say: not to be written at all
            continue
        said += load(loader, path) is not None
    assert said > n / 4


def test_damaged_bytes(open_file):
    damage(open_file, 40, 0)


def test_forged_facts(signed_file):
    forge(signed_file, 60, 0)


@pytest.mark.parametrize("name", ["columns", "state CURRENT", "work"])
def test_facts_that_nest_too_deep(name, tmp_path):
    """Deeper than can be read, and as deep as can just be read."""
    LOADERS[name].make(tmp_path)
    path = tmp_path / LOADERS[name].name
    for depth in [*range(800, 1000), 100_000]:
        path.write_text('{"format": "hcdv-columns", "version": 1, "x": ' + "[" * depth + "]" * depth + "}")
        assert load(LOADERS[name], path) is not None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_damaged_bytes_at_length(open_file, seed):
    damage(open_file, 400, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_forged_facts_at_length(signed_file, seed):
    forge(signed_file, 400, seed)
