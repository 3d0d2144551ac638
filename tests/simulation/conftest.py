"""Which seeds a run of the suite plays: a short fixed slice; in CI a longer one, another one each time."""

import os
import zlib
from datetime import UTC, datetime

import pytest

LONG = "BACKSTAY_LONG" in os.environ
FIXED = range(60 if LONG else 40)
SLICE = 300 if LONG else 90
WORLDS = 1_000_000


def pytest_addoption(parser):
    parser.addoption(
        "--simulation-seeds",
        default="",
        metavar="A:B",
        help="seeds of the fault simulation instead of the slice of every run",
    )


@pytest.fixture
def slice_of_seeds(request) -> range:
    """In CI by the commit and the day; `--simulation-seeds` repeats any of them."""
    given = request.config.getoption("--simulation-seeds")
    if given:
        first, _, last = given.partition(":")
        return range(int(first), int(last))
    if "CI" not in os.environ:
        return FIXED
    run = " ".join(os.environ.get(name, "") for name in ("GITHUB_SHA", "GITHUB_RUN_ID"))
    what = f"{run} {datetime.now(UTC):%Y-%m-%d}"
    first = zlib.crc32(what.encode()) % WORLDS
    return range(first, first + SLICE)
