"""I-36: no secret, signature or whole listen key in the ledger, the gateway's log, notes or errors."""

import asyncio
import re

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.paper import API_KEY, API_SECRET
from backstay.core.outcomes import VenueUnavailable

from tests.system.world import play, policy

LADDER = policy(ladder=True)
SIGNATURE = re.compile(rb"[0-9a-f]{64}")


def listen_keys(world):
    found = set()
    for data, _, _ in world.sends:
        found.update(re.findall(rb"/ws/([A-Za-z0-9]{20,})", data))
    keys = world.exchange.venue.desk.keys
    return found | {k.key.encode() for k in getattr(keys, "_keys", {}).values() if hasattr(k, "key")}


def check_clean(world, *texts):
    pieces = [world.disk.read(LEDGER), "\n".join(world.gateway_log).encode(), *(t.encode() for t in texts)]
    secrets = {API_KEY.encode(), API_SECRET.encode(), *listen_keys(world)}
    signed = set()
    for data, _, _ in world.sends:
        signed.update(re.findall(rb"signature[\"=:]+([0-9a-f]{64})", data))
    assert signed, "requests were signed"
    for piece in pieces:
        for secret in secrets | signed:
            assert secret not in piece, secret[:6]


NOT_VALID = {"code": -1022, "msg": "Signature for this request is not valid."}
REFUSED = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action.", "status": 401}
TROUBLE = [
    {"match": {"endpoint": "POST /fapi/v1/algoOrder", "times": 1}, "effect": "timeout_after_accept"},
    {"match": {"endpoint": "POST /fapi/v1/order", "times": 1}, "effect": {"error": NOT_VALID}},
    {"match": {"surface": "rest", "times": 3}, "effect": {"error": {"code": -1000, "status": 500}}},
    {"match": {"surface": "rest", "times": 1}, "effect": "timeout_before"},
    {"match": {"at_ms": 0}, "effect": "listen_key_death"},
    {"match": {"at_ms": 0}, "effect": "keys_revoked"},
    {"match": {"at_ms": 0}, "effect": "cut"},
    {"match": {"surface": "private"}, "effect": {"duplicate": {"copies": 1}}},
]


@pytest.mark.parametrize("rule", TROUBLE, ids=lambda r: str(r["effect"])[:40])
def test_i36_secrets_stay_out_of_everything_that_is_kept(rule):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(rule)
        world.open("LONG", "0.010", at="60200")
        await world.settle(20)
        world.heal()
        await world.settle(20)
        check_clean(world, str(world.running.venue.status()), world.describe(), str(world.owner.account))

    play(script, policy=LADDER)


def test_i36_a_start_that_is_refused_tells_why_and_no_secret():
    async def script(world):
        world.faults({"match": {"surface": "rest"}, "effect": {"error": REFUSED}})
        guard = world.build()
        told = ""
        try:
            await guard.start()
        except VenueUnavailable as failure:
            told = str(failure)
        assert "-2015" in told or "Invalid API-key" in told, told
        assert API_KEY not in told
        assert API_SECRET not in told
        assert not SIGNATURE.search(told.encode())
        await guard.stop("refused")
        world.guard = None
        await asyncio.sleep(1)

    play(script, policy=LADDER, started=False)
