"""The processes that ./dev starts and ends."""

import os
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dafei_dev import processes  # noqa: E402
from dafei_dev.home import Home  # noqa: E402

# Its first thread ends at once, the other one when it hears a word: so a server of many threads looks while it ends.
LAST_THREAD = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.readline).start()
ctypes.CDLL(None).pthread_exit(None)
"""


class Processes(unittest.TestCase):
    def test_a_process_of_which_one_thread_is_left_still_runs(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            home, pipe = Home(Path(folder)), Path(folder) / "word"
            os.mkfifo(pipe)
            shell = f'exec "{sys.executable}" -c "$0" < "{pipe}"'
            pid = processes.start(home, "ending", ["/bin/sh", "-c", shell, LAST_THREAD], {})
            with pipe.open("w") as word:
                self.until(lambda: state(pid) == "Z")
                self.assertEqual(processes.running(home, "ending"), pid)
                word.write("end\n")
            self.until(lambda: processes.running(home, "ending") is None)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


def state(pid: int) -> str:
    """The kernel's letter for the state of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


if __name__ == "__main__":
    unittest.main()
