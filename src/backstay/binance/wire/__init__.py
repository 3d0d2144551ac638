"""The sans-I/O codec of the venue: signing, requests out, frames and bodies in, refusals classified, limits
counted.

Bytes and values only: no socket, no clock, no event loop, no client library, no waiting. Files that know
one product's payloads carry its name (`decode_usdm`); decisions about orders do not live here.
"""
