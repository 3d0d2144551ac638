"""Mutation test: change the rules one spot at a time, and see whether a test notices.

    PYTHONPATH=src python tools/mutate.py planner account recovery confirmations
    PYTHONPATH=src python tools/mutate.py planner --only 120-180 --show

Tests are collected and run once; which lines each one executes is remembered. Then every mutant gets a fork
of that process: the changed code is put into the loaded modules, the tests that reach the changed line run,
fastest first, until one fails (killed), all pass (survived) or time is up (it hangs: killed). Files stay.

The score is killed / all. What survives is printed; `docs/mutation.md` explains those that stay.
"""

import argparse
import ast
import copy
import inspect
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, ClassVar

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "src" / "backstay" / "core"
GROUPS = {
    "planner": ("planner", "joining"),
    "account": ("account", *(f"account_{x}" for x in ("own", "reads", "scopes", "market", "settings"))),
    "recovery": ("recovery", "reading"),
}
"""A part that lives in several files."""
TESTS = ("tests/core", "tests/strategies", "tests/conformance")
TOOL = 4
"""The id under which `sys.monitoring` knows us; 0, 1 and 2 belong to debuggers, coverage and profilers."""
PATIENCE_S = 20.0

PAIRS = (
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn)),
    *((ast.Add, ast.Sub), (ast.Mult, ast.FloorDiv), (ast.BitOr, ast.BitAnd), (ast.And, ast.Or)),
)
SWAPS: dict[type[ast.AST], type[ast.AST]] = {a: b for x, y in PAIRS for a, b in ((x, y), (y, x))}
SWAPS[ast.Div] = ast.Mult
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


# --- mutants ------------------------------------------------------------------------------------


def mutants(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """(line, what was changed, the changed tree), one change each."""
    nodes = list(_nodes(tree))
    for index, node in enumerate(nodes):
        for n in range(len(_changes(node))):
            other = copy.deepcopy(tree)
            twin = list(_nodes(other))[index]
            what, change = _changes(twin)[n]
            line = getattr(twin, "lineno", 0) or getattr(getattr(twin, "iter", None), "lineno", 0)
            change()
            yield line, what, ast.fix_missing_locations(other)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node whose change is a change of behaviour: no annotations, docstrings, classes, imports."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.Import, ast.ImportFrom, ast.JoinedStr, ast.TypeAlias)):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            continue
        if isinstance(tree, (ast.FunctionDef, ast.AnnAssign)) and node in (
            getattr(tree, "returns", None),
            getattr(tree, "annotation", None),
        ):
            continue
        if isinstance(node, ast.arg) or (isinstance(tree, ast.FunctionDef) and node in tree.decorator_list):
            continue
        yield node
        yield from _nodes(node)


def _changes(node: ast.AST) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def say(what: str, change: Any) -> None:
        found.append((what, change))

    match node:
        case ast.Compare():
            for i, op in enumerate(node.ops):
                if new := SWAPS.get(type(op)):
                    say(
                        f"{type(op).__name__} -> {new.__name__}",
                        lambda i=i, new=new: node.ops.__setitem__(i, new()),
                    )
        case ast.BoolOp():
            new = SWAPS[type(node.op)]
            say(f"{type(node.op).__name__} -> {new.__name__}", lambda: setattr(node, "op", new()))
            for i in range(len(node.values)):
                say(f"operand {i + 1} dropped", lambda i=i: node.values.pop(i))
        case ast.BinOp() if new := SWAPS.get(type(node.op)):
            say(f"{type(node.op).__name__} -> {new.__name__}", lambda: setattr(node, "op", new()))
        case ast.UnaryOp(op=ast.Not()):
            say("not dropped", lambda: _become(node, node.operand))
        case ast.If() | ast.IfExp():
            say("condition negated", lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test)))
        case ast.comprehension() if node.ifs:
            say("filter dropped", node.ifs.clear)
        case ast.Constant(value=bool()):
            say(f"{node.value} -> {not node.value}", lambda: setattr(node, "value", not node.value))
        case ast.Constant(value=int()):
            say(f"{node.value} -> {node.value + 1}", lambda: setattr(node, "value", node.value + 1))
        case ast.Constant(value=str()):
            say(f"{node.value!r} changed", lambda: setattr(node, "value", f"{node.value}XX"))
        case ast.Call():
            if isinstance(node.func, ast.Name) and (other := CALLS.get(node.func.id)):
                say(f"{node.func.id} -> {other}", lambda: setattr(node.func, "id", other))
            for i, keyword in enumerate(node.keywords):
                if len(node.keywords) > 1 or node.args:
                    say(f"keyword {keyword.arg or '**'} dropped", lambda i=i: node.keywords.pop(i))
        case ast.Dict():
            for i in range(len(node.keys)):
                say(f"entry {i + 1} dropped", lambda i=i: (node.keys.pop(i), node.values.pop(i)))
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]) | ast.AugAssign():
            say("statement dropped", lambda: _drop(node))
        case ast.Expr(value=ast.Call()):
            say("statement dropped", lambda: _drop(node))
        case ast.Continue() | ast.Break():
            say("statement dropped", lambda: _drop(node))
    return found


