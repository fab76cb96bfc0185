"""The subcommands of `./dev`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import List, NoReturn, Optional, Sequence, Tuple

from . import bench, cargo, nats, postgres_install, prepare, process, provision, testrun
from .home import SHARED, Home, locked
from .names import SERVICES, key
from .suite import EXERCISE, PARTS, SYSTEM, Suite, start_part
from .tool import Tool
from .ui import Failure, result, say

SIGNALS = {"pause": signal.SIGSTOP, "resume": signal.SIGCONT}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./dev", description="Servers, builds, tests and the running suite of this checkout.")
    top.add_argument("--home", type=Path, default=SHARED, metavar="DIR", help="state of the suite (default: .dev)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="install what is missing, build, start everything, play the demo, stay up")
    up.add_argument("--no-demo", action="store_true", help="do not play the demo")
    up.add_argument("--system-clock", action="store_true", help="the system's clock instead of the exercise clock")
    down = commands.add_parser("down", help="stop everything")
    down.add_argument("--wipe", action="store_true", help="remove the data, keys and ports too")
    commands.add_parser("demo", help="play and check the demo (on a suite of its own when none is up); exit status tells")
    test = commands.add_parser("test", help="run every check and test")
    test.add_argument("checks", nargs="*", metavar="CHECK", help=f"only these: {' '.join(testrun.CHECKS)}")
    test.add_argument("--args", default="", help="passed to the test runner, for example a filter")
    commands.add_parser("bench", help="run a bench of the tool on a suite of its own: ./dev bench NAME [options of the bench]")
    for name, text in (
        ("token", "print a token: --role R --region LEVEL:CODE [--agency A]"),
        ("clock", "move the exercise clock: +5d | set INSTANT"),
        ("agency-creds", "register an agency's system on NATS: AGENCY LEVEL REGION"),
        ("refill", "fill a wiped NATS again from the event logs: [SERVICE ...]"),
        ("tool", "any other subcommand of the tool, with the settings of the suite"),
    ):
        commands.add_parser(name, help=text, add_help=False)
    logs = commands.add_parser("logs", help="show the logs")
    logs.add_argument("part", nargs="?", choices=PARTS)
    logs.add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    commands.add_parser("status", help="what runs")
    psql = commands.add_parser("psql", help="open the database of a service")
    psql.add_argument("service", choices=(*SERVICES, "admin"))
    write = commands.add_parser("prepare", help="write the offline caches of the checked queries (.sqlx)")
    write.add_argument("packages", nargs="*", metavar="PACKAGE")
    commands.add_parser("install", help="install what is missing and stop there")
    commands.add_parser("help", help="show this list")
    part = commands.add_parser("part", help="kill, start, stop, pause, resume one part, or wipe-bus (for fault tests)")
    part.add_argument("action", choices=("kill", "start", "stop", "pause", "resume", "wipe-bus"))
    part.add_argument("name", nargs="?", default=nats.PART, choices=PARTS)
    part.add_argument("--no-wait", action="store_true", help="start: do not wait until it serves")
    return top


#: Everything after these is the tool's.
PASSED_THROUGH = ("token", "clock", "agency-creds", "refill", "tool", "bench")


def main(argv: List[str]) -> int:
    """Runs one subcommand; gives the exit status."""
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stderr.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    ours, rest = split(argv)
    options = parser().parse_args(ours)
    try:
        return run(options, rest)
    except Failure as failure:
        print(f"./dev: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("./dev: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def split(argv: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Our own arguments, and those that belong to the tool: all that follow a command that is passed on to it."""
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        at += 2 if argv[at] == "--home" else 1
    if at < len(argv) and argv[at] in PASSED_THROUGH:
        return list(argv[: at + 1]), list(argv[at + 1 :])
    return list(argv), []


def interrupted(_: int, __: Optional[FrameType]) -> NoReturn:
    """A request to end is an interruption: everything that was started for this command is stopped on the way out."""
    raise KeyboardInterrupt


def run(options: argparse.Namespace, rest: Sequence[str]) -> int:
    home = Home(options.home.resolve())
    command: str = options.command
    if command == "up":
        return up(home, not options.no_demo, SYSTEM if options.system_clock else EXERCISE)
    if command == "down":
        return down(home, options.wipe)
    if command == "demo":
        return demo(home)
    if command == "test":
        return test(options.checks, options.args.split())
    if command == "bench":
        install()
        return bench.run(rest)
    if command in PASSED_THROUGH:
        running_tool(home).become(*([] if command == "tool" else [command]), *rest)
    if command == "logs":
        return logs(home, options.part, options.follow)
    if command == "status":
        return status(home)
    if command == "psql":
        return psql(home, options.service)
    if command == "prepare":
        install()
        prepare.run(options.packages)
        return 0
    if command == "install":
        install()
        return 0
    if command == "help":
        parser().print_help()
        return 0
    return part(home, options.action, options.name, not options.no_wait)


