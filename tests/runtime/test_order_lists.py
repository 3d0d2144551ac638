"""An order list on its way: a context and a record for each leg, one set of bytes; in dry run all of it."""

from itertools import count

from msgspec.structs import replace

from backstay.binance.net.spot_orders import list_request
from backstay.core.events import RequestsRegistered
from backstay.core.types import Action
from backstay.runtime.order_lists import as_shown, ids_of, to_send, with_legs

from tests.core.pairs import held


class Counted:
    def __init__(self):
        self._numbers = count(1)

    def order_id(self, prefix):
        return f"{prefix}{next(self._numbers):026}"

    def jitter(self):
        return 0.0


def asked():
    """A scene that is about to place its list, and the request as the planner's intent makes it."""
    scene = held()
    (approved,) = scene.plan().approved
    (first, _) = scene._requests(approved.intent)
    context = replace(first.context, ctx_id="bs-first", group="")
    return scene, replace(first, ctx_id="bs-first", context=context)


def test_each_leg_has_an_id_a_context_and_a_record_and_the_list_goes_by_the_first():
    _, request = asked()
    first, leg = with_legs(request, Counted(), "bs-")
    assert first.context.group == leg.context.group == "bs-first"
    assert leg.ctx_id == leg.context.ctx_id != "bs-first"
    assert leg.context.slot == first.context.slot.leg
    assert leg.context.generation == first.context.generation + 1
    assert (leg.action, leg.key) == (Action.PLACE, leg.context.slot.key)


def test_one_order_alone_is_left_as_it_is():
    _, request = asked()
    alone = replace(request, context=replace(request.context, slot=replace(request.context.slot, leg=None)))
    assert with_legs(alone, Counted(), "bs-") == (alone,)
    assert as_shown(alone, alone.context, Counted(), "bs-") is alone.context


def test_the_venue_is_given_both_legs_and_the_records_name_both():
    scene, request = asked()
    requests = with_legs(request, Counted(), "bs-")
    scene.fold(RequestsRegistered(requests=requests))
    sent = to_send(scene.state, requests[0].context)
    assert [c.ctx_id for c in sent.legs] == [requests[1].ctx_id]
    assert ids_of(scene.state, requests[0]) == tuple(r.ctx_id for r in requests)
    params = dict(list_request(sent).params)
    assert params["listClientOrderId"] == params["aboveClientOrderId"] == "bs-first"
    assert params["belowClientOrderId"] == requests[1].ctx_id


def test_i35_in_dry_run_the_candidate_is_the_whole_list_although_nothing_is_registered():
    scene, request = asked()
    shown = as_shown(request, request.context, Counted(), "bs-")
    params = dict(list_request(shown).params)
    assert {params["aboveType"], params["belowType"]} == {"LIMIT_MAKER", "STOP_LOSS"}
    assert not scene.state.contexts
