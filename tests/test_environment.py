"""pyproject's ranges, the lock and environment.yml must describe one environment."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_machine": "x86_64", "os_name": "posix"},
    "mac": {"sys_platform": "darwin", "platform_machine": "arm64", "os_name": "posix"},
}


def locked(python, platform):
    """{name: version} of the lock for one platform."""
    environment = {**PLATFORMS[platform], "python_version": python, "python_full_version": f"{python}.9"}
    lines = (Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if re.match(r"[a-zA-Z0-9]", line))
    return {
        canonicalize_name(line.name): next(iter(line.specifier)).version
        for line in lines
        if line.marker is None or line.marker.evaluate(environment)
    }


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_satisfies_every_range_on_every_platform(python, platform):
    versions = locked(python, platform)
    environment = {**PLATFORMS[platform], "python_version": python, "python_full_version": f"{python}.9"}
    wanted = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]]
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name in versions, f"{name} is not locked for Python {python} on {platform}"
            assert requirement.specifier.contains(versions[name]), f"{name} {versions[name]} is outside {requirement}"


def test_the_lock_has_hashes_and_no_addresses():
    assert "://" not in LOCK
    for block in re.split(r"\n(?=[a-zA-Z0-9])", LOCK.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_numpy_stays_below_2_where_tflite_runtime_is_installed():
    versions = locked("3.11", "linux")
    assert "tflite-runtime" in versions and versions["numpy"].startswith("1.")
    assert "tflite-runtime" not in locked("3.12", "linux") and "ai-edge-litert" in locked("3.13", "linux")


def test_conda_users_get_the_same_set():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, *_, pip = environment["dependencies"]
    assert pip == {"pip": ["--requirement requirements.lock"]}
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python.removeprefix("python="))


def test_the_lock_for_gpus_is_the_same_tensorflow_with_cuda_beside_it():
    """The wheels of tensorflow that requirements.lock names for other machines, and nothing that it holds itself."""
    blocks = re.split(r"\n(?=[a-zA-Z0-9])", (ROOT / "requirements-gpu.lock").read_text().strip())[1:]
    names = {canonicalize_name(block.partition("==")[0]): block for block in blocks}
    assert all("--hash=sha256:" in block for block in blocks)
    main = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", LOCK, re.M)}
    assert set(names) & main == {"tensorflow"} and {"nvidia-cudnn-cu12", "nvidia-cublas-cu12"} < set(names)
    theirs = re.search(r"^tensorflow==(\S+) .*?(?=^\w)", LOCK, re.M | re.S)
    assert names["tensorflow"].split()[0] == f"tensorflow=={theirs[1]}"
    hashes = re.compile(r"sha256:[0-9a-f]{64}")
    assert set(hashes.findall(names["tensorflow"])) == set(hashes.findall(theirs[0]))
