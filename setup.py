"""Builds the compiled kernels; everything else stands in pyproject.toml.

Environment switches
--------------------
HCDV_DEBUG=1      bounds checks, no optimisation: an index error raises instead of corrupting memory.
HCDV_LINETRACE=1  line tracing, for line_profiler and coverage.
SOURCE_DATE_EPOCH=seconds  the time put on all files: the same sources give the same bytes.
"""

import glob
import gzip
import os
import sys
import sysconfig
import tarfile

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

# One extension per file in hcdv/_kernels, named here so that a stray file is never shipped.
KERNELS = [
    "assign",
    "ballot",
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
# -g0: names of folders, and 7 of 8 MB, come with debug information.
OPTIMISE = ["-O0", "-g"] if DEBUG else ["-O3", "-g0", "-ffp-contract=off"]
# Where it is worth more than that (csrc/hcdv_rank.h): a third of the time, where the processor has it.
FUSED = {"evidence": ["-ffp-contract=fast"]}

# One wheel for all Pythons from 3.11 on: it costs 9 ms a fit and nothing in the loops (docs/building.md).
# Builds in place keep the name of their Python: it is looked for first, so a stale one would hide the new.
ABI3 = "bdist_wheel" in sys.argv and not LINETRACE and not sysconfig.get_config_var("Py_GIL_DISABLED")

macros = [("Py_LIMITED_API", "0x030B0000")] if ABI3 else []
if LINETRACE:
    macros.append(("CYTHON_TRACE_NOGIL", "1"))

extensions = [
    Extension(
        f"hcdv._kernels.{name}",
        [f"hcdv/_kernels/{name}.pyx"],
        include_dirs=["csrc"],
        depends=sorted(glob.glob("csrc/*.h")),
        libraries=["m"] if POSIX else [],
        extra_compile_args=OPTIMISE + FUSED.get(name, []) if POSIX else ["/O2"],
        define_macros=macros,
        py_limited_api=ABI3,
    )
    for name in KERNELS
]


class PlaceFreeBuild(build_ext):
    """Without the folder of this Python's libraries, which some Pythons (pyenv's) write into all they link."""

    def build_extensions(self):
        if POSIX:
            words = self.compiler.linker_so
            self.compiler.linker_so = [word for word in words if not word.startswith("-Wl,-rpath")]
        super().build_extensions()


class DatedSdist(sdist):
    """Under SOURCE_DATE_EPOCH, an archive that depends on its files alone: no clock, owner or umask."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)

        def dated(entry):
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = int(epoch), 0, 0, "", ""
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644
            return entry

        path = f"{base_name}.tar.gz"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with (
            open(path, "wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            archive.add(base_dir, filter=dated)
        return path


setup(
    ext_modules=cythonize(extensions, compiler_directives=DIRECTIVES, nthreads=2, build_dir="build/cython"),
    cmdclass={"build_ext": PlaceFreeBuild, "sdist": DatedSdist},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