def _become(node: ast.AST, other: ast.AST) -> None:
    """Replace a node in place, whoever holds it."""
    node.__class__ = other.__class__
    node.__dict__.clear()
    node.__dict__.update(other.__dict__)


def _drop(node: ast.stmt) -> None:
    where = {k: getattr(node, k) for k in ("lineno", "col_offset")}
    _become(node, ast.Pass(**where))


# --- putting one in -----------------------------------------------------------------------------


def install(module: ModuleType, tree: ast.Module) -> None:
    """Make `module` behave as `tree`: functions get new code, changed constants are rebound everywhere."""
    scratch: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(tree, str(module.__file__), "exec"), scratch)  # noqa: S102 - our own source, changed in one spot
    for name, new in scratch.items():
        old = vars(module).get(name)
        if name.startswith("__") or isinstance(new, (type, ModuleType)):
            continue
        if callable(new) and callable(old):
            was, now = inspect.unwrap(old), inspect.unwrap(new)
            if isinstance(was, FunctionType) and isinstance(now, FunctionType):
                was.__code__, was.__defaults__, was.__kwdefaults__ = (
                    now.__code__,
                    now.__defaults__,
                    now.__kwdefaults__,
                )
        elif isinstance(old, dict) and _named(old) != _named(new):
            old.clear()
            old.update({k: _at_home(module, v) for k, v in new.items()})
        elif not isinstance(old, dict) and new != old:
            for other in list(sys.modules.values()):
                if (
                    getattr(other, "__name__", "").startswith(("backstay.", "tests."))
                    and vars(other).get(name) is old
                ):
                    setattr(other, name, new)


def _named(table: dict[Any, Any]) -> dict[Any, Any]:
    return {k: getattr(v, "__qualname__", v) for k, v in table.items()}


def _at_home(module: ModuleType, value: Any) -> Any:
    return vars(module).get(getattr(value, "__name__", ""), value)


# --- running ------------------------------------------------------------------------------------


