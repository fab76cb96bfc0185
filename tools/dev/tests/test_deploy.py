"""The manifests of deploy/k8s: rendered, held to the schemas of Kubernetes and to what the services need; and each check on something broken.

Run by `./dev test` with the interpreter of `.dev/venv`.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any, Callable

import yaml

from dafei_dev import deployment, manifests, settings
from dafei_dev.home import ROOT

K8S = ROOT / "deploy/k8s"
# The oldest and the newest Kubernetes that the manifests are for.
VERSIONS = ("1.30.0", "1.37.0")
OVERLAYS = ("single-node", "production")
# Consumers of each service, of which each holds a connection (services/*/src/serve.rs and main.rs).
CONSUMERS = {"intake": 1, "dispatch": 4, "sla-monitor": 3, "reporting": 3}
README = (ROOT / "deploy/README.md").read_text(encoding="utf-8")


def nats_values(*names: str) -> "dict[str, Any]":
    values: "dict[str, Any]" = {}
    for name in names:
        values = manifests.merge(values, yaml.safe_load((ROOT / f"deploy/nats/{name}.yaml").read_text(encoding="utf-8")), lists_replaced=True)
    return values


RENDERED = {name: manifests.render(K8S / name) for name in (*OVERLAYS, "migrate", "restore")}
NATS = nats_values("values-production")


class Manifests(unittest.TestCase):
    def assert_sound(self, faults: "list[str]") -> None:
        self.assertEqual(faults, [], "\n" + "\n".join(faults))

    def test_the_schemas_of_kubernetes_hold(self) -> None:
        for version in VERSIONS:
            for name, docs in RENDERED.items():
                with self.subTest(version=version, name=name):
                    self.assert_sound(deployment.schemas(docs, version))

    def test_no_pod_may_be_more_than_it_has_to_be(self) -> None:
        for docs in RENDERED.values():
            self.assert_sound(deployment.pods(docs))

    def test_the_services_are_probed_spread_and_ended_in_time(self) -> None:
        for name in OVERLAYS:
            self.assert_sound(deployment.services(RENDERED[name]))

    def test_every_setting_is_read_and_every_required_one_is_set(self) -> None:
        known = settings.all_services()
        for name in OVERLAYS:
            self.assert_sound(deployment.keys(RENDERED[name], known))
            self.assert_sound(deployment.keys(RENDERED["migrate"], known, shared=RENDERED[name]))

    def test_every_setting_stands_in_the_operations_page_as_the_catalogue_has_it(self) -> None:
        page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
        self.assertEqual(settings.undocumented(page, settings.catalogue()), [])
        less = page.replace("| `DAFEI_NATS_REPLICAS` | `1` |", "| `DAFEI_NATS_REPLICAS` | `2` |")
        self.assertEqual(settings.undocumented(less, settings.catalogue()), ["DAFEI_NATS_REPLICAS"])

    def test_secrets_are_named_and_documented_and_nowhere_in_the_tree(self) -> None:
        for docs in RENDERED.values():
            self.assert_sound(deployment.secrets(docs, README, settings.secret_keys()))
        self.assertIn("`dafei-nats-accounts`", README)

    def test_the_collector_fits_the_services_and_the_dashboards(self) -> None:
        for name in OVERLAYS:
            self.assert_sound(deployment.collector(RENDERED[name]))

    def test_nothing_passes_the_network_unless_a_rule_says_so(self) -> None:
        for name in OVERLAYS:
            self.assert_sound(deployment.network([*RENDERED[name], *RENDERED["migrate"]]))

    def test_production_survives_the_loss_of_a_machine(self) -> None:
        self.assert_sound(deployment.production(RENDERED["production"], NATS))

    def test_a_restore_is_production_standing_still_with_postgresql_from_its_backups(self) -> None:
        docs = {manifests.identity(doc): doc for doc in RENDERED["restore"]}
        plain = {manifests.identity(doc): doc for doc in RENDERED["production"]}
        self.assertEqual(docs.keys(), plain.keys())
        changed = {mark for mark in docs if docs[mark] != plain[mark]}
        self.assertEqual(changed, {("Cluster", "dafei-postgres")} | {("Deployment", name) for name in deployment.SERVICE_DEPLOYMENTS})
        self.assertEqual({docs["Deployment", name]["spec"]["replicas"] for name in deployment.SERVICE_DEPLOYMENTS}, {0})
        spec = docs["Cluster", "dafei-postgres"]["spec"]
        self.assertEqual(list(spec["bootstrap"]), ["recovery"], "the operator takes one way to begin")
        source, store = spec["externalClusters"][0], plain["Cluster", "dafei-postgres"]["spec"]["plugins"][0]
        self.assertEqual(source["name"], spec["bootstrap"]["recovery"]["source"])
        self.assertEqual((source["plugin"]["name"], source["plugin"]["parameters"]), (store["name"], store["parameters"]))

    def test_postgresql_has_room_for_every_replica(self) -> None:
        for name in OVERLAYS:
            taken, allowed = deployment.connections(RENDERED[name], CONSUMERS)
            self.assertLess(taken, allowed)
        self.assertIn(f"{taken} of {allowed}", README, "deploy/README.md counts the connections of production")

    def test_the_single_server_syncs_as_the_three_do(self) -> None:
        single = nats_values("values-production", "values-single-node")
        self.assertEqual(deployment.at(single, "config.jetstream.merge.sync_interval"), "always")
        self.assertIs(deployment.at(single, "config.cluster.enabled"), False)

    def test_where_kubectl_is_there_it_renders_the_same(self) -> None:
        if shutil.which("kubectl") is None:
            self.skipTest("needs kubectl")
        for name, docs in RENDERED.items():
            done = subprocess.run(["kubectl", "kustomize", str(K8S / name)], capture_output=True, text=True, check=True)
            theirs = {manifests.identity(doc): doc for doc in yaml.safe_load_all(done.stdout)}
            self.assertEqual({manifests.identity(doc): doc for doc in docs}, theirs)


class Broken(unittest.TestCase):
    """Each check finds what it is there for."""

    def broken(self, kind: str, name: str, change: "Callable[[dict[str, Any]], None]") -> "list[dict[str, Any]]":
        docs = copy.deepcopy(RENDERED["production"])
        change(next(doc for doc in docs if manifests.identity(doc) == (kind, name)))
        return docs

    def intake(self, change: "Callable[[dict[str, Any], dict[str, Any]], None]") -> "list[dict[str, Any]]":
        def both(doc: "dict[str, Any]") -> None:
            pod = doc["spec"]["template"]["spec"]
            change(pod, pod["containers"][0])

        return self.broken("Deployment", "dafei-intake", both)

    def assert_found(self, faults: "list[str]", word: str) -> None:
        self.assertTrue(any(word in fault for fault in faults), f"{word!r} is not in {faults}")

    def test_a_field_that_kubernetes_does_not_know(self) -> None:
        docs = self.intake(lambda pod, _: pod.update(terminationGracePeriod=5))
        for version in VERSIONS:
            self.assert_found(deployment.schemas(docs, version), "terminationGracePeriod")

    def test_a_kind_that_nobody_knows(self) -> None:
        docs = [{"apiVersion": "example.org/v1", "kind": "Wish", "metadata": {"name": "x"}}]
        self.assert_found(deployment.schemas(docs, VERSIONS[0]), "Wish")

    def test_a_database_of_another_cluster(self) -> None:
        docs = self.broken("Database", "dafei-intake", lambda doc: doc["spec"]["cluster"].update(name="other"))
        self.assert_found(deployment.schemas(docs, VERSIONS[0]), "spec.cluster.name")

    def test_what_a_pod_must_not_be(self) -> None:
        changes: "dict[str, Callable[[dict[str, Any], dict[str, Any]], None]]" = {
            "runs as somebody": lambda pod, _: pod["securityContext"].update(runAsUser=0),
            "seccomp": lambda pod, _: pod["securityContext"].pop("seccompProfile"),
            "no token": lambda pod, _: pod.pop("automountServiceAccountToken"),
            "no service links": lambda pod, _: pod.pop("enableServiceLinks"),
            "no hostPath": lambda pod, _: pod["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
            "read-only root": lambda _, container: container["securityContext"].update(readOnlyRootFilesystem=False),
            "no escalation": lambda _, container: container["securityContext"].pop("allowPrivilegeEscalation"),
            "no capabilities": lambda _, container: container["securityContext"].update(capabilities={"drop": []}),
            "a limit of memory": lambda _, container: container["resources"].pop("limits"),
            "a pinned image": lambda _, container: container.update(image="dafei-intake:latest"),
        }
        for word, change in changes.items():
            with self.subTest(word):
                self.assert_found(deployment.pods(self.intake(change)), word)

    def test_what_a_service_must_have(self) -> None:
        changes: "dict[str, Callable[[dict[str, Any], dict[str, Any]], None]]" = {
            "a startup probe": lambda _, container: container.pop("startupProbe"),
            "a readiness probe": lambda _, container: container["readinessProbe"].update(grpc={"port": 1}),
            "a liveness probe": lambda _, container: container.update(livenessProbe={"grpc": {"port": 7000}}),
            "30 s to end": lambda pod, _: pod.update(terminationGracePeriodSeconds=29),
            "two spreads": lambda pod, _: pod.pop("topologySpreadConstraints"),
            "plain text": lambda _, container: container["env"].append({"name": "DAFEI_TLS_CERT", "value": "/x"}),
        }
        for word, change in changes.items():
            with self.subTest(word):
                self.assert_found(deployment.services(self.intake(change)), word)
        gap = self.broken("Deployment", "dafei-intake", lambda doc: doc["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1))
        self.assert_found(deployment.services(gap), "a gapless update")
        for kind, word in (("Service", "a Service"), ("PodDisruptionBudget", "a disruption budget"), ("Deployment", "no Deployment")):
            docs = [doc for doc in RENDERED["production"] if manifests.identity(doc) != (kind, "dafei-dispatch")]
            self.assert_found(deployment.services(docs), word)

    def test_settings_that_are_not_read_or_not_set(self) -> None:
        known = settings.all_services()
        stray = self.intake(lambda _, container: container["env"].append({"name": "DAFEI_MAX_RETURNS", "value": "3"}))
        self.assert_found(deployment.keys(stray, known), "sets DAFEI_MAX_RETURNS, which intake does not read")
        typo = self.broken("ConfigMap", "dafei-suite", lambda doc: doc["data"].update(DAFEI_NATS_REPLICA="3"))
        self.assert_found(deployment.keys(typo, known), "DAFEI_NATS_REPLICA,")
        lost = self.broken("ConfigMap", "dafei-suite", lambda doc: doc["data"].pop("DAFEI_JWT_ISSUER"))
        self.assert_found(deployment.keys(lost, known), "does not set DAFEI_JWT_ISSUER")
        bucket = self.intake(lambda _, c: c.update(env=[entry for entry in c["env"] if entry["name"] != "DAFEI_PHOTOS_S3_SECRET"]))
        self.assert_found(deployment.keys(bucket, known), "photos in a bucket, and does not set DAFEI_PHOTOS_S3_SECRET")
        pepper = self.intake(lambda _, c: c.update(env=[entry for entry in c["env"] if entry["name"] != "DAFEI_INTAKE_CODE_PEPPER"]))
        self.assert_found(deployment.keys(pepper, known), "does not set DAFEI_INTAKE_CODE_PEPPER")

    def test_secrets_in_the_tree(self) -> None:
        secret = settings.secret_keys()
        made = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": "b"}}]
        self.assert_found(deployment.secrets(made, README, secret), "never here")
        mapped = self.broken("ConfigMap", "dafei-suite", lambda doc: doc["data"].update(DAFEI_NATS_PASSWORD="x"))
        self.assert_found(deployment.secrets(mapped, README, secret), "holds DAFEI_NATS_PASSWORD")
        inline = self.intake(lambda _, c: c["env"].append({"name": "DAFEI_PHOTOS_S3_SECRET", "value": "x"}))
        self.assert_found(deployment.secrets(inline, README, secret), "DAFEI_PHOTOS_S3_SECRET")
        self.assert_found(deployment.secrets(RENDERED["production"], "", secret), "dafei-intake-pepper")

    def test_a_collector_that_does_not_fit(self) -> None:
        changes = {
            "names prometheus, which": ("prometheus:\n", "prometheuss:\n"), "names without suffixes": ("WithoutSuffixes", "WithSuffixes"),
            "a receiver on the port": ("0.0.0.0:4317", "0.0.0.0:4318"), "metrics and traces": ("traces: {", "logs: {"),
            "metrics for Prometheus": ("exporters: [prometheus]", "exporters: [nop]"),
        }
        for word, (old, new) in changes.items():
            def change(doc: "dict[str, Any]") -> None:
                self.assertIn(old, doc["data"]["collector.yaml"])
                doc["data"]["collector.yaml"] = doc["data"]["collector.yaml"].replace(old, new)

            self.assert_found(deployment.collector(self.broken("ConfigMap", "dafei-collector", change)), word)

    def test_openings_in_the_network(self) -> None:
        docs = [doc for doc in RENDERED["production"] if doc["metadata"]["name"] != "deny-all"]
        self.assert_found(deployment.network(docs), "denies everything")
        rules: "dict[str, dict[str, Any]]" = {
            "without ports": {"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]},
            "for every pod": {"from": [{"podSelector": {}}], "ports": [{"port": 7000}]},
            "for everybody": {"ports": [{"port": 7000}]},
        }
        for word, rule in rules.items():
            docs = self.broken("NetworkPolicy", "suite-calls", lambda doc: doc["spec"]["ingress"].append(rule))
            self.assert_found(deployment.network(docs), word)
        alone = self.broken("Deployment", "dafei-collector", lambda doc: doc["spec"]["template"]["metadata"].update(labels={"a": "b"}))
        self.assert_found(deployment.network(alone), "no NetworkPolicy names its pods")

    def test_a_production_that_loses_what_it_acknowledged(self) -> None:
        lax = copy.deepcopy(NATS)
        lax["config"]["jetstream"]["merge"]["sync_interval"] = "2m"
        self.assert_found(deployment.production(RENDERED["production"], lax), "sync_interval")
        one = self.broken("ConfigMap", "dafei-suite", lambda doc: doc["data"].update(DAFEI_NATS_REPLICAS="1"))
        self.assert_found(deployment.production(one, NATS), "streams with 3 replicas")
        hope = self.broken("Cluster", "dafei-postgres", lambda doc: doc["spec"]["postgresql"]["synchronous"].update(dataDurability="preferred"))
        self.assert_found(deployment.production(hope, NATS), "a commit on one more instance")
        both = self.broken("Deployment", "dafei-intake", lambda doc: doc["spec"].update(replicas=2))
        self.assert_found(deployment.production(both, NATS), "not both")
        alone = self.broken("Deployment", "dafei-sla-monitor", lambda doc: doc["spec"].update(replicas=1))
        self.assert_found(deployment.production(alone, NATS), "two replicas of dafei-sla-monitor")
        few = self.broken("HorizontalPodAutoscaler", "dafei-intake", lambda doc: doc["spec"].update(minReplicas=1))
        self.assert_found(deployment.production(few, NATS), "two replicas at the least")

    def test_more_replicas_than_postgresql_has_connections_for(self) -> None:
        many = self.broken("HorizontalPodAutoscaler", "dafei-intake", lambda doc: doc["spec"].update(maxReplicas=40))
        taken, allowed = deployment.connections(many, CONSUMERS)
        self.assertGreater(taken, allowed)


class Renderer(unittest.TestCase):
    """What the renderer does not know it refuses."""

    POD = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
           "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}], "tolerations": [{"key": "a"}]}}}}

    def render(self, kustomization: "dict[str, Any]", **files: "dict[str, Any]") -> "list[dict[str, Any]]":
        with tempfile.TemporaryDirectory() as folder:
            for name, doc in {"kustomization": kustomization, **files}.items():
                Path(folder, f"{name}.yaml").write_text(json.dumps(doc))
            return manifests.render(Path(folder))

    def test_features_that_it_does_not_know(self) -> None:
        base = {"resources": ["pod.yaml"]}
        tolerations = {**self.POD, "spec": {"template": {"spec": {"tolerations": [{"key": "b"}]}}}}
        # kustomize, too, fails at a `template` that is no pod once an image is set.
        database = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Database", "metadata": {"name": "x"}, "spec": {"template": "template0"}}
        cases: "dict[str, tuple[dict[str, Any], dict[str, Any]]]" = {
            "configMapGenerator": ({**base, "configMapGenerator": []}, {}),
            "a patch is a `path`": ({**base, "patches": [{"patch": "x", "target": {}}]}, {}),
            "tolerations": ({**base, "patches": [{"path": "over.yaml"}]}, {"over": tolerations}),
            "there is no Deployment": ({**base, "replicas": [{"name": "other", "count": 1}]}, {}),
            "no container has the image": ({**base, "images": [{"name": "other", "newTag": "1"}]}, {}),
            "is no pod": ({"resources": ["pod.yaml", "over.yaml"], "images": [{"name": "i", "newTag": "1"}]}, {"over": database}),
            "there twice": ({"resources": ["pod.yaml", "over.yaml"]}, {"over": self.POD}),
            "lies in a namespace": ({"resources": ["over.yaml"], "namespace": "n"}, {"over": {**self.POD, "kind": "Wish"}}),
        }
        for word, (kustomization, more) in cases.items():
            with self.subTest(word), self.assertRaisesRegex(manifests.Unknown, word):
                self.render(kustomization, pod=self.POD, **more)

    def test_a_patch_of_several_documents(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "kustomization.yaml").write_text(json.dumps({"resources": ["pod.yaml"], "patches": [{"path": "over.yaml"}]}))
            Path(folder, "pod.yaml").write_text(json.dumps(self.POD))
            Path(folder, "over.yaml").write_text(f"{json.dumps(self.POD)}\n---\n{json.dumps(self.POD)}\n")
            with self.assertRaisesRegex(manifests.Unknown, "has 2 documents"):
                manifests.render(Path(folder))

    def test_a_catalogue_row_that_cannot_be_read_is_a_fault(self) -> None:
        table = 'pub const KNOWN_KEYS: &[Key] = &[ Key::new("DAFEI_A", Required, "x"), Key::new(NAME, Required, "x") ];'
        with self.assertRaisesRegex(ValueError, "2 rows, 1 were read"):
            settings.catalogue(table)


if __name__ == "__main__":
    unittest.main()
