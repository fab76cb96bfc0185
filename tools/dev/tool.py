"""The calls of the suite's own command-line tool, `dafei`, in one place."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, List, NoReturn, Optional, Sequence

from . import cargo, envfile
from .home import ROOT, Home
from .run import call, must, output
from .ui import Failure

ROSTER = ROOT / "data" / "regions" / "linyi.csv"


class Tool:
    """The tool with the settings of a home."""

    def __init__(self, home: Home, profile: str) -> None:
        self.home = home
        self.binary = cargo.binary("dafei", profile)

    def settings(self) -> Dict[str, str]:
        """Every address and secret of the suite in this home; empty before its first start."""
        return envfile.read(self.home.env_file) if self.home.env_file.exists() else {}

    def environment(self) -> Dict[str, str]:
        return {**envfile.clean(), **self.settings()}

    def argv(self, *arguments: str) -> List[str]:
        if not self.binary.exists():
            raise Failure(f"{self.binary} is not built yet; ./dev up builds it")
        return [str(self.binary), *arguments]

    def init_keys(self) -> Path:
        """The key that signs tokens; one that is there stays. Gives the public keys' file."""
        argv = self.argv("keys", "init", "--dir", str(self.home.keys))
        if output(argv, envfile.clean()) is None:
            raise Failure(f"making the keys failed: {' '.join(argv)}")
        return self.home.keys / "jwks.json"

    def serving(self) -> Dict[str, bool]:
        """Which services say that they serve; those that do not are left out."""
        done = subprocess.run(self.argv("health"), env=self.environment(), check=False, capture_output=True, text=True)
        lines = (line.partition(": ") for line in done.stdout.splitlines())
        return {name: True for name, _, state in lines if state == "serving"}

    def load_roster(self, file: Path = ROSTER, kind: Optional[str] = None) -> None:
        arguments = ["roster", "load", str(file)] + (["--kind", kind] if kind else [])
        must(self.argv(*arguments), f"loading the roster {file.name}", self.environment())

    def demo(self) -> int:
        return call(self.argv("demo"), self.environment())

    def check_layering(self) -> int:
        return call(self.argv("layering", "--root", str(ROOT)), envfile.clean())

    def check_asyncapi(self) -> int:
        return call(self.argv("asyncapi", "--check", "--root", str(ROOT)), envfile.clean())

    def bench(self, arguments: Sequence[str]) -> int:
        return call(self.argv("bench", *arguments), self.environment())

    def become(self, *arguments: str) -> NoReturn:
        """Hands this process over to the tool: its output and exit status are ours."""
        argv = self.argv(*arguments)
        os.execve(argv[0], argv, self.environment())
