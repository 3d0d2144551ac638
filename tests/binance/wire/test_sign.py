"""Every published signature vector, and what a signer must never show."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from backstay.binance.wire.sign import Ed25519Signer, HmacSigner, logon_params, ws_text

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
USDM_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"

REST_VECTORS = [
    (
        SECRET,
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        "&timestamp=1499827319559",
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    (
        SECRET,
        "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC"
        "&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    (
        USDM_SECRET,
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943",
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
]

WS_VECTORS = [
    (
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01000000",
            "price": "52000.00",
            "recvWindow": 100,
            "timestamp": 1645423376532,
            "apiKey": API_KEY,
        },
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        {
            "symbol": "\uff11\uff12\uff13\uff14\uff15\uff16",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "1.00000000",
            "price": "0.10000000",
            "recvWindow": 5000,
            "timestamp": 1645423376532,
            "apiKey": API_KEY,
        },
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
]


def pem_of(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(("secret", "query", "signature"), REST_VECTORS)
def test_rest_signature_equals_the_published_vector(secret, query, signature):
    assert HmacSigner(API_KEY, secret).sign_rest(query) == f"{query}&signature={signature}"


@pytest.mark.parametrize(("params", "signature"), WS_VECTORS)
def test_websocket_api_signature_equals_the_published_vector(params, signature):
    signer = HmacSigner(API_KEY, SECRET)
    assert signer.sign_ws(params) == signature
    assert signer.sign_ws(dict(reversed(params.items()))) == signature


def test_a_signature_is_not_part_of_what_is_signed():
    params = WS_VECTORS[0][0]
    assert ws_text({**params, "signature": "x"}) == ws_text(params)


def test_a_signer_can_be_used_again_and_secrets_longer_than_a_block_are_hashed_first():
    import hashlib
    import hmac

    secret = "s" * 100
    signer = HmacSigner("k", secret)
    for text in ("a", "b", "a", "é"):
        assert signer.sign(text) == hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_ed25519_signs_raw_text_and_rest_percent_encodes_the_base64():
    key = Ed25519PrivateKey.generate()
    signer = Ed25519Signer("api", pem_of(key))
    signature = signer.sign_ws({"b": 1, "a": "\uff11"})
    key.public_key().verify(base64.b64decode(signature), "a=\uff11&b=1".encode())
    query = signer.sign_rest("a=1")
    encoded = query.removeprefix("a=1&signature=")
    assert not set(encoded) & set("+/=")
    assert encoded == base64.b64encode(key.sign(b"a=1")).decode().replace("+", "%2B").replace(
        "/", "%2F"
    ).replace("=", "%3D")


def test_session_logon_is_signed_over_its_own_parameters():
    key = Ed25519PrivateKey.generate()
    params = logon_params(Ed25519Signer("api", pem_of(key)), 1790000000000)
    text = b"apiKey=api&recvWindow=5000&timestamp=1790000000000"
    key.public_key().verify(base64.b64decode(params["signature"]), text)
    assert params["timestamp"] == 1790000000000


def test_session_logon_with_hmac_is_refused_here():
    with pytest.raises(ValueError, match="Ed25519"):
        logon_params(HmacSigner("k", "s"), 1)


def test_i36_keys_never_appear_in_a_repr_or_in_an_error():
    pem = pem_of(Ed25519PrivateKey.generate())
    for signer in (HmacSigner(API_KEY, SECRET), Ed25519Signer(API_KEY, pem)):
        assert API_KEY not in repr(signer)
        assert SECRET not in repr(signer)
        assert not hasattr(signer, "__dict__")
    with pytest.raises(ValueError, match="PEM") as caught:
        Ed25519Signer(API_KEY, b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----")
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", "")])
def test_empty_keys_are_refused(key, secret):
    with pytest.raises(ValueError, match="both"):
        HmacSigner(key, secret)


def test_a_private_key_of_another_kind_is_refused():
    pem = pem_of(rsa.generate_private_key(65537, 2048))
    with pytest.raises(ValueError, match="Ed25519"):
        Ed25519Signer("api", pem)
