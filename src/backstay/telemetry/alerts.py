"""Alerts to people: what is graded `bad`, worries about lots, and every word of an operator are posted.

A thread of its own sends, so that an address which does not answer delays nobody; what cannot be delivered
after three attempts is told to the log. The ledger and the store have every alert in any case.
"""

import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from backstay.core.events import OperatorCommand
from backstay.core.grades import LOT_ALERT, grade
from backstay.core.records import Body, Noted, Record
from backstay.telemetry.redaction import redact, redacted

ATTEMPTS = 3
TIMEOUT_S = 5.0
PAUSE_S = 2.0
QUEUED_MOST = 1_000


class AlertSender:
    """Give `take` to a reader of the ledger. `failed` hears of what was not delivered."""

    def __init__(
        self,
        urls: Sequence[str],
        words: Callable[[Body], str],
        failed: Callable[[str], object],
        *,
        account: str,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._urls = tuple(urls)
        self._words = words
        self._failed = failed
        self._account = account
        self._pause_s = pause_s
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(QUEUED_MOST)
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def take(self, record: Record) -> None:
        """Send the record's alert, if it is one."""
        body = record.body
        matters = grade(body)
        of_lots = isinstance(body, Noted) and body.what == LOT_ALERT
        if matters != "bad" and not of_lots and not isinstance(body, OperatorCommand):
            return
        document = {
            "account": self._account,
            "seq": record.seq,
            "at": record.at,
            "grade": matters,
            "text": redact(self._words(record.body)),
        }
        try:
            self._queue.put_nowait(document)
        except queue.Full:
            self._failed(f"{QUEUED_MOST} alerts wait already; the one of record {record.seq} is not sent")

    def close(self, patience_s: float = 5.0) -> None:
        """Send what waits, for a while."""
        try:
            self._queue.put(None, timeout=patience_s)
        except queue.Full:
            return
        self._thread.join(patience_s)

    def _run(self) -> None:
        while (document := self._queue.get()) is not None:
            for url in self._urls:
                self._send(url, document)

    def _send(self, url: str, document: dict[str, Any]) -> None:
        data = json.dumps(redacted(document)).encode()
        trouble = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self._pause_s * attempt)
            try:
                request = urllib.request.Request(  # noqa: S310 (the configuration allows http and https only)
                    url, data=data, headers={"Content-Type": "application/json"}, method="POST"
                )
                with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 (as above, checked there)
                    return
            except (OSError, ValueError) as error:
                trouble = str(error)
        host = url.split("/")[2] if url.count("/") >= 2 else "the address"
        self._failed(f"the alert of record {document['seq']} did not reach {host}: {redact(trouble)}")
