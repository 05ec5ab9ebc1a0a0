"""What deploy/ says to process managers is what `manage.py up` starts, and is valid where it is sent."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import kubernetes_validate
import pytest
import yaml

from orders import routing as feed
from tradeplatform.config import Role, load_config
from tradeplatform.gateways.binance import routing as binance
from tradeplatform.gateways.kraken import routing as kraken
from tradeplatform.supervisor.roles import Roles

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KUBERNETES = "1.31"

# What each place chooses for itself: addresses, how many, how long a graceful end may take, readiness, paths.
_CHOSEN = re.compile(r"-b=|--bind|--(workers|threads|graceful-timeout|application-close-timeout|schedule)=")


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def manifests() -> Iterator[dict[str, Any]]:
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    for name in kustomization["resources"]:
        yield from documents(DEPLOY / "kubernetes" / name)


def workloads() -> dict[str, dict[str, Any]]:
    """The pod of each role."""
    kinds = {"Deployment", "Job"}
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in manifests()
        if one["kind"] in kinds
    }


def in_kubernetes() -> dict[str, list[str]]:
    return {name: pod["containers"][0]["command"] for name, pod in workloads().items()}


def in_compose() -> dict[str, list[str]]:
    (file,) = documents(DEPLOY / "compose.yaml")
    services = {name: one for name, one in file["services"].items() if one["image"] == "tradeplatform"}
    commands = {name: one["command"] for name, one in services.items()}
    return {
        name: shlex.split(told) if isinstance(told, str) else [part.replace("$$", "$") for part in told]
        for name, told in commands.items()
    }


def in_systemd() -> dict[str, list[str]]:
    found = {}
    for unit in (DEPLOY / "systemd").glob("*.service"):
        (told,) = re.findall(r"^ExecStart=/opt/tradeplatform/.venv/bin/(.*)", unit.read_text(), re.MULTILINE)
        name = unit.stem.removeprefix("tradeplatform-")
        found[name] = shlex.split(told.replace("%i", "1").replace("%%", "%"))
    return {
        **{name: command for name, command in found.items() if name != "shard@"},
        "shard-1": found["shard@"],
    }


def started() -> dict[str, list[str]]:
    """What the supervisor starts, as commands by name."""
    roles, ready = Roles(load_config(), {}), Path("ready")
    programs = (
        roles.manage("prepare", "prepare"), roles.web(), roles.sockets(), roles.shard(1, ready),
        roles.worker(ready), roles.beat(), roles.ingest(),
    )  # fmt: skip
    return {program.name: list(map(str, program.argv[1:])) for program in programs}


def plain(command: list[str]) -> list[str]:
    """A command without what each place chooses for itself, spelled in one way."""
    words = command
    if words[:2] == ["sh", "-c"]:
        words = shlex.split(words[2].removeprefix("exec ").replace("$SHARD", "1"))
    if words[:1] == ["-W"]:
        words = words[2:]
    words = words[1:] if words[:1] in (["-m"], ["python"]) else words
    text = re.sub(r"(^| )-([bp]) \S+", "", " ".join(words))
    return sorted(word for word in text.split() if not _CHOSEN.match(word))


@pytest.mark.parametrize("place", [in_kubernetes, in_compose, in_systemd])
@pytest.mark.parametrize("name", sorted(started()))
def test_every_role_is_started_as_up_starts_it(name: str, place: Any) -> None:
    assert plain(place()[name]) == plain(started()[name])


@pytest.mark.parametrize("place", [in_kubernetes, in_compose])
def test_there_is_every_role_and_nothing_else(place: Any) -> None:
    assert set(place()) == set(started()) | {"shard-2"}


def test_every_manifest_is_what_kubernetes_takes() -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    manifest = next(one for one in manifests() if one["kind"] == "Deployment")
    manifest["spec"]["replica"] = 2

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", sorted(workloads()))
def test_a_pod_has_its_role_its_settings_its_limits_and_no_rights(name: str) -> None:
    pod = workloads()[name]
    (container,) = pod["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}

    assert environment["TRADEPLATFORM_ROLE"] in get_args(Role)
    assert environment["TRADEPLATFORM_ROLE"] == {"prepare": "command"}.get(name, name.partition("-")[0])
    assert pod["securityContext"]["runAsNonRoot"] is True
    for each in (container, *pod.get("initContainers", [])):
        assert each["envFrom"] == [{"secretRef": {"name": "tradeplatform"}}]
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
        assert "memory" in each["resources"]["limits"]


def test_sockets_are_reached_by_every_path_they_have() -> None:
    (ingress,) = (one for one in manifests() if one["kind"] == "Ingress")
    paths = ingress["spec"]["rules"][0]["http"]["paths"]
    to_sockets = {path["path"] for path in paths if path["backend"]["service"]["name"] == "sockets"}

    routes = [*feed.websocket_urlpatterns, *binance.websocket_urlpatterns, *kraken.websocket_urlpatterns]
    first_words = (re.match(r"\^([a-z0-9-]+)", str(route.pattern)) for route in routes)
    assert to_sockets == {f"/{word[1]}" for word in first_words if word}


def test_prometheus_is_told_of_one_service_and_where_it_answers() -> None:
    """Every pod of web answers for the whole platform: two targets would count it twice."""
    annotated = {
        (one["kind"], one["metadata"]["name"]): one["metadata"]["annotations"]
        for one in manifests()
        if "prometheus.io/scrape" in one["metadata"].get("annotations", {})
    }
    within = [
        one["spec"]["template"]["metadata"] for one in manifests() if one["kind"] in {"Deployment", "Job"}
    ]
    (service,) = (one for one in manifests() if (one["kind"], one["metadata"]["name"]) == ("Service", "web"))

    assert annotated == {
        ("Service", "web"): {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(service["spec"]["ports"][0]["port"]),
            "prometheus.io/path": "/metrics",
        }
    }
    assert not any("prometheus.io/scrape" in pod.get("annotations", {}) for pod in within)


def test_the_example_for_prometheus_finds_that_service_and_loads_the_rules() -> None:
    (example,) = documents(DEPLOY / "prometheus.yml")
    (job,) = example["scrape_configs"]
    (found,) = job["kubernetes_sd_configs"]
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    asked = {label for rule in job["relabel_configs"] for label in rule["source_labels"]} - {"__address__"}

    assert [(DEPLOY / name).is_file() for name in example["rule_files"]] == [True]
    assert (found["role"], found["namespaces"]["names"]) == ("service", [kustomization["namespace"]])
    assert asked == {
        f"__meta_kubernetes_service_annotation_prometheus_io_{word}" for word in ("scrape", "port", "path")
    }
