"""Builds the compiled kernels; everything else stands in pyproject.toml.

Environment switches
--------------------
HCDV_DEBUG=1      bounds checks, no optimisation: an index error raises instead of corrupting memory.
HCDV_LINETRACE=1  line tracing, for line_profiler and coverage.
"""

import glob
import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# One extension per file in hcdv/_kernels, named here so that a stray file is never shipped.
KERNELS = [
    "assign",
    "coalition",
    "dispersion",
    "evidence",
    "forest",
    "knn",
    "leaf",
    "moments",
    "native",
    "neighbours",
    "permute",
    "ridge",
    "vote",
]

DEBUG = os.environ.get("HCDV_DEBUG") == "1"
LINETRACE = os.environ.get("HCDV_LINETRACE") == "1"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
    "linetrace": LINETRACE,
    "profile": LINETRACE,
}

POSIX = sys.platform != "win32"
# No -ffast-math and no -march=native: same bits on every machine, and denormals kept.
# -ffp-contract=off keeps a*b+c two roundings where the target has a fused instruction (aarch64).
OPTIMISE = ["-O0", "-g"] if DEBUG else ["-O3", "-ffp-contract=off"]

extensions = [
    Extension(
        f"hcdv._kernels.{name}",
        [f"hcdv/_kernels/{name}.pyx"],
        include_dirs=["csrc"],
        depends=sorted(glob.glob("csrc/*.h")),
        libraries=["m"] if POSIX else [],
        extra_compile_args=OPTIMISE if POSIX else ["/O2"],
        define_macros=[("CYTHON_TRACE_NOGIL", "1")] if LINETRACE else [],
    )
    for name in KERNELS
]

setup(
    ext_modules=cythonize(extensions, compiler_directives=DIRECTIVES, nthreads=2, build_dir="build/cython")
)
