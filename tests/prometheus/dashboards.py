"""Reads the dashboards of compose/grafana: their panels and their Prometheus queries."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GRAFANA = Path(__file__).parents[2] / "compose" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(?:xds|envoy|process)_[a-z0-9_]+\b")
LABEL = re.compile(r"\b(?:envoy_cluster_name|envoy_response_code_class|envoy_endpoint_address|envoy_tls_certificate)\b")
RECORDED = re.compile(r"\b[a-z]+(?::[a-z0-9_]+)+\b")

ABSENT = {"xds_nacked", "xds_source_endpoints", "xds_source_refused_instances", "xds_source_withheld_instances"}
"""The metrics that a healthy mesh does not have, if its endpoints are all in the catalog."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query from one place of a dashboard. `instant` is for the current value, otherwise for a period."""

    where: str
    expression: str
    instant: bool

    def fill(self, **values: str) -> str:
        """Return the expression with values for the dashboard's variables and for Grafana's own."""
        values = {"__rate_interval": "20s", **values}
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], self.expression)


def read(path: Path) -> Any:
    """Return a dashboard."""
    return json.loads(path.read_text())


def list_queries(path: Path) -> Iterator[Query]:
    """Return every query of a dashboard: from its panels, its variables and its annotations."""
    board = read(path)
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield Query(f"{path.name}: {panel['title']} {target['refId']}", target["expr"], target["instant"])
    for variable in board["templating"]["list"]:
        selector = re.fullmatch(r"label_values\((.*), \w+\)", variable["query"])
        assert selector, variable["query"]
        yield Query(f"{path.name}: ${variable['name']}", selector[1], True)
    for annotation in board["annotations"]["list"]:
        yield Query(f"{path.name}: {annotation['name']}", annotation["expr"], False)


def find_metrics(expression: str) -> set[str]:
    """Return the metrics of the control plane or of Envoy in an expression."""
    return {name for name in METRIC.findall(LABEL.sub("", RECORDED.sub("", expression))) if name != "xds_"}


def find_rule_metrics() -> set[str]:
    """Return the metrics in the expressions of the rules."""
    groups = yaml.safe_load((GRAFANA.parent / "prometheus" / "rules.yml").read_text())["groups"]
    return set().union(*(find_metrics(rule["expr"]) for group in groups for rule in group["rules"]))
