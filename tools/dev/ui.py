"""What a person sees: steps with their time, and one sentence when something cannot be done."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Iterator


class Failure(Exception):
    """Something the person at the keyboard has to know: one clear sentence, shown without a trace."""


def say(text: str) -> None:
    """A line of progress, on the error stream: the output stream carries results only."""
    print(text, file=sys.stderr, flush=True)


def result(text: str) -> None:
    """A line that was asked for."""
    print(text, flush=True)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """A step that takes a while: said when it begins and, with its seconds, when it is done."""
    say(f"==> {title}")
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    if took >= 1:
        say(f"    done in {took:.0f} s")


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, for a failure's sentence."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
