"""Coverage-guided fuzzing of everything that reads a file (needs atheris; not a part of the test suite).

    python -m fuzz.loaders "table csv" -max_total_time=60       one loader, arguments of libFuzzer behind it
    python -m fuzz.loaders --list
    fuzz/all SECONDS                                            all of them, each for some seconds

Files begin as whole ones (seeds); with ``NAME+`` the input is the facts of a file, put under right checksums,
so that what stands behind these is reached.  Any end but an answer or one documented sentence stops the fuzzer,
and the input stays in a file ``crash-*``.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hcdv"]):
    import hcdv.estimator.state.store  # noqa: F401  (the layers behind the loaders, before anything is read)
    from tests.robustness.loaders import LOADERS

from hcdv.games import UtilityError

DOCUMENTED = (ValueError, OSError, UtilityError)


def names() -> list[str]:
    return [*LOADERS, *(f"{name}+" for name, loader in LOADERS.items() if loader.signed)]


def main(name: str, options: list[str]) -> None:
    """Fuzz one loader until libFuzzer's options end it."""
    warnings.simplefilter("ignore")
    loader, is_signed = LOADERS[name.removesuffix("+")], name.endswith("+")
    with tempfile.TemporaryDirectory() as work:
        folder, seeds = Path(work, "files"), Path(work, "seeds")
        folder.mkdir()
        seeds.mkdir()
        loader.make(folder)
        path = folder / loader.name
        whole = path.read_bytes()
        (seeds / "whole").write_bytes(loader.signed[0](path) if is_signed and loader.signed else whole)

        def once(data: bytes) -> None:
            path.unlink()  # what still has the last one open (SQLite) keeps that
            path.write_bytes(whole if is_signed else data)
            for beside in path.parent.glob(f"{path.name}-*"):
                beside.unlink()  # the logs of SQLite
            if is_signed and loader.signed:
                try:
                    loader.signed[1](path, data)
                except (ValueError, TypeError, RecursionError):
                    return  # not to be written at all
            try:
                loader.load(path)
            except DOCUMENTED as error:
                if "\n" in str(error):
                    raise AssertionError("more than one sentence") from error

        atheris.Setup([sys.argv[0], *options, str(seeds)], once)
        atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--list"]:
        print("\n".join(names()))
    else:
        main(sys.argv[1], sys.argv[2:])
