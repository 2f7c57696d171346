"""Files from elsewhere: each has one key, a checksum, a licence, and (nearly always) an address.

A file is looked for in the folder that the environment variable MOSAIC_MIRROR names, then among the files
fetched before, then on the network. Every copy whose sha256 is known is checked against it before use.
"""

from dataclasses import dataclass
from pathlib import Path

import pooch
from requests.exceptions import RequestException

from mosaiclib.files import from_environment

_MOBILE_OPEN = "https://github.com/mlcommons/mobile_open/raw/main/vision"
_MLCOMMONS = "Apache-2.0 terms (MLCommons Association License)"
_MODEL_GARDEN = "https://storage.googleapis.com/tf_model_garden/vision/mosaic"


@dataclass(frozen=True)
class RemoteFile:
    """One file: its key below the mirror and the data folder, where it comes from, what it must be.

    url: None where there is no public address; `how` then says what to do. sha256: None where nobody here
    has held the file yet. cityscapes_miou_percent: what its publisher reports on Cityscapes val. title, network: of a
    released graph that can be imported, what it is and the catalogue's name of its network.
    """

    key: str
    url: str | None
    sha256: str | None
    licence: str
    how: str = ""
    cityscapes_miou_percent: float | None = None
    title: str = ""
    network: str = ""


R4 = "mlperf/mosaic_r4_uint8.tflite"


FILES = {
    file.key: file
    for file in (
        RemoteFile(
            R4,
            f"{_MOBILE_OPEN}/mosaic/models_and_checkpoints/R4/mobile_segmenter_r4_quant_argmax_uint8.tflite",
            "da8b3822a22fde45ecaf0ff32022287eff58b500096971b04f3c1b292da66a3c",
            _MLCOMMONS,
            title="The authors' R4 (MOSAIC, 31 classes of ADE20K)",
            network="mnmh448-mosaic-f64-d64",
        ),
        RemoteFile(
            "mlperf/mosaic_r3_uint8.tflite",
            f"{_MOBILE_OPEN}/mosaic/models_and_checkpoints/R3/mobile_segmenter_r3_quant_argmax_uint8.tflite",
            "53a2151e0868d32c91139756efac2569e4e073d831aeb3e6232eceb52e134ef3",
            _MLCOMMONS,
        ),
        RemoteFile(
            "mlperf/deeplabv3plus_mnv2_qat_uint8.tflite",
            f"{_MOBILE_OPEN}/deeplab/models_and_code/checkpoints/quantize_aware_training/freeze_qat.tflite",
            "2d58c681d81b5e181816b81cc815b82edf3daad905b4d7d35afade80aee93b5f",
            _MLCOMMONS,
            title="MLPerf's MobileNetV2 + DeepLabV3+",
            network="mnv2-dlv3plus",
        ),
        RemoteFile(
            "mlperf/deeplabv3plus_mnv2_ptq_int8.tflite",
            f"{_MOBILE_OPEN}/deeplab/models_and_code/checkpoints/post_train_quant/freeze_ptq.tflite",
            "3960571f5e2de1cec771a8f7a15b86f31b94cceccac8d993addbc1e29829de6a",
            _MLCOMMONS,
        ),
        RemoteFile(
            "model-garden/MobileNetMultiAVGSeg-r1024-ebf32-nogp.tar.gz",
            f"{_MODEL_GARDEN}/MobileNetMultiAVGSeg-r1024-ebf32-nogp.tar.gz",
            None,
            "Apache-2.0 (TensorFlow Model Garden)",
            cityscapes_miou_percent=75.98,
        ),
        RemoteFile(
            "model-garden/MobileNetMultiAVGSeg-r1024-ebf64-gp.tar.gz",
            f"{_MODEL_GARDEN}/MobileNetMultiAVGSeg-r1024-ebf64-gp.tar.gz",
            None,
            "Apache-2.0 (TensorFlow Model Garden)",
            cityscapes_miou_percent=77.24,
        ),
        RemoteFile(
            "camvid_480x360_q95.zip",
            None,
            "9ecaf6a96f54964f6f0e35d710a0853063296e5494c937296b41f9b03bd44cb4",
            "research use only; images may not be redistributed",
            "Put it into the folder named by MOSAIC_MIRROR, or name a folder in the SegNet tutorial's layout "
            "(train/, trainannot/, val/, ...) as the data set's root.",
        ),
    )
}

RELEASED = {key: file for key, file in FILES.items() if file.network}
COLLECTIONS = {
    "mlperf": tuple(key for key in FILES if key.startswith("mlperf/")),
    "model-garden": tuple(key for key in FILES if key.startswith("model-garden/")),
    "camvid": ("camvid_480x360_q95.zip",),
}


class NotAvailable(OSError):
    """A file that is neither in the mirror nor fetched, and cannot be fetched now."""


def data_folder() -> Path:
    """Where fetched and rendered data lives: MOSAIC_DATA, or data/ beside the notebooks."""
    return from_environment("MOSAIC_DATA") or Path(__file__).resolve().parents[2] / "data"


def find(key) -> Path | None:
    """The local path of a file in the mirror or fetched before, checked; None where there is none.

    Raises ValueError where a copy exists but is not the right file.
    """
    file = _known(key)
    for folder in filter(None, (from_environment("MOSAIC_MIRROR"), data_folder())):
        path = folder / key
        if path.is_file():
            if file.sha256 and pooch.file_hash(str(path), alg="sha256") != file.sha256:
                raise ValueError(f"{path} is not the expected file (its sha256 differs): remove it and fetch it again.")
            return path
    return None


def located(path) -> Path:
    """`path`; where nothing lies there and it has the name of a published file, that one in the mirror or fetched."""
    path = Path(path)
    key = next((key for key in FILES if Path(key).name == path.name), None)
    return path if path.exists() or key is None else find(key) or path


def fetch(key, progress=False) -> Path:
    """The local path of a file, downloaded into the data folder where need be.

    Raises `NotAvailable` with what to do where there is no network or no address.
    """
    file = _known(key)
    path = find(key)
    if path:
        return path
    if file.url is None:
        raise NotAvailable(f"{key} has no public address. {file.how}")
    target = data_folder() / key
    pooch.get_logger().setLevel("WARNING")
    try:
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=30)
        known_hash = f"sha256:{file.sha256}" if file.sha256 else None
        pooch.retrieve(file.url, known_hash, target.name, target.parent, downloader=downloader)
    except (RequestException, OSError) as error:
        raise NotAvailable(
            f"{key} could not be fetched from {file.url} ({type(error).__name__}): go online and run "
            f"`mosaic data fetch` again, or set MOSAIC_MIRROR to a folder that holds {key}."
        ) from None
    return target


def _known(key):
    if key not in FILES:
        raise ValueError(f"There is no file '{key}': choose one of {', '.join(FILES)}.")
    return FILES[key]
