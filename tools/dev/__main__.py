"""Starts `./dev`: makes the package importable under its own name and runs it."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from dev.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
