"""The configuration: `config.yaml`, then `.env`, then the environment; later wins.

Every value is checked when it is read, and an error names the key, its line or variable, and the nearest
known key. Secrets are not part of it (`backstay.app.secrets`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values
from pydantic import Field, PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from backstay.app import older_names
from backstay.app.build import is_here, is_proven
from backstay.app.config_errors import explain
from backstay.app.config_sections import (
    AlertSettings,
    DashboardSettings,
    LogSettings,
    MetricsSettings,
    PaceSettings,
    StoreSettings,
)
from backstay.app.errors import ConfigError
from backstay.app.headlines import NewsSettings
from backstay.app.managers import ManagerSettings, parse_managers
from backstay.app.risk_config import RiskSettings
from backstay.app.secrets import Secrets
from backstay.app.sections import Section
from backstay.app.spot_settings import SpotSettings
from backstay.app.yaml_file import KeyPath, YamlFile, read_yaml
from backstay.binance.wire.endpoints import Environment, environment
from backstay.core.engine import Engine
from backstay.core.modes import FACTS, locks
from backstay.core.types import Mode, PositionMode, Product

DEFAULT_FILE = Path("config.yaml")
PREFIX = "BACKSTAY_"


class RunSettings(Section):
    mode: Mode | None = Field(
        default=None,
        description="see [modes](../operating/modes.md); left out: `DRY_RUN_PRIVATE` with keys, else `PAPER`",
    )
    enable_trading: bool = Field(
        default=False,
        description="the first switch: without it nothing is sent in `DEMO`, `TESTNET` and `LIVE`",
    )
    live_confirm: str = Field(default="", description="`YES_I_UNDERSTAND`, letter by letter, for `LIVE`")
    data_dir: Path = Field(
        default=Path("data"), description="where the ledger lives; one process owns it at a time"
    )
    start_patience: float = Field(
        default=600.0,
        ge=0,
        description="seconds for which a start goes on trying while the exchange cannot be reached; 0: once",
    )
    look_every: float = Field(
        default=30.0,
        ge=0,
        description=(
            "seconds between two rounds of reads that hold the account against what the private stream told; "
            "a stream that is up and says nothing is noticed by them, and replaced; 0: none"
        ),
    )


class AccountSettings(Section):
    name: str = Field(
        default="main", min_length=1, description="a name for the account, in the ledger and on screens"
    )
    position_mode: PositionMode = Field(
        default=PositionMode.ONE_WAY,
        description="`one_way` or `hedge`; compared with the account's own, never switched",
    )


class UsdmHosts(Section):
    rest: str | None = Field(default=None, description="base URL of REST, `http://` or `https://`")
    public_stream: str | None = Field(
        default=None, description="order books and book tickers, `ws://` or `wss://`"
    )
    market_stream: str | None = Field(default=None, description="every other market stream")
    private_stream: str | None = Field(default=None, description="account events")
    ws_api: str | None = Field(default=None, description="orders over WebSocket")


class SpotHosts(Section):
    rest: str | None = Field(default=None, description="base URL of REST, `http://` or `https://`")
    stream: str | None = Field(default=None, description="market streams, `ws://` or `wss://`")
    ws_api: str | None = Field(default=None, description="orders and account events over WebSocket")


class EndpointSettings(Section):
    usdm: UsdmHosts = UsdmHosts()
    spot: SpotHosts = SpotHosts()


class Settings(BaseSettings):
    """The whole configuration, checked. `load_settings` reads it; made from keywords it reads nothing."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    run: RunSettings = RunSettings()
    account: AccountSettings = AccountSettings()
    endpoints: EndpointSettings = EndpointSettings()
    managers: tuple[dict[str, Any], ...] | None = None
    risk: RiskSettings = RiskSettings()
    store: StoreSettings = StoreSettings()
    dashboard: DashboardSettings = DashboardSettings()
    metrics: MetricsSettings = MetricsSettings()
    alerts: AlertSettings = AlertSettings()
    logs: LogSettings = LogSettings()
    pace: PaceSettings = PaceSettings()
    spot: SpotSettings = SpotSettings()
    news: NewsSettings = NewsSettings()

    _managers: tuple[ManagerSettings, ...] = PrivateAttr(())
    _secrets: Secrets = PrivateAttr(default_factory=lambda: Secrets({}))
    _told: tuple[str, ...] = PrivateAttr(())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the library passes all five by name)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library passes all five by name)
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library passes all five by name)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (passed by name likewise)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    def model_post_init(self, _context: Any, /) -> None:
        """Checks that need more than one key. Raises ConfigError."""
        self._managers = parse_managers(self.managers if self.managers is not None else _DEFAULT_MANAGERS)
        try:
            environment(self.mode, self._hosts(), self._spot_hosts())
        except ValueError as error:
            raise ConfigError(str(error)) from None

    @classmethod
    def for_demo(
        cls,
        data_dir: Path,
        *,
        position_mode: PositionMode = PositionMode.ONE_WAY,
        managers: tuple[dict[str, Any], ...] | None = None,
        risk: RiskSettings | None = None,
        dashboard: DashboardSettings | None = None,
    ) -> Self:
        """PAPER with everything below `data_dir`; reads no file and no environment."""
        return cls(
            run=RunSettings(mode=Mode.PAPER, data_dir=data_dir),
            account=AccountSettings(name="demo", position_mode=position_mode),
            managers=managers,
            risk=risk or RiskSettings(),
            dashboard=dashboard or DashboardSettings(),
            logs=LogSettings(dir=data_dir / "logs"),
        )

    # --- resolved -----------------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """The configured mode; without one the dry run when there are keys for it, else PAPER."""
        if self.run.mode is not None:
            return self.run.mode
        return Mode.DRY_RUN_PRIVATE if self._secrets.kind(Mode.DRY_RUN_PRIVATE) else Mode.PAPER

    @property
    def secrets(self) -> Secrets:
        return self._secrets

    @property
    def locks(self) -> tuple[str, ...]:
        """The locks of the mode that are still closed, by name; empty: armed."""
        return locks(
            self.mode,
            enable_trading=self.run.enable_trading,
            live_confirm=self.run.live_confirm,
            proven=not FACTS[self.mode].needs_enable or self._is_simulated or is_proven(),
        )

    @property
    def _is_simulated(self) -> bool:
        """Every account that is guarded is one of a simulated exchange on this machine."""
        asked = {Product.USDM: self.environment.usdm.rest, Product.SPOT: self.spot_environment.spot.rest}
        return self.mode is not Mode.LIVE and all(is_here(asked[product]) for product in self.products)

    @property
    def armed(self) -> bool:
        return not self.locks

    @property
    def environment(self) -> Environment:
        """Hosts of the mode, with `endpoints` over them. Another REST host is another environment."""
        return self._named(self.endpoints.usdm.rest)

    @property
    def spot_environment(self) -> Environment:
        """The same hosts under the name that spot's account knows them by."""
        return self._named(self.endpoints.spot.rest)

    def _named(self, rest: str | None) -> Environment:
        found = environment(self.mode, self._hosts(), self._spot_hosts())
        if rest is None:
            return found
        name = f"{found.name}@{rest.partition('://')[2].rstrip('/')}"
        return Environment(name=name, usdm=found.usdm, spot=found.spot)

    def _hosts(self) -> dict[str, str]:
        return {k: v for k, v in self.endpoints.usdm.model_dump().items() if v is not None}

    def _spot_hosts(self) -> dict[str, str]:
        return {k: v for k, v in self.endpoints.spot.model_dump().items() if v is not None}

    @property
    def policies(self) -> tuple[ManagerSettings, ...]:
        return self._managers

    @property
    def products(self) -> tuple[Product, ...]:
        """The accounts that are guarded, those of the managers; without managers futures are watched."""
        meant = {manager.product for manager in self._managers} or {Product.USDM}
        return tuple(product for product in (Product.USDM, Product.SPOT) if product in meant)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that a manager of USD-M names."""
        return self.symbols_of(Product.USDM)

    def symbols_of(self, product: Product) -> tuple[str, ...]:
        """Every symbol of the product that a manager names."""
        return tuple(sorted({s for m in self._managers if m.product is product for s in m.policy.symbols}))

    def engine(self, product: Product | None = None) -> Engine:
        """The managers of one product, or of both."""
        meant = (m.manager() for m in self._managers if product is None or m.product is product)
        return Engine(tuple(meant), self.risk.limits())

    @property
    def data_dir(self) -> Path:
        return self.run.data_dir.expanduser()

    @property
    def logs_dir(self) -> Path:
        return self.logs.dir.expanduser()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is legal and yet probably not meant, one sentence each."""
        found = [*self._told, *self._secrets.warnings()]
        for manager in self._managers:
            found.extend(f"{manager.where}: {text}" for text in manager.warnings)
        if not self._managers:
            found.append("managers is empty: positions are watched and nothing is guarded")
        if self.endpoints.spot.rest is not None and self.endpoints.spot.ws_api is None:
            found.append("endpoints.spot.rest is set and endpoints.spot.ws_api is not: orders go elsewhere")
        if self.mode is Mode.PAPER:
            for name, hosts in (("usdm", self._hosts()), ("spot", self._spot_hosts())):
                if hosts:
                    found.append(f"endpoints.{name} has no effect in PAPER, whose exchange is in the process")
        return tuple(found)


