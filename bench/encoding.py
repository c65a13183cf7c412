"""Ten million rows of 40 columns, encoded block by block into a file: rows a second, and peak memory.

    python -m bench.encoding --scale full --json bench/results/encoding.json

Rows are generated block by block into an .npy file of float32 (1.6 GB at full scale), in a temporary folder.
Each encoding is a process of its own; its peak must not grow with the rows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench._measure import arguments, in_fresh_process, peak_mb, run

N_COLUMNS = 40
FIT_ROWS = 20_000
BLOCK = 1 << 17


def write_rows(path: Path, n: int) -> None:
    """Rows around ten centres."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, N_COLUMNS)).astype(np.float32)
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, N_COLUMNS)}
        np.lib.format.write_array_header_1_0(file, header)
        for a in range(0, n, BLOCK):
            cluster = rng.integers(0, 10, min(BLOCK, n - a))
            rows = rng.standard_normal((len(cluster), N_COLUMNS), np.float32)
            file.write((rows + centres[cluster]).data)


def one(path: str, encoder: str, dtype: str) -> dict[str, Any]:
    """Encode a file in this process, with an encoder fitted on some of its rows."""
    from hcdv.encoder import encode_to_disk, make_encoder

    rows = np.load(path, mmap_mode="r")
    n, some = len(rows), np.array(rows[:FIT_ROWS])
    fitted = make_encoder(some, encoder)
    fitted.fit_spaces(some, (some[:, :3].sum(axis=1) > 0).astype(np.int64))
    before = peak_mb()
    begin = time.perf_counter()
    out = encode_to_disk(fitted, path, f"{path}.out.npy", dtype=dtype)
    seconds = time.perf_counter() - begin
    return {
        "encoder": encoder,
        "dtype": dtype,
        "n": n,
        "dimensions": out.shape[1],
        "seconds": seconds,
        "rows_per_second": n / seconds,
        "peak_before_mb": before,
        "peak_mb": peak_mb(),
    }


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    if options.one:
        print(json.dumps(one(*options.one), default=float))
        return []
    full = options.scale == "full"
    sizes = (1_000_000, 10_000_000) if full else (30_000, 60_000)
    jobs = [(e, d) for e in ("identity", "contrastive") for d in ("float32", "float16")]
    rows = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npy"
            write_rows(path, n)
            for encoder, dtype in jobs if full else jobs[1:2]:
                row = in_fresh_process("bench.encoding", "--one", str(path), encoder, dtype)
                rows.append(row)
                print(
                    f"{row['n']:>10,} rows, {encoder:<11} to {dtype}: {row['seconds']:6.1f} s, "
                    f"{row['rows_per_second']:>9,.0f} rows/s, peak {row['peak_mb']:.0f} MB "
                    f"({row['peak_before_mb']:.0f} before)",
                    flush=True,
                )
    return rows


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--one", nargs=3, metavar=("PATH", "ENCODER", "DTYPE"))
    run(main, parser.parse_args())
