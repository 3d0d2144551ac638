import asyncio
import json
import stat
from decimal import Decimal

import pytest

from backstay.core.events import OperatorAction
from backstay.core.types import PositionSide, Product, Scope
from backstay.runtime.control import (
    ControlClient,
    ControlError,
    ControlServer,
    NotRunningError,
    socket_path,
)


class Host:
    def __init__(self):
        self.commands = []

    def command(self, event):
        self.commands.append(event)
        return 40 + len(self.commands)

    async def refresh(self):
        pass

    def status(self):
        return {"commands": len(self.commands)}

    def positions(self):
        return [{"id": "BTCUSDT-BOTH-1"}]


def served(tmp_path, talk):
    """Run `talk(client, host, server)` against a server on a real socket."""

    async def run():
        host = Host()
        server = ControlServer(socket_path(tmp_path), host)
        await server.start()
        client = await ControlClient.connect(server.path)
        try:
            return await talk(client, host, server)
        finally:
            await client.close()
            await server.close()

    return asyncio.run(run())


def test_an_operators_word_becomes_an_event_with_its_name_and_scope(tmp_path):
    async def talk(client, host, _server):
        answer = await client.ask("pause", scope="usdm:BTCUSDT:LONG", who="anna", reason="news")
        assert answer["seq"] == 41
        (command,) = host.commands
        assert command.action is OperatorAction.PAUSE
        assert command.scope == Scope(Product.USDM, "BTCUSDT", PositionSide.LONG)
        assert (command.who, command.reason) == ("anna", "news")

    served(tmp_path, talk)


@pytest.mark.parametrize("action", list(OperatorAction))
def test_every_operator_action_can_be_sent(tmp_path, action):
    async def talk(client, host, _server):
        await client.ask(action.value, scope="BTCUSDT")
        assert host.commands[0].action is action

    served(tmp_path, talk)


def test_status_and_positions_are_answered(tmp_path):
    async def talk(client, _host, _server):
        assert (await client.ask("status"))["status"] == {"commands": 0}
        assert (await client.ask("positions"))["positions"][0]["id"] == "BTCUSDT-BOTH-1"

    served(tmp_path, talk)


def test_a_subscriber_is_told_again_and_again_and_others_are_served_meanwhile(tmp_path):
    async def talk(client, host, server):
        seen = []
        async with asyncio.timeout(5):
            async for update in client.subscribe(every_ms=50):
                seen.append(update["status"]["commands"])
                if len(seen) == 1:
                    other = await ControlClient.connect(server.path)
                    await other.ask("resume")
                    await other.close()
                if seen[-1]:
                    break
        assert seen[0] == 0 and seen[-1] == 1

    served(tmp_path, talk)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"do": "puase"}, "known are pause"),
        ({"do": "pause", "scope": "a:b:c:d"}, "is not a scope"),
        ({"do": "close"}, "needs a scope"),
        ({"do": "subscribe", "every_ms": 1}, "every_ms"),
    ],
)
def test_a_request_that_cannot_be_done_is_refused_in_words_and_changes_nothing(tmp_path, fields, told):
    async def talk(client, host, _server):
        with pytest.raises(ControlError, match=told):
            await client.ask(**fields)
        assert host.commands == []
        assert (await client.ask("status"))["ok"]

    served(tmp_path, talk)


def test_garbage_is_answered_and_does_not_end_the_connection(tmp_path):
    async def talk(_client, _host, server):
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b"hello\n[1]\n")
        answers = [json.loads(await reader.readline()) for _ in range(2)]
        assert [a["ok"] for a in answers] == [False, False]
        writer.close()

    served(tmp_path, talk)


def test_only_its_user_may_open_the_socket(tmp_path):
    async def talk(_client, _host, server):
        assert stat.S_IMODE(server.path.stat().st_mode) == 0o600

    served(tmp_path, talk)


def test_a_socket_left_over_by_a_killed_process_is_taken_over(tmp_path):
    async def run():
        path = socket_path(tmp_path)
        left = ControlServer(path, Host())
        await left.start()
        again = ControlServer(path, Host())
        await again.start()
        client = await ControlClient.connect(path)
        assert (await client.ask("status"))["ok"]
        await client.close()
        await again.close()
        await left.close()

    asyncio.run(run())


def test_nobody_listening_is_told_as_such(tmp_path):
    with pytest.raises(NotRunningError, match="backstay run") as refused:
        asyncio.run(ControlClient.connect(socket_path(tmp_path)))
    assert refused.value.exit_code == 3


def test_r12_a_command_that_nobody_answered_may_have_been_kept_and_its_operator_is_told_so(tmp_path):
    async def talk(client, host, _server):
        def dies(_event):
            raise ConnectionResetError

        host.command = dies
        with pytest.raises(ControlError, match="if its ledger kept that") as lost:
            await client.ask("close", scope="spot:TRUMPUSDC:BOTH", lot=1001)
        assert lost.value.exit_code == 1

    served(tmp_path, talk)


def test_a_folder_with_a_long_name_has_its_socket_elsewhere_and_both_sides_agree(tmp_path):
    folder = tmp_path / ("x" * 120)
    assert len(str(socket_path(folder))) <= 100
    assert socket_path(folder) == socket_path(folder)
    assert socket_path(folder) != socket_path(tmp_path / ("y" * 120))


def test_one_lot_is_closed_at_the_limit_asked_for_and_nonsense_is_refused(tmp_path):
    async def talk(client, host, _server):
        where = {"scope": "spot:TRUMPUSDC:BOTH", "who": "anna", "reason": "moving house"}
        await client.ask("close", **where, lot=1001, price="1.2345")
        await client.ask("close", **where, lot=1002)
        first, second = host.commands
        assert (first.lot, first.price, first.reason) == (1001, Decimal("1.2345"), "moving house")
        assert (second.lot, second.price) == (1002, None)
        for wrong in ({"lot": "x"}, {"lot": -1}, {"lot": 1, "price": 1.5}, {"lot": 1, "price": "NaN"}):
            with pytest.raises(ControlError):
                await client.ask("close", **where, **wrong)
        assert len(host.commands) == 2

    served(tmp_path, talk)


def test_a_process_that_is_gone_when_it_is_asked_is_told_as_one_that_went_away(tmp_path):
    path = tmp_path / "control.sock"

    async def gone(_reader, writer):
        writer.transport.abort()

    async def talk():
        async with await asyncio.start_unix_server(gone, path):
            client = await ControlClient.connect(path)
            await asyncio.sleep(0.05)
            with pytest.raises(ControlError, match="went away before it answered `kill`"):
                await client.ask("kill")
            await client.close()

    asyncio.run(talk())
