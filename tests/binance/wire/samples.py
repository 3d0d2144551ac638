"""Sample payloads of the venue, as bytes, from tests/frames."""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "frames"


def load(name: str) -> dict[str, bytes]:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    return {key: json.dumps(value, separators=(",", ":")).encode() for key, value in json.loads(text).items()}


PRIVATE = load("usdm_private")
REST = load("usdm_rest")
WS_API = load("usdm_ws_api")
MARKET = load("usdm_market")
SPOT_USER = load("spot_user")
SPOT_REST = load("spot_rest")
SPOT_WS_API = load("spot_ws_api")
SPOT_MARKET = load("spot_market")


def changed(frame: bytes, inside: str | None = None, **fields) -> bytes:
    """The frame with members replaced (None: removed), at the root or in the object `inside`."""
    value = json.loads(frame)
    place = value[inside] if inside else value
    for key, new in fields.items():
        if new is None:
            place.pop(key, None)
        else:
            place[key] = new
    return json.dumps(value, separators=(",", ":")).encode()
