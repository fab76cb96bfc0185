"""./dev: `./dev help` lists the commands."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from . import bench_all, bench_dispatch, bench_sla, bench_table, check, drills, faults, image, prepare, processes, provision, servers, signals, suite
from .home import ROOT, SERVICES, TOOLS, Home
from .say import Stop, line


def up(home: Home, options: argparse.Namespace) -> None:
    provision.everything()
    suite.build()
    suite.start(home, "system" if options.system_clock else "exercise")
    if not options.no_demo:
        suite.tool(home, "demo")
    print(addresses(home))


def addresses(home: Home) -> str:
    env = suite.run_env(home)
    shown = [f"  {name}={value}" for name, value in env.items() if name.endswith("_ADDR") or name.endswith("NATS_URL")]
    return "\n".join([
        "", "系统正在运行 / the suite is running:", *shown,
        f"  all of them: source {home.path / 'run.env'}",
        "  ./dev token --role county-office --region county:371302    a token for grpcurl or your client",
        "  ./dev clock +5d                                            move the exercise clock",
        "  ./dev logs dispatch -f    ./dev down",
    ])


def down(home: Home, options: argparse.Namespace) -> None:
    suite.stop(home)
    if options.wipe:
        check.fresh_home(home.path)
    line("stopped")


def demo(home: Home, _: argparse.Namespace) -> None:
    was_up = processes.running(home, "dispatch") is not None
    if not was_up:
        up(home, argparse.Namespace(system_clock=False, no_demo=True))
    try:
        suite.tool(home, "demo")
    finally:
        if not was_up:
            suite.stop(home)


BENCHES = ("all", "loop", "intake", "patrols", "overload", "soak", "dispatch", "sla", "table", "roster")


def bench(_: Home, options: argparse.Namespace) -> None:
    os.environ.setdefault("DAFEI_PROFILE", "release")
    rest = options.rest
    if rest[:1] not in [[name] for name in BENCHES]:
        raise Stop(f"no such bench: {' '.join(rest[:1]) or 'none is named'}; there are {', '.join(BENCHES)}")
    if rest[:1] == ["all"]:
        bench_all.check_options(rest[1:])
        provision.everything()
        suite.build()
        return bench_all.run(rest[1:])
    scaled = {"dispatch": bench_dispatch, "sla": bench_sla, "table": bench_table}.get(rest[0] if rest else "")
    if scaled:
        # A wrong scale is refused before anything is built.
        scaled.check_options(rest[1:])
    provision.everything()
    national = rest[:1] == ["roster"]
    if national:
        # A rehearsal of the country: all its cities in one deployment, and one call that takes as long as the import.
        os.environ["DAFEI_ROSTER_CITIES"] = "500"
        os.environ["DAFEI_GRPC_TIMEOUT_SECONDS"] = "600"
        rest = [*rest, "--data", str(provision.divisions())]
    suite.build()
    if scaled:
        return scaled.run(rest[1:])
    home = check.fresh_home(TOOLS / "suite-bench")
    try:
        suite.start(home, "system", roster=None if national else suite.ROSTER)
        suite.tool(home, "bench", *rest)
    finally:
        suite.stop(home)


def logs(home: Home, options: argparse.Namespace) -> None:
    names = [options.name] if options.name else list(SERVICES)
    files = [str(processes.log_path(home, name)) for name in names]
    os.execvp("tail", ["tail", "-n", "100", *(["-f"] if options.follow else []), *files])


def part(home: Home, options: argparse.Namespace) -> None:
    """Kills or starts one process of the suite: for fault tests."""
    if options.what == "kill":
        if not processes.end(home, options.name, signal.SIGKILL):
            raise Stop(f"{options.name} does not run")
    elif options.what == "start":
        servers.start_again(home, options.name)
    elif options.what == "wipe-bus":
        processes.end(home, "nats", signal.SIGKILL)
        shutil.rmtree(home.path / "nats/store", ignore_errors=True)
        servers.start_again(home, "nats")


def psql(home: Home, options: argparse.Namespace) -> None:
    program = str(provision.postgres_bin() / "psql")
    os.execv(program, [program, servers.database_url(home, options.name)])


def status(home: Home, _: argparse.Namespace) -> None:
    for name in ("postgres", "nats", *SERVICES):
        pid = processes.running(home, name)
        print(f"{name:<12} " + ("does not run" if pid is None else f"process {pid}, port {home.state['ports'][name]}"))


def make_image(_: Home, options: argparse.Namespace) -> None:
    binary = options.binary or ROOT / f"target/release/dafei-{options.name}"
    out = options.out or TOOLS / f"images/{options.name}.tar"
    print(image.command(options.name, binary, out, options.revision))


def with_tool(name: str) -> "object":
    def call(home: Home, options: argparse.Namespace) -> None:
        suite.tool(home, name, *options.rest)
    return call


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./dev", description="Runs, tests and measures the suite.")
    top.add_argument("--home", type=Path, default=TOOLS, help="where the state of the suite is kept (.dev)")
    sub = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, do: object, text: str) -> argparse.ArgumentParser:
        command = sub.add_parser(name, help=text, description=text)
        command.set_defaults(do=do)
        return command

    command = add("up", up, "installs what is missing, builds, starts the suite, loads the roster, plays the demo, stays up")
    command.add_argument("--no-demo", action="store_true", help="do not play the demo")
    command.add_argument("--system-clock", action="store_true", help="the machine's clock instead of the exercise clock")
    add("down", down, "stops the suite").add_argument("--wipe", action="store_true", help="and removes its data")
    add("demo", demo, "plays the demo; the exit status tells whether all went as it should")
    add("test", lambda _, options: check.test(options.rest), "runs every check and test").add_argument("rest", nargs="*")
    command = add("bench", bench, "measures: all (one table), loop, intake, patrols, overload (--scale N), soak (--minutes N), dispatch (--scale 1m|10m), sla (--scale 1m|10m), table (--scale 1m|10m), roster")
    command.add_argument("rest", nargs=argparse.REMAINDER)
    command = add("faults", lambda _, options: faults.run(options.rest), "real processes under faults: --runs N --only FAULT --seed N --short --list")
    command.add_argument("rest", nargs=argparse.REMAINDER)
    command = add("drill", lambda _, options: drills.run(options.rest), "what an operator does, rehearsed on a suite under load: restore, upgrade")
    command.add_argument("rest", nargs=argparse.REMAINDER)
    for name, text in (
        ("token", "prints a token: --role ROLE --region LEVEL:CODE [--agency AGENCY]"),
        ("clock", "moves the exercise clock: +5d | set INSTANT"),
        ("agency-creds", "registers an agency's system and prints its credentials: AGENCY LEVEL REGION"),
        ("refill", "fills a wiped NATS again from the event logs"),
    ):
        add(name, with_tool(name), text).add_argument("rest", nargs=argparse.REMAINDER)
    add("tool", lambda home, options: suite.tool(home, *options.rest), "any command of dafei, the suite's tool: tool --help") \
        .add_argument("rest", nargs=argparse.REMAINDER)
    add("status", status, "tells which processes of the suite run")
    command = add("logs", logs, "shows the services' logs")
    command.add_argument("name", nargs="?", choices=[*SERVICES, "nats", "postgres"])
    command.add_argument("-f", dest="follow", action="store_true")
    add("prepare", lambda _, options: prepare.prepare(options.rest), "writes the offline SQL cache anew").add_argument("rest", nargs="*")
    command = add("image", make_image, "makes the image of a service, without a container engine, from a release build")
    command.add_argument("name", choices=SERVICES)
    command.add_argument("--binary", type=Path, help="the program; target/release/dafei-NAME when left out")
    command.add_argument("--out", type=Path, help="the tar that is written; .dev/images/NAME.tar when left out")
    command.add_argument("--revision", default="", help="the commit that the program was built from, for the image's labels")
    add("psql", psql, "a shell on a service's database").add_argument("name", choices=SERVICES)
    command = add("part", part, "kills or starts one process of the suite (for fault tests)")
    command.add_argument("what", choices=["kill", "start", "wipe-bus"])
    command.add_argument("name", nargs="?", default="nats", choices=[*SERVICES, "nats", "postgres"])
    add("help", lambda *_: top.print_help(), "lists the commands")
    return top


PASSED_THROUGH = ("token", "clock", "agency-creds", "refill", "bench", "faults", "drill", "tool")


def parse(arguments: list[str]) -> argparse.Namespace:
    """argparse would take the options of a command that is passed through for its own."""
    for at, word in enumerate(arguments):
        if word in PASSED_THROUGH:
            options = parser().parse_args(arguments[: at + 1])
            options.rest = arguments[at + 1 :]
            return options
        if not word.startswith("-") and (at == 0 or arguments[at - 1] != "--home"):
            break
    return parser().parse_args(arguments)


# What speaks to a suite that was started before.
TO_A_SUITE = ("token", "clock", "agency-creds", "refill", "tool", "demo", "logs", "psql", "part")


def main(arguments: "list[str] | None" = None) -> int:
    options = parse(sys.argv[1:] if arguments is None else arguments)
    signals.install()
    try:
        home = Home(options.home)
        if options.command in TO_A_SUITE and "ports" not in home.state:
            raise Stop("no suite was started here yet: ./dev up")
        options.do(home, options)
    except Stop as stop:
        line(f"./dev: {stop}")
        return 1
    except KeyboardInterrupt:
        line("./dev: interrupted")
        return 130
    except subprocess.CalledProcessError as error:
        line(f"./dev: {error}")
        return 1
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
