"""Where a number comes from: commit, code, versions and machine, without names of people or hosts."""

import hashlib
import os
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("mosaiclib", "mosaicbook", "notebooks", "profiles", "Snakefile")
PACKAGES = (
    "tensorflow-cpu", "tensorflow", "nvidia-cudnn-cu12", "nvidia-cuda-runtime-cu12", "keras", "jax", "numpy",
    "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "papermill",
)  # fmt: skip


def at_root(path) -> Path | None:
    """A path as profiles write it: absolute, in the home (~), or relative to the repository; None for none."""
    return ROOT / Path(path).expanduser() if path else None


def commit():
    """{"commit": sha or None, "dirty": whether code or notebooks differ from it, new files included}.

    None where this is not a repository of its own: a folder inside another one would have that one's commit.
    """
    try:
        if not os.path.samefile(_git("rev-parse", "--show-toplevel"), ROOT):
            return {"commit": None, "dirty": False}
        sha = _git("rev-parse", "HEAD")
        return {"commit": sha, "dirty": bool(_git("status", "--porcelain", "--", *CODE))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": False}


def _git(*arguments):
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def versions():
    """The installed versions of the packages that shape results."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def fingerprint(paths):
    """A sha256 over the names and contents of files, in a fixed order."""
    digest = hashlib.sha256()
    for path in sorted(Path(p).resolve() for p in paths):
        digest.update(f"{os.path.relpath(path, ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
