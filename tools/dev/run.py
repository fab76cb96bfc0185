"""Commands run to their end in the foreground."""

from __future__ import annotations

import subprocess
from typing import IO, Mapping, Optional, Sequence

from .home import ROOT
from .ui import Failure


def call(
    argv: Sequence[str],
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    output: Optional[IO[bytes]] = None,
) -> int:
    """Runs it with our own output streams, or into a file, and gives its exit status; when we are stopped, it is stopped first."""
    process = subprocess.Popen(
        list(argv), env=env, cwd=cwd or str(ROOT), stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def must(argv: Sequence[str], what: str, env: Optional[Mapping[str, str]] = None, cwd: Optional[str] = None) -> None:
    """Runs it; a failure is said with `what`."""
    try:
        status = call(argv, env, cwd)
    except FileNotFoundError as error:
        raise Failure(f"{what} failed: {argv[0]} was not found") from error
    if status != 0:
        raise Failure(f"{what} failed (exit status {status}): {' '.join(argv)}")


def output(argv: Sequence[str], env: Optional[Mapping[str, str]] = None) -> Optional[str]:
    """What it prints, or None when it fails or is not there."""
    try:
        done = subprocess.run(
            list(argv), env=env, cwd=str(ROOT), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
