"""The manifests for Kubernetes: what they say is valid, names what the other one names, and the flags
in them are the program's."""

import re
import subprocess

import kubernetes_validate
import pytest
import yaml

from mobula import ROOT, binary

pytestmark = pytest.mark.mobula_only
FOLDER = ROOT / "ray_bridge" / "deploy"
KUBERNETES = "1.30"


def documents(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def pinned_ray():
    return re.search(r"^ray==(.*)$", (ROOT / "tests/requirements.txt").read_text(), re.M)[1]


def test_the_server():
    deployment, service = documents("mobula.yaml")
    for document in (deployment, service):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    pod = deployment["spec"]["template"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert labels.items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["selector"] == labels
    container = pod["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_cluster():
    (cluster,) = documents("ray-cluster.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    assert spec["rayVersion"] == pinned_ray()
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"},
               "spec": group["template"]["spec"]}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
        for container in pod["spec"]["containers"]:
            assert f":{pinned_ray()}-" in container["image"]
            assert container["resources"]["limits"]["memory"]
        for name, value in group["rayStartParams"].items():
            assert isinstance(value, str), f"{name}: KubeRay wants text"
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_they_fit_each_other():
    (cluster,) = documents("ray-cluster.yaml")
    deployment = documents("mobula.yaml")[0]
    script = deployment["spec"]["template"]["spec"]["containers"][0]["args"][0]
    assert f"--address={cluster['metadata']['name']}-head-svc:6379" in script
    mounts = deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    paths = {mount["mountPath"] for mount in mounts}
    for group in [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]:
        for container in group["template"]["spec"]["containers"]:
            for mount in container["volumeMounts"]:
                assert mount["mountPath"] in paths
                assert f"--allow-path {mount['mountPath']}" in script


def test_their_flags_are_the_programs():
    deployment = documents("mobula.yaml")[0]
    script = deployment["spec"]["template"]["spec"]["containers"][0]["args"][0]
    flags = re.findall(r"--[a-z-]+", script.split("mobula serve")[1])
    known = subprocess.run([binary(), "serve", "--help"], capture_output=True, text=True, check=True)
    assert flags and not [flag for flag in flags if flag not in known.stdout]
