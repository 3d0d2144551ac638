import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.runtime.lock import (
    MARK_LATEST,
    MARK_SLACK,
    InstanceLock,
    LockError,
    LockUnwritableError,
    holder_of,
)

SECOND = 1_000_000_000

HOLD = """
import sys
from pathlib import Path
from backstay.runtime.lock import InstanceLock
lock = InstanceLock([Path(p) for p in sys.argv[1:]], mode="PAPER")
lock.acquire(now="2026-11-01T00:00:00Z")
print(lock.fencing, flush=True)
sys.stdin.readline()
"""


def holder(*paths):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_r24_a_second_process_is_refused_and_told_who_owns_it(tmp_path):
    path = tmp_path / "backstay.lock"
    process, _ = holder(path)
    try:
        with pytest.raises(LockError) as refused:
            InstanceLock([path], mode="LIVE").acquire()
        assert refused.value.exit_code == 3
        assert str(process.pid) in str(refused.value)
        assert "2026-11-01" in str(refused.value)
        found = holder_of(path)
        assert found is not None and found.pid == process.pid
    finally:
        process.kill()
        process.wait()
    assert holder_of(path) is None


def test_a_killed_owner_leaves_nothing_behind_and_the_fencing_number_grows(tmp_path):
    path = tmp_path / "backstay.lock"
    process, first = holder(path)
    process.kill()
    process.wait()
    lock = InstanceLock([path], mode="PAPER")
    lock.acquire()
    assert lock.fencing == first + 1
    assert json.loads(path.read_text())["pid"] == os.getpid()
    lock.release()


def test_all_locks_or_none(tmp_path):
    data, mode = tmp_path / "data" / "backstay.lock", tmp_path / "logs" / "backstay.LIVE.lock"
    process, _ = holder(mode)
    try:
        lock = InstanceLock([data, mode], mode="LIVE")
        with pytest.raises(LockError):
            lock.acquire()
        assert not lock.held()
        assert holder_of(data) is None
    finally:
        process.kill()
        process.wait()


def test_a_lock_whose_file_was_removed_is_lost_for_good(tmp_path):
    path = tmp_path / "backstay.lock"
    lock = InstanceLock([path], mode="PAPER")
    lock.acquire()
    assert lock.verify() and lock.held()
    path.unlink()
    assert not lock.verify()
    path.write_text("{}")
    assert not lock.verify()
    assert not lock.held()
    lock.release()


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LockUnwritableError, match=r"run\.data_dir") as refused:
        InstanceLock([tmp_path / "file" / "backstay.lock"], mode="PAPER").acquire()
    assert refused.value.exit_code == 2


def test_a_damaged_lock_file_does_not_keep_anybody_out(tmp_path):
    path = tmp_path / "backstay.lock"
    path.write_bytes(b"\0\0\xff")
    lock = InstanceLock([path], mode="PAPER")
    lock.acquire()
    assert lock.held() and lock.fencing == 1
    lock.release()


class Life:
    """Processes one after another on one machine, whose monotonic clock only moves forward."""

    def __init__(self, path, boot="b1"):
        self.path, self.boot, self.now = path, boot, 5 * SECOND

    def begin(self):
        lock = InstanceLock([self.path], mode="PAPER", boot=self.boot, monotonic=lambda: self.now)
        lock.acquire()
        return lock


def test_r12_the_next_owner_knows_for_how_long_nothing_can_have_been_sent(tmp_path):
    life = Life(tmp_path / "backstay.lock")
    first = life.begin()
    assert first.quiet_ns == 0
    life.now += 60 * SECOND
    assert first.held()
    first.release()
    life.now += 10 * SECOND
    assert life.begin().quiet_ns == 10 * SECOND - MARK_LATEST - MARK_SLACK


def test_r12_a_sign_of_life_is_left_before_a_request_and_by_who_looks_after_the_process(tmp_path):
    life = Life(tmp_path / "backstay.lock")
    lock = life.begin()
    for renew in (lock.held, lock.verify):
        life.now += 3600 * SECOND
        assert renew()
        assert holder_of(life.path).alive == f"{life.now:020}"


def test_r12_another_boot_another_machine_or_an_older_file_say_nothing(tmp_path):
    path = tmp_path / "backstay.lock"
    life = Life(path)
    life.begin().release()
    life.now += 3600 * SECOND
    life.boot = "b2"
    rebooted = life.begin()
    assert rebooted.quiet_ns == 0
    rebooted.release()
    path.write_text('{"pid": 1, "fencing": 7, "mode": "PAPER", "since": ""}')
    older = life.begin()
    assert (older.quiet_ns, older.fencing) == (0, 8)
    older.release()
    life.boot = ""
    life.now += 3600 * SECOND
    assert life.begin().quiet_ns == 0


@given(
    looks=st.lists(st.integers(0, 10 * SECOND), max_size=8),
    sends=st.integers(0, 3600 * SECOND),
    slack=st.integers(0, MARK_SLACK),
    away=st.integers(0, 3600 * SECOND),
)
def test_r12_what_is_claimed_to_be_quiet_was(looks, sends, slack, away):
    """Whenever the process was looked after and stalled, and whenever it sent: nothing left in that time."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder) / "backstay.lock")
        lock = life.begin()
        for pause in looks:
            life.now += pause
            lock.verify()
        life.now += sends
        assert lock.held()
        life.now += slack
        sent_at = life.now
        lock.release()
        life.now += away
        after = life.begin()
        assert life.now - after.quiet_ns >= sent_at
        after.release()


def test_r24_an_owner_that_cannot_leave_a_sign_of_life_is_none_any_more(tmp_path):
    life = Life(tmp_path / "backstay.lock")
    lock = life.begin()
    os.close(lock._files[0][0])
    life.now += 3600 * SECOND
    assert not lock.held()
    lock._files.clear()


def test_a_lock_that_was_held_before_needs_no_room_and_one_that_finds_none_says_so(tmp_path, monkeypatch):
    path = tmp_path / "backstay.lock"
    path.write_text(" " * 600)
    first = InstanceLock([path], mode="LIVE")
    first.acquire()
    assert (path.stat().st_size, holder_of(path).pid) == (600, os.getpid()), (
        "written over, none of it given up"
    )
    first.release()

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(
        LockUnwritableError, match=r"backstay.lock cannot be written: No space left.*Make room"
    ):
        InstanceLock([path], mode="LIVE").acquire()
    monkeypatch.undo()
    second = InstanceLock([path], mode="LIVE")
    second.acquire()
    assert second.fencing == first.fencing + 1
    second.release()
