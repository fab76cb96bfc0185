"""Being told to end (Ctrl-C, SIGTERM, SIGHUP) is one thing: what runs is left through its `finally`, which ends what was started."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from types import FrameType
from typing import Any, Iterator, Optional

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_held = 0
_waiting = False


def _arrived(number: int, _: Optional[FrameType]) -> None:
    global _waiting
    # The clean-up that this causes is not to be cut short by the same wish said twice; a second Ctrl-C still cuts it short.
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    if _held:
        _waiting = True
        return
    raise KeyboardInterrupt(signal.Signals(number).name)


def install() -> None:
    """What the caller has ignored (nohup) stays ignored."""
    for number in (signal.SIGINT, *_ENDING):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _arrived)


@contextmanager
def held() -> Iterator[None]:
    """Puts the end off: for starting a process and writing down its pid, which belong together."""
    global _held, _waiting
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        if _waiting and not _held:
            _waiting = False
            raise KeyboardInterrupt


def call(argv: "list[str]", **options: Any) -> int:
    """Runs a command in a process group of its own and waits for it. When ./dev is to end, the whole group is ended: cargo alone
    would leave the tests that it runs, and they their servers."""
    child = subprocess.Popen(argv, start_new_session=True, **options)
    try:
        return child.wait()
    except BaseException:
        _end_group(child)
        raise


def _end_group(child: "subprocess.Popen[Any]") -> None:
    for how, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(child.pid, how)
            child.wait(patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
