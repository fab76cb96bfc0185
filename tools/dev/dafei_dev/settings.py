"""The settings of the services, read from their one source: the catalogue in crates/runtime, and what each service asks it for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .home import ROOT, SERVICES

CONFIG = ROOT / "crates/runtime/src/config"
_ROW = re.compile(r'Key::(new|own)\(\s*"(\w+)",\s*(Required|Optional|Default\("[^"]*"\))')
_OWN = re.compile(r'\.own(?:_optional)?\(\s*"(\w+)"')
# A service's sources name a setting of the suite only where they ask for it, or speak of one that they ask for.
_SUITE = re.compile(r'"(DAFEI_\w+)"')
_PEER = re.compile(r'\.peer\(\s*Service::(\w+),\s*"(\w+)"')


@dataclass(frozen=True)
class Settings:
    """What a service reads, by full name."""

    read: "frozenset[str]"
    required: "frozenset[str]"


def prefix(service: str) -> str:
    return f"DAFEI_{service.upper().replace('-', '_')}_"


def catalogue(text: "str | None" = None) -> "dict[tuple[str, str], str]":
    """(`new` or `own`, name) -> need, `Required`, `Optional` or `Default("…")`. Fails where a row was written in a way that this does not read."""
    source = text if text is not None else (CONFIG / "catalogue.rs").read_text(encoding="utf-8")
    rows = {(kind, name): need for kind, name, need in _ROW.findall(source)}
    table = source[source.index("KNOWN_KEYS: &[Key]"):]
    written = len(re.findall(r"Key::(?:new|own)\(", table))
    if len(rows) != written:
        raise ValueError(f"catalogue.rs has {written} rows, {len(rows)} were read")
    return rows


def of(service: str, rows: "dict[tuple[str, str], str] | None" = None) -> Settings:
    rows = catalogue() if rows is None else rows
    sources = [CONFIG / "common.rs", *_own_sources(service)]
    read: "set[str]" = set()
    required: "set[str]" = set()
    for source in sources:
        text = source.read_text(encoding="utf-8").split("#[cfg(test)]")[0]
        asked = [("own", name) for name in _OWN.findall(text)] + [("new", name) for name in _SUITE.findall(text)]
        for kind, name in asked:
            full = prefix(service) + name if kind == "own" else name
            if (kind, name) not in rows:
                raise ValueError(f"{source}: {name} has no row in the catalogue")
            read.add(full)
            if rows[kind, name] == "Required":
                required.add(full)
        read |= {prefix(_dashed(peer)) + name for peer, name in _PEER.findall(text)}
    return Settings(frozenset(read), frozenset(required))


def undocumented(page: str, rows: "dict[tuple[str, str], str]") -> "list[str]":
    """Settings that have no row in docs/operations.md, or one with another default."""
    found = []
    for (kind, name), need in rows.items():
        shown = f"DAFEI_<S>_{name}" if kind == "own" else name
        default = {"Required": "required", "Optional": ""}.get(need, need.replace('Default("', "`").replace('")', "`"))
        cell = f" {default} " if default else "  "
        if f"| `{shown}` |{cell}|" not in page:
            found.append(shown)
    return found


def _own_sources(service: str) -> "list[Path]":
    folder = ROOT / "services" / service / "src"
    return [folder / "config.rs", *sorted((folder / "config").glob("*.rs"))]


def secret_keys(text: "str | None" = None) -> "set[str]":
    """The settings that are secrets, by full name."""
    source = text if text is not None else (CONFIG / "catalogue.rs").read_text(encoding="utf-8")
    found = re.findall(r'Key::(new|own)\(\s*"(\w+)",(?:(?!Key::).)*?\)\s*\.secret\(\)', source, re.DOTALL)
    return {full for kind, name in found for full in ([name] if kind == "new" else [prefix(service) + name for service in SERVICES])}


def _dashed(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def all_services() -> "dict[str, Settings]":
    rows = catalogue()
    return {service: of(service, rows) for service in SERVICES}
