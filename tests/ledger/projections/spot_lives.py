"""A spot scene that writes a ledger: what it folds are records, told with the policy of its run."""

from msgspec.structs import replace

from backstay.app.guard import describe
from backstay.core.events import RunStarted
from backstay.ledger.codec import GENESIS, encode_line, hash_line
from backstay.ledger.memory_disk import MemoryDisk
from backstay.testing.spot_scene import SpotScene

LEDGER = "spot/ledger/events.jsonl"


class RecordedScene(SpotScene):
    def __init__(self, *args, **options):
        self.lines = []
        super().__init__(*args, **options)

    def fold(self, *events):
        for told in events:
            event = replace(told, managers=describe(self.engine)) if isinstance(told, RunStarted) else told
            super().fold(event)
            seq = len(self.lines) + 1
            prev = hash_line(self.lines[-1]) if self.lines else GENESIS.hash
            self.lines.append(encode_line(seq, prev, self.now, 0, event))

    def disk(self):
        disk = MemoryDisk()
        disk.replace(LEDGER, b"".join(line + b"\n" for line in self.lines))
        return disk
