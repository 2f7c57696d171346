"""The explorer in a real JupyterLab, driven in headless Chromium: `make test-browser`."""

import json
import re
import time

import explored
import lab
import numpy as np
import pytest
from PIL import Image

from mosaicbook import paper
from mosaiclib.data import fetch
from mosaiclib.data.sets import minicity

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(lab.missing() is not None, reason=f"The explorer was not opened in a browser: {lab.missing()}"),
]
GROWTH_MB = 60  # in 50 changes; what is kept of a design that was seen takes about half a megabyte
USED = """
import gc, json, keras, psutil
gc.collect()
networks = sum(isinstance(thing, keras.Model) for thing in gc.get_objects())
print(json.dumps({"megabytes": psutil.Process().memory_info().rss // 2**20, "networks": networks}))
"""
BEND, SEE, COMPARE, MEASURE = "Change the design", "See it", "Compare", "Measure"


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    """The notebook in the browser after all of its cells have run."""
    folder = tmp_path_factory.mktemp("explorer")
    environment = explored.write(folder)
    if fetch.find("mlperf/mosaic_r4_uint8.tflite") is None:
        print("The authors' R4 is not here (MOSAIC_MIRROR): the image is seen by an untrained network.")
    with lab.jupyterlab(folder, environment) as address, lab.chromium(folder) as driver:
        driver.get(address)
        lab.run_all_cells(driver)
        yield lab.Explorer(driver)


def madds_b(explorer):
    """The MAdds that the panel shows, in billions."""
    row = next(row for row in explorer.all("tbody tr", BEND) if row.text.startswith("MAdds"))
    return float(re.search(r"([\d.]+) B", row.text).group(1))


def shows(explorer, value):
    return madds_b(explorer) == pytest.approx(value, abs=6e-4)


def test_a_knob_gives_the_cost_that_the_command_prints(explorer, mosaic):
    status, printed, _ = mosaic("madds", "--table", 3, "--json")
    assert status == 0
    printed = {row["name"]: row["tflite_madds_b"] for row in json.loads(printed)}
    assert shows(explorer, printed["mnmh480-mosaic"])
    explorer.turn("f, encoder filters", 64)
    explorer.until(lambda: shows(explorer, printed["mnmh480-mosaic-f64-d64"]), "the MAdds of f = 64")
    rows = [row for row in paper.records(3) if row.spec == "mnmh480-mosaic-f64-d64"]  # it is printed twice
    assert any(f"{row.miou_text} %" in explorer.panel(BEND).text for row in rows)
    assert explorer.code(BEND) == "explore.design(f=64)"


def test_ten_changes_a_second_leave_the_last_one_shown(explorer):
    handle = explorer.all(".noUi-handle", BEND)[0]
    last = f"m={int(float(handle.get_attribute('aria-valuenow'))) + 80}"  # ten steps of 8
    explorer.driver.execute_script("arguments[0].focus()", handle)
    for _ in range(10):
        explorer.press("ARROW_RIGHT")
        time.sleep(0.1)
    explorer.until(lambda: last in explorer.code(BEND), "the design after ten steps")
    explorer.run_cell("pass")  # the kernel answers in turn: one of the first nine would have been shown before this
    assert last in explorer.code(BEND)


def test_an_impossible_design_says_why_and_keeps_the_last_one(explorer):
    before = madds_b(explorer)
    toggle = next(button for button in explorer.all(".mosaic-bins button", BEND) if button.text == "32")
    explorer.click(toggle)
    height = explorer.all("input[type=number]", BEND)[1]
    explorer.enter(height, 128)
    explorer.until(lambda: explorer.all(".mosaic-problem", BEND), "the sentence")
    (problem,) = explorer.all(".mosaic-problem", BEND)
    assert problem.text.startswith("A pyramid level of 32 bins needs a feature map of at least 32x32")
    beside = problem.find_element("xpath", "preceding::input[@type='number'][1]")
    assert beside.get_attribute("value") == "2048"  # it stands right below the size
    explorer.enter(height, 1024)
    explorer.click(toggle)
    explorer.until(lambda: not explorer.all(".mosaic-problem", BEND) and shows(explorer, before), "the design again")


def test_memory_does_not_grow_with_the_knobs_turned(explorer):
    new = [100 + 4 * number for number in range(25)]
    used = []
    for number, value in enumerate((*new[:5], *new[5:], *new, *new[:5])):  # five, then twenty new and thirty seen
        explorer.turn("f, encoder filters", value)
        explorer.until(lambda v=value: f"f={v}" in explorer.code(BEND), "the next design")
        if number in (4, 54):
            used.append({**json.loads(explorer.run_cell(USED)), "elements": explorer.elements()})
    print(f"after 5 changes: {used[0]}; after 55: {used[1]}")
    assert used[1]["megabytes"] - used[0]["megabytes"] < GROWTH_MB
    assert used[1]["networks"] <= used[0]["networks"]
    assert used[1]["elements"] <= used[0]["elements"] + 100


