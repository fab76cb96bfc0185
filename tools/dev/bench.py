"""`./dev bench NAME`: the tool's benches on a suite of their own, built for speed, with everything on disk that a deployment has there."""

from __future__ import annotations

import os
from typing import List, Sequence

from . import cargo
from .home import SHARED, Home
from .suite import EXERCISE, SYSTEM, Suite
from .ui import Failure

#: Ours, everything else is the bench's.
EXERCISE_CLOCK = "--exercise-clock"


def run(arguments: Sequence[str]) -> int:
    """Starts the suite, runs the bench, removes the suite; the bench's exit status tells."""
    passed: List[str] = [argument for argument in arguments if argument != EXERCISE_CLOCK]
    if not passed:
        raise Failure(f"which bench? ./dev bench NAME [{EXERCISE_CLOCK}] [options of the bench]")
    mode = EXERCISE if EXERCISE_CLOCK in arguments else SYSTEM
    profile = os.environ.get("DAFEI_PROFILE", "release")
    suite = Suite(Home(SHARED / "bench"), mode, profile)
    cargo.build_binaries(profile)
    with suite.home.locked():
        suite.wipe()
        suite.home.make()
        try:
            suite.start()
            return suite.tool.bench(passed)
        finally:
            suite.wipe()
