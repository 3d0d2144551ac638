"""What every test may ask for: recorded market data, the project's folder, one set of hypothesis profiles."""

import os
from pathlib import Path

import hypothesis
import pytest

from backstay.telemetry import redaction

ROOT = Path(__file__).resolve().parent.parent

# No deadline: the first property that imports polars or compiles a codec would break any. Not derandomised:
# a suite that tries the same examples every day finds nothing new; a failure prints how to reproduce it.
hypothesis.settings.register_profile("default", deadline=None, derandomize=False, print_blob=True)
hypothesis.settings.register_profile(
    "ci",
    parent=hypothesis.settings.get_profile("default"),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # two shared cores
)
hypothesis.settings.register_profile(
    "thorough", parent=hypothesis.settings.get_profile("ci"), max_examples=2_000
)
# For tools/mutate.py: the same examples each time, and no search for the smallest one that fails.
hypothesis.settings.register_profile(
    "mutation",
    parent=hypothesis.settings.get_profile("ci"),
    derandomize=True,
    database=None,
    max_examples=40,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)


@pytest.fixture(autouse=True)
def no_secret_of_another_test(monkeypatch):
    """What one test hides, a process hides for good: lines of a later one would be eaten."""
    monkeypatch.setattr(redaction, "_hidden", {})


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of recorded market data beside the project; who asks is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no recorded market data beside the project (../shared/data)")
    return folder
