"""Ctrl-C ends a process within a second, in whatever stage it comes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.robustness.interrupted import BEGINS, CASES

ROOT = Path(__file__).parents[2]
# Processor time, so that a busy machine does not decide: of all threads of two.
MOST, N_THREADS = 1.0, 2
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def processor_seconds(process):
    """What a running process has used up so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def after_the_signal(case, folder, delay):
    """Processor seconds from the signal, ``delay`` of them into the stage, to the end of the process."""
    command = [sys.executable, "-m", "tests.robustness.interrupted", case, str(folder)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            for line in child.stdout:
                if line.strip() == BEGINS:
                    break
            begun = processor_seconds(child)
            while child.poll() is None and processor_seconds(child) < begun + delay:
                time.sleep(0.01)
            sent = processor_seconds(child)
            child.send_signal(signal.SIGINT)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            said = child.stderr.read()
        finally:
            if child.returncode is None:
                child.kill()
    assert child.returncode == -signal.SIGINT, (child.returncode, said)
    assert said.strip().endswith("KeyboardInterrupt"), said
    return used.ru_utime + used.ru_stime - sent


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux for processor times")
class TestInterrupts:
    def test_while_chains_are_walked(self, tmp_path):
        assert after_the_signal("chains", tmp_path, 0.1) < MOST * N_THREADS

    @pytest.mark.slow
    @pytest.mark.parametrize("delay", [0.0, 0.3])
    @pytest.mark.parametrize("case", CASES)
    def test_in_every_stage(self, tmp_path, case, delay):
        assert after_the_signal(case, tmp_path, delay) < MOST * N_THREADS
