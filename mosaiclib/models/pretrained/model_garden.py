"""Weights of the TF2 Model Garden's MOSAIC (official/projects/mosaic), from its object-graph checkpoints.

Shapes decide what the network is: m, f, D, the number of pyramid levels, the global branch, the classes. A checkpoint
with a backbone alone, as the authors published it for ImageNet, fills the backbone of MNMH + MOSAIC. The Model Garden
normalises images with ImageNet's mean and deviation before the first padding, and so does the network that is built.
"""

from pathlib import Path

from mosaiclib.data.sets.cityscapes import CLASSES as CITYSCAPES
from mosaiclib.models import catalogue
from mosaiclib.models.backbones.mnmh import TABLE_1
from mosaiclib.models.building import build
from mosaiclib.models.pretrained import tf_checkpoint
from mosaiclib.models.weights import Card

INPUT_SIZE = (1024, 2048)
PYRAMIDS = {1: (8,), 2: (4, 8), 3: (4, 8, 16)}  # bins have no weights; these are the paper's by their number

_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_CLASSIFICATION_STEM = "backbone/layer_with_weights-18/"  # the 1280-wide layer that segmentation does not use


def read(path, bins=None):
    """(keras.Model with the weights of a checkpoint, output "logits"; its `Card`).

    path: a checkpoint's prefix, its .index file, a folder with one checkpoint, or a published .tar.gz.
    bins: of the pyramid, where they are not the paper's for that number of levels.
    The card's provenance says "head": "random" where the checkpoint holds a backbone alone.
    Raises ValueError that names the first variable that is missing, unknown or of another shape.
    """
    path = Path(path)
    arrays = {name.removesuffix(_SUFFIX): array for name, array in tf_checkpoint.arrays(path, _wanted).items()}
    backbone_alone = bool(arrays) and all(name.startswith("backbone/") for name in arrays)
    spec, classes = _spec_of_backbone(path, arrays) if backbone_alone else _spec_of(path, arrays, bins)
    model, keys = build(spec, INPUT_SIZE, classes), _keys()

    def key_of(layer, weight):
        if backbone_alone and not layer.startswith("mnmh."):
            return None
        return f"{keys[layer]}/{weight}" if weight in _NORM else keys[layer]

    used = tf_checkpoint.fill(model, arrays, key_of, path, spec.name)
    unknown = sorted(set(arrays) - used)
    if unknown:
        raise ValueError(f"{path} holds '{unknown[0]}', which is not part of {spec.name} (a quantisation-aware one?).")
    names = CITYSCAPES if classes == len(CITYSCAPES) else tuple(f"class {i}" for i in range(classes))
    dataset = "cityscapes" if classes == len(CITYSCAPES) else "unknown"
    provenance = {"source": "model-garden", "file": path.name}
    if backbone_alone:
        provenance |= {"head": "random"}
    elif not bins:
        provenance |= {"bins": "not in the checkpoint: the paper's for as many levels"}
    return model, Card(spec, names, dataset, INPUT_SIZE, provenance=provenance)


def _spec_of_backbone(path, arrays):
    try:
        m = arrays["backbone/layer_with_weights-17/_conv0/kernel"].shape[3]
    except (KeyError, IndexError) as error:
        raise ValueError(f"{path} holds no MNMH backbone: {error} is missing or no kernel.") from None
    return catalogue.mosaic(m=m).wired("garden"), len(CITYSCAPES)


def _spec_of(path, arrays, bins):
    """(the spec, the number of classes) that the shapes tell; `bins` where they are given."""
    try:
        m = arrays["backbone/layer_with_weights-17/_conv0/kernel"].shape[3]
        f = arrays["neck/_multi_kernel_group_conv/_conv_branches/0/3/kernel"].shape[3]
        fused = arrays["neck/_encoder_projection/0/kernel"].shape[2]
        d = arrays["head/_merge_stages/0/_feature_fusion_block/0/kernel"].shape[3]
        classes = arrays["head/_merge_stages/0/_feature_fusion_block/6/kernel"].shape[3]
    except (KeyError, IndexError) as error:
        raise ValueError(f"{path} is not a checkpoint of MOSAIC on MNMH: {error} is missing or no kernel.") from None
    has_global = "neck/_global_pool_branch/1/kernel" in arrays
    levels = (fused - m - f * has_global) / (2 * f)
    if levels not in PYRAMIDS:
        raise ValueError(
            f"{path}: a projection of {fused} channels is not a pyramid of 1 to 3 levels of {2 * f} filters."
        )
    if bins and (sum(count > 1 for count in bins) != levels or (1 in bins) != has_global or min(bins) < 1):
        raise ValueError(
            f"{path} has {int(levels)} pyramid level{'s' if levels > 1 else ''} of more than one bin "
            f"{'and a' if has_global else 'and no'} level of one: bins {','.join(map(str, bins))} do not fit it."
        )
    bins = bins or (1,) * has_global + PYRAMIDS[int(levels)]
    return catalogue.mosaic(m=m, f=f, d=d, bins=bins).wired("garden"), classes


def _keys():
    """{our layer: its key in the checkpoint}; for a batch norm without the name of the weight."""
    keys = {}

    def pair(ours, convolution, norm):
        keys[f"{ours}.conv"], keys[f"{ours}.bn"] = convolution, norm

    for index in range(len(TABLE_1) + 2):
        place = f"backbone/layer_with_weights-{index}"
        if 1 <= index <= len(TABLE_1):
            pair(f"mnmh.block{index}.expand", f"{place}/_conv0/kernel", f"{place}/_norm0")
            pair(f"mnmh.block{index}.depthwise", f"{place}/_conv1/depthwise_kernel", f"{place}/_norm1")
            pair(f"mnmh.block{index}.project", f"{place}/_conv2/kernel", f"{place}/_norm2")
        else:
            pair("mnmh.endpoint" if index else "mnmh.stem", f"{place}/_conv0/kernel", f"{place}/_norm0")
    for index, kernel in enumerate((3, 5)):
        ours, place = (
            f"mosaic.encoder.levels.group{kernel}x{kernel}",
            f"neck/_multi_kernel_group_conv/_conv_branches/{index}",
        )
        pair(f"{ours}.depthwise", f"{place}/0/depthwise_kernel", f"{place}/1")
        pair(f"{ours}.pointwise", f"{place}/3/kernel", f"{place}/4")
    pair("mosaic.encoder.global", "neck/_global_pool_branch/1/kernel", "neck/_global_pool_branch/2")
    pair("mosaic.encoder.projection", "neck/_encoder_projection/0/kernel", "neck/_encoder_projection/1")
    place = "head/_merge_stages/0/_feature_fusion_block"
    pair("mosaic.decoder.merge8.fuse", f"{place}/0/kernel", f"{place}/1")
    pair("mosaic.decoder.merge8.depthwise", f"{place}/3/depthwise_kernel", f"{place}/4")
    pair("mosaic.decoder.merge8.project", f"{place}/6/kernel", f"{place}/7")
    place = "head/_merge_stages/1/_high_res_branch"
    pair("mosaic.decoder.merge4.high", f"{place}/0/kernel", f"{place}/1")
    return keys


def _wanted(name):
    """Whether a variable of a checkpoint is the network's own."""
    return (
        name.startswith(("backbone/", "neck/", "head/"))
        and name.endswith(_SUFFIX)
        and not name.startswith(_CLASSIFICATION_STEM)
        and ".OPTIMIZER_SLOT" not in name
    )
