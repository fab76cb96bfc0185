"""`./dev test`: everything that must hold, in one run; all it starts is stopped at its end, also when it is interrupted."""

from __future__ import annotations

import contextlib
import functools
import shutil
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from . import cargo, ports
from .home import ROOT, SHARED, Home
from .postgres import PART as POSTGRES, Cluster
from .provision import NATS_SERVER, PYTHON
from .run import call, must, output
from .suite import EXERCISE, Suite
from .tool import Tool
from .ui import Failure, result, say, step

#: The black-box package; its other test targets are part of no suite and run with the unit tests.
BLACK_BOX = "dafei-tests"
BUF_VERSION = "1.75.0"
#: Limits of cargo-nextest: no test may hang.
NEXTEST_CONFIG = ROOT / "tools" / "dev" / "nextest.toml"


@dataclass(frozen=True)
class BlackBox:
    """One test target of the black-box package; each is given a suite with the exercise clock."""

    name: str
    #: Moving the clock and ending processes are global: tests that do so run one by one, on a suite of their own.
    serial: bool


BLACK_BOXES = (BlackBox("shared", serial=False), BlackBox("serial", serial=True))
CHECKS = ("fmt", "proto", "clippy", "generated", "python", "unit", "doc", *(box.name for box in BLACK_BOXES))


class Run:
    """One run: which checks, and how each came out."""

    def __init__(self, wanted: Sequence[str], arguments: Sequence[str]) -> None:
        self.wanted = tuple(wanted) or CHECKS
        self.arguments = list(arguments)
        self.profile = cargo.profile()
        self.outcome: List[Tuple[str, bool]] = []

    def all(self) -> int:
        """Runs the wanted checks in order, going on after a failure so that one run tells all; gives the exit status."""
        for name, check in self.checks():
            if name in self.wanted:
                self.one(name, check)
        say("")
        for name, good in self.outcome:
            result(f"{'ok    ' if good else 'FAILED'} {name}")
        return 0 if all(good for _, good in self.outcome) else 1

    def one(self, name: str, check: Callable[[], bool]) -> None:
        with step(f"test: {name}"):
            try:
                good = check()
            except Failure as failure:
                say(str(failure))
                good = False
        self.outcome.append((name, good))

    def checks(self) -> Iterator[Tuple[str, Callable[[], bool]]]:
        yield "fmt", lambda: passes(cargo.command("fmt", "--all", "--check"))
        yield "proto", proto
        yield "clippy", lambda: passes(self.cargo("clippy", "--all-targets", "--", "-D", "warnings"))
        yield "generated", self.generated
        yield "python", self.python
        yield "unit", self.unit
        yield "doc", lambda: passes(self.cargo("test", "--doc"))
        for box in BLACK_BOXES:
            yield box.name, functools.partial(self.black_box, box)

    def cargo(self, command: str, *arguments: str) -> List[str]:
        """A call of cargo for the whole workspace in the profile of this run."""
        profile = [] if self.profile == "dev" else ["--profile", self.profile]
        return cargo.command(command, "--locked", "--workspace", *profile, *arguments)

    def generated(self) -> bool:
        """The layers point one way, and the generated documents are up to date."""
        self.build()
        tool = Tool(home("checks"), self.profile)
        return tool.check_layering() == 0 and tool.check_asyncapi() == 0

    def build(self) -> None:
        """Everything with its tests in one go: the later calls of cargo find it done."""
        if not passes(self.cargo("build", "--all-targets")):
            raise Failure("the build failed")

    def python(self) -> bool:
        """The tests of ./dev itself and of the example configuration of the bus."""
        env = {**cargo.environment(), "DAFEI_NATS_SERVER_BIN": str(NATS_SERVER), "PYTHONPATH": str(ROOT / "tools")}
        argv = [str(PYTHON), "-B", "-m", "unittest", "discover", "-s", str(ROOT / "tools/dev/tests"), "-t", str(ROOT / "tools")]
        return call(argv, env) == 0

    def unit(self) -> bool:
        """Unit and integration tests, with a throwaway PostgreSQL; each test starts the NATS it needs."""
        if nextest():
            argv = self.nextest(f"not (package({BLACK_BOX}) & kind(test))")
        else:
            argv = self.cargo("test", "--lib", "--bins", "--test", "it", "--no-fail-fast", "--", *self.arguments)
        with throwaway(home("unit")) as cluster:
            return passes(argv, {"DAFEI_TEST_DATABASE_URL": cluster.admin_url})

    def nextest(self, expression: str) -> List[str]:
        argv = cargo.command("nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--config-file", str(NEXTEST_CONFIG))
        argv += ["--cargo-profile", self.profile] if self.profile != "dev" else []
        return [*argv, "-E", expression, *self.arguments]

    def black_box(self, box: BlackBox) -> bool:
        """A private suite, and the tests that see it from outside only."""
        self.build()
        suite = Suite(home(box.name), EXERCISE, self.profile, durable=False, environment="test")
        suite.wipe()
        try:
            with suite.home.locked():
                suite.start()
            return self.against(suite, box)
        finally:
            suite.stop()

    def against(self, suite: Suite, box: BlackBox) -> bool:
        if nextest():
            argv = self.nextest(f"package({BLACK_BOX}) & kind(test) & binary({box.name})")
            argv += ["--test-threads", "1"] if box.serial else []
        else:
            one_by_one = ["--test-threads", "1"] if box.serial else []
            argv = self.cargo("test", "--test", box.name, "--no-fail-fast", "--", *self.arguments, *one_by_one)
        settings = suite.tool.settings()
        settings.update(DAFEI_TOOL=str(suite.tool.binary), DAFEI_DEV=str(ROOT / "dev"), DAFEI_ROOT=str(ROOT))
        return passes(argv, settings)



def home(name: str) -> Home:
    """State of tests, apart from that of `up`."""
    made = Home(SHARED / "test" / name)
    made.make()
    return made


def passes(argv: Sequence[str], settings: Optional[Dict[str, str]] = None) -> bool:
    env = {**cargo.environment(), "DAFEI_NATS_SERVER_BIN": str(NATS_SERVER), "DAFEI_PYTHON": str(PYTHON), **(settings or {})}
    return call(argv, env) == 0


def nextest() -> bool:
    return shutil.which("cargo-nextest") is not None


@contextlib.contextmanager
def throwaway(of: Home) -> Iterator[Cluster]:
    """A PostgreSQL for the time of the tests, its data gone afterwards."""
    cluster = Cluster(of, durable=False)
    cluster.stop()
    cluster.wipe()
    ports.ensure(of, [POSTGRES], lambda _: False)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
        cluster.wipe()



def proto() -> bool:
    """buf's rules for the protocol files. It comes from npm; without npm this check is left out and says so."""
    npm = shutil.which("npm")
    if npm is None:
        say("    left out: it needs npm")
        return True
    place = SHARED / "buf"
    program = place / "node_modules" / ".bin" / "buf"
    if BUF_VERSION not in (output([str(program), "--version"]) or ""):
        place.mkdir(parents=True, exist_ok=True)
        argv = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(place), f"@bufbuild/buf@{BUF_VERSION}"]
        must(argv, "installing buf")
    return call([str(program), "lint"], cwd=str(ROOT / "proto")) == 0
