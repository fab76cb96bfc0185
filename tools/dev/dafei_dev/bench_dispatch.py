"""./dev bench dispatch --scale 1m|10m: dispatch with the cases of years in its database. They are generated once and kept as a template database;
each run measures a suite on empty databases, then one whose dispatch has a copy of the template."""

from __future__ import annotations

import argparse
import hashlib
import shutil

from . import processes, provision, servers, suite
from .home import ROOT, SERVICES, TOOLS, Home
from .say import Stop, line, step

MIGRATIONS = ("crates/messaging", "crates/shell", "services/dispatch")
GENERATORS = ("dispatch_fill.sql", "dispatch_fill.rs", "dispatch_models.rs")
# What a generated case takes on disk with its history, in bytes, as measured; the template and its copy are both there.
BYTES_PER_CASE = 13_500


def run(rest: "list[str]") -> None:
    options = _options(rest)
    cases = number_of(options.scale)
    home = Home(TOOLS / "bench-dispatch")
    try:
        _stop(home)
        servers.start_postgres(home)
        template = _template_name(options.scale)
        _drop_outdated(home, options.scale, template)
        known = _query(home, f"SELECT count(*) FROM pg_database WHERE datname = '{template}'") == "1"
        _check_space(home, cases, known)
        reference = home.path / "reference.json"
        line("==> an empty database")
        _start(home, None)
        models = [] if known else suite.tool(home, "bench", "dispatch", "models", quiet=True).split()
        if models:
            _stop_services(home)
            with step(f"{cases:,} cases with their history, as the template {template}"):
                suite.tool(home, "bench", "dispatch", "fill", "--cases", str(cases), *models)
                _query(home, f"ALTER DATABASE dafei_dispatch RENAME TO {template}")
            _start(home, None)
        suite.tool(home, "bench", "dispatch", "measure", "--time", options.time, "--keep", str(reference))
        _stop_services(home)
        line(f"==> {cases:,} cases")
        _start(home, template)
        suite.tool(home, "bench", "dispatch", "measure", "--time", options.time, "--reference", str(reference))
    finally:
        _stop_services(home)
        if options.keep_copy:
            line(f"the copy is kept: ./dev --home {home.path} psql dispatch, once PostgreSQL runs")
        else:
            _query(home, "DROP DATABASE IF EXISTS dafei_dispatch WITH (FORCE)")
        servers.stop_postgres(home)


def check_options(rest: "list[str]") -> None:
    number_of(_options(rest).scale)


def _options(rest: "list[str]") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench dispatch")
    parser.add_argument("--scale", default="1m", help="how many cases: 20k, 1m, 10m")
    parser.add_argument("--time", default="1.0", help="multiplies how long is measured")
    parser.add_argument("--keep-copy", action="store_true", help="leave the measured database, to look at plans")
    return parser.parse_args(rest)


def number_of(scale: str) -> int:
    unit = {"k": 1_000, "m": 1_000_000}.get(scale[-1:].lower())
    if unit is None or not scale[:-1].isdigit() or int(scale[:-1]) == 0:
        raise Stop(f"--scale {scale}: a number with k or m, for example 1m")
    return int(scale[:-1]) * unit


def _template_name(scale: str) -> str:
    """Another schema or generator makes another template."""
    files = [file for folder in MIGRATIONS for file in sorted((ROOT / folder / "migrations").glob("*.sql"))]
    files += [ROOT / "tools/src/bench" / name for name in GENERATORS]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    return f"bench_{scale.lower()}_{digest}"


def _drop_outdated(home: Home, scale: str, current: str) -> None:
    known = _query(home, f"SELECT datname FROM pg_database WHERE datname LIKE 'bench\\_{scale.lower()}\\_%'").split()
    for name in known:
        if name != current:
            _query(home, f"DROP DATABASE {name} WITH (FORCE)")


def _check_space(home: Home, cases: int, known: bool) -> None:
    free = shutil.disk_usage(home.postgres_dir()).free
    needed = cases * BYTES_PER_CASE * (1 if known else 2)
    if free < needed:
        raise Stop(f"{cases:,} cases need {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free in {home.postgres_dir()}")


def _start(home: Home, template: "str | None") -> None:
    """A suite whose databases are empty but for dispatch's, which may be a copy; with streams of its own."""
    shutil.rmtree(home.path / "nats", ignore_errors=True)
    home.state.pop("roster", None)
    for service in SERVICES:
        name = servers.database_name(service)
        _query(home, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        like = f" TEMPLATE {template} STRATEGY FILE_COPY" if template and service == "dispatch" else ""
        with step(f"database {name}{like}"):
            _query(home, f"CREATE DATABASE {name} OWNER {name}{like}")
        _query(home, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    suite.start(home, "system")


def _stop_services(home: Home) -> None:
    for name in (*SERVICES, "nats"):
        processes.end(home, name)


def _stop(home: Home) -> None:
    _stop_services(home)
    servers.stop_postgres(home)


def _query(home: Home, sql: str) -> str:
    psql = [str(provision.postgres_bin() / "psql"), "-q", "-At", "-v", "ON_ERROR_STOP=1", servers.admin_url(home), "-c", sql]
    return provision.run(psql, sql).strip()
