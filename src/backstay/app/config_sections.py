"""Sections of the configuration beside the guard: store, page, metrics, alerts, logs, pace."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from backstay.app.sections import Port, Section
from backstay.app.units import duration, seconds


class StoreSettings(Section):
    url: str = Field(
        default="",
        description="`sqlite:///PATH` or `postgresql://...`; left out: `backstay.db` in `run.data_dir`",
    )
    keep_completed: Annotated[int, BeforeValidator(duration)] | None = Field(
        default=None,
        description="what was completed longer ago leaves the database, such as `90d` (the ledger keeps "
        "everything); left out: all stays",
    )

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, url: str) -> str:
        scheme, found, _ = url.partition("://")
        if found and scheme.partition("+")[0] not in {"sqlite", "postgresql"}:
            raise ValueError(
                f"{scheme} is not supported; write sqlite:///data/backstay.db, a file's path, or "
                "postgresql://user@host/name"
            )
        return url


class DashboardSettings(Section):
    host: str = Field(
        default="127.0.0.1", description="address of the status page; it has no log-in, keep it local"
    )
    port: Port = Field(default=8720, description="0 takes a free one")
    enabled: bool = Field(default=True, description="`false`: `run` serves no page")


class MetricsSettings(Section):
    host: str = Field(default="127.0.0.1", description="address of the metrics; they have no log-in")
    port: Port = Field(default=9108, description="`GET /metrics` for Prometheus; 0 takes a free one")
    enabled: bool = Field(default=True, description="`false`: `run` serves no metrics")


class AlertSettings(Section):
    urls: tuple[str, ...] = Field(
        default=(), description="each alert is posted to these as JSON, `https://...`; tried three times"
    )

    @field_validator("urls")
    @classmethod
    def _are_web_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for number, url in enumerate(urls):
            if not re.match(r"https?://[^/\s]+", url):
                raise ValueError(f"entry {number} is not a web address; write https://host/path")
        return urls


class LogSettings(Section):
    dir: Path = Field(default=Path("logs"), description="folder of the log files and of the lock of the mode")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least that is logged"
    )
    file: Path | None = Field(default=None, description="left out: `backstay.log` in `logs.dir`")
    error_file: Path | None = Field(default=None, description="left out: `error.log` in `logs.dir`")
    rotate_mb: Annotated[int, Field(ge=1)] = Field(
        default=100, description="size at which a log file is put aside"
    )
    keep: Annotated[int, Field(ge=1)] = Field(default=5, description="how many old log files are kept")


type Limit = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
"""Seconds; written as a duration or as a bare number of seconds."""


class PaceSettings(Section):
    """What is told as too slow. Nothing is hurried or refused because of it."""

    order_processing: Limit | None = Field(
        default=None,
        description="longest from an order's request to its answer, such as `500ms`",
    )
    price_latency: Limit | None = Field(
        default=None, description="longest time that a price which mattered was on its way"
    )
    state_recovery: Limit | None = Field(
        default=None, description="longest time that reading an account again may take"
    )
    updates_per_second: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="most updates of orders and accounts within one second"
    )
