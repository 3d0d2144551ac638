"""The collector works at rest, and after long unrest all the same."""

import asyncio
import ctypes
import gc
import subprocess
import sys

import pytest

from backstay.app import garbage
from backstay.app.garbage import PATIENCE, SETTLED, CollectorAtRest


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(garbage, "EVERY_S", 0.001)
    yield
    gc.enable()
    gc.unfreeze()


def collections() -> int:
    return sum(g["collections"] for g in gc.get_stats())


def run(is_calm, rounds):
    async def scene():
        collector = CollectorAtRest(is_calm)
        collector.start()
        before, off = collections(), not gc.isenabled()
        for _ in range(rounds):
            await asyncio.sleep(0.002)
        after = collections()
        collector.close()
        return off, after - before

    return asyncio.run(scene())


def test_while_it_runs_python_does_not_collect_by_itself_and_afterwards_it_does():
    off, _ = run(lambda: True, 1)
    assert off
    assert gc.isenabled()


def test_calm_moments_are_used():
    assert run(lambda: True, 10)[1] > 0


def test_a_bad_moment_is_let_pass_but_not_for_ever():
    asked = []
    _, collected = run(lambda: bool(asked.append(1)), PATIENCE * 2)
    assert len(asked) >= PATIENCE
    assert 0 < collected < len(asked)


def test_what_a_start_needed_for_a_moment_is_given_back_once(monkeypatch):
    given = []
    monkeypatch.setattr(garbage, "returner", lambda: lambda: given.append(1))
    run(lambda: True, 3 * SETTLED)
    assert given == [1]


def test_where_the_c_library_cannot_give_memory_back_nothing_happens(monkeypatch):
    assert garbage.returner()() in (0, 1, None)
    monkeypatch.setattr(garbage.ctypes, "CDLL", lambda _name: object())
    assert garbage.returner()() is None


APART = """
import ctypes
import sys

from backstay.app.garbage import LARGE, keep_large_blocks_apart

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Info

if "apart" in sys.argv:
    keep_large_blocks_apart()
large = bytearray(16 * LARGE)
del large
before = library.mallinfo2().hblkhd
block = bytearray(4 * LARGE)
print(library.mallinfo2().hblkhd - before >= len(block))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
@pytest.mark.parametrize(("words", "apart"), [([], "False"), (["apart"], "True")])
def test_large_blocks_lie_apart_even_when_others_were_freed(words, apart):
    command = [sys.executable, "-c", APART, *words]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == apart
