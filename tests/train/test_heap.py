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
if sys.argv[1] == "kept":
    assert keep_heap()
for n in range(4):
    big = [torch.empty(2 << 20).fill_(1) for _ in range(16)]  # 8 MB each: beyond every threshold glibc begins with
    del big
resident = int(open("/proc/self/statm").read().split()[1]) * 4096
print(resident)
"""


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
