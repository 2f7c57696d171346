"""SegNet: VGG16's convolutions, and a mirrored decoder that unpools by the encoder's pooling indices.

Badrinarayanan, Kendall, Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation (2017). The layers are those of `Models/segnet_inference.prototxt` in the authors'
alexgkendall/SegNet-Tutorial. A row of the paper's Table 2.
"""

from mosaiclib.models import blocks, parts
from mosaiclib.models.baselines.layers import convolution, crop_to, max_pool_with_indices, max_unpool, pad_to_multiple

PARTS = {"segnet": parts.BACKBONE, "segnet.decoder": parts.DECODER, "segnet.classifier": parts.DECODER}

# Filters of every 3x3 convolution, stage by stage; each encoder stage ends in a pooling, and each decoder
# stage starts with the unpooling of its mirror image. The classifier follows decoder stage 1.
ENCODER = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
DECODER = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))


def segnet(image, classes):
    """image [B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, classes].

    29,453,971 parameters at 19 classes. Sides that 32 does not divide are padded with grey, and
    the logits cropped.
    """
    whole, image = image, pad_to_multiple(image, 32, "segnet")
    x = image
    indices = []
    for stage, widths in enumerate(ENCODER, start=1):
        x = _stage(x, widths, f"segnet.encoder{stage}")
        x, found = max_pool_with_indices(x, f"segnet.encoder{stage}.pool")
        indices.append(found)
    for stage, widths in zip((5, 4, 3, 2, 1), DECODER, strict=True):
        x = max_unpool(x, indices.pop(), f"segnet.decoder{stage}.unpool")
        x = _stage(x, widths, f"segnet.decoder{stage}")
    return crop_to(convolution(x, classes, "segnet.classifier"), whole, "segnet")


def _stage(x, widths, name):
    for index, filters in enumerate(widths, start=1):
        place = f"{name}.conv{index}"
        x = blocks.normalise(convolution(x, filters, place), place)
    return x
