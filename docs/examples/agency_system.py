"""An agency's own system: takes instructions from its queue on NATS and answers them, and tells of its daily work.

Needs nats-py. Reads the credentials (the JSON that `./dev agency-creds` prints) from standard input:

    ./dev agency-creds emergency-management county 371302 | python docs/examples/agency_system.py [--once] [--daily-work FILE]

The file holds what `dailyWork` holds: an inspection or a finding.
"""

import asyncio
import hashlib
import json
import sys

import nats


class AgencySystem:
    def __init__(self, credentials: dict) -> None:
        self.credentials = credentials

    async def connect(self) -> None:
        known = self.credentials
        self.nats = await nats.connect(known["url"].split(","), user=known["user"], password=known["password"])
        # The queue is another account's: its JetStream API is reached under a prefix of its own.
        jetstream = self.nats.jetstream(prefix=known["api_prefix"])
        self.queue = await jetstream.pull_subscribe_bind(known["durable"], stream=known["stream"])

    async def messages(self):
        """Instructions, receipts and notices, in order. Acknowledge what has been taken down: that is the delivery."""
        while True:
            try:
                for message in await self.queue.fetch(10, timeout=5):
                    yield message
            except nats.errors.TimeoutError:
                continue

    async def feed_back(self, instruction: dict, kind: str, body: dict) -> str:
        """Publishes a feedback. Its id is ours: send it again with the same id until its receipt comes."""
        feedback_id = f"{instruction['instructionId']}-{kind}"
        return await self.send(kind, {"feedbackId": feedback_id, "instructionId": instruction["instructionId"], kind: body})

    async def daily_work(self, work: dict) -> str:
        """Tells of what was done or found without an instruction. The same work has the same id: told twice, it counts once."""
        digest = hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()
        return await self.send("daily-work", {"feedbackId": f"daily-{digest[:32]}", "dailyWork": work})

    async def send(self, kind: str, content: dict) -> str:
        feedback = {**content, "agency": self.credentials["agency"], "region": self.credentials["region"]}
        # A request, not a publish: the answer says that the server has stored it. That instant counts for the clocks.
        subject = f"{self.credentials['feedback_prefix']}.{kind}"
        stored = await self.nats.request(subject, json.dumps(feedback).encode(), timeout=30)
        answer = json.loads(stored.data)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return content["feedbackId"]

    async def work_off(self, instruction: dict) -> "list[str]":
        # Ours, and unique within the case: others number their measures as well, and work may come a second time.
        measure_id = f"{self.credentials['agency']}-{instruction['instructionId'][-12:]}-close"
        print(f"instruction {instruction['instructionId']} for case {instruction['caseId']}: {instruction['actName']}")
        return [
            await self.feed_back(instruction, "accepted", {"by": "duty desk"}),
            await self.feed_back(instruction, "response", {"plan": "现场处置"}),
            await self.feed_back(instruction, "result", {
                "kind": "RESULT_KIND_FINAL",
                "text": "窝点已取缔",
                "confirmedActs": [instruction["act"]],
                "measures": [{"measureId": measure_id, "decidedAt": instruction["issuedAt"], "closeDown": {"note": "拆除设备"}}],
                "exemptions": [
                    {"measure": "WITHOUT_EXCEPTION_MAXIMUM_FINE", "reason": "另案处罚"},
                    {"measure": "WITHOUT_EXCEPTION_STOP_PRODUCTION", "reason": "无生产可停"},
                    {"measure": "WITHOUT_EXCEPTION_LEGAL_LIABILITY", "reason": "尚不构成犯罪"},
                ],
            }),
        ]


async def main() -> None:
    once = "--once" in sys.argv[1:]
    system = AgencySystem(json.load(sys.stdin))
    await system.connect()
    waiting: "set[str]" = set()
    if "--daily-work" in sys.argv[1:]:
        with open(sys.argv[sys.argv.index("--daily-work") + 1], encoding="utf-8") as file:
            waiting.add(await system.daily_work(json.load(file)))
    async for message in system.messages():
        kind = message.subject.rsplit(".", 1)[1]
        payload = json.loads(message.data)
        if kind == "instruction":
            waiting.update(await system.work_off(payload))
        elif kind == "receipt" and payload.get("feedbackId") in waiting:
            print(f"receipt {payload['feedbackId']}: {payload['status']} {payload.get('caseId', '')} {payload.get('message', '')}")
            waiting.discard(payload["feedbackId"])
            if payload["status"] == "RECEIPT_STATUS_REJECTED":
                raise SystemExit(f"rejected: {payload['reason']} {payload.get('field', '')}")
        await message.ack()
        if once and kind == "receipt" and not waiting:
            break
    await system.nats.drain()


if __name__ == "__main__":
    asyncio.run(main())
