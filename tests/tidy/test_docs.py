"""The documents say what is: names exist, links lead somewhere, records and changelog are complete."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from tests.tidy import source

DOCS = [path for path in source.files() if path.suffix == ".md"]
RECORDS = sorted((source.ROOT / "docs" / "decisions").glob("[0-9]*.md"))
HEADINGS = ["Context", "Decision", "Alternatives", "Consequences", "How we would notice we were wrong"]
SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`]*`|^    .*$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def resolve(name: str) -> bool:
    """Whether `package.module.Class.method` stands in src, read without importing anything."""
    parts = name.split(".")
    path = source.ROOT / "src"
    while parts and (path / parts[0]).is_dir():
        path = path / parts.pop(0)
    if parts and (path / f"{parts[0]}.py").is_file():
        path = path / f"{parts.pop(0)}.py"
    elif (path / "__init__.py").is_file():
        path = path / "__init__.py"
    else:
        return False
    scope: ast.AST = source.tree(path)
    for part in parts:
        found = [node for node in ast.iter_child_nodes(scope) if part in defined(node)]
        if not found:
            return False
        scope = found[0]
    return True


def defined(node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {source.dotted(target) for target in node.targets}
    if isinstance(node, ast.AnnAssign | ast.TypeAlias):
        return {source.dotted(node.target if isinstance(node, ast.AnnAssign) else node.name)}
    return set()


def test_resolve_tells_present_names_from_absent_ones():
    assert resolve("backstay.core.types")
    assert resolve("backstay.__version__")
    assert not resolve("backstay.core.typos")
    assert not resolve("backstay.core.types.NoSuchThing")


def test_every_name_in_the_documents_exists():
    named = {
        (source.name(path), name)
        for path in DOCS
        for name in re.findall(r"`(backstay\.[\w.]+)`", source.text(path))
        if not name.endswith((".db", ".log"))
    }
    missing = sorted(pair for pair in named if not resolve(pair[1]))
    assert missing == []


def test_no_place_holder_waits_for_its_figure():
    waiting = {
        (source.name(path), name)
        for path in DOCS
        for name in re.findall(r"@[A-Z][A-Z0-9_]*@", source.text(path))
    }
    assert waiting == set()


def test_the_walk_has_its_eight_steps_in_order():
    steps = re.findall(
        r"^\| (\d) \| `backstay\.", source.text(source.ROOT / "docs" / "walk.md"), re.MULTILINE
    )
    assert steps == list("12345678")


@pytest.mark.parametrize("path", DOCS, ids=source.name)
def test_every_link_leads_somewhere(path: Path):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(source.text(path))):
        if re.match(r"https?:|mailto:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(source.text(file))):
            broken.append(link)
    assert broken == []


def test_the_readme_names_the_two_commands_and_every_mode():
    readme = source.text(source.ROOT / "README.md")
    assert "python3 dev.py demo" in readme
    assert "python3 dev.py test" in readme
    for mode in ("PAPER", "DRY_RUN_PRIVATE", "DEMO", "TESTNET", "LIVE"):
        assert re.search(rf"^\| `{mode}`", readme, re.MULTILINE), mode


def test_every_promise_of_the_readme_has_its_test():
    promised = set(re.findall(r"-k ([a-z]\d+)`", source.text(source.ROOT / "README.md")))
    names = " ".join(
        qualified
        for path in source.python_files("tests/")
        for qualified, _ in source.functions(source.tree(path))
    )
    assert promised
    assert {rule for rule in promised if f"test_{rule}_" not in names} == set()


@pytest.mark.parametrize("name", ["README.md", "docs/reference/configuration.md"])
def test_the_configuration_examples_are_yaml_without_floats_for_sizes(name):
    (example,) = re.findall(r"```yaml\n(.*?)```", source.text(source.ROOT / name), re.DOTALL)
    manager = yaml.safe_load(example)["managers"][0]
    assert manager["strategy"] == "position_manager"
    assert isinstance(manager["dca"]["first_size"], str)


def test_exit_codes_are_told_once_each():
    page = source.text(source.ROOT / "docs" / "reference" / "exit-codes.md")
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == list("0123456")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name[:4])
def test_a_decision_record_has_its_five_headings_each_with_something_to_say(path: Path):
    text = source.text(path)
    assert re.match(rf"# {path.name[:4]}: \S", text)
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    assert parts[1::2] == HEADINGS
    assert all(len(body.strip()) > 30 for body in parts[2::2])
    assert text.count("\n") <= 70, "one page"


def test_decision_records_are_numbered_without_gaps_and_listed():
    assert [int(path.name[:4]) for path in RECORDS] == list(range(len(RECORDS)))
    index = source.text(source.ROOT / "docs" / "decisions" / "README.md")
    assert [path.name for path in RECORDS if path.name not in index] == []


def test_the_changelog_is_well_formed():
    text = source.text(source.ROOT / "CHANGELOG.md")
    releases = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\]( - \d{4}-\d\d-\d\d)?", release) for release in releases[1:])
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= set(SECTIONS)
    body = text[text.index("## [Unreleased]") :]
    stray = [line for line in body.splitlines() if line and not re.match(r"#{2,3} |- |  \S", line)]
    assert stray == []
