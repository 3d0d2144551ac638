"""Equal parts of an account that was unpacked are one value, and no value is another than before."""

import msgspec

from backstay.core import lots
from backstay.core.sharing import NUMBERS
from backstay.core.state import pack, unpack
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.spot_scene import SpotScene


def bought(*parts):
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL), min_notional="0")
    for part in parts:
        scene.buy(part)
        scene.step()
        scene.confirm()
    return scene.account


def parts(account):
    for s in account.scopes.values():
        yield from s.orders.values()
        for ctx in s.contexts.values():
            yield from (ctx, ctx.slot, ctx.premise)
        yield from lots.every(s.lots)


def numbers(account):
    """Every number that is no default."""
    for part in parts(account):
        for name, default in NUMBERS[type(part)]:
            number = getattr(part, name)
            if number is not None and number is not default:
                yield number


def test_equal_numbers_are_one_to_the_last_digit_and_nothing_is_packed_otherwise():
    account = bought(("10", "1.2345"), ("10", "1.2345"), ("10.0", "1.2345"), ("7", "1.3"))
    packed = pack(account)
    again = unpack(packed)
    assert again == account
    assert pack(again) == packed
    assert list(map(str, numbers(again))) == list(map(str, numbers(account)))
    objects = {}
    for number in numbers(again):
        objects.setdefault(str(number), set()).add(id(number))
    assert {len(found) for found in objects.values()} == {1}
    assert {"10", "10.0"} <= set(objects)


def test_an_order_its_context_and_its_scope_have_their_names_in_common():
    (s,) = unpack(pack(bought(("10", "1.2345"), ("7", "1.3")))).scopes.values()
    assert s.contexts and s.orders
    for name, ctx in s.contexts.items():
        assert ctx.ctx_id is name
        assert ctx.scope is s.scope
    ours = [row for row in s.orders.values() if row.client_id in s.contexts]
    assert ours
    for row in ours:
        assert row.client_id is s.contexts[row.client_id].ctx_id
        assert row.symbol is s.scope.symbol


def test_every_field_that_holds_a_number_is_known():
    for kind, known in NUMBERS.items():
        hints = {f.name for f in msgspec.structs.fields(kind) if "Decimal" in str(f.type)}
        assert hints == {name for name, _ in known}
    assert sum(map(len, NUMBERS.values())) > 20
