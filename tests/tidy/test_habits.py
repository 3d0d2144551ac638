"""Habits of this code base, as tests: size, purity, honest exceptions and tests, words that do not occur."""

import ast
import json
import re
from functools import cache

import pytest

from tests.tidy import source

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
# Present exceptions and their sizes. A number in it may only go down; within the limit, its entry leaves.
RATCHET = source.ROOT / "tests" / "tidy" / "ratchet.json"

PURE = (
    "src/backstay/core/",
    "src/backstay/signals/",
    "src/backstay/strategies/",
    "src/backstay/simulator/matching",
    "src/backstay/simulator/fills",
)
# No clock, no dice, no I/O: these calls have no place in the pure packages, however they were imported.
BANNED_CALLS = re.compile(
    r"(datetime\.|date\.)?(now|utcnow|today)|time\.\w+|monotonic(_ns)?|perf_counter(_ns)?"
    r"|random\.\w+|secrets\.\w+|(uuid\.)?uuid[14]|open|print|input|exec|eval|os\.\w+"
)
# Money is Decimal there: a binary float has no place either, made or written.
NO_FLOATS = ("src/backstay/core/", "src/backstay/strategies/", "src/backstay/binance/wire/")

# Spelt so that this file does not find itself.
FORBIDDEN_WORDS = {
    "a path of one machine": r"(?<![\w.:/])/(?:wo" r"rk|ro" r"ot|fa" r"rm)/|(?<![\w.:/])/tm" r"p/",
    "the address of a package registry": (
        r"py" r"pi\.org|python" r"hosted\.org|registry\.npm" r"js|deb\.deb" r"ian\.org|crates" r"\.io"
    ),
    "unfinished work": r"\bTO" r"DO\b|\bFIX" r"ME\b|\bHA" r"CK\b",
    "who or what wrote it": (
        r"(?i)\bchat"
        r"gpt\b|\bcl"
        r"aude\b|\bcopi"
        r"lot\b|\banthr"
        r"opic\b|\bopen"
        r"ai\b|co-auth"
        r"ored-by"
        r"|language mo"
        r"del|\bA"
        r"I[- ](?:generated|assisted|written)"
    ),
    "a plan's number instead of a reason": r"(?i)\biss" r"ue #?\d",
}


def ratchet() -> dict[str, dict[str, int]]:
    return json.loads(RATCHET.read_text(encoding="utf-8"))


@cache
def sizes() -> tuple[dict[str, int], dict[str, int]]:
    """(lines of each file, lines of each function) of all Python files."""
    of_files, of_functions = {}, {}
    for path in source.python_files():
        of_files[source.name(path)] = source.text(path).count("\n")
        for qualified, node in source.functions(source.tree(path)):
            of_functions[f"{source.name(path)}::{qualified}"] = source.length(node)
    return of_files, of_functions


@pytest.mark.parametrize(("kind", "limit"), [("files", FILE_LINES_MAX), ("functions", FUNCTION_LINES_MAX)])
def test_files_and_functions_stay_small_and_old_exceptions_only_shrink(kind, limit):
    actual = dict(zip(("files", "functions"), sizes(), strict=True))[kind]
    allowed = ratchet()[kind]
    grown = {what: size for what, size in actual.items() if size > allowed.get(what, limit)}
    settled = [what for what in allowed if actual.get(what, 0) <= limit]
    assert grown == {}, f"longer than {limit} lines (is it one thing?), or grown past {RATCHET.name}"
    assert settled == [], f"within {limit} lines now: take them out of {RATCHET.name}"


def test_pure_packages_call_no_clock_no_dice_and_no_io():
    found = [
        f"{source.name(path)}:{node.lineno}: {source.dotted(node.func)}"
        for path in source.python_files(*PURE)
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Call) and BANNED_CALLS.fullmatch(source.dotted(node.func))
    ]
    assert found == []


def test_no_binary_float_where_money_is_decided():
    found = [
        f"{source.name(path)}:{node.lineno}"
        for path in source.python_files(*NO_FLOATS)
        for node in ast.walk(source.tree(path))
        if (isinstance(node, ast.Call) and source.dotted(node.func) == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    ]
    assert found == []


def test_no_exception_is_swallowed_whole():
    """A broad handler must do something with what it caught: raise, or record it."""
    found = []
    for path in source.python_files("src/", "dev.py", "tools/", "bench/"):
        for node in ast.walk(source.tree(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = source.dotted(node.type) if node.type else ""
            broad = node.type is None or caught in {"Exception", "BaseException"}
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            uses = node.name and any(isinstance(n, ast.Name) and n.id == node.name for n in ast.walk(node))
            if broad and not raises and not uses:
                found.append(f"{source.name(path)}:{node.lineno}")
    assert found == []


def test_every_exemption_from_a_checker_names_its_code_and_its_reason():
    exemption = re.compile(r"#\s*(?:type: ignore|noqa)(.*)$")
    coded_with_reason = re.compile(r"(?:\[[\w\-, ]+\]|: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*)\W+\w+(?:\W+\w+){2,}.*")
    found = [
        f"{source.name(path)}:{number}: {line.strip()}"
        for path in source.python_files()
        for number, line in enumerate(source.text(path).splitlines(), 1)
        if path.parent.name != "tidy"
        and (marker := exemption.search(line))
        and not coded_with_reason.fullmatch(marker.group(1))
    ]
    assert found == [], "write the code, and the reason in three words or more"


@pytest.mark.parametrize("what", FORBIDDEN_WORDS)
def test_words_that_do_not_occur(what):
    pattern = re.compile(FORBIDDEN_WORDS[what])
    found = [
        f"{source.name(path)}:{number}: {line.strip()[:100]}"
        for path in source.files()
        for number, line in enumerate(source.text(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_every_package_says_what_lives_in_it_and_re_exports_little():
    silent, jungles = [], []
    folders = {path.parent for path in source.python_files("src/backstay/")}
    for folder in sorted(folders):
        init = folder / "__init__.py"
        if not init.exists() or len(ast.get_docstring(source.tree(init)) or "") < 60:
            silent.append(source.name(folder))
        else:
            imported = [n for n in ast.walk(source.tree(init)) if isinstance(n, ast.Import | ast.ImportFrom)]
            if sum(len(node.names) for node in imported) > 12:
                jungles.append(source.name(folder))
    assert silent == [], "an __init__.py says in two or three sentences what lives there and what may not"
    assert jungles == [], "import from the module that owns a name"


def test_every_test_can_fail():
    asserting = re.compile(
        r"(^|[._])(raises|warns|fail|skip|expect|assert|check|verify|must|exactly|refused)"
    )
    found = []
    for path in source.python_files("tests/"):
        for qualified, node in source.functions(source.tree(path)):
            if not qualified.rpartition(".")[2].startswith("test_"):
                continue
            speaks = any(
                isinstance(inner, ast.Assert)
                or (isinstance(inner, ast.Call) and asserting.search(source.dotted(inner.func)))
                for inner in ast.walk(node)
            )
            if not speaks:
                found.append(f"{source.name(path)}::{qualified}")
    assert found == []


def test_no_test_sleeps():
    found = [
        f"{source.name(path)}:{node.lineno}"
        for path in source.python_files("tests/")
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Call) and source.dotted(node.func) in {"time.sleep", "sleep"}
    ]
    assert found == []
