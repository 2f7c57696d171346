"""The explorer in a real JupyterLab, driven in headless Chromium: `make test-browser`."""

import re

import lab
import pytest

from mosaiclib import models, specs

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(lab.missing() is not None, reason=f"The explorer was not opened in a browser: {lab.missing()}"),
]


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    """The notebook in the browser after all of its cells have run."""
    folder = tmp_path_factory.mktemp("explorer")
    environment = {}
    with lab.jupyterlab(folder, environment) as address, lab.chromium(folder) as driver:
        driver.get(address)
        lab.run_all_cells(driver)
        yield lab.Explorer(driver)


def madds_b(explorer):
    """The MAdds that the panel shows, in billions."""
    row = next(row for row in explorer.all("tbody tr", "Bend it") if row.text.startswith("MAdds"))
    return float(re.search(r"([\d.]+) B", row.text).group(1))


def turn(explorer, description, keys):
    """Types into the read-out of a slider."""
    explorer.type(f"//label[text()='{description}']/..//*[@contenteditable]", keys)


def test_a_knob_gives_the_cost_that_the_command_prints(explorer):
    expected = models.cost(specs.get("mnmh448-mosaic"), (1024, 2048), 19).tflite_madds / 1e9
    assert madds_b(explorer) != pytest.approx(expected, abs=5e-4)
    turn(explorer, "m, endpoint", "448")
    explorer.until(lambda: madds_b(explorer) == pytest.approx(expected, abs=5e-4), "the MAdds of m = 448")
    assert "73.96" in explorer.panel("Bend it").text  # Table 6 prints it for this network
