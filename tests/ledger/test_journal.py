import asyncio
import contextlib
import errno
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.ledger.disk import FileDisk
from backstay.ledger.errors import JournalError
from backstay.ledger.memory_disk import MemoryDisk, PowerCut
from backstay.ledger.opening import open_ledger
from backstay.ledger.reader import records
from backstay.ledger.verify import verify
from backstay.ledger.writers import InlineWriter, ThreadedWriter

from tests.ledger.bodies import T0, body, registered
from tests.ledger.ledgers import PATH, fill, is_sound, seqs, start

WRITERS = [InlineWriter, ThreadedWriter]


def both(test):
    return pytest.mark.parametrize("writer", WRITERS)(test)


@both
def test_append_numbers_and_touches_no_disk(writer):
    disk = MemoryDisk()
    journal = start(disk, writer=writer())
    before = disk.syncs
    assert [journal.append(body(n), at=T0, cause=n) for n in range(3)] == [1, 2, 3]
    assert (journal.seq, journal.durable_seq, disk.syncs) == (3, 0, before)
    journal.close()
    assert seqs(disk) == [1, 2, 3]


@both
def test_i18_what_durable_returned_for_survives_a_power_cut(writer):
    async def story():
        disk = MemoryDisk()
        journal = start(disk, writer=writer())
        for number in range(40):
            journal.append(registered(number), at=T0 + number, cause=0)
            await journal.durable()
            after = disk.crash()
            assert open_ledger(after, PATH).head.seq == number + 1
            assert is_sound(after)
        journal.close()

    asyncio.run(story())


@both
def test_i18_durable_now_returns_with_everything_safe(writer):
    disk = MemoryDisk()
    journal = start(disk, writer=writer())
    for round_ in range(1, 30):
        fill(journal, 3)
        head = journal.durable_now()
        assert head.seq == journal.durable_seq == round_ * 3
        assert open_ledger(disk.crash(), PATH).head == head
    journal.close()


def test_what_was_not_synced_is_lost_in_a_power_cut_and_nothing_else():
    disk = MemoryDisk()
    journal = start(disk)
    fill(journal, 4)
    journal.durable_now()
    fill(journal, 4)
    journal.kick()
    assert open_ledger(disk.copy(), PATH).head.seq == 8
    assert open_ledger(disk.crash(), PATH).head.seq == 4


@given(
    st.integers(0, 2**32), st.lists(st.sampled_from(["append", "kick", "durable", "restart"]), max_size=60)
)
def test_i32_any_crash_leaves_a_sound_ledger_with_everything_that_was_promised(seed, steps):
    dice = random.Random(seed)
    disk = MemoryDisk()
    journal = start(disk, side_bytes=8192)
    promised = 0
    for step in [*steps, "restart"]:
        if step == "append":
            fill(journal, dice.randrange(1, 12))
        elif step == "kick":
            journal.kick()
        elif step == "durable":
            promised = journal.durable_now().seq
        else:
            disk = disk.crash(dice.randrange)
            journal = start(disk, side_bytes=8192)
            assert journal.seq >= promised
            assert is_sound(disk)
            assert verify(disk, PATH).ok
            promised = journal.seq


@given(st.integers(0, 2**32), st.lists(st.integers(0, 30), max_size=6))
def test_i32_a_power_cut_inside_any_disk_operation_keeps_what_was_promised(seed, cuts):
    dice = random.Random(seed)
    disk = MemoryDisk()
    promised = 0
    for cut in [*cuts, 10**6]:
        disk.cut_after = cut
        with contextlib.suppress(PowerCut):
            journal = start(disk, side_bytes=8192)
            assert journal.seq >= promised
            assert is_sound(disk)
            for _ in range(20):
                fill(journal, dice.randrange(1, 12))
                if dice.randrange(2):
                    journal.kick()
                promised = journal.durable_now().seq
        disk = disk.crash(dice.randrange)
    opened = open_ledger(disk, PATH)
    assert opened.head.seq >= promised
    assert is_sound(disk)
    assert verify(disk, PATH).ok


