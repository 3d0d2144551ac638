import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from backstay.app.config import load_settings
from backstay.app.errors import ConfigError
from backstay.app.secrets import Secrets
from backstay.core.types import Mode

KEY, SECRET = "key-" + "k" * 60, "secret-" + "s" * 57


def test_i36_secrets_are_in_no_repr(tmp_path):
    values = {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET}
    secrets = Secrets(values)
    (tmp_path / "config.yaml").write_text("managers: []")
    settings = load_settings(tmp_path / "config.yaml", environ=values)
    shown = (
        f"{secrets!r} {settings!r} {settings.secrets} {secrets.signer(Mode.LIVE)!r} {settings.model_dump()}"
    )
    assert KEY not in shown and SECRET not in shown


@pytest.mark.parametrize(
    ("mode", "prefix"),
    [(Mode.LIVE, "BINANCE_"), (Mode.TESTNET, "BINANCE_TESTNET_"), (Mode.DEMO, "BINANCE_DEMO_")],
)
def test_each_environment_has_its_own_keys(mode, prefix):
    secrets = Secrets({f"{prefix}API_KEY": KEY, f"{prefix}API_SECRET": SECRET})
    assert secrets.signer(mode).api_key == KEY
    for other in (Mode.LIVE, Mode.TESTNET, Mode.DEMO):
        if other is not mode:
            with pytest.raises(ConfigError, match="API_KEY"):
                secrets.signer(other)


def test_an_ed25519_key_is_read_from_its_file(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    secrets = Secrets({"BINANCE_API_KEY": KEY, "BINANCE_PRIVATE_KEY_PATH": str(path)})
    assert secrets.kind(Mode.LIVE) == "ed25519"
    assert secrets.signer(Mode.LIVE).can_logon


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "needs BINANCE_API_KEY"),
        ({"BINANCE_API_KEY": KEY}, "neither BINANCE_API_SECRET"),
        ({"BINANCE_API_KEY": KEY, "BINANCE_PRIVATE_KEY_PATH": "/nowhere/key.pem"}, "cannot be read"),
        (
            {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET, "BINANCE_PRIVATE_KEY_PATH": "x"},
            "both set",
        ),
    ],
)
def test_missing_or_contradicting_keys_are_told_by_name_without_their_value(values, told):
    with pytest.raises(ConfigError, match=told) as refused:
        Secrets(values).signer(Mode.LIVE)
    assert KEY not in str(refused.value) and SECRET not in str(refused.value)


def test_a_key_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("not a key")
    with pytest.raises(ConfigError, match="PKCS#8"):
        Secrets({"BINANCE_API_KEY": KEY, "BINANCE_PRIVATE_KEY_PATH": str(path)}).signer(Mode.LIVE)


def test_an_env_file_that_others_can_read_is_warned_of(tmp_path):
    env = tmp_path / ".env"
    env.write_text(f"BINANCE_API_KEY={KEY}\n")
    env.chmod(0o644)
    assert "chmod 600" in Secrets({}, env_file=env).warnings()[0]
    env.chmod(0o600)
    assert Secrets({}, env_file=env).warnings() == ()