class Mutation:
    """A pytest plugin: runs everything once, then the mutants."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.files = {str(CORE / f"{name}.py"): name for name in _names(options.parts)}
        self.reached: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.seconds: dict[int, float] = {}
        self.survivors: list[tuple[str, int, str]] = []
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.killers: dict[str, Counter[int]] = defaultdict(Counter)
        """Part -> how many of its mutants each test has killed: who killed one kills its neighbour."""
        self._now = -1

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Without the conformance cases over the wire: they take the same way through the core, slowly."""
        items[:] = [i for i in items if getattr(i, "callspec", _NONE).params.get("way") != "wire"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._baseline(session)
        if session.testsfailed:
            print("\nthe tests fail without any mutant: nothing can be measured", file=sys.stderr)
            return True
        self._mutate(session)
        return True

    def _baseline(self, session: pytest.Session) -> None:
        print(f"{len(session.items)} tests, once without any change:")
        monitoring = sys.monitoring
        monitoring.use_tool_id(TOOL, "mutate")
        monitoring.register_callback(TOOL, monitoring.events.LINE, self._line)
        codes = [
            code for name in self.files.values() for code in _codes(sys.modules[f"backstay.core.{name}"])
        ]
        for code in codes:
            monitoring.set_local_events(TOOL, code, monitoring.events.LINE)
        for index, item in enumerate(session.items):
            self._now = index
            monitoring.restart_events()
            began = time.perf_counter()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self.seconds[index] = time.perf_counter() - began
        for code in codes:
            monitoring.set_local_events(TOOL, code, 0)
        monitoring.free_tool_id(TOOL)

    def _line(self, code: CodeType, line: int) -> Any:
        self.reached[code.co_filename, line].add(self._now)
        return sys.monitoring.DISABLE

    def _mutate(self, session: pytest.Session) -> None:
        print()
        low, high = self.options.only
        for path, name in self.files.items():
            source = Path(path).read_text(encoding="utf-8")
            lines = source.splitlines()
            module = sys.modules[f"backstay.core.{name}"]
            spans = _statements(ast.parse(source))
            for line, what, tree in mutants(ast.parse(source)):
                if not low <= line <= high:
                    continue
                # A line of a statement over several lines may have no code of its own; a constant of the
                # module runs at import, so every test may be the one.
                span = spans.get(line, range(line, line + 1))
                tests = set().union(*(self.reached.get((path, n), set()) for n in span)) or set(self.seconds)
                verdict = self._one(session, name, module, tree, tests)
                self.counts[name][verdict] += 1
                if verdict == "survived":
                    self.survivors.append((name, line, what))
                if verdict == "survived" or self.options.show:
                    print(f"{verdict:9} {name}:{line}  {what}  |  {lines[line - 1].strip()}", flush=True)
            print(f"-- {name}: {_score(self.counts[name])}", flush=True)
        total = Counter[str]()
        for counts in self.counts.values():
            total.update(counts)
        print(f"-- all: {_score(total)}")

    def _one(
        self, session: pytest.Session, name: str, module: ModuleType, tree: ast.Module, tests: set[int]
    ) -> str:
        killers = self.killers[name]
        order = sorted(tests, key=lambda n: (-killers[n] // 3, self.seconds[n]))
        sys.stdout.flush()
        told, tell = os.pipe()
        child = os.fork()
        if not child:
            _child(session, module, tree, order, tell)
        os.close(tell)
        with os.fdopen(told) as pipe:
            verdict = self._verdict(
                child, time.monotonic() + PATIENCE_S + 5 * sum(self.seconds[n] for n in tests)
            )
            if (killer := pipe.read()) != "":
                killers[int(killer)] += 1
        return verdict

    def _verdict(self, child: int, limit: float) -> str:
        while time.monotonic() < limit:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "hung"


def _child(
    session: pytest.Session, module: ModuleType, tree: ast.Module, tests: list[int], tell: int
) -> None:
    """Ends the process: 0 when every test passed, else the one that failed is told. A mutant that cannot even
    be put in is noticed by all.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    code = 1
    try:
        install(module, tree)
        for index in tests:
            item = session.items[index]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                os.write(tell, str(index).encode())
                break
        else:
            code = 0
    finally:
        os._exit(code)


class _NONE:
    """Stands for the parameters of a test that has none."""

    params: ClassVar[dict[str, Any]] = {}


def _codes(module: ModuleType) -> Iterator[CodeType]:
    """The code of every function that a module defines, inner ones too."""
    things = [*vars(module).values()]
    things += [v for t in things if isinstance(t, type) for v in vars(t).values()]
    found = [inspect.unwrap(t.fget if isinstance(t, property) else t) for t in things if callable(t)]
    waiting = [f.__code__ for f in found if isinstance(f, FunctionType)]
    while waiting:
        code = waiting.pop()
        if code.co_filename == module.__file__:
            yield code
            waiting += [c for c in code.co_consts if isinstance(c, CodeType)]


def _statements(tree: ast.Module) -> dict[int, range]:
    """Line -> lines of the innermost simple statement (or header of a compound one) around it."""
    spans: dict[int, range] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if body else (node.end_lineno or node.lineno)
        for n in range(node.lineno, last + 1):
            if n not in spans or len(spans[n]) > last + 1 - node.lineno:
                spans[n] = range(node.lineno, last + 1)
    return spans


def _names(parts: list[str]) -> list[str]:
    return [name for part in parts for name in GROUPS.get(part, (part,))]


def _score(counts: Counter[str]) -> str:
    made = counts.total()
    killed = made - counts["survived"]
    hung = f", {counts['hung']} of them by hanging" if counts["hung"] else ""
    return f"{killed} of {made} killed ({100 * killed / max(made, 1):.1f} %){hung}"


def _lines(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    try:
        return int(first), int(last or first)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of lines such as 120-180") from None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", help="modules of core: planner, account, recovery ...")
    parser.add_argument("--only", type=_lines, default=(0, 10**6), help="mutate these lines alone")
    parser.add_argument("--show", action="store_true", help="print the killed ones also")
    parser.add_argument("--tests", nargs="+", default=list(TESTS), help="where the tests are")
    options = parser.parse_args()
    for name in _names(options.parts):
        if not (CORE / f"{name}.py").is_file():
            parser.error(f"there is no {name}.py in {CORE.relative_to(ROOT)}")
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    plugin = Mutation(options)
    arguments = ["-qq", "-s", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider", "--no-header"]
    code = pytest.main([*arguments, *options.tests], plugins=[plugin])
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main())
