"""ImageNet weights of DeepLab's ResNet-50 and -101 beta and Xception-71, from its TF1 checkpoints.

The layers are ours one by one, under slim's names (tensorflow/models, research/deeplab/core). Networks get the
authors' padding, and the ResNets the normalisation they were trained with: RGB less its mean, not divided. What lies
beside the backbone in a checkpoint (the ImageNet classifier, DeepLab's own head) is left out.
"""

import re
from dataclasses import replace
from pathlib import Path

from mosaiclib.data.sets.cityscapes import CLASSES as CITYSCAPES
from mosaiclib.models import catalogue
from mosaiclib.models.building import build
from mosaiclib.models.pretrained import tf_checkpoint
from mosaiclib.models.weights import Card

INPUT_SIZE = (512, 512)
NETWORKS = {"resnet_v1_50": "resnet50-mosaic", "resnet_v1_101": "resnet101-mosaic", "xception_71": "xception71-mosaic"}

_BACKBONE = re.compile(rf"({'|'.join(NETWORKS)})/(?!logits/).*(weights|gamma|beta|moving_mean|moving_variance)")
_RESNET_PARTS = {"reduce": "conv1", "spatial": "conv2", "expand": "conv3", "shortcut": "shortcut"}
_FLOWS = {
    "entry": "entry_flow/block{}/unit_1",
    "middle": "middle_flow/block1/unit_{}",
    "exit": "exit_flow/block{}/unit_1",
}


def read(path):
    """(model with a pretrained backbone and a random head, output "logits"; its `Card`).

    path: as of `tf_checkpoint.arrays`. Raises ValueError for a checkpoint without one of these backbones, and one that
    names the first variable that is missing, unknown or of another shape.
    """
    path = Path(path)
    arrays = tf_checkpoint.arrays(path, _BACKBONE.fullmatch)
    scopes = {name.partition("/")[0] for name in arrays}
    if len(scopes) != 1:
        raise ValueError(f"{path} holds none of DeepLab's backbones that are read here: {', '.join(NETWORKS)}.")
    scope = scopes.pop()
    spec = replace(
        catalogue.get(NETWORKS[scope]),
        padding="symmetric",
        normalisation="none" if scope.startswith("xception") else "imagenet_mean",
    )
    model = build(spec, INPUT_SIZE, len(CITYSCAPES))

    def key_of(layer, weight):
        if not layer.startswith(f"{spec.backbone}."):
            return None
        return f"{scope}/{slim_name(layer.removeprefix(f'{spec.backbone}.'), weight)}"

    used = tf_checkpoint.fill(model, arrays, key_of, path, spec.name)
    if unknown := sorted(set(arrays) - used):
        raise ValueError(f"{path} holds '{unknown[0]}', which is not part of {spec.backbone}.")
    provenance = {"source": "deeplab", "file": path.name, "head": "random"}
    return model, Card(spec, CITYSCAPES, "cityscapes", INPUT_SIZE, provenance=provenance)


def slim_name(layer, weight):
    """slim's name of our variable, both without the backbone's own name: "stem.conv2.conv", "kernel" becomes
    "entry_flow/conv1_2/weights"."""
    *place, kind = layer.split(".")
    match place:
        case ["root", conv]:
            scope = f"conv1_{conv[-1]}"
        case [stage, unit, part] if stage.startswith("stage"):
            scope = f"block{stage[5:]}/unit_{unit[4:]}/bottleneck_v1/{_RESNET_PARTS[part]}"
        case ["stem", conv]:
            scope = f"entry_flow/conv1_{conv[-1]}"
        case [module, part, *rest]:
            flow, number = re.fullmatch(r"(entry|middle|exit)(\d+)", module).groups()
            part = f"separable_conv{part[-1]}_{rest[0]}" if rest else part
            scope = f"{_FLOWS[flow].format(number)}/xception_module/{part}"
    if kind == "bn":
        return f"{scope}/BatchNorm/{weight}"
    return f"{scope}/{'depthwise_weights' if place[-1] == 'depthwise' else 'weights'}"
