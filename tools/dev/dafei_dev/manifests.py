"""Renders the few features of kustomize that deploy/k8s uses, and refuses every other: what this does not know is not checked in silence.

Needs PyYAML: run with the interpreter of `.dev/venv`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

KNOWN_FIELDS = {"apiVersion", "kind", "namespace", "resources", "images", "replicas", "patches"}
IMAGE_FIELDS = {"name", "newName", "newTag", "digest"}
CLUSTER_WIDE = {"Namespace"}
NAMESPACED = {
    "ConfigMap", "Service", "ServiceAccount", "PersistentVolumeClaim", "Deployment", "Job", "PodDisruptionBudget", "HorizontalPodAutoscaler",
    "NetworkPolicy", "Cluster", "Database", "ScheduledBackup", "ObjectStore", "ServiceMonitor", "PodMonitor",
}
# Kinds of operators: kustomize knows no keys of their lists and replaces these as wholes.
CUSTOM = {"Cluster", "Database", "ScheduledBackup", "ObjectStore", "ServiceMonitor", "PodMonitor"}
# By what the items of a list are told apart when a patch is laid over it, by the list's place in a pod or a Service.
MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath", "imagePullSecrets": "name",
}
# Lists that a patch replaces as wholes.
REPLACED = {"args", "command", "drop", "accessModes", "envFrom"}


class Unknown(Exception):
    """Something that this renderer does not know, or a folder that is wrong."""


def documents(file: Path) -> "list[dict[str, Any]]":
    found = [doc for doc in yaml.safe_load_all(file.read_text(encoding="utf-8")) if doc is not None]
    for doc in found:
        if not isinstance(doc, dict) or not doc.get("kind") or not doc.get("metadata", {}).get("name"):
            raise Unknown(f"{file}: a document without kind or name")
    return found


def render(folder: Path) -> "list[dict[str, Any]]":
    """The documents of a kustomization."""
    file = folder / "kustomization.yaml"
    if not file.exists():
        raise Unknown(f"{folder} has no kustomization.yaml")
    wanted = yaml.safe_load(file.read_text(encoding="utf-8"))
    strange = set(wanted) - KNOWN_FIELDS
    if strange:
        raise Unknown(f"{file}: unknown to this renderer: {', '.join(sorted(strange))}")
    docs = _resources(folder, wanted.get("resources", []))
    for patch in wanted.get("patches", []):
        if set(patch) != {"path"}:
            raise Unknown(f"{file}: a patch is a `path` here, not {sorted(patch)}")
        overlays = documents(folder / patch["path"])
        if len(overlays) != 1:
            # The kustomize within kubectl 1.30 takes one document for each patch.
            raise Unknown(f"{file}: the patch {patch['path']} has {len(overlays)} documents, not one")
        _lay_over(docs, overlays[0], patch["path"])
    for replicas in wanted.get("replicas", []):
        _find(docs, "Deployment", replicas["name"], "replicas")["spec"]["replicas"] = replicas["count"]
    for image in wanted.get("images", []):
        _set_image(docs, image, file)
    if "namespace" in wanted:
        for doc in docs:
            _set_namespace(doc, wanted["namespace"])
    return docs


def _resources(folder: Path, names: "list[str]") -> "list[dict[str, Any]]":
    docs: "list[dict[str, Any]]" = []
    seen: "set[tuple[str, str]]" = set()
    for name in names:
        place = folder / name
        for doc in render(place) if place.is_dir() else documents(place):
            mark = identity(doc)
            if mark in seen:
                raise Unknown(f"{place}: {mark[0]} {mark[1]} is there twice")
            seen.add(mark)
            docs.append(doc)
    return docs


def identity(doc: "dict[str, Any]") -> "tuple[str, str]":
    return doc["kind"], doc["metadata"]["name"]


def _find(docs: "list[dict[str, Any]]", kind: str, name: str, why: str) -> "dict[str, Any]":
    for doc in docs:
        if identity(doc) == (kind, name):
            return doc
    raise Unknown(f"{why}: there is no {kind} {name}")


def _lay_over(docs: "list[dict[str, Any]]", overlay: "dict[str, Any]", why: str) -> None:
    found = _find(docs, *identity(overlay), why)
    merged = merge(found, overlay, lists_replaced=overlay["kind"] in CUSTOM)
    found.clear()
    found.update(merged)


def merge(base: Any, over: Any, lists_replaced: bool = False, place: str = "") -> Any:
    """A strategic merge: maps key by key, null removes, lists by the key of their items."""
    if isinstance(base, dict) and isinstance(over, dict):
        if "$patch" in over:
            raise Unknown("$patch is unknown to this renderer")
        result = dict(base)
        for key, value in over.items():
            if value is None:
                result.pop(key, None)
            elif key in result:
                result[key] = merge(result[key], value, lists_replaced, key)
            else:
                result[key] = copy.deepcopy(value)
        return result
    if isinstance(base, list) and isinstance(over, list) and not lists_replaced and place not in REPLACED:
        if place not in MERGE_KEYS:
            raise Unknown(f"how lists under `{place}` are laid over is unknown to this renderer")
        return _merge_lists(base, over, MERGE_KEYS[place])
    return copy.deepcopy(over)


def _merge_lists(base: "list[Any]", over: "list[Any]", key: str) -> "list[Any]":
    """Items of the patch that are new come first, as kustomize has it."""
    known = {item[key]: item for item in base}
    laid = {item[key]: item for item in over}
    fresh = [copy.deepcopy(item) for item in over if item[key] not in known]
    return fresh + [merge(item, laid[item[key]]) if item[key] in laid else item for item in base]


def _pod(doc: "dict[str, Any]") -> "dict[str, Any] | None":
    template = doc.get("spec", {}).get("template") if isinstance(doc.get("spec"), dict) else None
    if template is None:
        return None
    if not isinstance(template, dict):
        # kustomize looks for images in every kind that has a field of this name, and fails.
        raise Unknown(f"{identity(doc)}: spec.template is no pod, which breaks kustomize's `images`")
    return template.get("spec")


def pod(doc: "dict[str, Any]") -> "dict[str, Any] | None":
    """The pod that a document makes, if it makes one."""
    return _pod(doc) if doc["kind"] in ("Deployment", "Job") else None


def _set_image(docs: "list[dict[str, Any]]", image: "dict[str, str]", file: Path) -> None:
    if set(image) - IMAGE_FIELDS:
        raise Unknown(f"{file}: an image has unknown fields {sorted(image)}")
    used = False
    for doc in docs:
        spec = _pod(doc)
        for container in (spec or {}).get("containers", []) + (spec or {}).get("initContainers", []):
            if container["image"].split(":")[0].split("@")[0] == image["name"]:
                name = image.get("newName", image["name"])
                container["image"] = f"{name}@{image['digest']}" if "digest" in image else f"{name}:{image['newTag']}"
                used = True
    if not used:
        raise Unknown(f"{file}: no container has the image {image['name']}")


def _set_namespace(doc: "dict[str, Any]", namespace: str) -> None:
    if doc["kind"] in CLUSTER_WIDE:
        return
    if doc["kind"] not in NAMESPACED:
        raise Unknown(f"whether {doc['kind']} lies in a namespace is unknown to this renderer")
    doc["metadata"]["namespace"] = namespace
