"""The ledger: `events.jsonl`, the numbered and chained truth, and everything that reads or writes it.

Here live the disk port, the line codec, the journal with its writers, opening and repair, snapshots,
readers, verification and replay. No rule about orders or positions may live here: bodies come from
`backstay.core.records` and are only carried.
"""
