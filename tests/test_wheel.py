"""What is shipped: the sdist holds all sources, workflows cover what is promised, the core imports fast."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a checkout has and an sdist need not: git's own.
OF_GIT = {".gitignore"}


def make_sdist(folder):
    """An sdist of the sources as they are."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    folder = folder / "dist"
    command = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    (path,) = folder.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return make_sdist(tmp_path_factory.mktemp("sdist"))


def test_sdist_holds_all_sources_and_nothing_built(sdist):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the sources stand here without git")
    known = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    with tarfile.open(sdist) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    assert known - OF_GIT <= shipped
    assert not {name for name in shipped if name.endswith((".pyc", ".so", ".pyd", ".c"))}


def test_sdist_has_the_same_bytes_twice(sdist, tmp_path):
    assert make_sdist(tmp_path).read_bytes() == sdist.read_bytes()
    with tarfile.open(sdist) as archive:
        assert {(entry.mtime, entry.uid, entry.uname) for entry in archive} == {(1700000000, 0, "")}


def test_the_core_imports_in_half_a_second():
    # Seconds of the processor: a busy machine must not count.
    code = "import time; begin = time.process_time(); import hcdv; print(time.process_time() - begin)"
    seconds = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    assert min(seconds) < 0.5


@pytest.fixture(scope="module")
def workflows():
    yaml = pytest.importorskip("yaml")
    folder = ROOT / ".github" / "workflows"
    return {path.stem: yaml.safe_load(path.read_text())["jobs"] for path in folder.glob("*.yml")}


def test_workflows_build_and_test_on_every_platform_and_python(workflows):
    build, test = workflows["wheels"]["build"], workflows["wheels"]["test"]
    systems = {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-15-intel", "windows-2022"}
    assert set(build["strategy"]["matrix"]["os"]) == set(test["strategy"]["matrix"]["os"]) == systems
    # Python 3.11 is where the wheel is built and first tested.
    assert set(test["strategy"]["matrix"]["python"]) == {"3.12", "3.13"}
    assert set(workflows["ci"]["tests"]["strategy"]["matrix"]["python"]) == {"3.11", "3.12", "3.13"}


def test_what_workflows_run_is_there(workflows):
    steps = [step for jobs in workflows.values() for job in jobs.values() for step in job["steps"]]
    words = " ".join(step.get("run", "") for step in steps).split()
    scripts = {word for word in words if word.startswith(".ci/")}
    assert scripts == {".ci/run", ".ci/test_wheel.py"}
    assert all((ROOT / script).exists() for script in scripts)


def test_paths_left_out_of_the_tests_of_a_wheel_exist():
    namespace = {"__name__": "read", "__file__": str(ROOT / ".ci" / "test_wheel.py")}
    exec((ROOT / ".ci" / "test_wheel.py").read_text(), namespace)
    assert [path for path in namespace["OF_THE_SOURCES"] if not (ROOT / "tests" / path).exists()] == []
