"""What stands between the services and the servers in a fault test: TCP links that can be slow, dumb in one direction, or cut where it hurts."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass, field
from typing import Callable, Optional

# PostgreSQL's simple query that ends a transaction, as a client sends it.
COMMIT = b"COMMIT\0"
CHUNK = 65_536
UP, DOWN = "up", "down"


@dataclass
class Link:
    """From a port of its own to a server's. `up` is the way to the server."""

    name: str
    port: int
    target: int
    delay: float = 0.0
    # A way that is held keeps what is sent on it, as a network does that may come back.
    held: "set[str]" = field(default_factory=set)
    # Says of a COMMIT whether its connection is cut, and when: before it passes, when it has passed, or when it was answered.
    cuts: Optional[Callable[[], Optional[str]]] = None
    cut: int = 0
    # Replicas of what is at the target: a connection goes to the next that takes it, as a load balancer has it.
    beside: "list[int]" = field(default_factory=list)
    _turn: int = 0
    live: "set[_Connection]" = field(default_factory=set)

    async def connect(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
        targets = [self.target, *self.beside]
        self._turn += 1
        for more in range(len(targets)):
            try:
                return await asyncio.open_connection("127.0.0.1", targets[(self._turn + more) % len(targets)])
            except OSError:
                continue
        raise ConnectionRefusedError(self.name)


class Proxy:
    """The links, served by a thread of their own; switched from the outside by plain assignments."""

    def __init__(self, links: "list[Link]") -> None:
        self.links = {link.name: link for link in links}
        self._ready = threading.Event()
        self._failed: Optional[BaseException] = None
        self._servers: "list[asyncio.AbstractServer]" = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)
        if self._failed:
            raise self._failed

    def of(self, *parts: str) -> "list[Link]":
        """The links to these servers: `nats` for all of the bus."""
        return [link for name, link in self.links.items() if any(name == part or name.startswith(f"{part}-") for part in parts)]

    def vanish(self, link: Link) -> None:
        """The server's host is gone without a word, and another is there at once: the connections to the old one are never answered again."""
        self._loop.call_soon_threadsafe(lambda: [connection.vanish() for connection in link.live])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            for link in self.links.values():
                self._loop.run_until_complete(self._listen(link))
        except BaseException as error:  # told to the thread that made the proxy
            self._failed = error
            return
        finally:
            self._ready.set()
        self._loop.run_forever()
        for server in self._servers:
            server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _listen(self, link: Link) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await _Connection(link, reader, writer).run()
            except asyncio.CancelledError:
                # The proxy ends, and its connections with it.
                pass
        self._servers.append(await asyncio.start_server(connected, "127.0.0.1", link.port))


class _Connection:
    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link = link
        self.client = (reader, writer)
        # Cut at the next thing that the server says.
        self.doomed = False
        # What the server lost with its host; the client hears nothing of that.
        self.vanished = False
        self.writers = [writer]

    def vanish(self) -> None:
        self.vanished = True
        for server in self.writers[1:]:
            server.transport.abort()

    async def run(self) -> None:
        self.link.live.add(self)
        try:
            reader, writer = await self.link.connect()
            self.writers.append(writer)
            ways = [asyncio.ensure_future(self._up(self.client[0], writer)), asyncio.ensure_future(self._down(reader, self.client[1]))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            while self.vanished and await self.client[0].read(CHUNK):
                pass
        except OSError:
            pass
        finally:
            self.link.live.discard(self)
            for writer in self.writers:
                writer.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._passes(UP)
            how = self.link.cuts() if self.link.cuts and COMMIT in data else None
            if how == "before":
                self.link.cut += 1
                return
            self.doomed = how == "answered"
            writer.write(data)
            await writer.drain()
            if how == "passed":
                self.link.cut += 1
                return

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            if self.doomed:
                self.link.cut += 1
                return
            await self._passes(DOWN)
            writer.write(data)
            await writer.drain()

    async def _passes(self, way: str) -> None:
        if self.link.delay:
            await asyncio.sleep(self.link.delay)
        while way in self.link.held:
            await asyncio.sleep(0.02)


def cutter(seed: str, share: float) -> "Callable[[], Optional[str]]":
    """Cuts a share of the commits, by turns of chance in each of the three ways."""
    chance = random.Random(seed)
    return lambda: chance.choice(("before", "passed", "answered")) if chance.random() < share else None
