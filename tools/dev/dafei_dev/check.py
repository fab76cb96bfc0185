"""./dev test: everything that CI asks, in the order in which it fails soonest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import licences, processes, provision, servers, signals, suite
from .home import ROOT, TOOLS, Home
from .say import Stop, line, step

BUF_VERSION = "1.75.0"


def cargo(*arguments: str, **env: str) -> None:
    full = {**os.environ, "SQLX_OFFLINE": "true", "CARGO_TERM_COLOR": "never", **env}
    if signals.call([provision.cargo(), *arguments], cwd=ROOT, env=full) != 0:
        raise Stop(f"cargo {' '.join(arguments[:2])} failed")


def test(filter_: list[str]) -> None:
    """All checks and tests; with a filter only the tests whose names contain it."""
    provision.everything()
    if not filter_:
        static_checks()
        deployment_checks()
        accounts_test()
        harness_test()
    tests(filter_)
    black_box(filter_)
    if not filter_:
        # Which builds on this module.
        from . import drills, faults
        faults.short()
        drills.run([])
    line("all checks and tests passed")


def static_checks() -> None:
    with step("format"):
        cargo("fmt", "--all", "--check")
    with step("proto lint"):
        buf_lint()
    with step("clippy, warnings denied"):
        cargo("clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings")
    suite.build()
    with step("layering, generated documents"):
        for command in (["layering", "--root", str(ROOT)], ["asyncapi", "--check", "--root", str(ROOT)]):
            if subprocess.run([suite.binary("dafei"), *command]).returncode != 0:
                raise Stop(f"dafei {command[0]} found a fault")


def buf_lint() -> None:
    if shutil.which("npm") is None:
        line("    SKIPPED: proto lint needs npm")
        return
    folder = TOOLS / "buf"
    binary = folder / "node_modules/.bin/buf"
    if not binary.exists():
        provision.npm_install(folder, f"@bufbuild/buf@{BUF_VERSION}")
    provision.run([str(binary), "lint"], "buf lint", cwd=ROOT / "proto")


def runner() -> list[str]:
    """cargo-nextest where it is installed, else cargo test."""
    found = subprocess.run([provision.cargo(), "nextest", "--version"], capture_output=True).returncode == 0
    config = str(ROOT / "tools/dev/nextest.toml")
    return ["nextest", "run", "--no-fail-fast", "--no-tests=pass", "--config-file", config] if found else ["test", "--no-fail-fast"]


def deployment_checks() -> None:
    """What is deployed, without a cluster and without a container engine: manifests, images, dashboards and alerts, licences."""
    with step("licences and origins of the crates"):
        licences.check()
    with step("manifests, images, dashboards and alerts, migrations, commands of the documentation"):
        env = {**os.environ, "PYTHONPATH": str(ROOT / "tools/dev"), "DAFEI_IMAGE_BINARY": suite.binary("dafei-dispatch"),
               "DAFEI_TOOL": suite.binary("dafei")}
        for module in ("test_deploy", "test_watching", "test_scale", "test_licences", "test_image", "test_migrations", "test_commands"):
            if signals.call([str(provision.venv()), "-m", "unittest", "-q", module], cwd=ROOT / "tools/dev/tests", env=env) != 0:
                raise Stop(f"{module} failed")


def accounts_test() -> None:
    """The example of the agencies' accounts, on a real NATS server."""
    with step("accounts of the agencies on a real NATS server"):
        env = {**os.environ, "DAFEI_NATS_SERVER_BIN": str(provision.nats_server())}
        argv = [str(provision.venv()), "-m", "unittest", "-q", "test_example_accounts"]
        if signals.call(argv, cwd=ROOT / "tools/dev/tests", env=env) != 0:
            raise Stop("the accounts' test failed")


def harness_test() -> None:
    """What the fault tests are made of: links, and processes that end."""
    with step("links and processes of the fault tests"):
        for module in ("test_faults_proxy", "test_processes"):
            if signals.call([str(provision.venv()), "-B", "-m", "unittest", "-q", module], cwd=ROOT / "tools/dev/tests") != 0:
                raise Stop(f"{module} failed")


def tests(filter_: list[str]) -> None:
    home = Home(TOOLS / "test-servers")
    try:
        servers.start_postgres(home, durable=False)
        with step("unit and integration tests"):
            cargo(*runner(), "--locked", "--workspace", "--exclude", "dafei-tests", *filter_,
                  DAFEI_TEST_DATABASE_URL=servers.admin_url(home), DAFEI_NATS_SERVER_BIN=str(provision.nats_server()))
        # cargo-nextest leaves out the examples in the documentation.
        if runner()[0] == "nextest" and has_doc_tests():
            with step("examples in the documentation"):
                cargo("test", "--locked", "--workspace", "--doc", *filter_)
    finally:
        servers.stop_postgres(home)


def has_doc_tests() -> bool:
    """Whether any doc comment has a code block."""
    sources = (source for folder in ("crates", "services", "tools", "tests") for source in (ROOT / folder).rglob("*.rs"))
    return any(re.search(r"^\s*//[/!]\s*```", source.read_text(), re.MULTILINE) for source in sources)


def black_box(filter_: list[str]) -> None:
    """The running suite, seen from outside. The second target moves the clock and ends processes, so it runs alone and serially."""
    suite.build()
    for target, threads in (("shared", "4"), ("serial", "1")):
        home = fresh_home(TOOLS / f"suite-{target}")
        try:
            with step(f"black-box tests: {target}"):
                serial = target == "serial"
                if not serial:
                    # Before the services start, which then send there what a test receives.
                    home.port("collector")
                suite.start(home, "exercise", durable=serial, roster=few_villages(home) if serial else suite.ROSTER)
                env = {**suite.run_env(home), "DAFEI_PYTHON": str(provision.venv()), "DAFEI_DEV": str(ROOT / "dev"),
                       "DAFEI_ROOT": str(ROOT), "DAFEI_TOOL": suite.binary("dafei")}
                if not serial:
                    env["DAFEI_OTLP_ENDPOINT"] = suite.collector(home)
                cargo("test", "--locked", "--workspace", "--test", target, "--", f"--test-threads={threads}", *filter_, **env)
        except Stop:
            show_logs(home)
            raise
        finally:
            suite.stop(home)


def few_villages(home: Home) -> Path:
    """The roster with the townships and villages of two counties: the exercise clock is moved over months; each week every village owes its duties,
    and each month every township its table."""
    rows = suite.ROSTER.read_text(encoding="utf-8").splitlines()
    below = ("township,", "village,")
    kept = [row for row in rows if not row.startswith(below) or row.split(",")[1].startswith(("371311", "371312"))]
    file = home.path / "few-villages.csv"
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return file


def fresh_home(path: Path) -> Home:
    """A home without anything from the last time. The tools installed into the same folder stay, PostgreSQL's programs among them."""
    old = Home(path)
    suite.stop(old)
    for name in servers.POSTGRES_FOLDERS:
        shutil.rmtree(old.postgres_dir() / name, ignore_errors=True)
    for name in ("nats", "keys", "run", "logs"):
        shutil.rmtree(path / name, ignore_errors=True)
    for name in ("state.json", "run.env"):
        (path / name).unlink(missing_ok=True)
    return Home(path)


def show_logs(home: Home) -> None:
    for name in ("intake", "dispatch", "sla-monitor", "reporting"):
        line(f"--- the end of {name}'s log\n{processes.tail(home, name, 12)}")
