"""What `deploy/nats/accounts.example.conf` promises, shown on a real NATS server: an agency's system reaches its own queue, its own
acknowledgements and its own feedback subject, and nothing else.

Run by `./dev test` with the interpreter of `.dev/venv`; needs DAFEI_NATS_SERVER_BIN.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any, Awaitable, Callable

import nats
from nats.errors import NoRespondersError, TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig

EXAMPLE = Path(__file__).resolve().parents[3] / "deploy" / "nats" / "accounts.example.conf"
FIRE, POSTAL = "fire-rescue.county.371302", "postal.county.371302"
FIRE_DURABLE, POSTAL_DURABLE = "A_fire-rescue_county_371302", "A_postal_county_371302"
# Seconds that are waited for what must come.
PATIENCE = 30
SUITE = ("suite", "suite-password")
FIRE_LOGIN = ("fire-rescue_county_371302", "fire-password")
# The server's error "JetStream not enabled for account".
NO_JETSTREAM = 10039
POSTAL_LOGIN = ("postal_county_371302", "postal-password")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A NATS server with the accounts of the example."""

    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp())
        self.port = free_port()
        self.accounts = self.dir / "accounts.conf"
        shutil.copy(EXAMPLE, self.accounts)
        config = self.dir / "nats.conf"
        config.write_text(
            f"listen: 127.0.0.1:{self.port}\n"
            f'jetstream {{ store_dir: "{self.dir}/store", sync_interval: always }}\n'
            "include accounts.conf\n"
        )
        self.log = open(self.dir / "log", "wb")
        binary = os.environ["DAFEI_NATS_SERVER_BIN"]
        self.process = subprocess.Popen([binary, "-c", str(config)], stderr=self.log, stdout=self.log)

    def reloads(self) -> int:
        return (self.dir / "log").read_text().count("Reloaded server configuration")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir)


