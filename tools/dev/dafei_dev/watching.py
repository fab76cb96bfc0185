"""Dashboards and alerts, held to the metrics that the code exports: names, labels, services and methods, and a runbook for each alert.

Needs PyYAML: run with the interpreter of `.dev/venv`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Iterator

import yaml

from .home import ROOT

OPERATIONS = ROOT / "docs/operations.md"
_NAME = r'"((?:dafei|rpc)(?:\.[a-z_]+){2,})"'
_KINDS = (("histogram", re.compile(r"durations\(\s*" + _NAME)), ("counter", re.compile(r"counter\(\s*" + _NAME)),
          ("gauge", re.compile(r"\(\s*" + _NAME + r',\s*"[^"]+",\s*(?:"|help\b)')))
# Names of that form that are no metrics: types of events, subjects, attributes of calls.
_OTHERS = re.compile(r"^dafei\.(events|types|intake|dispatch|sla|reporting|ops)\.v\d|^dafei\.v\d|^rpc\.grpc\.|\.serde\.rs$|\.rs$")
_LABEL = re.compile(r'KeyValue::new\(\s*"([a-z_.]+)"|\("(service|consumer)",')
# What the collector and Prometheus add.
ADDED_LABELS = {"job", "instance", "le"}
_WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "offset", "bool", "inf", "nan"}
SEVERITIES = {"critical", "warning"}


def sources(root: Path = ROOT) -> "Iterator[str]":
    """The code without its tests."""
    for folder in ("crates", "services"):
        for file in sorted((root / folder).rglob("src/**/*.rs")):
            yield re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", file.read_text(encoding="utf-8"))[0]


def exported(texts: "Iterator[str] | list[str]") -> "dict[str, str]":
    """Metric -> kind, by the names in the code. A name of which the kind cannot be told is a fault of this check."""
    found: "dict[str, str]" = {}
    seen: "set[str]" = set()
    for text in texts:
        seen |= {name for name in re.findall(_NAME, text) if not _OTHERS.search(name)}
        for kind, pattern in _KINDS:
            for name in pattern.findall(text):
                if not _OTHERS.search(name):
                    found.setdefault(name, kind)
    unknown = seen - set(found)
    if unknown:
        raise ValueError(f"of what kind is {', '.join(sorted(unknown))}?")
    return found


def in_prometheus(metrics: "dict[str, str]") -> "set[str]":
    """Names as the collector's exporter writes them: dots become underscores, nothing is added but what a histogram has."""
    names = set()
    for name, kind in metrics.items():
        plain = name.replace(".", "_")
        names |= {f"{plain}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {plain}
    return names


def labels(texts: "Iterator[str] | list[str]") -> "set[str]":
    found = {first or second for text in texts for first, second in _LABEL.findall(text)}
    # What describes the process is a label of `target_info` alone.
    return {name.replace(".", "_") for name in found if not name.startswith("service.")} | ADDED_LABELS


def names_in(expression: str) -> "tuple[set[str], set[str]]":
    """The metrics and the labels that a PromQL expression names."""
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    used = {name for inner in re.findall(r"\{([^}]*)\}", rest) for name in re.findall(r"([a-zA-Z_]\w*)\s*(?:=|!)", inner)}
    rest = re.sub(r"\{[^}]*\}", "", rest)
    grouping = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"
    used |= {name.strip() for inner in re.findall(grouping, rest) for name in inner.split(",") if name.strip()}
    rest = re.sub(grouping, "", rest)
    rest = re.sub(r"\[[^\]]*\]|\b\d+(?:\.\d+)?[smhdwy]?\b", "", rest)
    metrics = {name for name in re.findall(r"[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])", rest) if name.lower() not in _WORDS}
    return metrics, used


def dashboards(folder: Path) -> "dict[str, list[str]]":
    """Dashboard -> the expressions of all its panels."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        board = json.loads(file.read_text(encoding="utf-8"))
        found[file.name] = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return found


def alerts(folder: Path) -> "list[dict[str, Any]]":
    groups = [group for file in sorted(folder.glob("*.yaml")) for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def expressions(where: str, texts: "list[str]", metrics: "set[str]", known: "set[str]", services: "set[str]") -> "list[str]":
    """Names in expressions that nothing exports."""
    faults = []
    for text in texts:
        used, asked = names_in(text)
        if not used:
            faults.append(f"{where}: {text!r} names no metric")
        faults += [f"{where}: nothing exports {name}" for name in sorted(used - metrics)]
        faults += [f"{where}: no metric has the label {name}" for name in sorted(asked - known)]
        faults += [f"{where}: there is no {name}" for name in sorted(set(re.findall(r"\b[A-Z]\w+Service\b", text)) - services)]
    return faults


def anchors(markdown: str) -> "set[str]":
    """The anchors of a page's headings, as its readers make them."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def runbooks(rules: "list[dict[str, Any]]", page: str) -> "list[str]":
    """Every alert says how bad it is and what it is, and leads to a section that is there; every section of an alert has its alert."""
    there, faults = anchors(page), []
    for rule in rules:
        name = rule["alert"]
        wanted = f"docs/operations.md#{name.lower()}"
        if rule.get("labels", {}).get("severity") not in SEVERITIES:
            faults.append(f"{name}: no severity of {sorted(SEVERITIES)}")
        if not rule.get("annotations", {}).get("summary"):
            faults.append(f"{name}: no summary")
        if rule.get("annotations", {}).get("runbook") != wanted:
            faults.append(f"{name}: its runbook is not {wanted}")
        if name.lower() not in there:
            faults.append(f"{name}: docs/operations.md has no section of that name")
        if "for" not in rule:
            faults.append(f"{name}: rings at once, for whatever passes")
    names = {rule["alert"] for rule in rules}
    written = re.findall(r"^#+ (Dafei[A-Z]\w+)$", page, re.MULTILINE)
    faults += [f"docs/operations.md has a section {name}, and no alert has the name" for name in written if name not in names]
    if len(names) != len(rules):
        faults.append("an alert is there twice")
    return faults


def rpc_services(root: Path = ROOT) -> "set[str]":
    texts = (file.read_text(encoding="utf-8") for file in (root / "proto").rglob("*.proto"))
    return {name for text in texts for name in re.findall(r"^service (\w+)", text, re.MULTILINE)}
