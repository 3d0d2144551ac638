"""Sections of the configuration about everything beside the guard: store, page, metrics, alerts, logs."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from backstay.app.sections import Port, Section
from backstay.app.units import duration


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
