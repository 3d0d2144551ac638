"""What known clients ask for when they connect and reconcile must at least have a door."""

import pytest

from backstay.simulator.server.endpoints import REST, WS_METHODS
from backstay.simulator.server.routes import open_target

NAUTILUS = """
GET /fapi/v1/exchangeInfo
GET /fapi/v2/account
GET /fapi/v2/positionRisk
GET /fapi/v3/positionRisk
POST /fapi/v1/leverage
POST /fapi/v1/marginType
GET /fapi/v1/symbolConfig
GET /fapi/v1/positionSide/dual
GET /fapi/v1/time
POST /fapi/v1/listenKey
PUT /fapi/v1/listenKey
DELETE /fapi/v1/listenKey
GET /fapi/v1/openOrders
GET /fapi/v1/openAlgoOrders
GET /fapi/v1/allOrders
GET /fapi/v1/userTrades
GET /fapi/v1/allAlgoOrders
POST /fapi/v1/order
PUT /fapi/v1/order
DELETE /fapi/v1/order
POST /fapi/v1/algoOrder
DELETE /fapi/v1/algoOrder
DELETE /fapi/v1/allOpenOrders
DELETE /fapi/v1/algoOpenOrders
GET /fapi/v1/commissionRate
"""


@pytest.mark.parametrize("name", NAUTILUS.split("\n")[1:-1])
def test_every_call_of_a_nautilus_client_is_routed(name):
    assert tuple(name.split(" ")) in REST


def test_its_sockets_are_routed():
    for target in ("/private/ws?listenKey=abc", "/ws-fapi/v1", "/stream?streams=btcusdt@bookTicker", "/ws"):
        assert not isinstance(open_target(target), int)
    assert {"order.place", "order.modify", "order.cancel"} <= set(WS_METHODS)


def test_no_endpoint_stands_twice_in_the_table():
    from backstay.simulator.server.endpoints import _TABLE

    assert len(_TABLE) == len(REST)
