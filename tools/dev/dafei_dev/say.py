"""Output of ./dev: what goes on, and how long each step took."""

import sys
import time
from contextlib import contextmanager
from typing import Iterator


class Stop(Exception):
    """Ends ./dev with one clear sentence."""


def line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    line(f"==> {what}")
    begun = time.monotonic()
    yield
    line(f"    done in {time.monotonic() - begun:.1f} s")
