"""The links of the fault tests, against an echo: what they let through, hold and cut."""

import socket
import socketserver
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dafei_dev.faults_proxy import COMMIT, DOWN, Link, Proxy  # noqa: E402
from dafei_dev.home import unused_port  # noqa: E402

# Seconds that are waited for what must come.
PATIENCE = 20


class Echo(socketserver.BaseRequestHandler):
    heard: "list[bytes]" = []

    def handle(self) -> None:
        while data := self.request.recv(4096):
            Echo.heard.append(data)
            self.request.sendall(data)


class Links(unittest.TestCase):
    def setUp(self) -> None:
        Echo.heard = []
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.link = Link("postgres", unused_port(set()), self.server.server_address[1])
        self.proxy = Proxy([self.link])
        self.client = socket.create_connection(("127.0.0.1", self.link.port), timeout=PATIENCE)

    def tearDown(self) -> None:
        self.client.close()
        self.proxy.close()
        self.server.shutdown()
        self.server.server_close()

    def said(self, text: bytes) -> bytes:
        self.client.sendall(text)
        try:
            return self.client.recv(4096)
        except ConnectionResetError:
            return b""

    def test_what_is_sent_goes_through(self) -> None:
        self.assertEqual(self.said(b"SELECT"), b"SELECT")

    def test_a_commit_is_cut_before_it_passes_or_when_it_was_answered(self) -> None:
        self.link.cuts = lambda: "answered"
        self.assertEqual(self.said(COMMIT), b"")
        self.assertEqual(Echo.heard, [COMMIT])
        self.client.close()
        self.client = socket.create_connection(("127.0.0.1", self.link.port), timeout=PATIENCE)
        self.link.cuts = lambda: "before"
        self.assertEqual(self.said(COMMIT), b"")
        self.assertEqual(Echo.heard, [COMMIT])
        self.assertEqual(self.link.cut, 2)

    def test_a_connection_goes_to_the_next_replica_that_takes_it(self) -> None:
        self.link.beside = [unused_port(set())]
        for text in (b"one", b"two", b"three"):
            self.client.close()
            self.client = socket.create_connection(("127.0.0.1", self.link.port), timeout=PATIENCE)
            self.assertEqual(self.said(text), text)

    def test_a_held_way_lets_through_later_what_was_sent_on_it(self) -> None:
        self.link.held.add(DOWN)
        self.client.sendall(b"SELECT")
        deadline = time.monotonic() + PATIENCE
        while Echo.heard != [b"SELECT"]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.client.settimeout(0.3)
        with self.assertRaises(socket.timeout):
            self.client.recv(4096)
        self.link.held.clear()
        self.client.settimeout(PATIENCE)
        self.assertEqual(self.client.recv(4096), b"SELECT")


if __name__ == "__main__":
    unittest.main()
