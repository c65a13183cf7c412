"""The wheel, built twice in two folders: the same bytes, one file for all Pythons from 3.11 on."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="MSVC stamps what it links"),
]


def copy_sources(folder):
    copied = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
    for name in ("hcdv", "csrc"):
        shutil.copytree(ROOT / name, folder / name, ignore=copied)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, folder)


def build(folder):
    """A wheel from the sources in ``folder``, with the packages of this environment."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    code = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    (folder / "dist").mkdir()
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
    (path,) = (folder / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("and_there")
    copy_sources(here)
    shutil.copytree(here, there, dirs_exist_ok=True)
    return [build(here), build(there)]


def test_same_bytes_twice(wheels):
    first, second = wheels
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_one_wheel_for_all_pythons(wheels):
    assert "-cp311-abi3-" in wheels[0].name
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()
    kernels = {Path(name).name.split(".")[0] for name in names if name.endswith(".abi3.so")}
    assert kernels == {path.stem for path in (ROOT / "hcdv" / "_kernels").glob("*.pyx")}
    assert not [name for name in names if name.endswith((".pyx", ".c", ".h")) or name.startswith("tests")]
    sources = wheels[0].parents[1]
    needed = {str(path.relative_to(sources)) for path in (sources / "hcdv").rglob("*") if is_needed(path)}
    assert needed <= set(names)


def is_needed(path):
    return path.is_file() and path.suffix not in {".pyx", ".pxd", ".so", ".pyc", ".pyd"}


def test_no_folder_of_this_machine_inside(wheels):
    places = [str(wheels[0].parents[1]).encode(), sys.base_prefix.encode() + b"/lib"]
    with zipfile.ZipFile(wheels[0]) as archive:
        held = {name: [place for place in places if place in archive.read(name)] for name in archive.namelist()}
    assert not {name: found for name, found in held.items() if found}
