"""Dashboard and alert rules name only what the exporter has, with labels that it has, and the rules hold."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from backstay.telemetry.metrics import GAUGES, NAMESPACE, Metrics

OPS = Path(__file__).resolve().parents[2] / "ops"
RULES = yaml.safe_load((OPS / "alerts.yaml").read_text(encoding="utf-8"))
TESTS = yaml.safe_load((OPS / "alerts_test.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((OPS / "grafana-dashboard.json").read_text(encoding="utf-8"))
TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"""
    r"""|(?P<number>\d[\w.]*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){},])|(?P<space>\s+)"""
)
WORDS = {
    *("sum", "min", "max", "rate", "increase", "histogram_quantile", "absent", "max_over_time", "vector"),
    *("by", "on", "or", "and", "unless", "without", "label_values"),
}
OF_PROMETHEUS = {"job", "instance", "le"}


def tokens(expression):
    """(kind, text) of a PromQL expression; raises on what is none."""
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        assert match, f"{expression!r} cannot be read at {at}: {expression[at : at + 20]!r}"
        if match.lastgroup != "space":
            found.append((match.lastgroup, match.group()))
        at = match.end()
    return found


def used(expression):
    """Metric -> labels that its selector matches on, and the labels of groupings."""
    metrics, groupings = {}, set()
    found, i = tokens(expression), 0
    while i < len(found):
        kind, text = found[i]
        follows = found[i + 1][1] if i + 1 < len(found) else ""
        if kind == "name" and text in {"by", "on", "without"}:
            end = found.index(("sign", ")"), i)
            groupings |= {name for kind, name in found[i:end] if kind == "name"} - WORDS
            i = end
        elif kind == "name" and text not in WORDS:
            labels = set()
            if follows == "{":
                end = found.index(("sign", "}"), i)
                labels = {name for kind, name in found[i:end] if kind == "name"} - {text}
                i = end
            metrics.setdefault(text, set()).update(labels)
        i += 1
    return metrics, groupings


def exported():
    """Name of every series -> its labels."""
    metrics = Metrics(dict)
    series = {f"{NAMESPACE}_{name}": set(labels) for name, (_, labels) in GAUGES.items()}
    for collector in list(metrics.registry._collector_to_names):
        if not hasattr(collector, "_labelnames"):
            continue
        names, labels = metrics.registry._collector_to_names[collector], set(collector._labelnames)
        series |= dict.fromkeys(names, labels)
    return series


def recorded():
    return {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"].rpartition(",")[0] + ")"


def test_the_tokenizer_finds_names_labels_and_groupings():
    metrics, groupings = used('sum by (le, a) (rate(x_bucket{b="c{d}", e=~"f"}[5m])) > 0.1 or absent(y)')
    assert metrics == {"x_bucket": {"b", "e"}, "y": set()}
    assert groupings == {"le", "a"}
    with pytest.raises(AssertionError, match="cannot be read"):
        tokens("rate(x[5m]) ; drop")


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_and_label_exists(where, expression):
    series = exported()
    metrics, groupings = used(expression)
    assert metrics, where
    known = set()
    for name, labels in metrics.items():
        if name in recorded():
            continue
        assert name in series, f"{where}: {name} is not exported"
        assert labels <= series[name] | OF_PROMETHEUS, f"{where}: {name} has no {labels - series[name]}"
        known |= series[name]
    if not metrics.keys() <= recorded():
        assert groupings <= known | OF_PROMETHEUS, f"{where}: nothing has {groupings - known}"


def test_every_figure_that_a_person_needs_is_on_the_dashboard():
    shown = {name for panel in panels() for t in panel["targets"] for name in used(t["expr"])[0]}
    shown = {re.sub(r"_(total|bucket)$", "", name) for name in shown}
    hidden = {f"{NAMESPACE}_armed", f"{NAMESPACE}_rate_budget_left"}
    there = set(Metrics(dict).names())
    assert there - shown == hidden


def test_the_dashboard_can_be_imported():
    assert DASHBOARD["schemaVersion"] >= 36
    assert DASHBOARD["uid"] and DASHBOARD["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${source}"
        assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"])
    variables = {v["name"] for v in DASHBOARD["templating"]["list"]}
    text = json.dumps(DASHBOARD)
    assert set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval"} <= variables


def test_every_alert_says_what_is_wrong_and_how_bad():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
                assert rule["annotations"]["summary"], rule["alert"]
                assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= {
                    label for name in used(rule["expr"])[0] for label in exported()[name]
                }


def test_the_tests_of_the_rules_name_rules_and_metrics_that_there_are():
    alerts = {rule.get("alert") for group in RULES["groups"] for rule in group["rules"]}
    series = exported()
    for case in TESTS["tests"]:
        for given in case["input_series"]:
            ((name, labels),) = used(given["series"])[0].items()
            assert labels <= series[name] | OF_PROMETHEUS, given
        for check in case.get("alert_rule_test", ()):
            assert check["alertname"] in alerts
    critical = {
        rule["alert"]
        for group in RULES["groups"]
        for rule in group["rules"]
        if group["name"] == "backstay-safety" and "alert" in rule
    }
    tested = {c["alertname"] for case in TESTS["tests"] for c in case.get("alert_rule_test", ())}
    assert len(critical - tested) <= 2, critical - tested


def test_promtool_agrees():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; it comes with Prometheus")
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]):
        done = subprocess.run([promtool, *command], cwd=OPS, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
