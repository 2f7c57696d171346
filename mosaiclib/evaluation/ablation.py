"""A trained MOSAIC network without some of its skip connections: what its answers rest on.

The skip of a merge is made to say nothing: in a concat merge the fusing convolution's weights for the skip's
channels are zero, in a sum merge the skip's batch norm gives zero. The network was not trained without it, so
this tells how much it leans on the skip, and not how good a decoder would be that never had one.
"""

from functools import partial

import numpy as np

from mosaiclib import models
from mosaiclib.inference import KerasSegmenter
from mosaiclib.models import catalogue
from mosaiclib.models.spec import MosaicHead


def can(name) -> bool:
    """Whether a network of this name has merges that could be left out."""
    return name in catalogue.names() and bool(getattr(catalogue.get(name).head, "merges", ()))


def variants(spec) -> list[tuple[int, ...]]:
    """The sets of strides to leave out: none, each alone, and all."""
    found = strides(spec)
    return list(dict.fromkeys([(), *((stride,) for stride in found), tuple(found)]))


def strides(spec) -> list[int]:
    """The strides of a network's merges, coarse to fine. Raises ValueError for one without MOSAIC's head."""
    if not isinstance(spec.head, MosaicHead):
        raise ValueError(f"{spec.name} has no MOSAIC head, and so no merges that could be left out.")
    return [merge.stride for merge in spec.head.merges]


def name(spec, left_out) -> str:
    """What a variant is called: "all skips", "without 8-C", "without any"."""
    if not left_out:
        return "all skips"
    told = [str(merge) for merge in spec.head.merges if merge.stride in left_out]
    return "without any" if len(told) == len(spec.head.merges) else f"without {', '.join(told)}"


def segmenter(folder, left_out):
    """The variant as a function from image to class map at the same size."""
    return KerasSegmenter(partial(without, folder, left_out))


def without(folder, left_out, input_size, output="classes"):
    """The network kept in `folder`, built for `input_size`, whose merges at the strides `left_out` get no skip."""
    spec = models.load_card(folder).spec
    unknown = set(left_out) - set(strides(spec))
    if unknown:
        raise ValueError(f"{spec.name} has no merge at stride {min(unknown)}: it has {strides(spec)}.")
    model = models.load(folder, input_size, output=output)
    for merge in spec.head.merges:
        if merge.stride in left_out:
            silence(model, merge)
    return model


def silence(model, merge):
    """Makes the skip of one merge of a built network say nothing."""
    place = f"mosaic.decoder.merge{merge.stride}"
    if merge.style == "concat":
        low, _ = model.get_layer(f"{place}.concat").input  # the decoder's own features come first
        kernel = model.get_layer(f"{place}.fuse.conv").kernel
        values = np.array(kernel)
        values[:, :, low.shape[-1] :] = 0
        kernel.assign(values)
        return
    norm = model.get_layer(f"{place}.high.bn")  # followed by a ReLU
    for variable in (norm.gamma, norm.beta):
        variable.assign(np.zeros(variable.shape))
