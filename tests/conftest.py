"""What several tests share: a data set of two small images a split, and the outside files where they are."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest

from mosaicbook import cli
from mosaiclib.data import datasets, fetch, images


def pytest_collection_modifyitems(items):
    """The longest test first, so that one of two processes does not run it alone at the end."""
    items.sort(key=lambda item: "test_every_notebook_runs" not in item.name)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """The same fresh weights in every run, those of the fixtures too."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(0)


@pytest.fixture
def mosaic(monkeypatch, capsys):
    """Runs the command in this process: (exit status, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["mosaic", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def without_values():
    """Networks that the test builds have weights of a shape without values: all that counting and drawing need."""
    from mosaiclib.models.graph import without_values

    with without_values():
        yield


@pytest.fixture
def mirror():
    """Finds a file by its key in MOSAIC_MIRROR or among the fetched ones; skips the test where it is not."""

    def find(key):
        path = fetch.find(key)
        if path is None:
            pytest.skip(f"{key} is not here: set MOSAIC_MIRROR or run `mosaic data fetch`")
        return path

    return find


@pytest.fixture
def mirror_if_any():
    """The same without a skip: a path, or None."""
    return fetch.find


@pytest.fixture
def tiny_dataset(tmp_path):
    """A `Dataset` of random images with blocky labels of 4 classes: 6 for train, 2 for val, 72x88 pixels."""
    generator = np.random.default_rng(7)
    for split, count in (("train", 6), ("val", 2)):
        for number in range(count):
            label = generator.integers(0, 4, (9, 11), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            label[:3] = 255
            image = (label[..., None] * 60 + generator.integers(0, 40, (*label.shape, 3))).astype(np.uint8)
            images.write_png(tmp_path / split / f"{number}_image.png", image)
            images.write_png(tmp_path / split / f"{number}_label.png", label)

    def list_split(split):
        return [
            (p, p.with_name(p.name.replace("image", "label"))) for p in sorted((tmp_path / split).glob("*_image.png"))
        ]

    return datasets.Dataset(
        name="tiny",
        title="tiny",
        classes=("a", "b", "c", "d"),
        palette=((0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 3)),
        to_train_id=tuple(i if i < 4 or i == 255 else -1 for i in range(256)),
        list_split=list_split,
        synthetic=True,
    )