def test_an_uploaded_picture_gets_its_overlay(explorer, tmp_path):
    pixels, _ = minicity.scene(5, (90, 160))
    exif = Image.Exif()
    exif[0x0112] = 6  # stands on its side, as phones write it
    Image.fromarray(pixels).save(tmp_path / "phone <b>.jpg", exif=exif, quality=95)
    explorer.panel(SEE).find_element("css selector", "input[type=file]").send_keys(str(tmp_path / "phone <b>.jpg"))
    explorer.until(lambda: "160x90 pixels" in explorer.panel(SEE).text, "the image, upright")
    canvas = explorer.all("canvas", SEE)[0]
    bare = explorer.pixels(canvas, opacity=0)
    under = explorer.pixels(canvas, opacity=1)
    assert bare.shape[0] > bare.shape[1]
    assert np.abs(bare.astype(int) - under).mean() > 5  # classes cover the image
    explorer.point_at(canvas)
    explorer.until(lambda: re.search(r", \d+ %$", explorer.all(".mosaic-under", SEE)[0].text), "class and confidence")
    first = explorer.all(".mosaic-legend button", SEE)[0]
    explorer.click(first)
    explorer.until(lambda: "isolated=" in explorer.code(SEE), "one class alone")
    (tmp_path / "no.jpg").write_bytes(b"no image" * 300_000)  # three pieces
    explorer.panel(SEE).find_element("css selector", "input[type=file]").send_keys(str(tmp_path / "no.jpg"))
    explorer.until(lambda: "no.jpg is not a readable JPEG or PNG" in explorer.panel(SEE).text, "what is wrong with it")
    assert "160x90 pixels" in explorer.panel(SEE).text


def test_twenty_megapixels_do_not_freeze_the_page(explorer, tmp_path):
    ramp = np.add.outer(np.arange(3888), np.arange(5184)).astype(np.uint8)
    Image.fromarray(np.dstack([ramp, ramp[::-1], ramp])).save(tmp_path / "large.jpg", quality=80)
    explorer.watch_frames()
    explorer.panel(SEE).find_element("css selector", "input[type=file]").send_keys(str(tmp_path / "large.jpg"))
    explorer.until(lambda: "3888x5184 pixels" in explorer.panel(SEE).text, "the large image")
    width, height = explorer.driver.execute_script("return window.shownSize")
    assert max(width, height) <= 1280
    print(f"the longest pause of the page was {explorer.longest_pause_ms():.0f} ms")
    assert explorer.longest_pause_ms() < 2000


def test_a_click_opens_the_page_of_a_run(explorer):
    rows = {row.get_attribute("data-pick"): row for row in explorer.all("tr[data-pick]", COMPARE)}
    assert "worst images" in explorer.panel(COMPARE).text
    explorer.click(rows["quick/train/minicity"])
    explorer.until(lambda: "val mIoU" in explorer.labels(COMPARE), "the learning curve")
    explorer.click({row.get_attribute("data-pick"): row for row in explorer.all("tr[data-pick]", COMPARE)}[
        "quick/export/minicity"])  # fmt: skip
    explorer.until(lambda: "The disk was full." in explorer.panel(COMPARE).text, "why it failed")
    star = explorer.panel(COMPARE).find_elements("css selector", "[id^='pick-']")[
        -2
    ]  # the other evaluation has the last
    explorer.click(star.find_element("css selector", "use"))
    explorer.until(lambda: "37.50" in explorer.labels(COMPARE), "the star's run")
    explorer.until(lambda: "run='evaluate/minicity'" in explorer.code(COMPARE), "its code")


def test_two_runs_side_by_side_show_their_difference_with_its_interval(explorer):
    explorer.choose("Compare with", "evaluate/other")
    explorer.until(lambda: "evaluate/minicity minus evaluate/other" in explorer.panel(COMPARE).text, "the difference")
    line = next(row.text for row in explorer.all("tbody tr", COMPARE) if row.text.startswith("mIoU, % [95 %]"))
    assert re.search(r"\+7\.9 \[(0\.0|[+\u2212]\d+\.\d), \+\d+\.\d\] points", line), line
    assert "other='evaluate/other'" in explorer.code(COMPARE)


def test_the_camera_gives_an_image(explorer):
    """Chromium's own pretended camera."""
    button = next(button for button in explorer.all("button", SEE) if button.text == "Use the camera")
    explorer.click(button)
    explorer.until(lambda: button.text == "Take the image", "the camera")
    explorer.click(button)
    explorer.until(lambda: "in the folder of camera.png" in explorer.panel(SEE).text, "the image of the camera")
    assert not explorer.all("video", SEE)


def test_a_measurement_starts_and_can_be_cancelled(explorer):
    (coarse,) = (button for button in explorer.all(".mosaic-bins button", BEND) if button.text == "16")
    explorer.click(coarse)
    for index, value in ((1, 128), (2, 160)):
        explorer.enter(explorer.all("input[type=number]", BEND)[index], value)
    explorer.until(lambda: "128x160" in explorer.panel(BEND).text, "a small design")
    explorer.until(lambda: re.search(r"About \d+ s: 1 benchmark run of 5", explorer.panel(MEASURE).text), "how long")
    explorer.enter(explorer.field("Processes"), 50)
    explorer.until(lambda: "50 benchmark runs" in explorer.panel(MEASURE).text, "how long that takes")
    start, cancel = explorer.all("button", MEASURE)[:2]
    explorer.click(start)
    explorer.until(lambda: explorer.all("tbody tr", MEASURE), "the first time", 180)
    explorer.click(cancel)
    explorer.until(lambda: "Cancelled" in explorer.panel(MEASURE).text, "the end")
    assert "input_size=(128, 160)" in explorer.code(MEASURE)
    assert re.search(r"partial \d+/\d+|full|none", explorer.all("tbody tr", MEASURE)[0].text)


def test_nothing_was_said_on_the_console_or_in_red(explorer):
    assert explorer.errors() == []
    assert explorer.driver.find_elements("css selector", "[data-mime-type='application/vnd.jupyter.stderr']") == []
