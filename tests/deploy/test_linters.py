"""What is in deploy/ is what linters and schemas accept, and what a careful operator would ask for beyond them."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from photoplay.service.ground.settings import PREFIX, Settings
from photoplay.version import __version__

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OURS = re.compile(r"photoplay-(web|worker|worker-gpu):(?P<tag>.+)")
PINNED = re.compile(r"[\w./-]+:\d+\.\d+[\w.-]*")
ELSEWHERE = {
    "PHOTOPLAY_HOME", "PHOTOPLAY_MODELS", "PHOTOPLAY_SECRETS", "PHOTOPLAY_SIGN_CERT", "PHOTOPLAY_SIGN_KEY",
    "PHOTOPLAY_SIGN_ANCHOR", "FORWARDED_ALLOW_IPS", "OMP_NUM_THREADS",
}  # fmt: skip
"""Variables that are not settings of the service."""


def documents() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.stem}-{one['kind']}-{one['metadata']['name']}", one)
        for path in KUBERNETES
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


DOCUMENTS = documents()
PODS = [(name, one["spec"]["template"]["spec"]) for name, one in DOCUMENTS if one["kind"] in ("Deployment", "Job")]
each_document = pytest.mark.parametrize("document", [one for _, one in DOCUMENTS], ids=[name for name, _ in DOCUMENTS])
each_pod = pytest.mark.parametrize("pod", [one for _, one in PODS], ids=[name for name, _ in PODS])
each_service = pytest.mark.parametrize("name", sorted(COMPOSE["services"]))


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (the dev group has it)")
    return found


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- linters and schemas ---------------------------------------------------------------------------------------------------


def test_hadolint_accepts_the_dockerfile() -> None:
    run(tool("hadolint"), "--failure-threshold", "style", "deploy/Dockerfile")


def test_hadolint_would_not_accept_everything(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp && sudo apt-get install curl\n")
    done = subprocess.run(
        [tool("hadolint"), str(tmp_path / "Dockerfile")], capture_output=True, check=False, timeout=60
    )
    assert done.returncode != 0


def test_the_compose_file_follows_its_schema() -> None:
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml")


@each_document
def test_a_manifest_follows_its_schema(document: dict[str, Any]) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed (the dev group has it)")
    import kubernetes_validate

    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


# --- images ----------------------------------------------------------------------------------------------------------------


def images() -> Iterator[str]:
    yield from re.findall(r"^FROM (\S+:\S+)", DOCKERFILE, re.MULTILINE)
    yield from (service["image"] for service in COMPOSE["services"].values())
    yield from (one["image"] for _, pod in PODS for one in pod["containers"])


def test_every_image_is_pinned_to_a_version() -> None:
    found = set(images())
    assert len(found) >= 6
    for image in found:
        assert PINNED.fullmatch(image), image
        if ours := OURS.fullmatch(image):
            assert ours["tag"] == __version__
    assert "latest" not in DOCKERFILE


def test_every_image_of_ours_has_a_target() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    wanted = {OURS.fullmatch(image).group(1) for image in images() if OURS.fullmatch(image)}  # type: ignore[union-attr]
    assert wanted == {"web", "worker", "worker-gpu"}
    assert wanted <= targets
    for service in COMPOSE["services"].values():
        if "build" in service:
            assert service["image"] == f"photoplay-{service['build']['target']}:{__version__}"


def test_images_do_not_run_as_root() -> None:
    """The one USER is in the stage that all three images are made from, and nothing takes it back."""
    stages = dict(re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)[::-1])
    parents = {name: parent for parent, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)}
    assert stages
    assert {parents[name] for name in ("web", "worker", "worker-gpu")} == {"runtime"}
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_packages_are_installed_by_hash() -> None:
    for line in re.findall(r"pip install .*", DOCKERFILE):
        assert "--require-hashes" in line or line.startswith("pip install --no-deps --no-build-isolation ."), line
    for path in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        for source in path.split()[:-1]:
            assert source.startswith("--from=") or source.startswith("/") or (ROOT / source).exists(), source


def test_packages_of_gpu_workers_are_those_that_are_tested() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE))

    gpu, tested, rest = pins("gpu.txt"), pins("dev.txt"), pins("run.txt") | pins("torch.txt")
    assert {"diffusers", "transformers", "peft", "accelerate", "spandrel"} <= set(gpu)
    assert {name: tested.get(name) for name in gpu} == gpu
    assert not set(gpu) & set(rest)


def test_the_builder_is_given_nothing_but_sources() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    for line in lines:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
    needed = {
        source
        for path in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in path.split()[:-1]
    }
    assert needed <= {line[1:] for line in lines if line.startswith("!")}


# --- settings and secrets --------------------------------------------------------------------------------------------------


def settings_named() -> Iterator[str]:
    for service in COMPOSE["services"].values():
        yield from service.get("environment", {})
    for _, one in DOCUMENTS:
        if one["kind"] == "ConfigMap":
            yield from one["data"]
    for _, pod in PODS:
        for container in pod["containers"]:
            yield from (variable["name"] for variable in container.get("env", []))
    yield from re.findall(r"\b(PHOTOPLAY_[A-Z_]+)=", DOCKERFILE)


def test_every_setting_exists() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
    named = {name for name in settings_named() if not name.startswith(("POSTGRES_", "AWS_", "NVIDIA_"))}
    assert len(named) > 10
    assert named <= known, named - known


def test_no_secret_is_written_down() -> None:
    secret = re.compile(r"SECRET|PASSWORD|KEY|TOKEN|DATABASE_URL", re.IGNORECASE)
    given = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if secret.search(name) and name not in ("PHOTOPLAY_SIGN_KEY",):
                assert given.search(str(value)), f"{name} must come from outside, and must not be empty"
                assert not re.search(r"://[^/@]*:[^/@]+@", given.sub("", str(value))), name
    for name, one in DOCUMENTS:
        if one["kind"] == "Secret":
            assert name.startswith("secret.example")
            assert set(one.get("data", {}).values()) | set(one.get("stringData", {}).values()) == {""}
        if one["kind"] == "ConfigMap":
            for key, value in one["data"].items():
                assert not secret.search(key) or str(value).startswith("/run/"), key
    for line in (DEPLOY / "example.env").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            assert not value or not secret.search(name), name
    assert "BEGIN" not in "".join(path.read_text(encoding="utf-8") for path in (DEPLOY).rglob("*") if path.is_file())


def test_the_example_of_settings_names_all_that_compose_asks_for() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{([A-Z_]+)", text))
    offered = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "example.env").read_text(encoding="utf-8"), re.MULTILINE))
    assert asked == offered


# --- how it runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "believed"),
    [("inside gateway", True), ("outside gateway", True), ("outside proxy", True), ("inside worker", False)],
)
def test_compose_knows_people_apart_behind_a_proxy(peer: str, believed: bool) -> None:
    """Every client comes from a gateway of docker's: without this the limits by address would be everybody's together."""
    network, _, who = peer.partition(" ")
    (told,) = COMPOSE["networks"][network]["ipam"]["config"]
    address = told["gateway"] if who == "gateway" else str(ipaddress.ip_network(told["subnet"])[7])
    assert network in COMPOSE["services"]["web"]["networks"]
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    trusted = COMPOSE["services"]["web"]["environment"]["FORWARDED_ALLOW_IPS"]
    scope = {"type": "http", "client": (address, 1), "headers": [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.9")]}
    asyncio.run(ProxyHeadersMiddleware(app, trusted)(scope, None, None))  # type: ignore[arg-type]
    assert seen == ["203.0.113.9" if believed else address]


@each_service
def test_services_of_ours_are_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    if not OURS.fullmatch(service["image"]):
        assert "ports" not in service, "only the web is reached from outside"
        assert service["healthcheck"]
        return
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert any(volume.startswith("trust:") for volume in service["volumes"]), "all share the trust folder"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@each_pod
def test_pods_are_confined(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]["cpu"]
        assert container["resources"]["limits"]["memory"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_pods_end_no_sooner_than_their_work() -> None:
    """A worker may take ten minutes to end its film, and the web the time of its requests."""
    from photoplay.service.operations.serving import WEB_GRACE

    for name, pod in PODS:
        if "worker" in name:
            assert pod["terminationGracePeriodSeconds"] >= 600 + 30
        elif "web-Deployment" in name:
            (container,) = pod["containers"]
            pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["terminationGracePeriodSeconds"] >= pause + WEB_GRACE + 5
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    for service in ("worker", "worker-gpu"):
        assert COMPOSE["services"][service]["stop_grace_period"] == "11m"


def test_gpu_workers_ask_for_one_gpu() -> None:
    pod = dict(PODS)["worker-gpu-Deployment-photoplay-worker-wan-vace"]
    assert [one["resources"]["limits"]["nvidia.com/gpu"] for one in pod["containers"]] == [1]
    devices = COMPOSE["services"]["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert [(one["driver"], one["count"]) for one in devices] == [("nvidia", 1)]


def test_what_is_named_is_there() -> None:
    claims = {one["metadata"]["name"] for _, one in DOCUMENTS if one["kind"] == "PersistentVolumeClaim"}
    secrets = {one["metadata"]["name"] for _, one in DOCUMENTS if one["kind"] == "Secret"}
    for _, pod in PODS:
        for volume in pod["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "secret" in volume:
                assert volume["secret"]["secretName"] in secrets
    kinds = {one["kind"] for _, one in DOCUMENTS}
    assert {"NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Service", "Ingress"} <= kinds
    assert all(one["metadata"].get("namespace", "photoplay") == "photoplay" for _, one in DOCUMENTS)
    assert set(COMPOSE["volumes"]) == {
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service["volumes"]
        if not volume.startswith("$")
    }
