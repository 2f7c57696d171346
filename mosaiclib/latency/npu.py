"""Which operations of a .tflite the compilers of phones' and laptops' NPUs would take, asked without the device.

ai-edge-litert ships one compiler plugin a vendor and the tool that runs them. Each needs its vendor's own library;
Intel's comes with the package `openvino`. A verdict is about operations: it says nothing of time.
"""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mosaiclib.tflite.graph import TFLiteGraph
from mosaiclib.wording import shortened

FULL, PARTIAL, NONE, FAILED, NOT_ASKED = "full", "partial", "none", "failed", "not asked"
TIMEOUT_S = 120
_PARTITIONED = re.compile(r"Partitioned subgraph<\d+>, selected (\d+) ops, from a total of (\d+) ops")
_NO_LIBRARY = re.compile(r"(lib[\w.]+\.so[\w.]*): cannot open shared object|(lib[\w.]+\.so[\w.]*) not found")


@dataclass(frozen=True)
class Vendor:
    """A vendor of NPUs. plugin: its folder in ai-edge-litert; soc_manufacturer, soc_model: as the tool calls them.

    needs: the package that brings its library.
    """

    name: str
    plugin: str
    soc_manufacturer: str
    soc_model: str
    needs: str


VENDORS = (
    Vendor("Intel", "intel_openvino", "IntelOpenVINO", "LNL", "openvino"),
    Vendor("Qualcomm", "qualcomm", "Qualcomm", "SM8750", "ai-edge-litert-sdk-qualcomm"),
    Vendor("MediaTek", "mediatek", "MediaTek", "mt6991", "ai-edge-litert-sdk-mediatek"),
    Vendor("Google Tensor", "google_tensor", "Google", "Tensor_G5", "ai-edge-litert-sdk-google-tensor"),
    Vendor("Samsung", "samsung", "Samsung", "E9965", "Samsung's own SDK"),
)


@dataclass(frozen=True)
class Verdict:
    """What a vendor's compiler said of one file.

    verdict: full (all operations), partial, none, failed (the compiler broke off), not asked (its library is not
    installed). taken, total: operations; None where it was not asked. note: a sentence, where one is due.
    """

    file: str
    vendor: str
    soc: str
    verdict: str
    taken: int | None = None
    total: int | None = None
    note: str = ""


def verdicts(file, vendors=VENDORS) -> list[Verdict]:
    """What each vendor's compiler takes of a .tflite. Raises ValueError where the file is none."""
    TFLiteGraph(file)
    return [_ask(Path(file), vendor) for vendor in vendors]


def _ask(file, vendor):
    about = str(file), vendor.name, vendor.soc_model
    package = Path(find_spec("ai_edge_litert").origin).parent
    tool, libraries = package / "tools" / "apply_plugin_main", package / "vendors" / vendor.plugin / "compiler"
    if not tool.is_file() or not libraries.is_dir():
        return Verdict(*about, NOT_ASKED, note="this build of ai-edge-litert ships no compiler of this vendor.")
    command = [tool, "--cmd=partition", f"--model={file.resolve()}", f"--libs={libraries}",
               f"--soc_manufacturer={vendor.soc_manufacturer}", f"--soc_model={vendor.soc_model}"]  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as scratch:  # some plugins write their own logs where they stand
            done = subprocess.run(command, cwd=scratch, env=_environment(), capture_output=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return Verdict(*about, FAILED, note=f"no answer in {TIMEOUT_S} seconds.")
    printed = (done.stdout + done.stderr).decode(errors="replace")
    return _judged(about, vendor, done.returncode, printed)


def _judged(about, vendor, status, printed) -> Verdict:
    """The verdict that the tool's output makes."""
    parts = [(int(taken), int(total)) for taken, total in _PARTITIONED.findall(printed)]
    if status == 0 and parts:
        taken, total = (sum(numbers) for numbers in zip(*parts, strict=True))
        return Verdict(*about, FULL if taken == total else PARTIAL if taken else NONE, taken, total)
    library = _NO_LIBRARY.search(printed)
    if library or "Loaded 0 plugins" in printed or "Failed to load" in printed:
        missing = f" ({library[1] or library[2]} is missing)" if library else ""
        return Verdict(*about, NOT_ASKED, note=f"its compiler did not load{missing}: it needs {vendor.needs}.")
    errors = re.findall(r"ERROR: (?:\[[^\]]*\] *)?(.+)", printed)
    why = f": {shortened(errors[-1], 400)}" if errors else f"; it needs {vendor.needs}, which may be missing"
    return Verdict(*about, FAILED, note=f"its compiler ended with status {status}{why}.")


def _environment():
    """This environment with the vendors' libraries on the loader's path."""
    folders = []
    for package in ("openvino", *(f"ai_edge_litert_sdk_{name}" for name in ("qualcomm", "mediatek", "google_tensor"))):
        spec = find_spec(package)
        for root in spec.submodule_search_locations if spec else ():
            folders += sorted({str(path.parent) for path in Path(root).rglob("*.so*")})
    known = os.environ.get("LD_LIBRARY_PATH")
    return os.environ | {"LD_LIBRARY_PATH": os.pathsep.join([*folders, *([known] if known else [])])}
