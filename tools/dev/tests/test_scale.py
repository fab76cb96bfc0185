"""docs/scale.md: each sum is calculated anew, and each figure that is said to be measured stands in docs/performance.md."""

from __future__ import annotations

import re
import unittest

from dafei_dev.home import ROOT

SCALE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
PERFORMANCE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
SUM = re.compile(r"`([\d,.×/+() -]+) = ([\d,.]+)`")
# Figures of performance.md that scale.md computes with or shows.
MEASURED = ("620,573", "41,352", "2,978", "342", "9,256", "75 µs", "24 µs", "22 µs", "19 µs", "2,995", "726", "2,205", "12.6 s", "379 MB", "255 MB", "171", "150")


def wrong(text: str) -> "list[str]":
    """Sums of which the result is not the one that is written, at as many digits as are written."""
    found = []
    for left, right in SUM.findall(text):
        # Nothing but digits, brackets and the four operations comes here.
        value = eval(left.replace(",", "").replace("×", "*"), {"__builtins__": {}})  # noqa: S307
        digits = len(right.split(".")[1]) if "." in right else 0
        if abs(value - float(right.replace(",", ""))) > 0.5001 * 10 ** -digits:
            found.append(f"{left} is {value}, not {right}")
    return found


class Scale(unittest.TestCase):
    def test_the_sums_are_right(self) -> None:
        self.assertGreater(len(SUM.findall(SCALE)), 15)
        self.assertEqual(wrong(SCALE), [])

    def test_a_wrong_sum_is_found(self) -> None:
        self.assertEqual(wrong("`2 × 3 = 6`, `7 / 2 = 3.5`, `10 / 3 = 3.3`"), [])
        self.assertEqual(len(wrong("`2 × 3 = 7`, `7 / 2 = 3.4`, `1,000 + 1 = 1,002`")), 3)

    def test_measured_figures_were_measured(self) -> None:
        for figure in MEASURED:
            self.assertIn(figure, SCALE)
            self.assertRegex(PERFORMANCE, rf"(?<![\d,.]){re.escape(figure)}(?!\d|,\d)", figure)


if __name__ == "__main__":
    unittest.main()