_DEFAULT_MANAGERS: tuple[dict[str, Any], ...] = ({"strategy": "position_manager"},)


def load_settings(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """Read and check everything. `path` None: `config.yaml`, which may be absent for PAPER.

    `environ` None: the process's. `env_file` None: `.env` beside the configuration, else in the working
    folder.
    Raises ConfigError.
    """
    file = _file(path)
    dotenv = env_file or _env_file(file.path.parent)
    kept = {k: v for k, v in dotenv_values(dotenv).items() if v is not None} if dotenv is not None else {}
    values = {**kept, **(os.environ if environ is None else environ)}
    secrets = Secrets(values, env_file=dotenv)
    from_environment, names = _nested(values)
    written = file.data.get("managers")
    meant = older_names.managers(written, values)
    if meant is not None:
        from_environment["managers"] = meant

    class _Source(PydanticBaseSettingsSource):
        def __init__(self, cls: type[BaseSettings], data: dict[str, Any]) -> None:
            super().__init__(cls)
            self._data = data

        def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
            return self._data.get(field_name), field_name, False

        def __call__(self) -> dict[str, Any]:
            return self._data

    class _Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_args: Any, **_kwargs: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return _Source(settings_cls, from_environment), _Source(settings_cls, file.data)

        def model_post_init(self, context: Any, /) -> None:
            self._secrets = secrets
            self._told = older_names.warnings(values, written)
            _needs_managers(self, file)
            super().model_post_init(context)

    try:
        return _Loaded()
    except ValidationError as error:
        raise ConfigError(explain(error, Settings, lambda at: names.get(at) or file.where(at))) from None
    except ConfigError as error:
        variable = names.get(tuple(str(error).partition(":")[0].split(".")))
        where = variable or (str(file.path) if file.data else "")
        raise type(error)(f"{where}: {error}" if where else str(error)) from None


def _file(path: Path | None) -> YamlFile:
    if path is not None:
        return read_yaml(path.expanduser())
    return read_yaml(DEFAULT_FILE) if DEFAULT_FILE.exists() else YamlFile(DEFAULT_FILE, {}, {})


def _env_file(folder: Path) -> Path | None:
    for candidate in (folder / ".env", Path(".env")):
        if candidate.is_file():
            return candidate
    return None


def _needs_managers(settings: Settings, file: YamlFile) -> None:
    if settings.managers is None and FACTS[settings.mode].real_account:
        raise ConfigError(
            f"managers is missing in {file.path}, and mode {settings.mode} needs it: write what shall be "
            "guarded (`backstay init` asks and writes), or `managers: []` to only watch"
        )


def _nested(values: Mapping[str, str]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """Variables as nested keys (`BACKSTAY_RUN__DATA_DIR`, older names), and which variable gave which."""
    nested: dict[str, Any] = {}
    names: dict[KeyPath, str] = {}
    paths = {name: older_names.CONCERNS[name] for name in older_names.CONCERNS if values.get(name)}
    paths |= {
        name: tuple(name.removeprefix(PREFIX).lower().split("__"))
        for name, value in values.items()
        if name.startswith(PREFIX) and value and name not in NOT_SETTINGS
    }
    for name, path in paths.items():
        here = nested
        for part in path[:-1]:
            here = here.setdefault(part, {})
            if not isinstance(here, dict):
                raise ConfigError(f"{name}: {'.'.join(path[:-1])} is a value and has no keys")
        here[path[-1]] = values[name]
        names[path] = name
    return nested, names


NOT_SETTINGS = ("BACKSTAY_PYTHON", "BACKSTAY_PROFILE")
"""Variables with the prefix that belong to the developer's tools."""
