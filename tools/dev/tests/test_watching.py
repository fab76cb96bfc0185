"""Dashboards and alerts name what the code exports, and each alert has its runbook. Run by `./dev test` with the interpreter of `.dev/venv`."""

from __future__ import annotations

import copy
import json
import unittest

from dafei_dev import watching
from dafei_dev.home import ROOT

TEXTS = list(watching.sources())
EXPORTED = watching.exported(TEXTS)
METRICS, LABELS, SERVICES = watching.in_prometheus(EXPORTED), watching.labels(TEXTS), watching.rpc_services()
BOARDS = watching.dashboards(ROOT / "deploy/dashboards")
RULES = watching.alerts(ROOT / "deploy/alerts")
PAGE = watching.OPERATIONS.read_text(encoding="utf-8")


def faults(*texts: str) -> "list[str]":
    return watching.expressions("x", list(texts), METRICS, LABELS, SERVICES)


class Watching(unittest.TestCase):
    def test_the_metrics_of_the_code_are_found(self) -> None:
        self.assertEqual(EXPORTED["dafei.outbox.age"], "gauge")
        self.assertEqual(EXPORTED["dafei.sla.open"], "gauge")
        self.assertEqual(EXPORTED["dafei.reconciler.configured"], "gauge")
        self.assertEqual(EXPORTED["dafei.sla.lights"], "counter")
        self.assertEqual(EXPORTED["dafei.reporting.cross_footing_alarms"], "counter")
        self.assertEqual(EXPORTED["rpc.server.duration"], "histogram")
        self.assertIn("rpc_server_duration_bucket", METRICS)
        self.assertLessEqual({"service", "consumer", "rpc_service", "rpc_method", "rpc_grpc_status_code"}, LABELS)

    def test_dashboards_show_what_is_exported(self) -> None:
        self.assertGreaterEqual(len(BOARDS), 2)
        for name, texts in BOARDS.items():
            self.assertGreater(len(texts), 3, name)
            self.assertEqual(watching.expressions(name, texts, METRICS, LABELS, SERVICES), [])

    def test_every_metric_is_shown_or_alerted_on(self) -> None:
        """What nobody looks at is noticed here, when it is made."""
        texts = [text for board in BOARDS.values() for text in board] + [rule["expr"] for rule in RULES]
        used = set().union(*(watching.names_in(text)[0] for text in texts))
        unseen = [name for name in EXPORTED if not used & watching.in_prometheus({name: EXPORTED[name]})]
        self.assertEqual(unseen, [])

    def test_alerts_ring_by_what_is_exported_and_lead_to_their_runbooks(self) -> None:
        self.assertGreater(len(RULES), 10)
        for rule in RULES:
            self.assertEqual(watching.expressions(rule["alert"], [rule["expr"]], METRICS, LABELS, SERVICES), [])
        self.assertEqual(watching.runbooks(RULES, PAGE), [])

    def test_dashboards_are_as_grafana_takes_them(self) -> None:
        for file in sorted((ROOT / "deploy/dashboards").glob("*.json")):
            board = json.loads(file.read_text(encoding="utf-8"))
            numbers = [panel["id"] for panel in board["panels"]]
            self.assertEqual(len(numbers), len(set(numbers)), file.name)
            self.assertTrue(board["title"] and board["uid"])
            for panel in board["panels"]:
                self.assertLessEqual(panel["gridPos"]["x"] + panel["gridPos"]["w"], 24, panel["title"])


class Broken(unittest.TestCase):
    """Each check finds what it is there for."""

    def assert_found(self, found: "list[str]", word: str) -> None:
        self.assertTrue(any(word in fault for fault in found), f"{word!r} is not in {found}")

    def test_names_are_found_in_expressions(self) -> None:
        text = 'histogram_quantile(0.99, sum by (le, job) (rate(a_bucket{x=~"b.*",y!="c d"}[5m]))) > 2 * on (job) group_left () z offset 1h or up'
        self.assertEqual(watching.names_in(text), ({"a_bucket", "z", "up"}, {"le", "job", "x", "y"}))

    def test_what_nothing_exports(self) -> None:
        self.assert_found(faults("max(dafei_outbox_agee) > 1"), "nothing exports dafei_outbox_agee")
        self.assert_found(faults("rate(rpc_server_duration[5m])"), "nothing exports rpc_server_duration")
        self.assert_found(faults('dafei_outbox_age{servise="intake"}'), "no metric has the label servise")
        self.assert_found(faults("sum by (tier) (dafei_outbox_age)"), "no metric has the label tier")
        self.assert_found(faults('rpc_server_duration_count{rpc_service=~".*CityService"}'), "there is no CityService")
        self.assert_found(faults("1 > 0"), "names no metric")

    def test_a_metric_of_unknown_kind(self) -> None:
        with self.assertRaisesRegex(ValueError, "dafei.new.thing"):
            watching.exported(['meter().u64_histogram("dafei.new.thing")'])

    def test_alerts_without_runbook(self) -> None:
        def change(**changed: object) -> "list[str]":
            rules = copy.deepcopy(RULES)
            rules[0].update(changed)
            return watching.runbooks(rules, PAGE)

        self.assert_found(change(alert="DafeiNew"), "no section of that name")
        self.assert_found(change(alert="DafeiNew"), "no alert has the name")
        self.assert_found(change(labels={"severity": "loud"}), "no severity")
        self.assert_found(change(annotations={"runbook": "elsewhere"}), "no summary")
        self.assert_found(change(annotations={"summary": "x", "runbook": "elsewhere"}), "its runbook is not")
        self.assert_found(change(alert=RULES[1]["alert"]), "twice")
        without = [{key: value for key, value in rule.items() if key != "for"} for rule in RULES]
        self.assert_found(watching.runbooks(without, PAGE), "rings at once")


if __name__ == "__main__":
    unittest.main()
