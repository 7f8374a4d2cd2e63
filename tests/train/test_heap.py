"""The heap of a process: kept where glibc is, left alone elsewhere."""

import ctypes
import platform
import subprocess
import sys

import pytest

from midcourse.train.heap import keep_heap

KEEPS = """
import sys, torch
from midcourse.train.heap import keep_heap
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
if sys.argv[1] == "kept":
    assert keep_heap()
torch.empty(1).fill_(1)
before = resident()
# 40 MB each: glibc raises its own threshold for mapping up to 32 MB as it goes, so smaller ones may stay by themselves.
big = [torch.empty(10 << 20).fill_(1) for _ in range(4)]
del big
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_what_was_freed_stays_with_the_process():
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", KEEPS, mode], check=True, capture_output=True, text=True).stdout)
        for mode in ("kept", "as it comes")
    )
    assert kept - given_back > 64 << 20


def test_elsewhere_it_says_no_and_does_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_heap()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_heap()
