"""Ray: a process is connected to one cluster at a time."""

import pytest

from hcdv.engine import make_engine

ray = pytest.importorskip("ray", reason="needs hcdv[ray]")


def test_the_connection_of_the_user_stays_open(ray_address):
    own = make_engine("ray", scheduler=ray_address)
    assert own.n_workers == 2
    for again in (make_engine("ray"), make_engine("ray", scheduler=ray_address)):
        assert list(again.map(abs, [-3, 4], name=str)) == [3, 4]
        again.close()
        assert ray.is_initialized()
    with pytest.raises(ValueError, match=f"scheduler='10.0.0.1:1' cannot be joined, .* '{ray_address}'"):
        make_engine("ray", scheduler="10.0.0.1:1")
    own.close()
    assert not ray.is_initialized()
