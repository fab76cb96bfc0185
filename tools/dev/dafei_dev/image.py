"""An image of one service as an OCI layout in a tar, made without a container engine: the binary, the libraries that it is linked against, and the
authorities of TLS. The same files give the same digests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .home import ROOT, SERVICES
from .say import Stop

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
USER = "65532:65532"
# The machine's number in the header of a program -> its name in images.
ARCHITECTURES = {62: "amd64", 183: "arm64"}
OCI = "application/vnd.oci.image"
LARGEST = 40 * 1024 * 1024
# Accounts by name for what asks for one; nobody can log in.
PASSWD = b"root:x:0:0:root:/:/none\ndafei:x:65532:65532:dafei:/:/none\n"


@dataclass(frozen=True)
class Image:
    """What was built."""

    file: Path
    digest: str
    size: int
    """Bytes as they are pushed and pulled."""


def version() -> str:
    found = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise Stop("Cargo.toml names no version")
    return found.group(1)


@dataclass(frozen=True)
class Contents:
    """What an image is made of: the layers as they are unpacked and as they are sent, and the machine that they are for."""

    service: str
    architecture: str
    layers: "list[tuple[bytes, bytes]]"


def build(service: str, binary: Path, target: Path, revision: str = "") -> Image:
    """Writes the image of a service to `target`."""
    return write(contents(service, binary), target, revision)


def contents(service: str, binary: Path) -> Contents:
    if service not in SERVICES:
        raise Stop(f"{service!r} is no service: {', '.join(SERVICES)}")
    program = _stripped(binary)
    # Two layers: what is below stays the same from release to release, so that only the binary is sent anew.
    layers = [_layer(_below(binary)), _layer({f"usr/bin/dafei-{service}": (program, 0o555)})]
    return Contents(service, _architecture(program), layers)


def write(made: Contents, target: Path, revision: str) -> Image:
    service, layers = made.service, made.layers
    config = _json({
        "architecture": made.architecture, "os": "linux",
        "config": {
            "User": USER, "WorkingDir": "/", "Entrypoint": [f"/usr/bin/dafei-{service}"], "ExposedPorts": {"7000/tcp": {}},
            "Env": [f"SSL_CERT_FILE={AUTHORITIES}"],
            "Labels": {
                "org.opencontainers.image.title": f"dafei-{service}", "org.opencontainers.image.version": version(),
                "org.opencontainers.image.revision": revision, "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(plain) for plain, _ in layers]},
    })
    manifest = _json({
        "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
        "config": _descriptor(f"{OCI}.config.v1+json", config),
        "layers": [_descriptor(f"{OCI}.layer.v1.tar+gzip", packed) for _, packed in layers],
    })
    named = {**_descriptor(f"{OCI}.manifest.v1+json", manifest), "annotations": {"org.opencontainers.image.ref.name": version()}}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json({"schemaVersion": 2, "manifests": [named]})}
    blobs = [config, manifest, *(packed for _, packed in layers)]
    files.update({f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in blobs})
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_tar({name: (blob, 0o444) for name, blob in files.items()}))
    return Image(target, _digest(manifest), sum(len(blob) for blob in blobs))


def command(service: str, binary: Path, out: Path, revision: str) -> str:
    """`./dev image`: builds, and refuses an image that is too large to be a release's."""
    built = build(service, binary, out, revision)
    if built.size > LARGEST:
        raise Stop(f"{built.file} has {built.size / 2**20:.1f} MiB, more than {LARGEST / 2**20:.0f}: is it a release build?")
    return f"{built.file}: {built.digest}, {built.size / 2**20:.1f} MiB to send"


def _below(binary: Path) -> "dict[str, tuple[bytes, int]]":
    """The files under the binary, by their path without the leading slash."""
    if not AUTHORITIES.exists():
        raise Stop(f"{AUTHORITIES} is missing. On Debian: sudo apt-get install -y ca-certificates")
    files = {str(AUTHORITIES)[1:]: (AUTHORITIES.read_bytes(), 0o444), "etc/passwd": (PASSWD, 0o444)}
    for library in libraries(binary):
        # Under the names that the loader looks for; whatever link stands there on this machine.
        files[str(library)[1:]] = (library.read_bytes(), 0o555)
    return files


def libraries(binary: Path) -> "list[Path]":
    """What the binary is linked against, the loader among it, by `ldd`."""
    done = subprocess.run(["ldd", str(binary)], capture_output=True, text=True)
    if "not found" in done.stdout:
        raise Stop(f"libraries of {binary} are missing:\n{done.stdout}")
    if done.returncode != 0:
        if "not a dynamic executable" in done.stdout + done.stderr or "statically linked" in done.stdout:
            return []
        raise Stop(f"ldd {binary} failed:\n{done.stdout}{done.stderr}")
    return sorted({Path(found) for found in re.findall(r"(/\S+) \(0x", done.stdout)})


def _stripped(binary: Path) -> bytes:
    """Without symbols: they are half of the file, and a panic names its place without them."""
    if not binary.exists():
        raise Stop(f"{binary} is missing: build it first (cargo build --release --locked)")
    tool = shutil.which("strip")
    if tool is None:
        raise Stop("strip is missing. On Debian: sudo apt-get install -y binutils")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "binary"
        done = subprocess.run([tool, "--strip-all", "-o", str(copy), str(binary)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Stop(f"strip {binary} failed:\n{done.stderr}")
        return copy.read_bytes()


def _architecture(program: bytes) -> str:
    """From the program's own header: an image says what it runs on."""
    if program[:4] != b"\x7fELF":
        raise Stop("the binary is no ELF program")
    machine = int.from_bytes(program[18:20], "little")
    if machine not in ARCHITECTURES:
        raise Stop(f"the binary is for a machine of number {machine}, which has no name here")
    return ARCHITECTURES[machine]


def _layer(files: "dict[str, tuple[bytes, int]]") -> "tuple[bytes, bytes]":
    """A layer as it is unpacked and as it is sent."""
    plain = _tar(files)
    packed = io.BytesIO()
    # Neither a name nor a time in the header: the same files give the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as archive:
        archive.write(plain)
    return plain, packed.getvalue()


def _tar(files: "dict[str, tuple[bytes, int]]") -> bytes:
    """A tar in the order of names, of root, without times, without a right to write."""
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted({*folders, *files}):
            entry = tarfile.TarInfo(name)
            if name in files:
                content, entry.mode = files[name]
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o555
                archive.addfile(entry)
    return out.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _descriptor(media: str, blob: bytes) -> "dict[str, object]":
    return {"mediaType": media, "digest": _digest(blob), "size": len(blob)}
