"""Vectors of `binance.md` section 3, and the two opposite rules about encoding."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from backstay.simulator.server.signing import KeyKind, Verifier, rest_payload, ws_payload

S = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
K = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
REST = "&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
FULLWIDTH = "\uff11\uff12\uff13\uff14\uff15\uff16"


@pytest.mark.parametrize(
    ("secret", "payload", "signature"),
    [
        (S, "symbol=LTCBTC" + REST, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            S,
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96" + REST,
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
        (
            "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9",
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
            "&recvWindow=5000&timestamp=1591702613943",
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
        ),
    ],
)
def test_published_rest_vectors(secret, payload, signature):
    verifier = Verifier(KeyKind.HMAC, secret)
    assert verifier.matches(payload.encode(), signature)
    assert verifier.matches(payload.encode(), signature.upper())
    assert not verifier.matches(payload.encode() + b" ", signature)
    assert not verifier.matches(payload.encode(), signature[:-1] + "x")


def test_published_ws_vectors_sorted_and_not_encoded():
    ascii_params = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "recvWindow": 100,
        "timestamp": 1645423376532,
        "apiKey": K,
        "signature": "ignored",
    }
    verifier = Verifier(KeyKind.HMAC, S)
    expected = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    assert verifier.matches(ws_payload(ascii_params).encode(), expected)

    wide = ascii_params | {
        "symbol": FULLWIDTH,
        "side": "BUY",
        "price": "0.10000000",
        "quantity": "1.00000000",
        "recvWindow": 5000,
    }
    expected = "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"
    assert verifier.matches(ws_payload(wide).encode(), expected)


def test_query_and_body_are_joined_without_a_separator_and_the_signature_is_cut_out():
    assert rest_payload("a=1&b=2", "c=3&signature=xy") == ("a=1&b=2c=3", ["xy"])
    assert rest_payload("a=1&signature=xy&b=2", "") == ("a=1&b=2", ["xy"])
    assert rest_payload("", "a=%20") == ("a=%20", [])


def test_ed25519_and_rsa_are_base64_and_case_sensitive():
    key = ed25519.Ed25519PrivateKey.generate()
    verifier = Verifier(KeyKind.ED25519, _pem(key.public_key()))
    good = base64.b64encode(key.sign(b"a=1")).decode()
    assert verifier.matches(b"a=1", good)
    assert not verifier.matches(b"a=2", good)
    assert not verifier.matches(b"a=1", good.swapcase())
    assert not verifier.matches(b"a=1", "not base64 !")

    private = rsa.generate_private_key(65537, 2048)
    verifier = Verifier(KeyKind.RSA, _pem(private.public_key()))
    good = base64.b64encode(private.sign(b"a=1", padding.PKCS1v15(), hashes.SHA256())).decode()
    assert verifier.matches(b"a=1", good)
    assert not verifier.matches(b"a=2", good)


def test_a_key_of_the_wrong_kind_is_refused_when_it_is_loaded():
    pem = _pem(ed25519.Ed25519PrivateKey.generate().public_key())
    with pytest.raises(ValueError, match="RSA key is wanted"):
        Verifier(KeyKind.RSA, pem)
    with pytest.raises(ValueError, match="must be PEM"):
        Verifier(KeyKind.ED25519, "nonsense")
    with pytest.raises(ValueError, match="not empty"):
        Verifier(KeyKind.HMAC, "")


def _pem(public) -> str:
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
