"""Model specs: plain data that says what a network is.

A spec says everything that shapes a network except the image size and the number of classes, which
are given to `mosaiclib.models.build`. Specs go to JSON and come back validated.
"""

from dataclasses import asdict, replace
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from mosaiclib.files import first_fault

_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, config=_STRICT)
class Merge:
    """One merge of the hybrid decoder (paper section 5): where the skip comes from and how it joins."""

    stride: Literal[2, 4, 8]
    style: Literal["concat", "sum"]

    def __str__(self) -> str:
        return f"{self.stride}-{'C' if self.style == 'concat' else 'S'}"


@dataclass(frozen=True, config=_STRICT)
class MosaicHead:
    """MOSAIC's context encoder and hybrid decoder (paper sections 4 and 5, Figures 3 and 4).

    encoder_filters: filters of each kernel branch of a pyramid level ("SPP encoder #filter", f).
    decoder_filters: filters of a concat merge ("decoder #filter", D).
    bins: pyramid levels; a level of 1 bin is the global branch.
    merges: the decoder's merges from coarse to fine; empty means no skip connection.
    group_convolution: split the channels between the kernels (Table 4, GC).
    kernels: sides of the depthwise kernels side by side: 3x3 and 5x5 in the paper.
    shared_levels: one set of group-convolution weights for all levels (Model Garden) or one per level
        (the authors' released graphs).
    windows: "square": pooling windows are square, so a 2:1 image has b x 2b bins (the reading that
        reproduces the paper's MAdds); "grid": b x b bins of the image's own aspect (Model Garden).
    """

    kind: Literal["mosaic"] = "mosaic"
    encoder_filters: int = Field(32, gt=0)
    decoder_filters: int = Field(64, gt=0)
    bins: tuple[Annotated[int, Field(gt=0)], ...] = Field((4, 8, 16), min_length=1)
    merges: tuple[Merge, ...] = (Merge(8, "concat"), Merge(4, "sum"))
    group_convolution: bool = True
    kernels: tuple[Literal[3, 5, 7], ...] = Field((3, 5), min_length=1)
    shared_levels: bool = False
    windows: Literal["square", "grid"] = "square"


@dataclass(frozen=True, config=_STRICT)
class LRASPPHead:
    """Lite R-ASPP, the head of MobileNetV3's segmenter ([9] in the paper, which calls it Mobile-DeepLab, MDL).

    filters: of its two branches: 128 in [9]; 64 explains the MAdds of Table 7. skip_stride: where its one skip comes
    from: 8 in [9]; 4 explains the MAdds of the paper's MNMH + MDL.
    """

    kind: Literal["lraspp"] = "lraspp"
    filters: int = Field(128, gt=0)
    skip_stride: Literal[4, 8] = 8


@dataclass(frozen=True, config=_STRICT)
class DeepLabV3PlusHead:
    """Atrous spatial pyramid pooling and DeepLabV3+'s decoder ([3] in the paper).

    filters: of every branch and of the decoder. atrous_rates: dilations of the 3x3 branches; the mobile form
    of MLPerf has none. skip_filters: what the stride-4 skip is projected to. decoder: False leaves the
    decoder out (DeepLabV3).
    """

    kind: Literal["deeplab_v3plus"] = "deeplab_v3plus"
    filters: int = Field(256, gt=0)
    atrous_rates: tuple[Annotated[int, Field(gt=0)], ...] = ()
    skip_filters: int = Field(48, gt=0)
    decoder: bool = True


@dataclass(frozen=True, config=_STRICT)
class WholeNetwork:
    """A network of Table 2 that is not a backbone with a head; its spec has no backbone."""

    kind: Literal["segnet", "icnet", "erfnet", "espnet", "enet"]


Backbone = Literal[
    "mnmh", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "resnet50", "resnet101", "xception71"
]


Head = Annotated[MosaicHead | LRASPPHead | DeepLabV3PlusHead | WholeNetwork, Field(discriminator="kind")]


@dataclass(frozen=True, config=_STRICT)
class ModelSpec:
    """Every network of the paper: a backbone and a head.

    backbone: None only for a `WholeNetwork`.
    endpoint_filters: m, the filters of MNMH's last convolution (Table 1).
    first_dilated_block: the MNMH block from which depthwise convolutions are dilated by 2: 14 in the
        authors' released graphs, 13 in the Model Garden. The paper does not say.
    resize: bilinear convention: "half_pixel" (TF2, PyTorch) or "asymmetric" (pixel corners aligned at the
        top left: what the authors' released TFLite graphs compute).
    normalisation: the network's first layer, a key of `blocks.NORMALISATIONS`, or "none". It stands before all padding,
        whose zeros are then ImageNet's mean colour and not grey.
    padding: of ResNet's and Xception's strided convolutions: "same" as TensorFlow pads, (0, 1) at even sizes, or
        "symmetric" as their authors pad, (1, 1). At odd sizes, as in training on 769x769, they are one.
    """

    name: str
    backbone: Backbone | None = "mnmh"
    head: Head = MosaicHead()
    endpoint_filters: int = Field(480, gt=0)
    first_dilated_block: Literal[13, 14] = 14
    resize: Literal["half_pixel", "asymmetric"] = "half_pixel"
    normalisation: Literal["none", "imagenet", "imagenet_mean"] = "none"
    padding: Literal["same", "symmetric"] = "same"

    @model_validator(mode="after")
    def _backbone_and_head(self):
        if (self.backbone is None) != isinstance(self.head, WholeNetwork):
            raise ValueError(f"'{self.head.kind}' and backbone '{self.backbone}' do not go together")
        return self

    def to_json(self) -> dict:
        """This spec as plain JSON data; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict) -> "ModelSpec":
        """The spec written by `to_json`. Raises ValueError naming the first field that is not right."""
        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            raise ValueError(f"Not a model spec: {first_fault(error)}.") from None

    def wired(self, wiring: Literal["released", "garden"]) -> "ModelSpec":
        """This network in one of its two published wirings, which the paper's text does not tell apart.

        released: the authors' released TFLite graphs: every pyramid level has its own weights, dilation
            starts at block 14, resizes are asymmetric.
        garden: the TF2 Model Garden (official/projects/mosaic): levels share weights, dilation starts at
            block 13, b x b bins whatever the image's aspect, half-pixel resizes, ImageNet's normalisation.
        """
        if wiring not in ("released", "garden"):
            raise ValueError(f"Unknown wiring '{wiring}': there are 'released' and 'garden'.")
        released = wiring == "released"
        head, block = self.head, 14 if released else 13
        resize = "asymmetric" if released else "half_pixel"
        if isinstance(head, MosaicHead):
            head = replace(head, shared_levels=not released, windows="square" if released else "grid")
        return replace(
            self,
            name=f"{self.name}-{wiring}",
            head=head,
            first_dilated_block=block,
            resize=resize,
            normalisation="none" if released else "imagenet",
        )


def merges(text: str) -> tuple[Merge, ...]:
    """Reads the paper's notation of Table 5: "8-C, 4-S" gives a concat merge at 8 and a sum merge at 4."""
    styles = {"C": "concat", "S": "sum"}
    return tuple(
        Merge(int(stride), styles[style])
        for stride, style in (part.strip().split("-") for part in text.split(",") if part.strip())
    )