class ExampleAccounts(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.server = Server()
        self.clients: list[nats.NATS] = []
        self.disconnected: list[str] = []
        self.suite = await self.connect(SUITE)
        js = self.suite.jetstream(timeout=PATIENCE)
        await js.add_stream(name="DAFEI_AGENCY", subjects=["dafei.v1.agency.>"])
        await js.add_stream(name="DAFEI_FEEDBACK", subjects=["dafei.v1.feedback.>"])
        for durable, unit in ((FIRE_DURABLE, FIRE), (POSTAL_DURABLE, POSTAL)):
            config = ConsumerConfig(
                durable_name=durable,
                filter_subject=f"dafei.v1.agency.{unit}.>",
                ack_policy=AckPolicy.EXPLICIT,
            )
            await js.add_consumer("DAFEI_AGENCY", config)
            await js.publish(f"dafei.v1.agency.{unit}.instruction", unit.encode())
        self.js = js
        self.fire = await self.connect(FIRE_LOGIN)

    async def asyncTearDown(self) -> None:
        for client in self.clients:
            await client.close()
        self.server.stop()

    async def connect(self, login: tuple[str, str]) -> nats.NATS:
        user, password = login

        async def lost() -> None:
            self.disconnected.append(user)

        async def quiet(_: Exception) -> None:
            return None

        client = await nats.connect(
            f"nats://127.0.0.1:{self.server.port}",
            user=user,
            password=password,
            connect_timeout=PATIENCE,
            max_reconnect_attempts=600,
            reconnect_time_wait=0.1,
            disconnected_cb=lost,
            error_cb=quiet,
        )
        self.clients.append(client)
        return client

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not await condition():
            if asyncio.get_running_loop().time() > deadline:
                self.fail(f"not within {PATIENCE} s")
            await asyncio.sleep(0.05)

    async def own_queue(self, client: nats.NATS, durable: str) -> Any:
        return await client.jetstream(prefix="DAFEI.API").pull_subscribe_bind(durable, stream="DAFEI_AGENCY")

    async def refused(self, client: nats.NATS, subject: str, payload: bytes = b"") -> None:
        """No answer comes from the suite's account. Below `$JS.API` the agency's own account, which has no JetStream, may answer for itself, with
        the error that says just that and no other; anywhere else nobody answers."""
        try:
            answer = await client.request(subject, payload, timeout=0.5)
        except (NoRespondersError, NatsTimeout):
            return
        if not subject.startswith("$JS.API."):
            self.fail(f"{subject} was answered: {answer.data!r}")
        error = json.loads(answer.data)["error"]
        self.assertEqual((error["code"], error["err_code"]), (503, NO_JETSTREAM), f"{subject}: {answer.data!r}")

    async def feedback_subjects(self) -> dict[str, int]:
        info = await self.js.stream_info("DAFEI_FEEDBACK", subjects_filter=">")
        return dict(info.state.subjects or {})

    async def test_an_agency_takes_and_acknowledges_its_own_instructions(self) -> None:
        queue = await self.own_queue(self.fire, FIRE_DURABLE)
        (message,) = await queue.fetch(1, timeout=PATIENCE)
        self.assertEqual(message.data, FIRE.encode())
        self.assertEqual(message.subject, f"dafei.v1.agency.{FIRE}.instruction")
        await message.ack_sync(timeout=PATIENCE)
        info = await self.js.consumer_info("DAFEI_AGENCY", FIRE_DURABLE)
        self.assertEqual((info.num_ack_pending, info.num_pending), (0, 0))

    async def test_a_plain_acknowledgement_and_a_negative_one_reach_the_consumer(self) -> None:
        queue = await self.own_queue(self.fire, FIRE_DURABLE)
        (message,) = await queue.fetch(1, timeout=PATIENCE)
        await message.nak()
        (again,) = await queue.fetch(1, timeout=PATIENCE)
        self.assertEqual(again.metadata.num_delivered, 2)
        await again.ack()

        async def acknowledged() -> bool:
            info = await self.js.consumer_info("DAFEI_AGENCY", FIRE_DURABLE)
            return bool(info.num_ack_pending == 0)

        await self.until(acknowledged)

    async def test_own_feedback_is_stored_and_answered_with_the_stream_s_acknowledgement(self) -> None:
        answer = await self.fire.request(f"dafei.v1.feedback.{FIRE}.result", b"{}", timeout=PATIENCE)
        ack = json.loads(answer.data)
        self.assertEqual((ack["stream"], ack["seq"]), ("DAFEI_FEEDBACK", 1))

    async def test_another_agency_s_queue_feedback_and_acknowledgements_are_out_of_reach(self) -> None:
        await self.refused(self.fire, f"dafei.v1.feedback.{POSTAL}.result", b"{}")
        await self.refused(self.fire, f"dafei.v1.feedback.{FIRE}.anything", b"{}")
        for call in ("INFO", "MSG.NEXT"):
            await self.refused(self.fire, f"DAFEI.API.CONSUMER.{call}.DAFEI_AGENCY.{POSTAL_DURABLE}")
            await self.refused(self.fire, f"$JS.API.CONSUMER.{call}.DAFEI_AGENCY.{POSTAL_DURABLE}")
        postal = await self.own_queue(await self.connect(POSTAL_LOGIN), POSTAL_DURABLE)
        (message,) = await postal.fetch(1, timeout=PATIENCE)
        await self.refused(self.fire, message.reply, b"+ACK")
        info = await self.js.consumer_info("DAFEI_AGENCY", POSTAL_DURABLE)
        self.assertEqual(info.num_ack_pending, 1)

    async def test_the_jetstream_api_of_the_suite_is_out_of_reach(self) -> None:
        before = await self.as_the_suite_sees_it()
        stream = {"name": "DAFEI_AGENCY", "subjects": ["dafei.v1.agency.>", "more.>"]}
        # With the filter of another agency: whoever could change its own durable so would read that one's queue.
        consumer = {
            "stream_name": "DAFEI_AGENCY",
            "config": {
                "durable_name": FIRE_DURABLE,
                "filter_subject": f"dafei.v1.agency.{POSTAL}.>",
                "ack_policy": "explicit",
            },
        }
        new = {**consumer, "config": {**consumer["config"], "durable_name": "NEW", "name": "NEW"}}
        calls: list[tuple[str, dict[str, Any]]] = [
            ("STREAM.INFO.DAFEI_AGENCY", {}),
            ("STREAM.PURGE.DAFEI_AGENCY", {}),
            ("STREAM.MSG.GET.DAFEI_AGENCY", {"seq": 1}),
            ("STREAM.CREATE.OWN", {"name": "OWN", "subjects": ["own.>"]}),
            ("STREAM.UPDATE.DAFEI_AGENCY", stream),
            ("STREAM.DELETE.DAFEI_AGENCY", {}),
            ("DIRECT.GET.DAFEI_AGENCY", {"seq": 1}),
            (f"CONSUMER.DELETE.DAFEI_AGENCY.{FIRE_DURABLE}", {}),
            ("CONSUMER.CREATE.DAFEI_AGENCY", new),
            ("CONSUMER.CREATE.DAFEI_AGENCY.NEW", new),
            (f"CONSUMER.CREATE.DAFEI_AGENCY.{FIRE_DURABLE}", consumer),
            ("CONSUMER.DURABLE.CREATE.DAFEI_AGENCY.NEW", new),
            (f"CONSUMER.DURABLE.CREATE.DAFEI_AGENCY.{FIRE_DURABLE}", consumer),
        ]
        for subject, payload in calls:
            for prefix in ("$JS.API", "DAFEI.API"):
                await self.refused(self.fire, f"{prefix}.{subject}", json.dumps(payload).encode())
        self.assertEqual(await self.as_the_suite_sees_it(), before)

    async def as_the_suite_sees_it(self) -> dict[str, Any]:
        """The streams and consumers of the suite's account, with their settings and what they hold."""
        stream = await self.js.stream_info("DAFEI_AGENCY")
        consumers = await self.js.consumers_info("DAFEI_AGENCY")
        return {
            "streams": sorted(str(one.config.name) for one in await self.js.streams_info()),
            "stream": (stream.config.as_dict(), stream.state.messages, stream.state.last_seq),
            "consumers": {
                one.name: (one.config.as_dict(), one.num_pending, one.num_ack_pending) for one in consumers
            },
        }

    async def test_a_forged_reply_subject_stores_nothing_under_another_agency_s_name(self) -> None:
        forged = f"dafei.v1.feedback.{POSTAL}.result"
        await self.fire.publish(
            f"DAFEI.API.CONSUMER.MSG.NEXT.DAFEI_AGENCY.{FIRE_DURABLE}", b'{"batch":1}', reply=forged
        )
        await self.fire.publish(f"dafei.v1.feedback.{FIRE}.result", b"{}", reply=forged)
        await self.fire.request(f"dafei.v1.feedback.{FIRE}.accepted", b"{}", timeout=PATIENCE)
        self.assertNotIn(forged, await self.feedback_subjects())

    async def test_what_an_agency_hears_on_any_subject_is_only_its_own(self) -> None:
        heard: list[str] = []

        async def listen(message: Any) -> None:
            heard.append(message.subject)

        spy = await self.connect(POSTAL_LOGIN)
        await spy.subscribe(">", cb=listen)
        await spy.flush()
        await self.js.publish(f"dafei.v1.agency.{FIRE}.instruction", b"secret")
        await self.fire.request(f"dafei.v1.feedback.{FIRE}.accepted", b"{}", timeout=PATIENCE)
        # The spy's own round trip: whatever was sent to it before has arrived now.
        await spy.request(f"dafei.v1.feedback.{POSTAL}.accepted", b"{}", timeout=PATIENCE)
        self.assertEqual([subject for subject in heard if "fire" in subject], [])

    async def reload(self) -> None:
        before = self.server.reloads()
        self.server.process.send_signal(signal.SIGHUP)

        async def done() -> bool:
            return self.server.reloads() > before

        await self.until(done)

    async def test_two_reloads_add_an_agency_and_leave_the_others_connected(self) -> None:
        self.server.accounts.write_text(with_police(EXAMPLE.read_text()))
        await self.reload()
        # The first reload makes the account; its imports work from the second on (nats-server 2.15.1).
        await self.reload()
        police = await self.connect(("police_county_371311", "fire-password"))
        answer = await police.request("dafei.v1.feedback.police.county.371311.accepted", b"{}", timeout=PATIENCE)
        self.assertEqual(json.loads(answer.data)["stream"], "DAFEI_FEEDBACK")
        queue = await self.own_queue(self.fire, FIRE_DURABLE)
        (message,) = await queue.fetch(1, timeout=PATIENCE)
        await message.ack_sync(timeout=PATIENCE)
        self.assertEqual(self.disconnected, [])

    async def test_a_changed_password_disconnects_only_its_agency(self) -> None:
        await self.connect(POSTAL_LOGIN)
        text = self.server.accounts.read_text()
        self.server.accounts.write_text(text.replace("postal-password", "another"))
        await self.reload()

        async def postal_gone() -> bool:
            return POSTAL_LOGIN[0] in self.disconnected

        await self.until(postal_gone)
        await self.connect((POSTAL_LOGIN[0], "another"))
        await self.fire.request(f"dafei.v1.feedback.{FIRE}.accepted", b"{}", timeout=PATIENCE)
        self.assertEqual(set(self.disconnected), {POSTAL_LOGIN[0]})


def with_police(text: str) -> str:
    """The example with a third agency, made from the first one's lines."""
    police = text.replace("fire-rescue", "police").replace("371302", "371311")
    exports = police.split("exports: [")[1].split("# postal")[0]
    account = '  "AG_police' + police.split('  "AG_police')[1].split('  "AG_postal')[0]
    return text.replace("exports: [", f"exports: [{exports}", 1).replace("  SYS {", f"{account}  SYS {{")


if __name__ == "__main__":
    unittest.main()
