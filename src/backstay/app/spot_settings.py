"""Keys of the section `spot`: how the spot gateway holds its connections, and when it gives up."""

from typing import Annotated, Any

from msgspec.structs import replace
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from backstay.app.units import seconds
from backstay.binance.net.timings import SPOT, Timings

type Wait = Annotated[float, BeforeValidator(seconds), Field(ge=0)]
"""Seconds; written as a duration or as a bare number of seconds."""
type Pause = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
type Count = Annotated[int, Field(ge=0)]


def _key(default: str, description: str) -> Any:
    """A duration with its default as people write it; it is read like any other value."""
    return Field(default=default, description=description)


class SpotSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    reconnect_timeout: Wait = _key(
        "15m",
        "a user data stream that stays away for longer ends the run safely, with exit code 5 and "
        "everything kept; `0`: never",
    )
    reconnect_attempts: Count = Field(
        default=0,
        description="so many attempts in vain to get it back end the run likewise; `0`: only the time counts",
    )
    start_attempts: Annotated[int, Field(ge=1)] = Field(
        default=5, description="attempts to open the user data stream at the start"
    )
    first_retry: Pause = _key("1s", "pause after the first failed attempt; doubles from attempt to attempt")
    longest_retry: Pause = _key("30s", "the pause grows no further than this")
    refresh: Pause = _key(
        "5s",
        "how often orders and prices are read by REST while the user data stream is away",
    )
    ping_interval: Pause = _key("15s", "silence after which the user data stream is asked for a sign of life")
    ping_timeout: Pause = _key("20s", "without that sign for so long its connection is replaced")

    microseconds: bool = Field(
        default=False, description="ask the venue for its times in microseconds instead of milliseconds"
    )

    def timings(self) -> Timings:
        return replace(
            SPOT,
            give_up=self.reconnect_timeout,
            attempts=self.reconnect_attempts,
            first_attempts=self.start_attempts,
            first_delay=self.first_retry,
            longest_delay=max(self.longest_retry, self.first_retry),
            poll=self.refresh,
            probe=self.ping_interval,
            probe_answer=self.ping_timeout,
        )
