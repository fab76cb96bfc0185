"""The running suite: its environment, the four services, the roster and the demo."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import cluster, processes, provision, servers, signals
from .home import ROOT, SERVICES, Home
from .say import Stop, line, step

CITY = "371300"
ROSTER = ROOT / "data/regions/linyi.csv"
ISSUER = "dafei-dev"
AUDIENCE = "dafei"
# The exercise clock's first instant, a Monday, 09:00 in China: what is played or tested depends on no date.
EXERCISE_START = "2026-02-09T01:00:00Z"


def profile() -> str:
    """The cargo profile: dev builds quickly, release runs quickly. DAFEI_PROFILE=release ./dev up."""
    return os.environ.get("DAFEI_PROFILE", "dev")


def binary(name: str) -> str:
    folder = "debug" if profile() == "dev" else profile()
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    return f"{target}/{folder}/{name}"


def build() -> None:
    with step(f"build ({profile()} profile; the first time takes some minutes)"):
        argv = [provision.cargo(), "build", "--locked", "--profile", profile(), "--workspace", "--bins"]
        if signals.call(argv, cwd=ROOT, env={**os.environ, "SQLX_OFFLINE": "true"}) != 0:
            raise Stop("the build failed")


def key(service: str) -> str:
    return service.upper().replace("-", "_")


def run_env(home: Home) -> dict[str, str]:
    """What a client of the suite needs; written to run.env."""
    ports = home.state["ports"]
    # A service of several replicas has one door, as behind a load balancer.
    doors = {**ports, **home.state.get("doors", {})}
    env = {
        "DAFEI_NATS_URL": servers.nats_url(home),
        "DAFEI_NATS_MONITOR_URL": f"http://127.0.0.1:{ports[cluster.names(home)[0] + '-monitor']}",
        "DAFEI_NATS_REPLICAS": str(len(cluster.names(home))),
        "DAFEI_NATS_USER": servers.SUITE_USER,
        "DAFEI_NATS_PASSWORD": home.secret("nats"),
        "DAFEI_NATS_DIR": str(home.path / "nats"),
        "DAFEI_KEYS_DIR": str(home.path / "keys"),
        "DAFEI_JWKS": str(home.path / "keys/jwks.json"),
        "DAFEI_JWT_ISSUER": ISSUER,
        "DAFEI_JWT_AUDIENCE": AUDIENCE,
        "DAFEI_CITY": CITY,
        "DAFEI_MODE": home.state.get("mode", "exercise"),
        "DAFEI_HOME": str(home.path),
    }
    for service in SERVICES:
        env[f"DAFEI_{key(service)}_ADDR"] = f"http://127.0.0.1:{doors[service]}"
        env[f"DAFEI_{key(service)}_DATABASE_URL"] = servers.database_url(home, service)
    return env


def write_run_env(home: Home) -> None:
    file = home.path / "run.env"
    file.write_text("".join(f"export {name}='{value}'\n" for name, value in run_env(home).items()))
    file.chmod(0o600)


def service_env(home: Home, service: str) -> dict[str, str]:
    """Only what the service knows: it refuses a DAFEI_ key that it does not."""
    shared = ("DAFEI_NATS_USER", "DAFEI_NATS_PASSWORD", "DAFEI_NATS_REPLICAS", "DAFEI_JWKS", "DAFEI_JWT_ISSUER",
              "DAFEI_JWT_AUDIENCE", "DAFEI_MODE")
    known = run_env(home)
    env = {name: known[name] for name in shared}
    # Where a fault test stands between the services and the servers, its ports are in the state.
    through = home.state.get("through")
    env["DAFEI_NATS_URL"] = servers.nats_url(home, through)
    env[f"DAFEI_{key(service)}_DATABASE_URL"] = servers.database_url(home, service, through)
    env["DAFEI_ENVIRONMENT"] = "development"
    env["DAFEI_LOG_FORMAT"] = "human"
    if service == "intake":
        env["DAFEI_INTAKE_CODE_PEPPER"] = home.secret("code-pepper")
    if service == "sla-monitor":
        # Whom its reconciler asks, and the token that it shows them.
        env["DAFEI_INTAKE_ADDR"] = known["DAFEI_INTAKE_ADDR"]
        env["DAFEI_DISPATCH_ADDR"] = known["DAFEI_DISPATCH_ADDR"]
        env["DAFEI_SLA_MONITOR_TOKEN_FILE"] = str(token_file(home))
    env[f"DAFEI_{key(service)}_LISTEN"] = f"127.0.0.1:{home.state['ports'][service]}"
    if service == "intake":
        env["DAFEI_PHOTOS"] = str(home.path / "photos")
        # All the tips of a trial come from one place.
        env["DAFEI_TIPS_PER_MINUTE"] = "100000"
    if env["DAFEI_MODE"] == "exercise":
        env["DAFEI_EXERCISE_START"] = EXERCISE_START
    env["PATH"] = os.environ.get("PATH", "/usr/bin:/bin")
    env["RUST_BACKTRACE"] = "1"
    if "collector" in home.state.get("ports", {}):
        # A test listens there when it wants to; spans are sent at once, so that it need not wait.
        env["DAFEI_OTLP_ENDPOINT"] = collector(home)
        env["OTEL_BSP_SCHEDULE_DELAY"] = "100"
    for name in ("DAFEI_LOG", "DAFEI_OTLP_ENDPOINT", "DAFEI_DATABASE_POOL", "DAFEI_GRPC_TIMEOUT_SECONDS", "DAFEI_ROSTER_CITIES"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env


def collector(home: Home) -> str:
    """Where the services of a home send their traces, if its state has a port for that."""
    return f"http://127.0.0.1:{home.state['ports']['collector']}"


def token_file(home: Home) -> Path:
    return home.path / "keys/sla-monitor.token"


def write_token(home: Home) -> None:
    """The monitor's own token. It holds for a month and is made anew at every start; the monitor reads it for every run."""
    token = tool(home, "token", "--role", "service", "--region", f"city:{CITY}", "--ttl", "30d", quiet=True)
    fresh = token_file(home).with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(token)
    fresh.replace(token_file(home))


