"""The mutation tester: what it changes, one spot at a time, and that a change takes effect."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "mutate.py"


@pytest.fixture(scope="module")
def mutate():
    spec = importlib.util.spec_from_file_location("mutate", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a < b", {"a <= b"}),
        ("a is not b", {"a is b"}),
        ("a in b", {"a not in b"}),
        ("a - b", {"a + b"}),
        ("a and b", {"a or b", "a", "b"}),
        ("not a", {"a"}),
        ("a if b else c", {"a if not b else c"}),
        ("True", {"False"}),
        ("7", {"8"}),
        ("min(a, b)", {"max(a, b)"}),
        ("f(a, b=c)", {"f(a)"}),
        ("{a: b, c: d}", {"{c: d}", "{a: b}"}),
        ("[a for a in b if c]", {"[a for a in b]"}),
        ("f'{a} < {b}'", set()),
    ],
)
def test_one_spot_is_changed_at_a_time(mutate, source, changed):
    tree = ast.parse(f"x = {source}")
    found = {ast.unparse(other).removeprefix("x = ") for _, _, other in mutate.mutants(tree)}
    assert found == changed
    assert ast.unparse(tree) == f"x = {source}".replace('"', "'")


def test_statements_are_dropped_and_lines_are_told(mutate):
    tree = ast.parse("def f(a):\n    a.b = a\n    g(a)\n    while a:\n        break\n")
    dropped = [(line, what) for line, what, _ in mutate.mutants(tree) if what == "statement dropped"]
    assert dropped == [(2, "statement dropped"), (3, "statement dropped"), (5, "statement dropped")]


def test_words_for_people_and_types_stay(mutate):
    source = '"""Text."""\n__all__ = ["f"]\ndef f(a: "int" = b) -> "str":\n    """More."""\n    return a\n'
    assert [what for _, what, _ in mutate.mutants(ast.parse(source))] == []


def test_a_change_takes_effect_where_it_was_imported(mutate, monkeypatch):
    source = "LIMIT = 3\nTABLE = {'a': 1}\n\n\ndef small(n):\n    return n < LIMIT\n"
    home, user = ModuleType("backstay.home"), ModuleType("backstay.user")
    home.__file__ = "home.py"
    exec(source, vars(home))
    for name in ("LIMIT", "TABLE", "small"):
        setattr(user, name, getattr(home, name))
    monkeypatch.setitem(sys.modules, "backstay.home", home)
    monkeypatch.setitem(sys.modules, "backstay.user", user)
    changed = source.replace("3", "9").replace("'a': 1", "'b': 2").replace("<", "<=")
    mutate.install(home, ast.parse(changed))
    assert (user.LIMIT, user.TABLE) == (9, {"b": 2})
    assert user.small(9)
    assert not user.small(10)


def test_an_unknown_part_is_refused(mutate, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mutate.py", "plannner"])
    with pytest.raises(SystemExit):
        mutate.main()
    assert "there is no plannner.py" in capsys.readouterr().err