def install() -> None:
    """Everything that is not in the checkout."""
    SHARED.mkdir(exist_ok=True)
    SHARED.chmod(0o711)
    with locked(SHARED / "provision.lock", "another ./dev is installing; waiting for it"):
        cargo.ensure_toolchain()
        provision.ensure_python()
        provision.ensure_nats()
        postgres_install.ensure(postgres_install.system_user())


def up(home: Home, with_demo: bool, mode: str) -> int:
    """Starts what does not run; the suite goes on when this command has ended."""
    hint = provision.estimate()
    if hint:
        say(hint)
    install()
    suite = Suite(home, mode, cargo.profile())
    with home.locked():
        suite.settle_mode()
        suite.start_servers()
        cargo.build_binaries(suite.profile)
        suite.start()
    if with_demo and suite.tool.demo() != 0:
        say("the demo failed; the suite is up: ./dev logs shows why, ./dev demo plays it again")
        return 1
    addresses(suite)
    return 0


def addresses(suite: Suite) -> None:
    """Where everything is."""
    settings = suite.tool.settings()
    result(f"The suite is up ({suite.mode} clock) and stays up; ./dev down stops it.")
    for service in SERVICES:
        result(f"  {service:<12} gRPC  {settings[key(service, 'ADDR')]}")
    result(f"  {'nats':<12} bus   {settings['DAFEI_NATS_URL']}  monitoring {nats.monitor_url(suite.home)}")
    result(f"  {'postgres':<12} SQL   127.0.0.1:{suite.cluster.port}  (./dev psql SERVICE)")
    result(f"  all addresses and passwords: {suite.home.env_file}")
    result("  next: ./dev token --role county-office --region county:371302 | ./dev clock +5d | ./dev logs -f")


def down(home: Home, wipe: bool) -> int:
    if not home.dir.exists():
        say("nothing was ever started here")
        return 0
    suite = Suite(home)
    with home.locked():
        if wipe:
            suite.wipe()
            say("stopped; data, keys and ports are removed")
        else:
            say("stopped" if suite.stop() else "nothing was running")
    return 0


def demo(home: Home) -> int:
    """On the suite that is up; else on one of its own, made for it and removed after it."""
    if Suite(home).is_up():
        return Tool(home, cargo.profile()).demo()
    hint = provision.estimate()
    if hint:
        say(hint)
    install()
    suite = Suite(Home(SHARED / "demo"), EXERCISE, cargo.profile(), durable=False)
    cargo.build_binaries(suite.profile)
    with suite.home.locked():
        suite.wipe()
        suite.home.make()
        try:
            suite.start()
            outcome = suite.tool.demo()
        except BaseException:
            suite.stop()
            raise
        if outcome == 0:
            suite.wipe()
        else:
            suite.stop()
            say(f"the demo failed; its logs are in {suite.home.logs}")
    return outcome


def test(checks: Sequence[str], arguments: Sequence[str]) -> int:
    unknown = set(checks) - set(testrun.CHECKS)
    if unknown:
        raise Failure(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(testrun.CHECKS)}")
    install()
    return testrun.Run(checks, arguments).all()


def running_tool(home: Home) -> Tool:
    if not home.env_file.exists():
        raise Failure("no suite has been started here yet: ./dev up")
    return Tool(home, cargo.profile())


def logs(home: Home, name: Optional[str], follow: bool) -> int:
    files = [home.logs / f"{part}.log" for part in ([name] if name else PARTS)]
    there = [str(file) for file in files if file.exists()]
    if not there:
        raise Failure("no logs yet: ./dev up")
    os.execvp("tail", ["tail", "-n", "200" if name else "20", *(["-F"] if follow else []), *there])


def status(home: Home) -> int:
    for name in PARTS:
        record = process.load(home, name)
        alive = process.runs(record)
        result(f"{name:<12} {'running' if alive else 'stopped'}" + (f"  process {record.pid}" if record and alive else ""))
    return 0 if Suite(home).is_up() else 1


def psql(home: Home, service: str) -> int:
    suite = Suite(home)
    if not process.is_running(home, "postgres"):
        raise Failure("PostgreSQL is not running: ./dev up")
    cluster = suite.cluster
    url = cluster.admin_url if service == "admin" else cluster.service_url(service)
    argv = [argument for argument in cluster.psql(url) if argument not in ("-q",)]
    return subprocess.call(argv)


def part(home: Home, action: str, name: str, wait: bool) -> int:
    """One process of the suite, as a fault would treat it."""
    if action == "start":
        start_part(home, name, cargo.profile(), wait)
    elif action == "wipe-bus":
        nats.wipe(home)
    elif action == "kill":
        process.kill(home, name)
    elif action == "stop":
        if not process.stop(home, name, 60):
            raise Failure(f"{name} is not running")
    else:
        record = process.load(home, name)
        if record is None or not process.runs(record):
            raise Failure(f"{name} is not running")
        process.send(record, SIGNALS[action])
    return 0


