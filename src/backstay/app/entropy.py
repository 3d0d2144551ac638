"""Where custom order ids and jitter come from: the system's randomness, or a seed."""

import random
import secrets

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
ID_CHARS = 26
"""26 characters of 5 bits: 130 bits, so an id is never drawn twice (I-20)."""


class SystemEntropy:
    """For real accounts."""

    def order_id(self, prefix: str) -> str:
        bits = int.from_bytes(secrets.token_bytes(17))
        return prefix + "".join(ALPHABET[(bits >> (5 * i)) & 31] for i in range(ID_CHARS))

    def jitter(self) -> float:
        return secrets.randbelow(1_000_000) / 1_000_000


class SeededEntropy:
    """For runs that must be the same every time."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(f"backstay ids {seed}")

    def order_id(self, prefix: str) -> str:
        return prefix + "".join(self._random.choices(ALPHABET, k=ID_CHARS))

    def jitter(self) -> float:
        return self._random.random()
