"""What lies before the newest snapshot is checked behind the guard's back, once, in small pieces."""

from backstay.app import past
from backstay.app.ledger_paths import LEDGER
from backstay.app.past import PastReader
from backstay.ledger.reader import find

from tests.ledger.projections.lives import troubled


def checked(disk):
    """(what was told, rounds until the end of the ledger)."""
    told, pauses, rounds = [], [], 0
    reader = PastReader("usdm", disk, LEDGER, told=told.append)
    while not rounds or pauses:
        pauses.clear()
        assert reader.step(10, lambda: pauses.append(1)) == 0, "nothing of it is urgent"
        assert len(pauses) <= past.PIECES
        rounds += 1
    return told, rounds


def test_a_sound_past_is_walked_to_its_end_in_small_pieces(monkeypatch):
    monkeypatch.setattr(past, "PIECE", 600)
    disk = troubled()
    told, rounds = checked(disk)
    assert told == []
    assert rounds > disk.size(LEDGER) / 600 / past.PIECES > 2


def test_a_damaged_record_is_told_once_and_named(monkeypatch):
    monkeypatch.setattr(past, "PIECE", 600)
    disk = troubled().copy()
    line = find(disk, LEDGER, 77).line
    at = line.rindex(b'"body"')
    disk.replace(LEDGER, disk.read(LEDGER).replace(line, line[:at] + b'"bady"' + line[at + 6 :]))
    told, _ = checked(disk)
    assert len(told) == 1
    assert f"{LEDGER} is damaged at line 77, record 77" in told[0]


def test_what_is_recorded_since_the_start_is_the_journals_business():
    disk = troubled().copy()
    reader = PastReader("usdm", disk, LEDGER, told=lambda text: None)
    file = disk.open_append(LEDGER)
    file.write(b"half a li")
    pauses = []
    for _ in range(100):
        reader.step(10, lambda: pauses.append(1))
    assert len(pauses) == -(-(disk.size(LEDGER) - 9) // past.PIECE)


def test_no_ledger_has_no_past():
    disk = troubled().copy()
    disk.delete(LEDGER)
    assert checked(disk) == ([], 1)
