"""What two networks share, and where they differ: read from their specs, never from their names."""

from mosaiclib.models.spec import MosaicHead

_BACKBONE = ("backbone", "m", "first_dilated_block", "resize", "normalisation", "padding")
HEADS = {"mosaic": "MOSAIC", "lraspp": "MDL", "deeplab_v3plus": "DeepLabV3+"}
WORDS = {"group_convolution": "group convolution"}
_SHORT = {"encoder_filters": "f", "decoder_filters": "d"}


def flat(spec) -> dict:
    """A spec as {property: value}: name, backbone, m (of MNMH), head, and the head's own, merges in Table 5's form."""
    head = {_SHORT.get(name, name): value for name, value in vars(spec.head).items() if name != "kind"}
    if isinstance(spec.head, MosaicHead):
        head["merges"] = ", ".join(map(str, spec.head.merges))
    found = {
        "name": spec.name,
        "backbone": spec.backbone,
        "head": spec.head.kind,
        "resize": spec.resize,
        **head,
        "normalisation": spec.normalisation,
        "padding": spec.padding,
    }
    if spec.backbone == "mnmh":
        found |= {"m": spec.endpoint_filters, "first_dilated_block": spec.first_dilated_block}
    return found


def same_backbone(one, other) -> bool:
    """Whether two specs have one backbone, at one width and with one resize."""
    first, second = flat(one), flat(other)
    return all(first.get(name) == second.get(name) for name in _BACKBONE)


def is_pair(pair, one, other) -> bool:
    """Whether two specs are the two networks of a claim's pair: what it names, and alike in all else.

    Heads of two kinds have nothing else in common that could be alike but the backbone; whole networks that are named
    may differ in anything.
    """
    first, second = flat(one), flat(other)
    sides = zip(pair, (first, second), strict=True)
    if any(found.get(name) != value for wanted, found in sides for name, value in wanted.items()):
        return False
    named = {*pair[0], *pair[1]}
    if "name" in named:
        return True
    compared = _BACKBONE if first["head"] != second["head"] else (first.keys() | second.keys()) - {"name"}
    return all(first.get(name) == second.get(name) for name in compared if name not in named)


def named(pair) -> str:
    """A claim's pair in words: what the first has against the other, then what both have."""
    one, other = pair
    if "head" in one:
        return f"{HEADS[one['head']]} against {HEADS[other['head']]}"
    apart = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    shared = [name for name in one if name not in apart]
    text = ", ".join(f"{_called(name)}{_text(one[name])} against {_text(other[name])}" for name in apart)
    return text + "".join(f", {_called(name)}{_text(one[name])}" for name in shared)


def _called(name):
    return "" if name in ("name", "merges") else f"{WORDS.get(name, name)} "


def differences(one, other) -> str:
    """In what two specs differ, in words; "" where they are alike."""
    first, second = flat(one), flat(other)
    names = [name for name in {**first, **second} if name != "name" and first.get(name) != second.get(name)]
    return "; ".join(f"{name} {_text(first.get(name))} against {_text(second.get(name))}" for name in names)


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return "none" if value == "" else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
