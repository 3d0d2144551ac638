"""Hosts of each mode, and what a call costs."""

from urllib.parse import urlsplit

import pytest

from backstay.binance.wire import endpoints
from backstay.binance.wire.endpoints import UsdmEndpoints, environment
from backstay.core.types import Mode


def test_each_mode_has_its_hosts():
    assert environment(Mode.LIVE).usdm.rest == "https://fapi.binance.com"
    assert environment(Mode.DRY_RUN_PRIVATE) == environment(Mode.LIVE)
    assert environment(Mode.DEMO).usdm.private_stream == "wss://demo-fstream.binance.com/private"
    assert environment(Mode.TESTNET).usdm == environment(Mode.DEMO).usdm
    assert environment(Mode.TESTNET).name != environment(Mode.DEMO).name


def test_paper_names_hosts_that_cannot_exist():
    for name in UsdmEndpoints.__struct_fields__:
        assert urlsplit(getattr(environment(Mode.PAPER).usdm, name)).hostname == "paper.invalid"


def test_no_test_host_is_a_live_host():
    live = environment(Mode.LIVE).usdm
    for mode in (Mode.DEMO, Mode.TESTNET, Mode.PAPER):
        other = environment(mode).usdm
        for name in UsdmEndpoints.__struct_fields__:
            assert getattr(other, name) != getattr(live, name)


def test_single_hosts_are_replaced_by_name():
    hosts = environment(
        Mode.DEMO, {"rest": "http://127.0.0.1:9080/", "ws_api": "ws://127.0.0.1:9080/ws"}
    ).usdm
    assert (hosts.rest, hosts.ws_api) == ("http://127.0.0.1:9080", "ws://127.0.0.1:9080/ws")
    assert hosts.market_stream == environment(Mode.DEMO).usdm.market_stream


@pytest.mark.parametrize(
    ("override", "message"),
    [({"rset": "http://x"}, "rset"), ({"rest": "ws://x"}, "https"), ({"ws_api": "x"}, "wss")],
)
def test_a_wrong_override_is_one_clear_error(override, message):
    with pytest.raises(ValueError, match=message):
        environment(Mode.DEMO, override)


def test_reads_without_a_symbol_cost_what_the_page_says():
    assert (endpoints.OPEN_ORDERS.cost(symbol=True), endpoints.OPEN_ORDERS.cost(symbol=False)) == (1, 40)
    assert (endpoints.OPEN_ALGOS.cost(symbol=True), endpoints.OPEN_ALGOS.cost(symbol=False)) == (1, 40)
    assert endpoints.BALANCE.cost(symbol=False) == 5


def test_orders_count_and_cancels_do_not():
    for endpoint in (endpoints.ORDER_PLACE, endpoints.ORDER_MODIFY, endpoints.ALGO_PLACE):
        assert (endpoint.weight, endpoint.orders) == (0, 1)
    for endpoint in (endpoints.ORDER_CANCEL, endpoints.ALGO_CANCEL):
        assert (endpoint.weight, endpoint.orders) == (1, 0)
