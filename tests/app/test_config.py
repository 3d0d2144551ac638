import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from backstay.app import config_reference, older_names
from backstay.app.config import Settings, load_settings
from backstay.app.errors import ConfigError
from backstay.app.guard import describe
from backstay.app.replaying import engine_of
from backstay.core.types import SECOND, Direction, Mode, PositionMode, PositionSide, Product, Scope
from backstay.strategies.position_manager.policy import SizeUnit, StopKind
from backstay.strategies.swing.policy import HOUR, SellWhen, SwingPolicy

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "configuration.md"
KEYS = {"BINANCE_API_KEY": "k" * 64, "BINANCE_API_SECRET": "s" * 64}


def load(folder, text, environ=None, dotenv=""):
    (folder / "config.yaml").write_text(text)
    if dotenv:
        (folder / ".env").write_text(dotenv)
    return load_settings(folder / "config.yaml", environ=environ or {})


def refusal(folder, text, environ=None):
    with pytest.raises(ConfigError) as refused:
        load(folder, text, environ)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_the_example_of_the_page_is_read_exactly(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    settings = load(tmp_path, example, KEYS)
    assert settings.mode is Mode.DRY_RUN_PRIVATE
    assert settings.account.position_mode is PositionMode.ONE_WAY
    (manager,) = settings.policies
    policy = manager.policy
    assert policy.stop_loss.kind is StopKind.CLOSE_POSITION
    assert policy.stop_loss.distance == Decimal("0.05")
    assert policy.take_profit.levels[0].distance == Decimal("0.015")
    assert policy.break_even is not None and policy.break_even.offset == Decimal("0.0005")
    assert policy.dca is not None and str(policy.dca.first_size) == "0.010"
    assert policy.sides == (Direction.LONG, Direction.SHORT)
    assert settings.risk.limits().daily_loss_limit == Decimal("0.03")
    assert settings.environment.usdm.ws_api == "ws://127.0.0.1:9080/ws-fapi/v1"
    assert settings.engine().managers[0].symbols == {"BTCUSDT"}


BAD = [
    ("run: {mod: LIVE}", r":1: run\.mod is not a key; did you mean run\.mode\?"),
    ("run: {mode: LVE}", r"run\.mode: 'LVE' is not known; did you mean LIVE\?"),
    ("position_mode: hedge", r"did you mean account\.position_mode\?"),
    ("\n\nrisk: {max_notionl: 5}", r":3: risk\.max_notionl is not a key; did you mean risk\.max_notional\?"),
    ("risk: {max_notional: -1}", r"risk\.max_notional is -1; it should be greater than 0"),
    ("risk: {daily_loss_limit: 130%}", r"risk\.daily_loss_limit"),
    ("dashboard: {port: 99999}", r"dashboard\.port is 99999"),
    ("api_secret: abc", r"secrets stand in the environment"),
    ("endpoints: {usdm: {rest: 'ftp://x'}}", r"must begin with http"),
    ("run: {mode: LIVE}", r"managers is missing"),
    ("run: {mode: PAPER}\nrun: {mode: LIVE}", r":2: run stands here for the second time"),
    ("run: [", r"is not YAML: line 1"),
    ("- a", r"must hold keys"),
    ("managers: [{stop_loss: {}}]", r"managers\[0\]\.strategy is missing"),
    ("managers: [{strategy: postion_manager}]", r"did you mean position_manager\?"),
    ("managers: [{strategy: scored}]", r"scored needs its symbols by name"),
    ("managers: [{strategy: scored, symbols: []}]", r"scored needs its symbols by name"),
    (
        "managers: [{strategy: scored, symbols: [A], score: {weights: {trnd: 0.1}}}]",
        r"did you mean .*weights\.trend",
    ),
    (
        "managers: [{strategy: scored, symbols: [A], score: {gate: 1, weights: {trend: 0}}}]",
        r"never reach the gate",
    ),
    (
        "managers: [{strategy: scored, symbols: [A], score: {weights_file: no.yaml}}]",
        r"no\.yaml is not a file",
    ),
    (
        "managers: [{strategy: scored, symbols: [A], entry: {escalation: {give_up: 1s}}}]",
        r"escalation\.give_up",
    ),
    ("managers: [{strategy: swing}]", r"managers\[0\].symbols: swing needs its symbols by name"),
    ("managers: [{strategy: swing, product: usdm, symbols: [AB]}]", r"swing works on spot, not 'usdm'"),
    ("managers: [{strategy: swing, symbols: [AB], profit: 0}]", r"managers\[0\]: profit is 0"),
    ("managers: [{strategy: swing, symbols: [AB], sell_when: now}]", r"managers\[0\].sell_when"),
]
MANAGED = [
    ("stop_loss: {distnace: 5%}", r"did you mean managers\[0\]\.stop_loss\.distance\?"),
    ("stop_loss: {distance: 5}", r"managers\[0\]\.stop_loss: .*0\.05 for 5 %"),
    ("stop_loss: {distance: five}", r"not a percentage; write 5% or 0\.05"),
    ("stop_loss: {kind: close_positon}", r"did you mean close_position\?"),
    ("stop_loss: {bridge: 1}", r"is not true or false"),
    ("stop_loss: 5%", r"must be keys and values"),
    ("symbols: [btcusdt]", r"'btcusdt' is not a symbol"),
    ("product: margin", r"position_manager works on usdm"),
    ("dca: {steps: 3}", r"dca needs first_deviation and first_size"),
    ("dca: {steps: 3, first_deviation: 1%, first_size: ten}", r"dca\.first_size: 'ten' is not a number"),
    ("take_profit: {levels: [{distance: 1%, share: 120%}]}", r"levels\[0\]: .*share"),
    ("take_profit: {levels: [{distance: 2%}, {distance: 1%}]}", r"shares sum|nearest first"),
    ("on_external_position: watch", r"'watch' is not known"),
    ("time_stop: {after: 12}", r"time_stop\.after: 12 is not a duration"),
]


@pytest.mark.parametrize(("text", "told"), BAD, ids=[t for t, _ in BAD])
def test_a_wrong_key_or_value_is_named_with_what_to_write(tmp_path, text, told):
    message = refusal(tmp_path, text)
    assert re.search(told, message), message
    assert "config.yaml" in message


@pytest.mark.parametrize(("text", "told"), MANAGED, ids=[t for t, _ in MANAGED])
def test_a_wrong_key_of_a_manager_is_named_with_its_path(tmp_path, text, told):
    message = refusal(tmp_path, f"managers:\n  - strategy: position_manager\n    {text}")
    assert re.search(told, message), message


def test_a_symbol_has_one_manager(tmp_path):
    text = (
        "managers: [{strategy: position_manager, symbols: [A]}, {strategy: position_manager, symbols: [A]}]"
    )
    assert "managed by managers[0] already" in refusal(tmp_path, text)


def test_a_scored_trader_is_configured_in_the_words_of_its_policy(tmp_path):
    weights = tmp_path / "weights.yaml"
    weights.write_text("trend: 0.6\nmomentum: 0.4\n")
    text = f"""managers:
  - strategy: scored
    symbols: [BTCUSDT, ETHUSDT]
    score: {{interval: 1m, higher: 15m, gate: 0.4, weights_file: {weights},
            bracket: {{stop: 1.5, targets: [2, 4]}},
            overrides: [{{symbol: ETHUSDT, gate: 0.5}}]}}
    entry: {{kind: limit, offset: 0.01%,
            escalation: {{timeout: 30s, then: ioc, max_slippage: 0.1%, give_up: 2m}}}}
    size: {{risk: 0.5%, max_share: 2, max_notional: 5000}}
    exit: {{on_opposite: true, after: 12h}}
    cool_down: {{after_loss: 2h}}
    stop_loss: {{kind: close_position, working_type: MARK_PRICE}}
"""
    settings = load(tmp_path, text)
    (manager,) = settings.policies
    policy = manager.policy
    assert policy.score.weights.trend == Decimal("0.6")
    assert policy.score.weights.funding == 0
    assert policy.score.of("ETHUSDT")[0] == Decimal("0.5")
    assert policy.score.bracket.targets == (2, 4)
    assert policy.entry.escalation.max_slippage == Decimal("0.001")
    assert policy.exit.after == 12 * 3600 * SECOND
    assert settings.engine().managers[0].strategy.name == "scored"
    weights.write_text("trnd: 0.6\n")
    assert "'trnd' is not a factor" in refusal(tmp_path, text)


def test_swing_reads_its_words_and_a_symbol_may_have_a_manager_on_each_product(tmp_path):
    text = (
        "managers:\n"
        "  - {strategy: position_manager, symbols: [TRUMPUSDC]}\n"
        "  - {strategy: swing, product: spot, symbols: [TRUMPUSDC], profit: 0.3%, sell_when: fill,\n"
        "     max_sell_value: 100, age_alert: 10h, merge_unsellable: true}\n"
    )
    settings = load(tmp_path, text)
    policy = settings.policies[1].policy
    assert policy == SwingPolicy(
        symbols=("TRUMPUSDC",),
        profit=Decimal("0.003"),
        sell_when=SellWhen.FILL,
        max_sell_value=Decimal(100),
        age_alert=10 * HOUR,
        merge_unsellable=True,
    )
    engine = settings.engine()
    spot = Scope(Product.SPOT, "TRUMPUSDC", PositionSide.BOTH)
    assert engine.manager(spot).by_lot
    assert not engine.manager(Scope(Product.USDM, "TRUMPUSDC", PositionSide.BOTH)).by_lot
    assert settings.symbols_of(Product.SPOT) == ("TRUMPUSDC",)
    assert engine_of(describe(engine), "{}").managers[1].policy == policy


def test_env_file_is_over_yaml_and_the_environment_over_both(tmp_path):
    text = "logs: {level: ERROR, keep: 7}\nrisk: {max_notional: 1}"
    settings = load(
        tmp_path,
        text,
        {"LOG_LEVEL": "WARNING", "BACKSTAY_RISK__MAX_NOTIONAL": "500.50"},
        dotenv="LOG_LEVEL=DEBUG\nLOG_BACKUP_COUNT=3\n",
    )
    assert (settings.logs.level, settings.logs.keep) == ("WARNING", 3)
    assert str(settings.risk.max_notional) == "500.50"


def test_a_wrong_variable_is_named_as_the_variable(tmp_path):
    assert refusal(tmp_path, "", {"EXECUTION_MODE": "LVE"}).startswith("EXECUTION_MODE: run.mode: 'LVE'")
    assert "BACKSTAY_RUN__MODES: run.modes is not a key" in refusal(
        tmp_path, "", {"BACKSTAY_RUN__MODES": "x"}
    )


def test_every_older_name_is_on_the_page():
    page = PAGE.read_text()
    assert [n for n in (*older_names.SWING, *older_names.CONCERNS) if f"`{n}`" not in page] == []


def test_without_a_mode_it_is_the_dry_run_with_keys_and_paper_without(tmp_path):
    assert load(tmp_path, "managers: []").mode is Mode.PAPER
    assert load(tmp_path, "managers: []", KEYS).mode is Mode.DRY_RUN_PRIVATE


@pytest.mark.parametrize("mode", ["DEMO", "TESTNET", "LIVE"])
def test_any_doubt_about_the_switches_leaves_the_mode_unarmed(tmp_path, mode):
    text = f"run: {{mode: {mode}, live_confirm: maybe}}\nmanagers: []"
    assert not load(tmp_path, text).armed
    text = f"run: {{mode: {mode}, enable_trading: true, live_confirm: yes_i_understand}}\nmanagers: []"
    assert load(tmp_path, text).armed is (mode != "LIVE")


def test_the_configuration_may_be_absent_for_paper_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    assert settings.mode is Mode.PAPER
    assert len(settings.engine().managers) == 1
    with pytest.raises(ConfigError, match="managers is missing"):
        load_settings(environ=KEYS)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(Path("other.yaml"), environ={})


@pytest.mark.parametrize(
    ("more", "kind"),
    [("", "market"), ("take_profit: {repair_delay: 2s}", "market"), ("take_profit: {kind: limit}", "limit")],
)
def test_a_key_of_a_section_leaves_the_strategys_other_defaults_alone(tmp_path, more, kind):
    text = f"managers:\n  - strategy: scored\n    symbols: [BTCUSDT]\n    {more}\n"
    profit = load(tmp_path, text).policies[0].policy.take_profit
    assert profit.kind.value == kind
    assert profit.repair_delay == (2 if "repair_delay" in more else 1) * SECOND


def test_other_hosts_are_another_environment(tmp_path):
    text = "run: {mode: DEMO}\nmanagers: []\nendpoints: {usdm: {rest: 'http://127.0.0.1:9'}}"
    assert load(tmp_path, text).environment.name == "demo@127.0.0.1:9"
    assert load(tmp_path, "run: {mode: DEMO}\nmanagers: []").environment.name == "demo"


@pytest.mark.parametrize(
    ("size", "amount", "unit"),
    [
        ("0.010", "0.010", SizeUnit.QUANTITY),
        ("'100 USDT'", "100", SizeUnit.QUOTE),
        ("50%", "0.5", SizeUnit.BASE_FRACTION),
    ],
)
def test_the_first_dca_size_says_what_it_counts(tmp_path, size, amount, unit):
    ladder = f"{{steps: 1, first_deviation: 1%, first_size: {size}}}"
    text = f"managers: [{{strategy: position_manager, dca: {ladder}}}]"
    dca = load(tmp_path, text).policies[0].policy.dca
    assert dca is not None
    assert (dca.first_size, dca.size_unit) == (Decimal(amount), unit)


def test_settings_that_do_not_fit_together_are_warned_of(tmp_path):
    text = (
        "managers: [{strategy: position_manager, stop_loss: {distance: 1%, basis: anchor}, "
        "dca: {steps: 2, first_deviation: 2%, first_size: 50%}}]\nalerts: {urls: ['https://example.org/x']}"
    )
    told = " ".join(load(tmp_path, text).warnings)
    assert "managers[0]" in told and "never fill" in told


def test_for_demo_reads_nothing_and_puts_everything_below_one_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EXECUTION_MODE", "LIVE")
    settings = Settings.for_demo(tmp_path)
    assert settings.mode is Mode.PAPER
    assert settings.data_dir == tmp_path
    assert settings.logs_dir == tmp_path / "logs"


def test_yaml_numbers_keep_their_digits(tmp_path):
    settings = load(tmp_path, "risk: {max_notional: 0.1000000000000000000001}")
    assert str(settings.risk.max_notional) == "0.1000000000000000000001"


def test_the_page_tells_every_key_as_the_models_have_it():
    text = PAGE.read_text()
    assert config_reference.page(text) == text, "tools/write_reference.py writes it anew"


def test_the_page_has_a_meaning_for_every_key():
    silent = re.findall(r"^\| `([^`]+)` \| [^|]+ \|\s*\|$", config_reference.tables(), re.MULTILINE)
    assert silent == []


def test_the_example_has_no_key_that_is_unknown():
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert set(yaml.safe_load(example)) <= set(Settings.model_fields)


def test_limits_on_exposure_are_read_with_their_units(tmp_path):
    text = """managers: []
risk:
  max_symbol_notional: 500
  loss_streak: 3
  loss_pause: 2h
  max_spread: 0.05%
  max_orders_per_minute: 6
  groups: [{name: majors, symbols: [BTCUSDT, ETHUSDT], max_positions: 1}]
"""
    limits = load(tmp_path, text).risk.limits()
    assert (limits.max_symbol_notional, limits.loss_streak) == (500, 3)
    assert limits.loss_pause == 2 * 3600 * SECOND
    assert limits.max_spread == Decimal("0.0005")
    assert limits.groups[0].symbols == ("BTCUSDT", "ETHUSDT")
    assert "risk.loss_pause" in refusal(tmp_path, text.replace("2h", "soon"))
    assert "symbols" in refusal(tmp_path, text.replace("[BTCUSDT, ETHUSDT]", "[BTCUSDT]"))
