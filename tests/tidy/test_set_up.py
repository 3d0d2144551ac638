"""dev.py and the pinned requirements: what can be proven without making a second .venv."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from types import ModuleType

import pytest

from tests.tidy.source import ROOT

RUNTIME = (ROOT / "requirements.txt").read_text(encoding="utf-8")
DEV = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(requirements: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", requirements, re.MULTILINE))


def test_dev_py_runs_on_python_3_8_with_nothing_but_the_standard_library():
    text = (ROOT / "dev.py").read_text(encoding="utf-8")
    module = ast.parse(text, feature_version=(3, 8))
    imported = {a.name for n in ast.walk(module) if isinstance(n, ast.Import) for a in n.names}
    assert imported <= sys.stdlib_module_names
    assert not any(isinstance(n, ast.ImportFrom) for n in ast.walk(module))


def test_the_digest_changes_with_each_of_its_parts_and_with_nothing_else(dev):
    base = dev.digest([b"a", b"b"], "3.13.0")
    assert base == dev.digest([b"a", b"b"], "3.13.0")
    others = [
        dev.digest([b"ab"], "3.13.0"),
        dev.digest([b"b", b"a"], "3.13.0"),
        dev.digest([b"a", b"b"], "3.13.1"),
    ]
    assert base not in others
    assert len(set(others)) == 3


def test_an_interpreter_is_chosen_by_what_has_been_proven_longest(dev):
    versions = [(3, 12, 9), (3, 13, 0), (3, 13, 4), (3, 14, 1), (3, 15, 0)]
    assert sorted(versions, key=dev.preference) == [
        (3, 13, 4), (3, 13, 0), (3, 14, 1), (3, 12, 9), (3, 15, 0),
    ]  # fmt: skip
    assert dev.preference((3, 11, 9)) is None
    assert dev.preference((2, 7, 18)) is None


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("cause: dns error", "no package index could be reached"),
        (
            "NewConnectionError(...): Temporary failure in name resolution",
            "no package index could be reached",
        ),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "a download is not the file that was pinned"),
        ("Hash mismatch for `six==1.17.0`", "a download is not the file that was pinned"),
        ("PermissionError: [Errno 13] Permission denied", "a file or folder may not be written"),
        ("ERROR: No matching distribution found for x", "a pinned package does not exist for this"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED]", "the package index shows a certificate"),
    ],
)
def test_a_failed_installer_is_told_as_one_cause_and_one_remedy(dev, output, what):
    said, remedy = dev.diagnose(output)
    assert said.startswith(what)
    assert remedy


def test_an_unknown_failure_is_not_explained_away(dev):
    assert dev.diagnose("segmentation fault") is None


def test_pips_own_settings_reach_uv(dev):
    lines = [
        "global.index-url='https://mirror.example/simple'",
        "global.cert='/etc/ca.pem'",
        ":env:.timeout='9'",
    ]
    assert dev.uv_settings(lines) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }


def test_a_pin_is_read_with_all_its_hashes(dev):
    text = (
        "# head\nx==1 ; python_version < '4' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "y==2 \\\n    --hash=sha256:cc\n"
    )
    assert [block.count("--hash") for block in dev.pins(text)] == [2, 1]
    assert dev.pin_of(text, "y") == ("2", "y==2 \\\n    --hash=sha256:cc")
    with pytest.raises(dev.Trouble, match="does not pin z"):
        dev.pin_of(text, "z")


def test_too_little_space_is_said_before_anything_is_begun(dev, monkeypatch, tmp_path):
    monkeypatch.setattr(dev, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(dev, "SPACE_NEEDED_MB", 10**12)
    with pytest.raises(dev.Trouble, match="free some space"):
        dev.make_venv()
    assert list(tmp_path.iterdir()) == []


def test_a_named_interpreter_that_does_not_fit_is_an_error_and_not_a_hint(dev, monkeypatch, tmp_path):
    monkeypatch.setenv("BACKSTAY_PYTHON", str(tmp_path / "python"))
    with pytest.raises(dev.Trouble, match="does not run"):
        dev.find_python()


def test_an_unknown_command_is_refused_with_the_known_ones():
    said = subprocess.run([sys.executable, ROOT / "dev.py", "tset"], capture_output=True, text=True)
    assert said.returncode == 2
    assert "demo, test, setup, lock, fmt" in said.stderr


@pytest.mark.parametrize("requirements", [RUNTIME, DEV], ids=["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_by_hash_and_no_index_is_named(dev, requirements):
    blocks = dev.pins(requirements)
    assert blocks
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    rest = [
        line for line in requirements.splitlines() if not re.match(r"#|\s+--hash=sha256:|[\w.-]+==", line)
    ]
    assert rest == []
    assert "://" not in requirements


def test_the_pins_hold_what_the_project_asks_for_and_agree_with_each_other():
    wanted = PROJECT["project"]["dependencies"]
    wanted_dev = PROJECT["project"]["optional-dependencies"]["dev"]
    runtime, dev = names(RUNTIME), names(DEV)
    assert {re.split(r"[\[<>=;\s]", w)[0] for w in wanted} <= runtime.keys()
    assert {re.split(r"[\[<>=;\s]", w)[0] for w in wanted_dev} <= dev.keys()
    assert {name: runtime[name] for name in runtime.keys() & dev.keys()} == {
        name: dev[name] for name in runtime.keys() & dev.keys()
    }


def test_ci_types_the_command_that_a_contributor_types():
    script = ROOT / ".ci" / "run"
    assert "exec python3 dev.py test" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111
