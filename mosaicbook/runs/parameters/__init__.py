"""Parameters of a notebook: read from its `parameters` cell, and checked before anything is computed.

papermill itself only warns of an unknown name and never looks at types.
"""

import ast
import difflib
import json
import math
from dataclasses import fields
from pathlib import Path
from types import ModuleType

from pydantic import TypeAdapter, ValidationError

from mosaicbook.runs.masking import is_secret
from mosaicbook.runs.parameters import ranges
from mosaiclib.files import as_text

_TYPES = {"str": str, "int": int, "float": float, "bool": bool}


def declared(notebook_path):
    """{name: (type, default)} of a notebook, from `name: type = literal` lines of its parameters cell."""
    cells = [cell for cell in _cells(notebook_path) if "parameters" in cell["metadata"].get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"{notebook_path} must have exactly one cell tagged 'parameters'.")
    found = {}
    for line in ast.parse("".join(cells[0]["source"])).body:
        if not isinstance(line, ast.AnnAssign) or line.value is None:
            raise ValueError(f"{notebook_path}: every line of its parameters cell must be 'name: type = literal'.")
        found[line.target.id] = (_TYPES[ast.unparse(line.annotation)], ast.literal_eval(line.value))
    return found


def title(notebook_path):
    """The heading of a notebook's first cell."""
    return "".join(_cells(notebook_path)[0]["source"]).partition("\n")[0].removeprefix("# ")


def _cells(notebook_path):
    # Read as plain JSON: nbformat takes a second to import, and a profile asks this of twenty notebooks.
    return json.loads(Path(notebook_path).read_text(encoding="utf-8"))["cells"]


def check(values, known, stage=""):
    """Raises ValueError for a name that is not declared, a value of another type or out of range, or a secret's name.

    known: {name: (type, default)}, as `declared` gives it. stage: of the run, where a range is that of one stage.
    """
    for name, value in values.items():
        if is_secret(name):
            raise ValueError(f"Parameter '{name}' looks like a secret, and parameters are written into reports.")
        if name not in known:
            if "recipe" in known and name in _recipe_values():
                raise ValueError(
                    f"'{name}' is a value of a recipe and no parameter of this notebook: write it into a YAML file "
                    "like those in recipes/, and give that file's path as the parameter 'recipe'."
                )
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(known)}."
            raise ValueError(f"Unknown parameter '{name}'.{hint}")
        kind, default = known[name]
        if value is None and default is None:  # not given: what it stands for is said in the notebook
            continue
        try:
            TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError:
            raise ValueError(f"Parameter '{name}' must be {kind.__name__}, but it is {value!r}.") from None
        if isinstance(value, str) and as_text(value) != value:
            raise ValueError(f"Parameter '{name}' cannot be written into a result, since {value!r} is not Unicode.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"Parameter '{name}' must be a finite number, but it is {value!r}.")
        ranges.check(name, value, stage)


def _recipe_values():
    from mosaiclib.training.recipes import Recipe  # imports Keras

    return [value.name for value in fields(Recipe)]


def from_namespace(namespace, stage=""):
    """The parameters in a running notebook's globals, checked: call it right after the parameters cell.

    Declared are the annotated names. In a kernel, where any other variable may have come from a cell above or an
    earlier pass, a name is misspelt if the parameters cell or what papermill put behind it sets it; elsewhere any
    other plain value is.
    """
    annotated = namespace.get("__annotations__", {})
    types = {name: getattr(kind, "__name__", kind) for name, kind in annotated.items()}
    known = {name: (_TYPES[kind], None) for name, kind in types.items() if kind in _TYPES}
    if "get_ipython" in namespace:
        names, defaults = _set_by(namespace["In"])
        known = {name: (kind, defaults.get(name)) for name, (kind, _) in known.items()}
        names |= known.keys()
    else:
        names = [name for name, value in namespace.items() if not name.startswith("_")]
    values = {
        name: namespace[name]
        for name in names
        if name in namespace and not isinstance(namespace[name], ModuleType) and not callable(namespace[name])
    }
    check(values, known, stage)
    return values


def _set_by(cells):
    """The names that the parameters cell sets, the last one that ran, and papermill's cells behind it; its defaults."""
    names = set()
    for source in reversed(cells):
        lines = _lines(source)
        declares = any(isinstance(line, ast.AnnAssign) for line in lines)
        if declares or source.startswith("# Parameters\n"):
            targets = (getattr(line, "targets", [getattr(line, "target", None)]) for line in lines)
            names |= {target.id for of_line in targets for target in of_line if isinstance(target, ast.Name)}
        if declares:
            lines = [line for line in lines if isinstance(line, ast.AnnAssign) and isinstance(line.value, ast.Constant)]
            return names, {line.target.id: line.value.value for line in lines}
    return names, {}


def _lines(source):
    try:
        return ast.parse(source).body
    except SyntaxError:  # of a cell that did not run
        return []
