"""Strategies, pure: each says which orders should exist in a scope right now (its desired slots).

`interface` is the one shared module; strategies do not know each other, the venue, or whether they run
live. They may import core (and signals), and nothing that reads a clock, throws dice or does I/O.
"""
