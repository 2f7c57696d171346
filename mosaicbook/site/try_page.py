"""try.html: one file with a network and LiteRT.js in it, which segments images in a browser that has no network.

LiteRT.js (Apache-2.0) is not part of this repository: npm brings it at `make` time, and its files are taken only with
the hashes that stand here.
"""

import base64
import gzip
import hashlib
import json
import re
from html import escape
from pathlib import Path

from mosaicbook.runs.provenance import ROOT
from mosaicbook.site import redact
from mosaiclib.files import replacing
from mosaiclib.tflite.graph import TFLiteGraph
from mosaiclib.tflite.metadata import metadata_of, read_metadata

TEMPLATE = Path(__file__).parent / "template" / "try.html"
PACKAGES = ROOT / ".ci" / "litert-js" / "node_modules" / "@litertjs"
LITERT_JS = "2.5.3"
FETCH = "make litert-js"
HASHES = {
    "core/dist/index.js": "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
    "wasm-utils/dist/index.js": "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2",
    "core/wasm/litert_wasm_internal.js": "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb",
    "core/wasm/litert_wasm_internal.wasm": "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614",
}
MOST_MB = 9.0
_OURS = '<meta name="generator" content="mosaiclib">'  # a report takes its old pages away by it


def write(file, out, title=""):
    """Writes the page of an int8 .tflite that gives class ids. Returns its size in MB (10^6 bytes).

    Raises ValueError for another kind of file, where LiteRT.js is not there or not the one that was checked, and for a
    page that would be larger than 9 MB.
    """
    content = page(file, title)
    with replacing(Path(out)) as partial:
        partial.write_bytes(content)
    return round(len(content) / 1e6, 2)


def write_hole(out, reason):
    """Writes a page that says why there is none to try and what to do."""
    with replacing(Path(out)) as partial:
        partial.write_bytes(hole(reason))


def hole(reason) -> bytes:
    """A page that says why there is none to try and what to do."""
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8">{_OURS}<title>Nothing to try</title>'
    small = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    style = "color-scheme: light dark; font: 1rem/1.5 system-ui; margin: 2rem; overflow-wrap: anywhere"
    body = f"<main><h1>Nothing to try</h1><p>{escape(reason)}</p></main>"
    return f'{head}{small}</head><body style="{style}">{body}</body></html>'.encode()


def of_report(runs) -> bytes | None:
    """The page of the first finished export with an int8 file of class ids, photographs before synthetic images.

    A hole where it cannot be made; None where no run exported such a file.
    """
    exports = [run for run in runs if run.done and run.stage == "export"]
    for run in sorted(exports, key=lambda run: run.result.synthetic):
        for exported in run.result.files:
            file = run.folder / "files" / Path(exported.file).name
            if exported.precision == "int8" and file.is_file():
                try:
                    if (read_metadata(file) or {}).get("output") != "classes":
                        continue
                    note = ", trained on synthetic images" if run.result.synthetic else ""
                    return page(file, f"{run.result.model}{note}")
                except (ValueError, OSError) as error:
                    return hole(redact.neutral(str(error), redact.secrets_of(run.record)))
    return None


def page(file, title="") -> bytes:
    """The page of an int8 .tflite that gives class ids. Raises ValueError as `write` does."""
    content = _page(Path(file), title)
    size = len(content) / 1e6
    if size > MOST_MB:
        raise ValueError(f"{file}: its page would have {size:.1f} MB, more than {MOST_MB:g}: export a smaller network.")
    return content


def _page(file, title):
    graph = TFLiteGraph(file)
    about = metadata_of(graph)
    if not about or about.get("output") != "classes" or about.get("precision") != "int8":
        raise ValueError(f"{file} is no int8 file of `mosaic export --output classes`, which the page to try needs.")
    height, width = about["input_size"]
    parts = _litert_js()
    network = {
        "name": about["spec"]["name"], "title": title or about["spec"]["name"], "height": height, "width": width,
        "classes": about["classes"], "palette": about["palette"], "megabytes": round(file.stat().st_size / 1e6, 2),
        "operations": len(graph.operations), "runtime": f"LiteRT.js {LITERT_JS}",
    }  # fmt: skip
    values = {
        "TITLE": escape(network["title"]),
        "NETWORK": json.dumps(network).replace("<", "\\u003c"),
        "MODEL": _packed(file.read_bytes()),
        "WASM": _packed(parts["core/wasm/litert_wasm_internal.wasm"]),
        "GLUE": _packed(parts["core/wasm/litert_wasm_internal.js"]),
        "OURS": _OURS,
        "LICENCE": escape((ROOT / "LICENSE").read_text(encoding="utf-8").strip("\n")),
        "LITERT": _as_one_module(parts),
    }
    template = TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template).encode()


def _litert_js():
    """{path: bytes} of the files of LiteRT.js. Raises ValueError where one is not there or another."""
    found = {}
    for name, sha in HASHES.items():
        path = PACKAGES / name
        if not path.is_file():
            raise ValueError(f"LiteRT.js is not here: `{FETCH}` gets it with npm.")
        found[name] = path.read_bytes()
        if hashlib.sha256(found[name]).hexdigest() != sha:
            raise ValueError(f"{path} is not that of LiteRT.js {LITERT_JS} which was checked: `{FETCH}` gets it again.")
    return found


def _as_one_module(parts):
    """LiteRT.js' two modules as one without imports and exports."""
    helper, core = (parts[name].decode() for name in ("wasm-utils/dist/index.js", "core/dist/index.js"))
    core = core.replace('import { createWasmLib } from "@litertjs/wasm-utils";', "")
    code = "\n".join(re.sub(r"^export \{[^}]*\};?$", "", text, flags=re.MULTILINE) for text in (helper, core))
    code = re.sub(r"^//# sourceMappingURL=.*$", "", code, flags=re.MULTILINE)
    if re.search(r"^(import|export)\b", code, flags=re.MULTILINE) or "</script" in code:
        raise ValueError(f"LiteRT.js {LITERT_JS} is built in another way than it was: the page cannot be made.")
    return code


def _packed(content):
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
