"""What the system of an agency may send when it is broken or broken into: its account lets it publish, and the server looks at no header."""

from __future__ import annotations

import json
import random
import socket
from typing import Any

from .say import Stop

# A line without a colon, a lone carriage return, bytes that are no text, a zero, a name that is none, a trace context as long as headers may be.
HEADERS = (
    b"nonsense", b"a: b\rc", b"a: \xff\xfe", b"a: \x00", b"a b: c", b"traceparent: " + b"0" * 60_000, b"ce-id: " + b"x" * 10_000,
)


def send(credentials: "dict[str, Any]", port: int, chance: random.Random, count: int = 40) -> None:
    """Feedback for an instruction that there is not, under headers of every bad kind, in an order by chance."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as server:
        answers = server.makefile("rb")
        answers.readline()
        login = {"user": credentials["user"], "pass": credentials["password"], "verbose": False, "pedantic": False, "headers": True}
        server.sendall(f"CONNECT {json.dumps(login)}\r\nPING\r\n".encode())
        _pong(answers)
        for number in range(count):
            header = b"NATS/1.0\r\n" + chance.choice(HEADERS) + b"\r\n\r\n"
            body = _body(credentials, f"nonsense-{chance.getrandbits(64):016x}-{number}")
            subject = f"{credentials['feedback_prefix']}.response".encode()
            server.sendall(b"HPUB %s %d %d\r\n%s%s\r\n" % (subject, len(header), len(header) + len(body), header, body))
        server.sendall(b"PING\r\n")
        _pong(answers)


def _body(credentials: "dict[str, Any]", id: str) -> bytes:
    named = {name: credentials[name] for name in ("agency", "region")}
    return json.dumps({"feedbackId": id, "instructionId": "00000000-0000-0000-0000-000000000001", "response": {"plan": "今日到场"}, **named}).encode()


def _pong(answers: Any) -> None:
    """The server has taken all that was sent before."""
    while (told := answers.readline()) and not told.startswith(b"PONG"):
        if told.startswith(b"-ERR"):
            raise Stop(f"the server refuses: {told.decode().strip()}")
    if not told:
        raise Stop("the server has closed the connection")
