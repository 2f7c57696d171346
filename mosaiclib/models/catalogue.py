"""Which networks there are: one frozen dataclass names every network of the paper.

A spec says everything that shapes a network except the image size and the number of classes, which
are given to `mosaiclib.models.build`. Specs are plain data: they go to JSON and come back validated.
"""

import difflib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mosaiclib.models.spec import (
    Backbone,
    DeepLabV3PlusHead,
    Head,
    LRASPPHead,
    ModelSpec,
    MosaicHead,
    WholeNetwork,
    merges,
)


def mosaic(
    m: int = 480,
    f: int = 32,
    d: int = 64,
    bins: Sequence[int] = (4, 8, 16),
    skips: str = "8-C, 4-S",
    group_convolution: bool = True,
) -> ModelSpec:
    """MNMH + MOSAIC in the paper's own letters; the name tells how it differs from the paper's default."""
    name = f"mnmh{m}-mosaic"
    if (f, d) != (32, 64):
        name += f"-f{f}-d{d}"
    if tuple(bins) != (4, 8, 16):
        name += "-bins" + ".".join(map(str, bins))
    if not group_convolution:
        name += "-nogc"
    if skips != "8-C, 4-S":
        name += "-skip" + skips.lower().replace("-", "").replace(", ", ".") if skips else "-noskip"
    head = MosaicHead(
        encoder_filters=f,
        decoder_filters=d,
        bins=tuple(bins),
        merges=merges(skips),
        group_convolution=group_convolution,
    )
    return ModelSpec(name, endpoint_filters=m, head=head)


DEFAULT = mosaic()


def _with(name: str, backbone: Backbone, head: Head | None = None) -> ModelSpec:
    return ModelSpec(name, backbone, head or MosaicHead())


def _whole(kind: str) -> ModelSpec:
    return ModelSpec(kind, None, WholeNetwork(kind))


MNV3_SMALL_MOSAIC = _with("mnv3small-mosaic", "mobilenet_v3_small")
MNV3_LARGE_MOSAIC = _with("mnv3large-mosaic", "mobilenet_v3_large")
MNV2_DLV3PLUS = _with("mnv2-dlv3plus", "mobilenet_v2", DeepLabV3PlusHead())

TABLE_2 = (
    _whole("segnet"),
    _whole("icnet"),
    _whole("erfnet"),
    _whole("espnet"),
    _whole("enet"),
    _with("mnv3small-mdl", "mobilenet_v3_small", LRASPPHead()),
    MNV3_SMALL_MOSAIC,
    _with("mnv3large-mdl", "mobilenet_v3_large", LRASPPHead()),
    MNV3_LARGE_MOSAIC,
    _with("mnmh480-mdl", "mnmh", LRASPPHead(skip_stride=4)),
    DEFAULT,
)
TABLE_3 = tuple(
    mosaic(f=f, d=d)
    for f, d in (
        *((32, 16), (32, 32), (32, 64), (64, 16), (64, 32), (64, 64), (64, 128)),
        *((16, 64), (32, 64), (64, 64), (128, 64)),
    )
)
TABLE_4 = (
    mosaic(bins=(1, 4)),
    mosaic(bins=(4, 8)),
    mosaic(bins=(4, 16)),
    mosaic(bins=(8, 16)),
    DEFAULT,
    mosaic(group_convolution=False),
    mosaic(bins=(1, 4, 8, 16)),
)
TABLE_5 = tuple(
    mosaic(skips=skips) for skips in ("", "4-S", "4-C", "8-C", "8-C, 4-S", "8-S, 4-S", "8-C, 4-C", "8-C, 4-S, 2-S")
)
TABLE_6 = (
    MNV3_SMALL_MOSAIC,
    MNV3_LARGE_MOSAIC,
    mosaic(m=448),
    DEFAULT,
    mosaic(m=512),
    _with("resnet50-mosaic", "resnet50"),
    _with("resnet101-mosaic", "resnet101"),
    _with("xception71-mosaic", "xception71"),
    _with("xception71-dlv3plus", "xception71", DeepLabV3PlusHead(atrous_rates=(6, 12, 18))),
)
TABLE_7 = (
    MNV2_DLV3PLUS,
    _with("mnv3small-lraspp", "mobilenet_v3_small", LRASPPHead(filters=64)),
    _with("mnv3large-lraspp", "mobilenet_v3_large", LRASPPHead(filters=64)),
    mosaic(m=448, f=64),
)
TABLE_8 = tuple(
    mosaic(m=448, f=f, d=d)
    for f, d in (
        *((16, 16), (16, 32), (16, 64), (32, 16), (32, 32), (32, 64), (32, 128)),
        *((64, 16), (64, 32), (64, 64), (64, 128)),
    )
)
TABLES = {2: TABLE_2, 3: TABLE_3, 4: TABLE_4, 5: TABLE_5, 6: TABLE_6, 7: TABLE_7, 8: TABLE_8}

# One backbone, the authors' released one, under the heads that the paper compares: the CamVid study.
CAMVID_STUDY = (
    mosaic(m=448, f=64),
    replace(_with("mnmh448-mdl", "mnmh", LRASPPHead(skip_stride=4)), endpoint_filters=448),
    replace(_with("mnmh448-dlv3plus", "mnmh", DeepLabV3PlusHead()), endpoint_filters=448),
    mosaic(m=448, f=64, skips=""),
    mosaic(m=448, skips=""),
)

# What was published with other wirings.
BEYOND_THE_TABLES = (
    *CAMVID_STUDY,
    mosaic(m=448, f=64).wired("released"),
    mosaic(m=448).wired("garden"),
    mosaic(m=448, f=64, bins=(1, 4, 8, 16)).wired("garden"),
    MNV2_DLV3PLUS.wired("released"),
)

# What MLPerf's released graphs may hold, in the order in which `pretrained/mlperf_tflite.py` compares them.
RELEASED = ("mnmh448-mosaic-f64-d64-released", "mnv2-dlv3plus-released")
SMALL = "mnmh480-mosaic-bins4.8"  # what is trained where no network is named: it fits small images

# Networks of your own, shown below the paper's rows of a table: {table: (spec, ...)}; see docs/change-the-network.md.
YOURS: dict[int, tuple[ModelSpec, ...]] = {}

_BY_NAME = {spec.name: spec for table in (*TABLES.values(), BEYOND_THE_TABLES, *YOURS.values()) for spec in table}


def names() -> list[str]:
    """The names of all networks, in the order of the paper's tables."""
    return list(_BY_NAME)


def get(name: str) -> ModelSpec:
    """The network called `name`, or that of a spec as JSON or in a .json file, as a search writes it.

    Raises ValueError for a name that is not known, with the nearest ones, and for what is not the JSON of a spec.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith("{"):
        return _of_json(name)
    if name.endswith(".json"):
        return _of_file(Path(name))
    near = difflib.get_close_matches(name, _BY_NAME, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"There is no network called '{name}'.{hint} `mosaic models` lists them all.")


def _of_json(text):
    try:
        return ModelSpec.from_json(json.loads(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"The spec of a network is not JSON: {error}.") from None


def _of_file(path):
    try:
        return _of_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no spec of a network: {error}") from None
