"""Private frames: every kind read field by field, and no bytes at all that raise."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backstay.binance.wire.decode_usdm import decode_private
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnyEvent,
    BalanceRow,
    ConfigReport,
    FillNotice,
    Ignored,
    MarginCall,
    OrderReport,
    PositionRow,
    StreamChanged,
    StreamState,
    TriggerRejected,
    Unidentified,
)
from backstay.core.types import (
    AlgoStatus,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    WorkingType,
)

from tests.binance.wire.samples import PRIVATE, changed

D = Decimal
MS = 1_000_000
ORDER = PRIVATE["order_trade_partial"]
LISTEN_KEY = json.loads(PRIVATE["listen_key_expired"])["listenKey"]


def test_a_trade_of_a_regular_order():
    assert decode_private(ORDER) == OrderReport(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_id=77000000001,
        client_id="x-demo0001-A1b2C3d4E5f6G7h8",
        side=Side.BUY,
        kind=OrderType.LIMIT,
        status=OrderStatus.PARTIALLY_FILLED,
        execution=ExecutionType.TRADE,
        quantity=D("0.010"),
        filled=D("0.004"),
        at=1790000000100 * MS,
        emitted_at=1790000000105 * MS,
        price=D("90000.00"),
        avg_price=D("89990.00"),
        trigger=D(0),
        tif=TimeInForce.GTC,
        reduce_only=False,
        close_position=False,
        working_type=WorkingType.CONTRACT_PRICE,
        last_qty=D("0.004"),
        last_price=D("89990.00"),
        trade_id=550000001,
        commission=D("0.07199200"),
        commission_asset="USDT",
        realized_pnl=D(0),
        maker=True,
        expiry_reason="",
        modify_id="",
    )


def test_a_commission_is_its_size_whatever_its_sign():
    event = decode_private(PRIVATE["order_filled_negative_fee"])
    assert (event.commission, event.commission_asset) == (D("0.10798800"), "USDT")
    assert event.realized_pnl == D("12.5")


def test_absent_commission_is_zero():
    event = decode_private(PRIVATE["order_new"])
    assert (event.commission, event.commission_asset, event.trade_id) == (D(0), "", 0)


def test_an_amendment_names_its_modify_id():
    event = decode_private(PRIVATE["order_amended"])
    assert (event.execution, event.modify_id) == (ExecutionType.AMENDMENT, "987654321")
    assert (event.price, event.quantity) == (D("89900.00"), D("0.012"))


def test_an_expiry_names_its_reason():
    assert decode_private(PRIVATE["order_expired_by_liquidity"]).expiry_reason == "2"
    assert decode_private(changed(ORDER, "o", er=4)).expiry_reason == "4"


def test_r15_a_liquidation_is_read_as_what_it_is():
    event = decode_private(PRIVATE["order_liquidation"])
    assert event.execution is ExecutionType.CALCULATED
    assert event.client_id.startswith("autoclose-")


def test_the_child_of_a_conditional_order_carries_its_id_and_side():
    event = decode_private(PRIVATE["order_child_of_algo_hedge"])
    assert (event.client_id, event.order_id) == ("x-demo0001-SLaaaaaaaaaaaaaa", 77000000099)
    assert (event.position_side, event.reduce_only, event.kind) == (
        PositionSide.LONG,
        True,
        OrderType.MARKET,
    )


def test_a_lite_trade():
    assert decode_private(PRIVATE["trade_lite"]) == FillNotice(
        symbol="BTCUSDT",
        order_id=77000000001,
        client_id="x-demo0001-A1b2C3d4E5f6G7h8",
        side=Side.BUY,
        last_qty=D("0.004"),
        last_price=D("89990.00"),
        trade_id=550000001,
        at=1790000000100 * MS,
        emitted_at=1790000000102 * MS,
        maker=True,
    )


def test_an_account_update():
    assert decode_private(PRIVATE["account_order"]) == AccountReport(
        reason="ORDER",
        at=1790000000100 * MS,
        emitted_at=1790000000104 * MS,
        positions=(
            PositionRow(
                symbol="BTCUSDT",
                position_side=PositionSide.BOTH,
                quantity=D("0.004"),
                entry_price=D("89990.0"),
                break_even=D("90007.998"),
                unrealized=D("0.01600000"),
            ),
        ),
        balances=(BalanceRow("USDT", D("4999.92800800"), D("4999.92800800")),),
    )


def test_in_hedge_mode_the_both_row_comes_along_and_is_kept_apart():
    rows = decode_private(PRIVATE["account_hedge_with_both_row"]).positions
    assert [(row.position_side, row.quantity, row.isolated) for row in rows] == [
        (PositionSide.BOTH, D(0), True),
        (PositionSide.LONG, D("0.004"), True),
    ]
    assert rows[1].isolated_wallet == D("100.00")


def test_r16_a_funding_fee_brings_a_balance_change_and_no_position():
    event = decode_private(PRIVATE["account_funding_fee"])
    assert (event.reason, event.positions) == ("FUNDING_FEE", ())
    assert event.balances[0].change == D("-0.10")


def test_a_conditional_order():
    assert decode_private(PRIVATE["algo_new"]) == AlgoReport(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        algo_id=4000001910058351,
        client_id="x-demo0001-SLaaaaaaaaaaaaaa",
        side=Side.SELL,
        kind=OrderType.STOP_MARKET,
        status=AlgoStatus.NEW,
        quantity=D("0.004"),
        at=1790000000200 * MS,
        emitted_at=1790000000205 * MS,
        trigger=D(88000),
        working_type=WorkingType.MARK_PRICE,
        reduce_only=True,
    )


@pytest.mark.parametrize(
    ("ai", "child"), [("", 0), (None, 0), ("77000000099", 77000000099), (77000000099, 77000000099), (0, 0)]
)
def test_the_child_id_is_read_in_every_spelling(ai, child):
    frame = json.loads(PRIVATE["algo_triggered"])
    frame["o"]["ai"] = ai
    assert decode_private(json.dumps(frame).encode()).child_order_id == child


def test_a_finished_conditional_order_says_what_it_executed():
    event = decode_private(PRIVATE["algo_finished_number_child"])
    assert (event.executed, event.avg_price) == (D("0.004"), D("87990.10"))


def test_a_refusal_at_trigger_brings_its_reason():
    event = decode_private(PRIVATE["algo_rejected_at_trigger"])
    assert (event.status, event.failure) == (AlgoStatus.REJECTED, "ReduceOnly Order is rejected.")


def test_a_close_position_stop_and_an_activated_trail():
    closing = decode_private(PRIVATE["algo_close_position"])
    assert (closing.close_position, closing.quantity, closing.tif) == (True, D(0), TimeInForce.GTE_GTC)
    assert decode_private(PRIVATE["algo_trailing_activated"]).activated


def test_configuration_changes():
    at = 1790000000400 * MS
    assert decode_private(PRIVATE["config_leverage"]) == ConfigReport(at=at, symbol="BTCUSDT", leverage=25)
    assert decode_private(PRIVATE["config_multi_assets"]) == ConfigReport(at=at, multi_assets=True)


def test_a_margin_call_and_a_legacy_trigger_rejection():
    call = decode_private(PRIVATE["margin_call"])
    assert isinstance(call, MarginCall)
    assert (call.positions[0].symbol, call.positions[0].isolated) == ("ETHUSDT", False)
    rejected = decode_private(PRIVATE["trigger_rejected"])
    assert isinstance(rejected, TriggerRejected)
    assert (rejected.order_id, rejected.at) == (155618472834, 1790000000599 * MS)


def test_an_expired_listen_key_changes_the_stream_and_stays_secret():
    event = decode_private(PRIVATE["listen_key_expired"])
    assert event == StreamChanged(state=StreamState.EXPIRED, detail="listenKeyExpired")


@pytest.mark.parametrize(
    ("name", "kind"), [("strategy_update", "STRATEGY_UPDATE"), ("grid_update", "GRID_UPDATE")]
)
def test_known_events_without_meaning_are_ignored(name, kind):
    assert decode_private(PRIVATE[name]) == Ignored(kind=kind)


@pytest.mark.parametrize("name", PRIVATE)
def test_wrapped_frames_say_the_same_as_bare_ones(name):
    bare = decode_private(PRIVATE[name])
    payload = PRIVATE[name].decode()
    for wrapped in (
        f'{{"stream":"{LISTEN_KEY}","data":{payload}}}',
        f'{{"data":{payload},"stream":"{LISTEN_KEY}"}}',
        f' {{ "stream" : "{LISTEN_KEY}" , "data" : {payload} }}',
    ):
        assert decode_private(wrapped.encode()) == bare


@pytest.mark.parametrize("name", PRIVATE)
def test_unknown_members_are_skipped(name):
    frame = json.loads(PRIVATE[name])
    frame["zz"] = {"new": [1, None, "x"]}
    for value in frame.values():
        if isinstance(value, dict):
            value["zzz"] = 1.5
    assert decode_private(json.dumps(frame).encode()) == decode_private(PRIVATE[name])


@pytest.mark.parametrize("name", PRIVATE)
def test_the_order_of_members_does_not_matter(name):
    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return value

    frame = json.dumps(turned(json.loads(PRIVATE[name]))).encode()
    assert decode_private(frame) == decode_private(PRIVATE[name])


DAMAGED = {
    "a missing path": changed(ORDER, "o", i=None),
    "an unknown status": changed(ORDER, "o", X="VANISHED"),
    "an unknown execution": changed(ORDER, "o", x="MERGED"),
    "a number that is none": changed(ORDER, "o", q="0.01x"),
    "not a number": changed(ORDER, "o", q="NaN"),
    "infinity": changed(ORDER, "o", q="Infinity"),
    "an empty quantity": changed(ORDER, "o", q=""),
    "a float": changed(ORDER, "o", q=0.01),
    "a time beyond the ledger": changed(ORDER, T=10**20),
    "an id beyond the ledger": changed(ORDER, "o", i=2**63),
    "no body": changed(ORDER, o=None),
    "neither part": b'{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1}',
    "a strange margin type": PRIVATE["account_order"].replace(b'"cross"', b'"shared"'),
    "a strange child": changed(PRIVATE["algo_triggered"], "o", ai="12x"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_known_event_that_cannot_be_read_is_unidentified(what):
    event = decode_private(DAMAGED[what])
    assert isinstance(event, Unidentified)
    assert event.kind == json.loads(DAMAGED[what])["e"]
    assert event.detail


def test_an_unidentified_event_names_its_symbol():
    assert decode_private(DAMAGED["an unknown status"]).symbol == "BTCUSDT"


@pytest.mark.parametrize(
    "frame", [b"", b"{", b"nonsense", b"[]", b"1", b'{"x":1}', b'{"e":5}', b"\xff\xfe\xfd\xfc"]
)
def test_what_is_no_event_is_unidentified(frame):
    assert isinstance(decode_private(frame), Unidentified)


def test_answers_to_control_frames_are_ignored():
    assert decode_private(b'{"result":null,"id":1}') == Ignored(kind="control")
    assert decode_private(b'{"result":["abc"],"id":1}') == Ignored(kind="control")
    assert decode_private(b'{"error":{"code":2,"msg":"x"},"id":1}') == Ignored(kind="control")


def test_an_unknown_event_matters_only_when_it_names_one_of_our_ids():
    frame = b'{"e":"ORDER_SOMETHING","E":1,"o":{"c":"bst-abc","s":"BTCUSDT"}}'
    event = decode_private(frame, "bst")
    assert isinstance(event, Unidentified)
    assert (event.kind, event.symbol) == ("ORDER_SOMETHING", "BTCUSDT")
    assert decode_private(frame, "xyz") == Ignored(kind="ORDER_SOMETHING")
    assert decode_private(frame) == Ignored(kind="ORDER_SOMETHING")


def test_i36_diagnosis_holds_no_listen_key_and_stays_short():
    frame = changed(ORDER, "o", X="VANISHED", secret=LISTEN_KEY, more="x y " * 3000)
    event = decode_private(f'{{"stream":"{LISTEN_KEY}","data":{frame.decode()}}}'.encode())
    assert isinstance(event, Unidentified)
    assert LISTEN_KEY[:40] not in event.detail
    assert len(event.detail) < 400
    wrapped = decode_private(f'{{"stream":"{LISTEN_KEY}","data":5}}'.encode())
    assert LISTEN_KEY[:40] not in wrapped.detail


ENCODER = msgspec.json.Encoder()
EVENTS = msgspec.json.Decoder(AnyEvent)


def is_fit_for_the_ledger(event) -> bool:
    return EVENTS.decode(ENCODER.encode(event)) == event


@given(st.binary(max_size=200))
@example(b'{"stream"')
@example(b'{"stream":"x","data":{"stream":"x","data":{}}}')
@example(b"[" * 5000)
@example(b'{"e":' * 3000)
@example(b'{"e":"ORDER_TRADE_UPDATE","E":-1,"T":1,"o":{}}')
@example(b'{"e":"\\ud800"}')
def test_i1_no_bytes_make_the_decoder_raise(frame):
    assert is_fit_for_the_ledger(decode_private(frame, "bst"))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(PRIVATE)), st.data())
def test_i1_no_changed_member_makes_the_decoder_raise(name, data):
    frame = json.loads(PRIVATE[name])
    places = [frame, *(value for value in frame.values() if isinstance(value, dict))]
    place = data.draw(st.sampled_from(range(len(places))))
    key = data.draw(st.sampled_from(sorted(places[place])))
    places[place][key] = data.draw(json_values)
    assert is_fit_for_the_ledger(decode_private(json.dumps(frame).encode("utf-8", "replace"), "bst"))


@given(st.sampled_from(sorted(PRIVATE)), st.data())
def test_i1_no_flipped_or_cut_byte_makes_the_decoder_raise(name, data):
    frame = bytearray(PRIVATE[name])
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(frame)))
    assert is_fit_for_the_ledger(decode_private(bytes(frame), "bst"))
    assert is_fit_for_the_ledger(decode_private(bytes(frame[:cut]), "bst"))


prices = st.decimals(min_value=0, max_value=10**9, places=8).map(str)


@given(texts=st.lists(prices, min_size=6, max_size=6), order_id=st.integers(0, 2**63 - 1))
def test_i10_amounts_and_ids_round_trip_exactly(texts, order_id):
    fields = dict(zip(("q", "z", "p", "L", "l", "n"), texts, strict=True))
    event = decode_private(changed(ORDER, "o", i=order_id, **fields))
    assert isinstance(event, OrderReport)
    read = (event.quantity, event.filled, event.price, event.last_price, event.last_qty, event.commission)
    assert [str(value) for value in read] == [str(D(text)) for text in texts]
    assert event.order_id == order_id
