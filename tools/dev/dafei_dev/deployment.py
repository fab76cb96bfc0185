"""What has to hold of the manifests in deploy/k8s, beyond the schemas of Kubernetes. Each function returns sentences, none when all is well.

Needs PyYAML and kubernetes-validate: run with the interpreter of `.dev/venv`.
"""

from __future__ import annotations

import re
from typing import Any, Iterator

import yaml

from . import manifests
from .home import SERVICES
from .manifests import identity
from .settings import Settings

Docs = list  # of documents, each a dict

# Kinds of operators, whose schemas are not part of Kubernetes: for each, the fields that must be there (a dotted path) and their values (None: any).
CUSTOM = {
    ("postgresql.cnpg.io/v1", "Cluster"): {"spec.instances": None, "spec.storage.size": None, "spec.managed.roles": None},
    ("postgresql.cnpg.io/v1", "Database"): {"spec.cluster.name": "dafei-postgres", "spec.name": None, "spec.owner": None},
    ("postgresql.cnpg.io/v1", "ScheduledBackup"): {"spec.schedule": None, "spec.cluster.name": "dafei-postgres", "spec.method": "plugin"},
    ("barmancloud.cnpg.io/v1", "ObjectStore"): {"spec.configuration.destinationPath": None, "spec.retentionPolicy": None},
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"spec.selector.matchLabels": None, "spec.endpoints": None},
    ("monitoring.coreos.com/v1", "PodMonitor"): {"spec.selector.matchLabels": None, "spec.podMetricsEndpoints": None},
}
# What a production cluster of PostgreSQL must have, so that a commit is on two machines.
SYNCHRONOUS = {"method": "any", "number": 1, "dataDurability": "required"}
GRPC_PORT = 7000
# Without them the service refuses a bucket.
BUCKET_KEYS = ("DAFEI_PHOTOS_S3_KEY_ID", "DAFEI_PHOTOS_S3_SECRET")
# The collector speaks HTTP to its probes, and one replica is enough.
SERVICE_DEPLOYMENTS = tuple(f"dafei-{service}" for service in SERVICES)


