import json
import os
import subprocess
import sys

import pytest

from backstay.runtime.lock import InstanceLock, LockError, LockUnwritableError, holder_of

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