def tool(home: Home, *arguments: str, quiet: bool = False, env: "dict[str, str] | None" = None) -> str:
    """Runs the command-line tool against the suite of a home."""
    done = subprocess.run([binary("dafei"), *arguments], env={**os.environ, **run_env(home), **(env or {})}, stdout=subprocess.PIPE if quiet else None, text=True)
    if done.returncode != 0:
        raise Stop(f"dafei {' '.join(arguments)} failed (exit status {done.returncode})")
    return done.stdout or ""


def start(home: Home, mode: str, durable: bool = True, roster: "Path | None" = ROSTER) -> None:
    """Everything up to the loaded roster, if there is to be one. What runs already is left alone, unless it was built anew or would be set otherwise."""
    known = home.state.get("mode")
    up = any(processes.running(home, service) for service in SERVICES)
    if up and known != mode:
        raise Stop(f"the suite runs in {known} mode; ./dev down first")
    home.state["mode"] = mode
    home.save()
    with step("PostgreSQL and NATS"):
        servers.start_postgres(home, durable)
        servers.start_nats(home)
    for service in SERVICES:
        home.port(service, running=processes.running(home, service) is not None)
    write_run_env(home)
    tool(home, "keys", "init", "--dir", str(home.dir("keys")), quiet=True)
    write_token(home)
    with step("the four services"):
        start_services(home)
    if roster and not home.state.get("roster"):
        with step(f"roster ({roster.name})"):
            tool(home, "roster", "load", str(roster), quiet=True)
        home.state["roster"] = True
        home.save()


def start_services(home: Home) -> None:
    for service in SERVICES:
        argv, env = [binary(f"dafei-{service}")], service_env(home, service)
        why = processes.changed(home, service, argv, env)
        if why:
            line(f"    {service} is started again: {why}")
            processes.end(home, service)
        processes.start(home, service, argv, env)
    try:
        tool(home, "health", "--wait", "180s", quiet=True)
    except Stop:
        for service in SERVICES:
            if processes.running(home, service) is None:
                line(f"--- {service} has ended:\n{processes.tail(home, service)}")
        raise


def stop(home: Home) -> None:
    for service in SERVICES:
        processes.end(home, service)
    for name in cluster.names(home):
        processes.end(home, name)
    servers.stop_postgres(home)