def at(doc: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for part in path.split("."):
        doc = doc.get(part) if isinstance(doc, dict) else None
    return doc


def of_kind(docs: Docs, kind: str) -> "Iterator[dict[str, Any]]":
    return (doc for doc in docs if doc["kind"] == kind)


def schemas(docs: Docs, version: str) -> "list[str]":
    """Kubernetes' own schemas, strictly: no unknown field. Kinds of operators are held to CUSTOM instead."""
    import kubernetes_validate

    faults = []
    for doc in docs:
        mark = (doc.get("apiVersion"), doc["kind"])
        if mark in CUSTOM:
            faults += custom(doc)
            continue
        try:
            kubernetes_validate.validate(doc, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{identity(doc)} at {version}: {error.path}: {error.message[:200]}")
        except kubernetes_validate.SchemaNotFoundError:
            faults.append(f"{identity(doc)}: neither Kubernetes {version} nor this check knows {mark}")
    return faults


def custom(doc: "dict[str, Any]") -> "list[str]":
    wanted = CUSTOM[doc["apiVersion"], doc["kind"]]
    found = ((path, value, at(doc, path)) for path, value in wanted.items())
    return [f"{identity(doc)}: {path} is {is_!r}" for path, value, is_ in found if is_ is None or (value is not None and is_ != value)]


def pods(docs: Docs) -> "list[str]":
    """No pod may be more than it has to be."""
    faults = []
    for doc in docs:
        spec = manifests.pod(doc)
        if spec is None:
            continue
        context = spec.get("securityContext", {})
        wanted = {
            "runs as somebody": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
            "seccomp RuntimeDefault": at(context, "seccompProfile.type") == "RuntimeDefault",
            "no token": spec.get("automountServiceAccountToken") is False,
            "no service links": spec.get("enableServiceLinks") is False,
            "an account of its own": spec.get("serviceAccountName", "default") != "default",
            "no access to the machine": not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
            "no hostPath": not any("hostPath" in volume for volume in spec.get("volumes", [])),
        }
        for container in spec["containers"] + spec.get("initContainers", []):
            wanted.update(_container(container))
        faults += [f"{identity(doc)}: lacks {what}" for what, holds in wanted.items() if not holds]
    return faults


def _container(container: "dict[str, Any]") -> "dict[str, bool]":
    own, name = container.get("securityContext", {}), container["name"]
    return {
        f"{name}: read-only root": own.get("readOnlyRootFilesystem") is True,
        f"{name}: no escalation": own.get("allowPrivilegeEscalation") is False and not own.get("privileged"),
        f"{name}: no capabilities": at(own, "capabilities.drop") == ["ALL"] and "add" not in own.get("capabilities", {}),
        f"{name}: requests": {"cpu", "memory"} <= set(at(container, "resources.requests") or {}),
        f"{name}: a limit of memory": "memory" in (at(container, "resources.limits") or {}),
        f"{name}: a pinned image": re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", container["image"]) is not None,
    }


def services(docs: Docs) -> "list[str]":
    """The four services are there, probed, ended in time, replaced without a gap, spread, and disrupted one at a time."""
    deployments = {doc["metadata"]["name"]: doc for doc in of_kind(docs, "Deployment")}
    faults = [f"no Deployment {name}" for name in SERVICE_DEPLOYMENTS if name not in deployments]
    for name in set(SERVICE_DEPLOYMENTS) & set(deployments):
        doc, spec = deployments[name], deployments[name]["spec"]["template"]["spec"]
        container = spec["containers"][0]
        labels = {"app.kubernetes.io/name": name}
        env = environment(doc, docs)
        needed = at(container, "lifecycle.preStop.sleep.seconds") or 0
        needed += int(env.get("DAFEI_SHUTDOWN_SECONDS", "20")) + 5
        wanted = {
            "a startup probe by grpc": at(container, "startupProbe.grpc.port") == GRPC_PORT,
            "a readiness probe by grpc": at(container, "readinessProbe.grpc.port") == GRPC_PORT,
            "a liveness probe that does not follow PostgreSQL": at(container, "livenessProbe.tcpSocket.port") == "grpc",
            f"{needed} s to end": spec.get("terminationGracePeriodSeconds", 30) >= needed,
            "a gapless update": at(doc, "spec.strategy.rollingUpdate.maxUnavailable") == 0,
            "two spreads": len(spec.get("topologySpreadConstraints", [])) >= 2,
            "plain text, which is what probes by grpc speak": "DAFEI_TLS_CERT" not in env,
            "a Service": any(at(other, "spec.selector") == labels for other in of_kind(docs, "Service")),
            "a disruption budget": any(at(other, "spec.selector.matchLabels") == labels for other in of_kind(docs, "PodDisruptionBudget")),
        }
        faults += [f"{name}: lacks {what}" for what, holds in wanted.items() if not holds]
    return faults


def environment(doc: "dict[str, Any]", docs: Docs) -> "dict[str, str]":
    """What the first container gets: names with their values, `(secret)` for what comes from a Secret."""
    maps = {other["metadata"]["name"]: other.get("data", {}) for other in of_kind(docs, "ConfigMap")}
    container = (manifests.pod(doc) or {})["containers"][0]
    env: "dict[str, str]" = {}
    for source in container.get("envFrom", []):
        env.update(maps[source["configMapRef"]["name"]])
    for entry in container.get("env", []):
        env[entry["name"]] = entry.get("value", "(secret)" if "secretKeyRef" in entry.get("valueFrom", {}) else "(field)")
    return env


def keys(docs: Docs, settings: "dict[str, Settings]", shared: "Docs | None" = None) -> "list[str]":
    """Each DAFEI_ setting that a pod gets is read by its service, and each that its service requires is there."""
    faults = []
    for doc in docs:
        service = _service_of(doc)
        if service is None:
            continue
        env = environment(doc, [*docs, *(shared or [])])
        given = {name for name in env if name.startswith("DAFEI_")}
        known = settings[service]
        faults += [f"{identity(doc)}: sets {name}, which {service} does not read" for name in sorted(given - known.read)]
        faults += [f"{identity(doc)}: does not set {name}" for name in sorted(known.required - given)]
        if env.get("DAFEI_PHOTOS", "").startswith("s3://"):
            faults += [f"{identity(doc)}: photos in a bucket, and does not set {name}" for name in BUCKET_KEYS if name not in given]
    return faults


def _service_of(doc: "dict[str, Any]") -> "str | None":
    name = doc["metadata"]["name"].removeprefix("dafei-").removesuffix("-migrate") if doc["kind"] in ("Deployment", "Job") else ""
    return name if name in SERVICES else None


def secrets(docs: Docs, readme: str, secret_keys: "set[str]") -> "list[str]":
    """No secret in the tree: no document of that kind, none of the secret settings in a ConfigMap or as a value, and each that is named is documented."""
    faults = [f"{identity(doc)}: a Secret is made apart, never here" for doc in of_kind(docs, "Secret")]
    for doc in of_kind(docs, "ConfigMap"):
        faults += [f"{identity(doc)}: holds {name}" for name in doc.get("data", {}) if name in secret_keys]
    for doc in docs:
        for container in (manifests.pod(doc) or {}).get("containers", []):
            for entry in container.get("env", []):
                if entry["name"] in secret_keys and "value" in entry and "$(" not in entry["value"]:
                    faults.append(f"{identity(doc)}: {entry['name']} has its value in the tree")
    faults += [f"the Secret {name} is not documented in deploy/README.md" for name in sorted(secret_names(docs)) if f"`{name}`" not in readme]
    return faults


def secret_names(node: Any) -> "set[str]":
    """All Secrets that are referred to, wherever that is."""
    found: "set[str]" = set()
    if isinstance(node, list):
        found.update(*(secret_names(item) for item in node)) if node else None
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("secretKeyRef", "passwordSecret", "accessKeyId", "secretAccessKey"):
                found.add(value["name"])
            elif key == "secretName":
                found.add(value)
            else:
                found |= secret_names(value)
    return found


def network(docs: Docs) -> "list[str]":
    """Nothing goes in or out unless a rule says so, no rule opens everything, and each pod of the suite has rules that name it."""
    policies = list(of_kind(docs, "NetworkPolicy"))
    denied = any(
        doc["spec"]["podSelector"] == {} and set(doc["spec"]["policyTypes"]) == {"Ingress", "Egress"} and not _rules(doc) for doc in policies
    )
    faults = [] if denied else ["no NetworkPolicy denies everything first"]
    for doc in policies:
        for rule in _rules(doc):
            peers = rule.get("from", rule.get("to"))
            if not rule.get("ports"):
                faults.append(f"{identity(doc)}: a rule without ports")
            if peers is None and {port["port"] for port in rule.get("ports", [])} - {443, 6443}:
                faults.append(f"{identity(doc)}: a rule for everybody on other ports than those of the API and of buckets")
            if any(peer in ({}, {"namespaceSelector": {}}, {"podSelector": {}}) for peer in peers or []):
                faults.append(f"{identity(doc)}: a rule for every pod")
    named = [doc["spec"]["podSelector"] for doc in policies if doc["spec"]["podSelector"]]
    for doc in docs:
        labels = at(doc, "spec.template.metadata.labels")
        if labels and not any(_selects(selector, labels) for selector in named):
            faults.append(f"{identity(doc)}: no NetworkPolicy names its pods")
    return faults


def _rules(doc: "dict[str, Any]") -> "list[dict[str, Any]]":
    return doc["spec"].get("ingress", []) + doc["spec"].get("egress", [])


def _selects(selector: "dict[str, Any]", labels: "dict[str, str]") -> bool:
    same = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return same and all(labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", []))


def production(docs: Docs, nats: "dict[str, Any]") -> "list[str]":
    """What is acknowledged is on two machines: streams with three replicas, commits on two, nothing that the failure of one takes away."""
    suite = next((doc["data"] for doc in of_kind(docs, "ConfigMap") if doc["metadata"]["name"] == "dafei-suite"), {})
    cluster = next(of_kind(docs, "Cluster"), {})
    scaled = {at(doc, "spec.scaleTargetRef.name"): doc for doc in of_kind(docs, "HorizontalPodAutoscaler")}
    wanted = {
        "streams with 3 replicas": suite.get("DAFEI_NATS_REPLICAS") == "3",
        "3 servers of NATS": at(nats, "config.cluster.enabled") is True and at(nats, "config.cluster.replicas") == 3,
        "streams in files": at(nats, "config.jetstream.fileStore.enabled") is True,
        "sync_interval: always": at(nats, "config.jetstream.merge.sync_interval") == "always",
        "a disruption budget of NATS": at(nats, "podDisruptionBudget.enabled") is True,
        "NATS on separate machines": at(nats, "podTemplate.topologySpreadConstraints") is not None,
        "the accounts of NATS from a Secret": "dafei-nats-accounts" in secret_names(nats),
        "3 instances of PostgreSQL": at(cluster, "spec.instances") == 3,
        "a commit on one more instance": at(cluster, "spec.postgresql.synchronous") == SYNCHRONOUS,
        "a backup": bool(at(cluster, "spec.plugins")) and any(of_kind(docs, "ScheduledBackup")),
        "sla-monitor out of the autoscalers": "dafei-sla-monitor" not in scaled,
        "two replicas at the least": all(at(doc, "spec.minReplicas") >= 2 for doc in scaled.values()),
        "photos in a bucket": any(doc.get("data", {}).get("DAFEI_PHOTOS", "").startswith("s3://") for doc in of_kind(docs, "ConfigMap")),
    }
    for doc in of_kind(docs, "Deployment"):
        name = doc["metadata"]["name"]
        if name in SERVICE_DEPLOYMENTS:
            wanted[f"replicas of {name} by a number or an autoscaler, not both"] = ("replicas" in doc["spec"]) != (name in scaled)
            wanted[f"two replicas of {name}"] = name in scaled or doc["spec"]["replicas"] >= 2
    return [f"production lacks {what}" for what, holds in wanted.items() if not holds]


def connections(docs: Docs, consumers: "dict[str, int]") -> "tuple[int, int]":
    """Connections that all replicas take at the most while new versions roll out, and those that PostgreSQL allows."""
    scaled = {at(doc, "spec.scaleTargetRef.name"): at(doc, "spec.maxReplicas") for doc in of_kind(docs, "HorizontalPodAutoscaler")}
    taken = 0
    for doc in of_kind(docs, "Deployment"):
        name = doc["metadata"]["name"]
        if name in SERVICE_DEPLOYMENTS:
            replicas = scaled.get(name, doc["spec"].get("replicas", 1)) + 1
            # Beside the pool: the relay's, one for each consumer, the one for readiness, and three that listen or migrate.
            each = int(environment(doc, docs)["DAFEI_DATABASE_POOL"]) + 1 + consumers[name.removeprefix("dafei-")] + 4
            taken += replicas * each
    allowed = int(next((at(doc, "spec.postgresql.parameters.max_connections") for doc in of_kind(docs, "Cluster")), "100"))
    return taken, allowed


def collector(docs: Docs) -> "list[str]":
    """The collector's configuration fits together, listens where the services send, and writes names as the dashboards have them."""
    config = next((doc["data"]["collector.yaml"] for doc in of_kind(docs, "ConfigMap") if doc["metadata"]["name"] == "dafei-collector"), "{}")
    read = yaml.safe_load(config)
    pipelines = at(read, "service.pipelines") or {}
    faults = [
        f"the collector's pipeline {name} names {part}, which is not configured under {kind}"
        for name, pipeline in pipelines.items() for kind, parts in pipeline.items() for part in parts if part not in read.get(kind, {})
    ]
    endpoint = next((doc["data"].get("DAFEI_OTLP_ENDPOINT", "") for doc in of_kind(docs, "ConfigMap") if doc["metadata"]["name"] == "dafei-suite"), "")
    port = str(at(read, "receivers.otlp.protocols.grpc.endpoint")).rpartition(":")[2]
    wanted = {
        "metrics and traces": {"metrics", "traces"} <= set(pipelines),
        f"a receiver on the port of {endpoint}": endpoint == f"http://dafei-collector:{port}",
        "names without suffixes": at(read, "exporters.prometheus.translation_strategy") == "UnderscoreEscapingWithoutSuffixes",
        "metrics for Prometheus": "prometheus" in at(pipelines, "metrics.exporters") if "metrics" in pipelines else False,
    }
    return faults + [f"the collector lacks {what}" for what, holds in wanted.items() if not holds]