class GatedDisk(MemoryDisk):
    """Its fixed files wait at `gate` before each write; `put_done` tells that one was made."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.put_done = threading.Event()
        self.puts = 0

    def open_fixed(self, path, size):
        file = super().open_fixed(path, size)
        put = file.put

        def gated(offset, data):
            assert self.gate.wait(30)
            put(offset, data)
            self.puts += 1
            self.put_done.set()

        file.put = gated
        return file


def test_group_commit_keeps_the_order_of_the_numbers_and_shares_syncs():
    async def story():
        disk = GatedDisk()
        journal = start(disk, writer=ThreadedWriter(), side_bytes=1 << 20)
        done: list[int] = []

        async def one(number):
            seq = journal.append(body(number), at=T0, cause=0)
            await journal.durable()
            assert journal.durable_seq >= seq
            done.append(seq)

        async def open_gate():
            assert journal.durable_seq == 0
            disk.gate.set()

        # All 500 wait before the first write is let through: it and one more must do for all.
        await asyncio.gather(*(one(number) for number in range(500)), open_gate())
        puts = disk.puts
        journal.close()
        return disk, done, puts

    disk, done, puts = asyncio.run(story())
    assert done == list(range(1, 501))
    assert seqs(disk) == done
    assert is_sound(disk)
    assert puts <= 2


def test_durable_and_durable_now_may_meet():
    async def story():
        disk = MemoryDisk()
        journal = start(disk, writer=ThreadedWriter())
        waits = []
        for number in range(300):
            fill(journal, 1)
            if number % 3:
                waits.append(asyncio.ensure_future(journal.durable()))
                await asyncio.sleep(0)
            else:
                journal.durable_now()
        await asyncio.gather(*waits)
        assert journal.durable_seq == 300
        journal.close()
        assert is_sound(disk)

    asyncio.run(story())


def test_a_cancelled_wait_disturbs_nobody():
    async def story():
        journal = start(MemoryDisk(), writer=ThreadedWriter())
        fill(journal, 1)
        gone = asyncio.ensure_future(journal.durable())
        await asyncio.sleep(0)
        gone.cancel()
        fill(journal, 1)
        await journal.durable()
        assert journal.durable_seq == journal.seq == 2
        journal.close()

    asyncio.run(story())


def test_records_that_nobody_waits_for_reach_the_disk_on_their_own():
    disk = GatedDisk()
    disk.gate.set()
    journal = start(disk, writer=ThreadedWriter(sync_after_s=0.01))
    fill(journal, 3)
    assert disk.put_done.wait(30)
    journal.close()


def test_a_batch_larger_than_the_side_journal_is_durable_in_the_ledger_itself():
    disk = MemoryDisk()
    journal = start(disk, side_bytes=8192)
    fill(journal, 200)
    journal.durable_now()
    assert open_ledger(disk.crash(), PATH).head.seq == 200
    fill(journal, 3)
    journal.durable_now()
    assert open_ledger(disk.crash(), PATH).head.seq == 203


@both
def test_a_full_disk_is_a_sticky_error_and_leaves_nothing_half_written(writer):
    async def story():
        disk = MemoryDisk()
        journal = start(disk, writer=writer())
        fill(journal, 5)
        await journal.durable()
        disk.room = 1000
        fill(journal, 5)
        with pytest.raises(JournalError, match="No space left on device"):
            await journal.durable()
        disk.room = None
        for attempt in (journal.durable_now, lambda: journal.append(body(0), at=T0, cause=0)):
            with pytest.raises(JournalError, match="up to record 5 is safe"):
                attempt()
        with pytest.raises(JournalError):
            await journal.durable()
        assert journal.failure is not None
        depths = []
        for _ in range(5):  # told as often as somebody asks, and never with the tellings before
            with pytest.raises(JournalError) as told:
                journal.durable_now()
            depths.append(len(told.traceback))
        assert len(set(depths)) == 1
        with pytest.raises(JournalError):
            journal.close()
        assert is_sound(disk)
        assert open_ledger(disk, PATH).head.seq == 5

    asyncio.run(story())


@both
def test_a_sync_that_fails_promises_nothing_more(writer):
    async def story():
        disk = MemoryDisk()
        journal = start(disk, writer=writer())
        fill(journal, 2)
        await journal.durable()
        disk.fail_sync = OSError(errno.EIO, "Input/output error")
        fill(journal, 1)
        with pytest.raises(JournalError, match="Input/output error"):
            await journal.durable()
        disk.fail_sync = None
        with pytest.raises(JournalError):
            await journal.durable()
        assert journal.durable_seq == 2
        assert open_ledger(disk.crash(), PATH).head.seq == 2

    asyncio.run(story())


def test_a_body_that_cannot_be_encoded_is_an_error_and_not_a_line():
    disk = MemoryDisk()
    journal = start(disk)
    fill(journal, 2)
    journal.append(object(), at=T0, cause=0)
    with pytest.raises(JournalError, match="record 3"):
        journal.durable_now()
    assert is_sound(disk)


def test_real_files_give_the_same_bytes_as_memory(tmp_path):
    real, memory = FileDisk(tmp_path), MemoryDisk()
    for disk in (real, memory):
        for _ in range(3):
            journal = start(disk, writer=ThreadedWriter())
            fill(journal, 30)
            journal.durable_now()
            fill(journal, 30)
            journal.close()
    assert real.read(PATH) == memory.read(PATH)
    assert verify(real, PATH).records == 180
    assert sum(1 for _ in records(real, PATH)) == 180
    cut = real.read(PATH)[:-1000]
    real.replace(PATH, cut)
    assert open_ledger(real, PATH).head.seq == 180
    assert real.read(PATH) == memory.read(PATH)


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "ledger").write_text("a file where the folder should be")
    with pytest.raises(JournalError, match="Check that the data folder"):
        start(FileDisk(tmp_path))
