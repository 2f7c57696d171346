"""What ids and colours mean, as data sets write it down: classes.yaml, labelmap.txt, class_dict.csv and their like."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from mosaiclib import yaml_text
from mosaiclib.data.annotations import source as files
from mosaiclib.data.annotations.form import clean_name
from mosaiclib.wording import shortened

_NAMES = ("classes.yaml", "labelmap.txt", "label_colors.txt", "label_colours.txt", "class_dict.csv", "colormap.txt",
          "label_colors.csv", "colors.txt", "colours.txt", "legend.txt", "legend.csv", "_classes.csv", "classes.txt",
          "class_names.txt", "labels.txt")  # fmt: skip
_MOST = 1 << 20
_HEX = re.compile(r"#([0-9a-fA-F]{6})\b")


@dataclass
class Legend:
    """names: class names by id. colours: class names by (r, g, b). path: where it stands, None for no legend."""

    path: Path | None = None
    names: dict[int, str] = field(default_factory=dict)
    colours: dict[tuple[int, int, int], str] = field(default_factory=dict)


def find(source, named=None) -> Legend:
    """The legend at the path `named`, or the first of the usual names in a source, or an empty one."""
    if named is not None:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ValueError(f"{path} does not exist: name a file with one class a line, as in `crack, 255, 0, 0`.")
        return read(path)
    for name in _NAMES:
        for path in source.files:
            if path.name.lower() == name:
                return read(path)
    return Legend()


def read(path) -> Legend:
    """The legend in a file. Raises ValueError that names it and the line which is none."""
    text = files.text_of(path, _MOST)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _from_yaml(path, text)
    legend = Legend(path)
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        is_heading = number == 1 and re.search(r"\b(names?|class|colou?r|pixel value)\b", line.lower())
        if not line or (line.startswith("#") and not _HEX.match(line)) or (is_heading and not re.search(r"\d", line)):
            continue
        try:
            _add(legend, line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}.") from None
    return legend


def _from_yaml(path, text):
    try:
        described = yaml_text.load(text)
        names = described["names"]
        names = names if isinstance(names, dict) else dict(enumerate(names))
        legend = Legend(path, {int(i): clean_name(name) for i, name in names.items()})
        legend.names |= {int(i): "__ignore__" for i in described.get("ignore") or ()}
        for name, colour in zip(legend.names.values(), described.get("colours") or (), strict=False):
            legend.colours[_colour(colour)] = name
        return legend
    except (yaml.YAMLError, RecursionError):
        raise ValueError(f"{path} is not valid YAML.") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = error if isinstance(error, ValueError) else "it must hold names: [...]"
        raise ValueError(f"{path} is not a list of classes: {reason}.") from None


def _add(legend, line):
    """Adds one line: a name with a colour, with an id, or alone, whose id is then the next."""
    hexadecimal = _HEX.search(line)
    rest = _HEX.sub(" ", line)
    words = [word.strip().strip("\"'") for word in re.split(r"[,;:\t]", rest)]
    words = [word for word in words if word]
    if words and re.match(r"\d+\s+\d+\s+\d+(\s|$)", words[0]):  # "128 64 128 road"
        words[:1] = re.split(r"\s+", words[0], maxsplit=3)
    numbers = [int(word) for word in words if word.isdecimal() and len(word) < 10]
    names = [word for word in words if not word.isdecimal()]
    if not names:
        raise ValueError("it holds no class name")
    name = clean_name(names[0])
    if hexadecimal:
        legend.colours[tuple(bytes.fromhex(hexadecimal[1]))] = name
    elif len(numbers) >= 3:
        legend.colours[_colour(numbers[-3:])] = name
    elif len(numbers) == 1:
        legend.names[numbers[0]] = name
    elif not numbers and name == "__ignore__":
        return  # LabelMe's first line, which counts as -1
    elif not numbers:
        legend.names[len(legend.names)] = name
    else:
        raise ValueError("a class has an id, or a colour of three numbers")


def _colour(values):
    if len(values) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in values):
        raise ValueError(f"{shortened(values, 40)} is not a colour of three numbers from 0 to 255")
    return tuple(values)
