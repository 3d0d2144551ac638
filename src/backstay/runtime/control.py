"""The control socket: an operator's words to the running process, by a local socket of its user alone.

Lines of JSON both ways. A request is ``{"id": 1, "do": "pause", "scope": "usdm:BTCUSDT:BOTH", "who": "..",
"reason": ".."}``; its answer has the same `id` and either ``"ok": true`` with a result or ``"ok": false``
with `error` and `exit`. `subscribe` is answered with one line after another until the client goes away.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Protocol

from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.types import Scope, parse_scope

NAME = "control.sock"
SOCKET_PATH_MAX = 100
"""Bytes that every system takes for the name of a local socket."""
LINE_MAX = 1 << 22
ANSWER_S = 30.0
COMMANDS = {action.value: action for action in OperatorAction}


class ControlError(Exception):
    """A request that was refused, or a socket that cannot be used: what, and what to do."""

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NotRunningError(ControlError):
    """No process listens."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=3)


class Host(Protocol):
    """What the control socket reaches of the program."""

    def command(self, event: OperatorCommand) -> int:
        """Take an operator's command in; returns the number of its ledger record (0: it changed nothing)."""
        ...

    async def refresh(self) -> None:
        """Somebody looks: bring up to date what is kept for screens alone. Quick, and raises nothing."""
        ...

    async def verify(self) -> dict[str, Any]:
        """What the venue, read again, still shows: `positions` and orders of others (`strangers`)."""
        ...

    def status(self) -> dict[str, Any]: ...

    def positions(self) -> list[dict[str, Any]]: ...


def socket_path(data_dir: Path) -> Path:
    """Where the socket of a data folder is. A folder whose name is too long for a socket has it elsewhere."""
    path = data_dir.resolve() / NAME
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(path), usedforsecurity=False).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"backstay-{os.getuid()}" / f"{digest}.sock"


class ControlServer:
    """Listens while the program runs."""

    def __init__(self, path: Path, host: Host) -> None:
        self.path = path
        self._host = host
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen. The caller owns the data folder, so a socket that is still there is left over.

        Raises ControlError.
        """
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise ControlError(
                    f"{folder} belongs to another user; remove it or choose another run.data_dir"
                )
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
            mask = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._serve, self.path, limit=LINE_MAX)
            finally:
                os.umask(mask)
        except OSError as error:
            raise ControlError(
                f"the control socket {self.path} cannot be made: {error.strerror or error}"
            ) from None

    async def close(self) -> None:
        """Stop listening, drop the clients, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._clients):
            writer.close()
        await self._server.wait_closed()
        self._server = None
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while line := await reader.readline():
                await self._answer(line, writer)
        except (ConnectionError, ValueError, asyncio.LimitOverrunError):
            return  # the client went away, or talks something else
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        number: object = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ControlError("a request is a JSON object in one line")
            number = request.get("id")
            if request.get("do") == "subscribe":
                await self._stream(number, request, writer)
                return
            if request.get("do") in {"status", "positions"}:
                await self._host.refresh()
            if request.get("do") == "verify":
                answer = {"id": number, "ok": True, "left": await self._host.verify()}
            else:
                answer = {"id": number, "ok": True, **self._do(request)}
        except json.JSONDecodeError:
            answer = {"id": number, "ok": False, "error": "the request is not JSON", "exit": 2}
        except ControlError as error:
            answer = {"id": number, "ok": False, "error": str(error), "exit": error.exit_code}
        await _write(writer, answer)

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        what = str(request.get("do", ""))
        if what == "status":
            return {"status": self._host.status()}
        if what == "positions":
            return {"positions": self._host.positions()}
        if what not in COMMANDS:
            known = ", ".join((*COMMANDS, "status", "positions", "verify", "subscribe"))
            raise ControlError(f"{what!r} is not a command; known are {known}")
        command = OperatorCommand(
            action=COMMANDS[what],
            who=str(request.get("who") or "operator"),
            scope=_scope(request.get("scope")),
            reason=str(request.get("reason") or ""),
            lot=_lot(request.get("lot")),
            price=_price(request.get("price")),
            cancel_foreign=request.get("all_orders") is True,
        )
        if command.action is OperatorAction.CLOSE and command.scope is None:
            raise ControlError("close needs a scope; kill closes everything")
        return {"seq": self._host.command(command)}

    async def _stream(self, number: object, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        every = request.get("every_ms", 1000)
        if not isinstance(every, int) or not 50 <= every <= 60_000:
            raise ControlError("every_ms is a whole number from 50 to 60000")
        while not writer.is_closing():
            await self._host.refresh()
            await _write(
                writer,
                {
                    "id": number,
                    "ok": True,
                    "status": self._host.status(),
                    "positions": self._host.positions(),
                },
            )
            await asyncio.sleep(every / 1000)


def _scope(text: object) -> Scope | None:
    if text is None or text == "":
        return None
    try:
        return parse_scope(str(text))
    except ValueError as error:
        raise ControlError(str(error)) from None


def _lot(number: object) -> int:
    """A lot's trade id; 0: the whole scope is meant."""
    if number is None:
        return 0
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ControlError(f"lot is the number of a trade, and not {number!r}")
    return number


def _price(text: object) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(str(text)) if isinstance(text, str) else None
    except InvalidOperation:
        price = None
    if price is None or not price.is_finite() or price <= 0:
        raise ControlError(f"price is a number above 0 as text, and not {text!r}")
    return price


async def _write(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
    await writer.drain()


# --- the client's side --------------------------------------------------------------------------


class ControlClient:
    """One connection to the running process of a data folder."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    @classmethod
    async def connect(cls, path: Path) -> "ControlClient":
        """Raises NotRunningError when no process listens there."""
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=LINE_MAX)
        except (FileNotFoundError, NotADirectoryError, ConnectionError):
            raise NotRunningError(
                f"no process is running for {path.parent}; `backstay run` starts one"
            ) from None
        except OSError as error:
            raise ControlError(f"{path} cannot be opened: {error.strerror or error}") from None
        return cls(reader, writer)

    async def ask(self, do: str, *, timeout_s: float = ANSWER_S, **fields: object) -> dict[str, Any]:
        """One request and its answer. Raises ControlError when it is refused or nobody answers."""
        self._number += 1
        line = b""
        try:
            async with asyncio.timeout(timeout_s):
                with contextlib.suppress(ConnectionError):  # as where it closes in good order
                    await _write(self._writer, {"id": self._number, "do": do, **fields})
                    line = await self._reader.readline()
        except TimeoutError:
            raise ControlError(
                f"the running process did not answer `{do}` within {timeout_s:g} s: look at its log",
                exit_code=1,
            ) from None
        if not line and do in COMMANDS:
            raise ControlError(
                f"the running process went away before it answered `{do}`: if its ledger kept that, the next "
                "process carries it out; `backstay ledger tail` tells",
                exit_code=1,
            )
        return self._read(line)

    async def subscribe(self, every_ms: int = 1000) -> AsyncIterator[dict[str, Any]]:
        """Status and positions, again and again. Ends when the process does."""
        self._number += 1
        await _write(self._writer, {"id": self._number, "do": "subscribe", "every_ms": every_ms})
        while line := await self._reader.readline():
            yield self._read(line)

    @staticmethod
    def _read(line: bytes) -> dict[str, Any]:
        if not line:
            raise ControlError("the running process went away before it answered", exit_code=1)
        answer: dict[str, Any] = json.loads(line)
        if not answer.get("ok"):
            raise ControlError(str(answer.get("error", "refused")), exit_code=int(answer.get("exit", 2)))
        return answer

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
