"""The headers under other compilers: no warning of gcc or clang, and the same bits without gcc's extensions."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

CSRC = Path(__file__).parents[1] / "csrc"
HEADERS = sorted(path.name for path in CSRC.glob("*.h"))
COMPILERS = [name for name in ("gcc", "clang", "clang-14") if shutil.which(name)]
# What MSVC gets: no vector types; and what older processors get.
VARIANTS = [["-DHCDV_PLAIN_C"], ["-DHCDV_REGISTER=16"], ["-DHCDV_REGISTER=32"]]

# Static functions, called from outside.
SOURCE = """
#include "hcdv_centres.h"
#include "hcdv_panel.h"
#include "hcdv_rank.h"
#include "hcdv_sift.h"
#include "hcdv_votes.h"
typedef unsigned char flag;
void panels_d(const double *a, ptrdiff_t n, const double *x, ptrdiff_t d, double cut, double *out, flag *hits)
{ hcdv_panels_d(a, n, x, d, cut, out, hits); }
void panels_f(const float *a, ptrdiff_t n, const float *x, ptrdiff_t d, float cut, float *out, flag *hits)
{ hcdv_panels_f(a, n, x, d, cut, out, hits); }
void centres_d(const double *a, const double *c, ptrdiff_t m, ptrdiff_t d, ptrdiff_t k, double *out)
{ hcdv_centres_d(a, c, m, d, k, out); }
void centres_f(const float *a, const double *c, ptrdiff_t m, ptrdiff_t d, ptrdiff_t k, double *out)
{ hcdv_centres_f(a, c, m, d, k, out); }
void least(const float *p, const float *s, ptrdiff_t n, float *out) { hcdv_least(p, s, n, out); }
void sift(const float *p, const float *a, const float *b, ptrdiff_t n, float cut, float limit, flag *hits)
{ hcdv_sift(p, a, b, n, cut, limit, hits); }
void rank(double *matrix, ptrdiff_t d, ptrdiff_t stride, const double *rows, double *out)
{
    double spreads[8];
    hcdv_apply(matrix, d, stride, rows, out);
    hcdv_settle(out, stride, rows, spreads);
    hcdv_take(matrix, d, stride, out);
    for (int t = 0; t < 8; ++t) matrix[t] += spreads[t];
}
double push(const int32_t *who, const float *w, int64_t n, int64_t label, const int64_t *labels, double *state)
{ return hcdv_push_log(who, w, n, label, labels, state); }
"""

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler here")


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("header", HEADERS)
def test_headers_compile_without_a_warning(compiler, header, tmp_path):
    source = tmp_path / "one.c"
    source.write_text(f'#include "{header}"\n')
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
    command = [compiler, "-std=c11", "-O2", *warnings, f"-I{CSRC}", "-c", "one.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def library(folder, name, compiler, flags=()):
    source, path = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(SOURCE)
    command = [compiler, "-O3", "-ffp-contract=off", "-shared", "-fPIC", f"-I{CSRC}", *flags]
    subprocess.run([*command, str(source), "-o", str(path), "-lm"], check=True, capture_output=True)
    return ctypes.CDLL(str(path))


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def answers(code):
    """All functions on the same random input, odd sizes among them."""
    rng = np.random.default_rng(0)
    size = ctypes.c_ssize_t
    for dtype, real, function in (
        (np.float64, ctypes.c_double, code.panels_d),
        (np.float32, ctypes.c_float, code.panels_f),
    ):
        for d in (1, 4, 23):
            panels, x = rng.normal(size=(9, d, 8)).astype(dtype), rng.normal(size=d).astype(dtype)
            out, hits = np.empty((9, 8), dtype), np.empty(9, np.uint8)
            cut = real(1.5 * d)
            function(pointer(panels), size(9), pointer(x), size(d), cut, pointer(out), pointer(hits))
            yield from (out, hits)
    for dtype, function in ((np.float64, code.centres_d), (np.float32, code.centres_f)):
        for m, d, n_centres in ((1, 1, 1), (7, 5, 15), (6, 23, 8)):
            rows, centres = rng.normal(size=(m, d)).astype(dtype), rng.normal(size=(d, n_centres))
            out = np.empty((m, n_centres))
            function(pointer(rows), pointer(centres), size(m), size(d), size(n_centres), pointer(out))
            yield out
    for n in (5, 16, 300, 1023):
        products, sizes, others = rng.normal(size=(3, n)).astype(np.float32)
        lanes = np.empty(16 * -(-n // 256), np.float32)
        code.least(pointer(products), pointer(sizes), size(n), pointer(lanes))
        hits = np.empty(-(-n // 8), np.uint8)
        cuts = ctypes.c_float(-1.0), ctypes.c_float(-2.0)
        code.sift(pointer(products), pointer(sizes), pointer(others), size(n), *cuts, pointer(hits))
        yield from (lanes, hits)
    for d, stride in ((1, 8), (31, 40), (33, 40), (70, 72)):
        matrix, rows, out = (np.zeros((n, stride)) for n in (d, 8, 8))
        matrix[:], rows[:, :d] = rng.normal(size=(d, stride)), rng.normal(size=(8, d))
        matrix[:, :d] = matrix[:, :d] @ matrix[:, :d].T / d
        code.rank(pointer(matrix), size(d), size(stride), pointer(rows), pointer(out))
        assert np.isfinite(matrix).all()
        yield from (out, matrix)
    code.push.restype = ctypes.c_double
    voters, weights = rng.permutation(200).astype(np.int32), rng.random(200).astype(np.float32)
    labels, state = rng.integers(0, 3, 200), rng.random((200, 4)) + np.array([0.1, 1.2, 0, 0])
    state[::3, 3] = 0
    one = ctypes.c_int64
    gain = code.push(pointer(voters), pointer(weights), one(200), one(1), pointer(labels), pointer(state))
    yield from (np.array(gain), state)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", VARIANTS, ids="".join)
def test_plain_c_and_narrow_registers_give_the_same_bits(flags, compiler, tmp_path):
    vectors = list(answers(library(tmp_path, "vectors", COMPILERS[0])))
    plain = list(answers(library(tmp_path, "plain", compiler, flags)))
    assert len(plain) == len(vectors) == 36
    for one, other in zip(plain, vectors, strict=True):
        assert_array_equal(one, other)
    # Not all hits are alike: the comparison is of something.
    assert {0, 1} == set(np.concatenate([a for a in plain if a.dtype == np.uint8]))
