"""The check of licences finds what it is there for; that the crates pass it is a step of `./dev test` itself."""

from __future__ import annotations

import unittest
from typing import Any

from dafei_dev import licences
from dafei_dev.home import ROOT

POLICY = (ROOT / "deny.toml").read_text(encoding="utf-8")
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def package(**changed: Any) -> "dict[str, Any]":
    return {"name": "some", "version": "1.0.0", "license": "MIT", "source": CRATES_IO, **changed}


class Licences(unittest.TestCase):
    def test_expressions_are_read_as_spdx_has_them(self) -> None:
        allow = {"MIT", "Apache-2.0", "Unicode-3.0"}
        for expression in ("MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "(MIT OR GPL-3.0) AND Unicode-3.0", "GPL-2.0 OR MIT AND Apache-2.0"):
            self.assertTrue(licences.allowed(expression, allow), expression)
        for expression in ("GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND ISC", "GPL-3.0 AND MIT OR ISC", "Apache-2.0 WITH LLVM-exception"):
            self.assertFalse(licences.allowed(expression, allow), expression)
        for expression in ("", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0"):
            with self.assertRaises(ValueError, msg=expression):
                licences.allowed(expression, allow)

    def test_what_deny_toml_does_not_allow_is_named(self) -> None:
        self.assertEqual(licences.faults([package(), package(source=None)], POLICY), [])
        broken = {
            "names no licence": package(license=None), "under GPL-3.0-only": package(license="GPL-3.0-only"),
            "comes from git": package(source="git+https://github.com/some/some"), "is banned": package(name="openssl-sys"),
        }
        for word, crate in broken.items():
            found = licences.faults([package(), crate], POLICY)
            self.assertEqual(len(found), 1, found)
            self.assertIn(word, found[0])


if __name__ == "__main__":
    unittest.main()
