"""Every fixture of this folder, by the core and by the wire."""

import pytest

from tests.conformance.case import FOLDER, FixtureError, load
from tests.conformance.runner import run

FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
@pytest.mark.parametrize("way", ["core", "wire"])
def test_the_case_holds(path, way):
    case = load(path)
    why_not = case.not_by_core if way == "core" else case.not_by_wire
    if why_not:
        pytest.skip(why_not)
    run(case, way)
