"""An image is built from a binary and read back. Run by `./dev test` with DAFEI_IMAGE_BINARY, a binary of dispatch."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path
from typing import Any

from dafei_dev import image
from dafei_dev.say import Stop

BINARY = Path(os.environ["DAFEI_IMAGE_BINARY"])


def files(archive: bytes) -> "dict[str, tarfile.TarInfo]":
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {entry.name: entry for entry in opened.getmembers()}


class Layout:
    """An image as a registry's client would read it: every digest and size is checked on the way."""

    def __init__(self, file: Path) -> None:
        with tarfile.open(file) as archive:
            self.blobs = {entry.name: archive.extractfile(entry).read() for entry in archive.getmembers() if entry.isfile()}  # type: ignore[union-attr]
        index = json.loads(self.blobs["index.json"])
        self.named = index["manifests"][0]
        self.manifest = json.loads(self.blob(self.named))
        self.config: "dict[str, Any]" = json.loads(self.blob(self.manifest["config"]))
        self.layers = [gzip.decompress(self.blob(layer)) for layer in self.manifest["layers"]]

    def blob(self, descriptor: "dict[str, Any]") -> bytes:
        kind, number = descriptor["digest"].split(":")
        blob = self.blobs[f"blobs/{kind}/{number}"]
        if hashlib.sha256(blob).hexdigest() != number or len(blob) != descriptor["size"]:
            raise ValueError(f"{descriptor['digest']} is not what it says")
        return blob


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.contents = image.contents("dispatch", BINARY)
        cls.built = image.write(cls.contents, cls.folder / "dispatch.tar", "abc")
        cls.layout = Layout(cls.built.file)

    def test_it_says_what_it_is_and_runs_as_nobody(self) -> None:
        config = self.layout.config["config"]
        self.assertEqual(config["User"], "65532:65532")
        self.assertEqual(config["Entrypoint"], ["/usr/bin/dafei-dispatch"])
        labels = config["Labels"]
        self.assertEqual(labels["org.opencontainers.image.title"], "dafei-dispatch")
        self.assertEqual((labels["org.opencontainers.image.version"], labels["org.opencontainers.image.revision"]), (image.version(), "abc"))
        self.assertEqual(self.layout.config["architecture"], {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine])
        self.assertEqual(self.layout.named["digest"], self.built.digest)

    def test_the_layers_are_those_that_the_configuration_names(self) -> None:
        unpacked = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in self.layout.layers]
        self.assertEqual(self.layout.config["rootfs"]["diff_ids"], unpacked)
        self.assertEqual(len(unpacked), 2)
        # The last one is the binary alone: a release sends nothing else anew.
        found = {name for name, entry in files(self.layout.layers[-1]).items() if entry.isfile()}
        self.assertEqual(found, {"usr/bin/dafei-dispatch"})

    def test_nothing_in_it_can_be_written_and_nothing_is_of_a_time_or_a_person(self) -> None:
        for layer in self.layout.layers:
            for name, entry in files(layer).items():
                self.assertEqual(entry.mode & 0o7222, 0, name)
                self.assertEqual((entry.mtime, entry.uid, entry.gid, entry.uname), (0, 0, 0, ""), name)
                self.assertTrue(entry.isfile() or entry.isdir(), name)

    def test_the_same_files_give_the_same_image(self) -> None:
        again = image.build("dispatch", BINARY, self.folder / "again.tar", "abc")
        self.assertEqual(again.digest, self.built.digest)
        self.assertEqual(again.file.read_bytes(), self.built.file.read_bytes())
        other = image.write(self.contents, self.folder / "other.tar", "another revision")
        self.assertNotEqual(other.digest, self.built.digest)

    def test_a_changed_byte_is_noticed_by_whoever_reads_it(self) -> None:
        name = f"blobs/sha256/{self.layout.manifest['layers'][0]['digest'].split(':')[1]}"
        broken = Layout(self.built.file)
        broken.blobs[name] = broken.blobs[name][:-1] + b"x"
        with self.assertRaises(ValueError):
            broken.blob(broken.manifest["layers"][0])

    def test_the_binary_starts_on_what_the_image_has_and_no_more(self) -> None:
        """Without settings it names those that are missing: the loader, the libraries and the program are all there."""
        if os.geteuid() != 0 or shutil.which("chroot") is None:
            self.skipTest("needs root")
        root = self.folder / "root"
        for layer in self.layout.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                archive.extractall(root)
        argv = [str(shutil.which("chroot")), "--userspec=65532:65532", str(root), "/usr/bin/dafei-dispatch"]
        done = subprocess.run(argv, env={}, capture_output=True, text=True, timeout=60)
        self.assertIn("DAFEI_DISPATCH_LISTEN is missing", done.stderr)

    def test_what_is_no_program_or_no_service_is_refused(self) -> None:
        text = self.folder / "text"
        text.write_text("no program")
        for service, binary in (("dispatch", text), ("dispatch", self.folder / "missing"), ("cashier", BINARY)):
            with self.assertRaises(Stop):
                image.build(service, binary, self.folder / "x.tar")


if __name__ == "__main__":
    unittest.main()
