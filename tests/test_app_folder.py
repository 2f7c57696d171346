"""The folder for an app, and the page to try a network in: its Python lines run, its classes are LiteRT's."""

import base64
import html
import re
import shutil
import subprocess
import sys

import accessibility
import numpy as np
import pytest
from accessibility import chromium
from PIL import Image
from test_reporting import plan, write_run

from mosaicbook import site
from mosaicbook.runs.provenance import ROOT
from mosaicbook.site import app_folder, try_page
from mosaiclib import inference
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.tflite.segmenter import TFLiteSegmenter

WEIGHTS = ROOT / "reports" / "published" / "camvid" / "weights"
SIZE = (256, 320)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """(the folder for the web, an image of the network's size)."""
    out = tmp_path_factory.mktemp("app") / "web"
    images = [inference.letterbox(free.read(), SIZE)[0] for free in FREE_PICTURES]
    app_folder.write(WEIGHTS, out, "web", SIZE, images)
    return out, images[0]


def test_the_python_lines_of_the_page_find_what_the_network_finds(folder):
    out, image = folder
    page = (out / "index.html").read_text()
    (lines,) = (text for text in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL) if "interpreter.invoke" in text)
    Image.fromarray(image).save(out / "photo.png")
    code = html.unescape(lines).replace("photo.jpg", "photo.png")
    printed = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=True).stdout
    (out / "photo.png").unlink()
    segmenter = TFLiteSegmenter(next(out.glob("*classes_int8.tflite")))
    counts = np.bincount(segmenter.classes(image).reshape(-1), minlength=len(segmenter.names)) / image[..., 0].size
    shares = {name: round(float(share), 3) for name, share in zip(segmenter.names, counts, strict=True) if share}
    assert eval(printed) == pytest.approx(shares, abs=1e-3)
    assert (out / "labels.txt").read_text().splitlines() == list(segmenter.names)


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds something else \(thesis.txt\)"):
        app_folder.write(WEIGHTS, tmp_path, "web", SIZE, [])
    with pytest.raises(ValueError, match="There is no target 'windows'"):
        app_folder.write(WEIGHTS, tmp_path / "x", "windows", SIZE, [])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_page_is_made_of_checked_files_only(folder, tmp_path, monkeypatch):
    file = next(folder[0].glob("*confidences_int8.tflite"))
    with pytest.raises(ValueError, match="is no int8 file of `mosaic export --output classes`"):
        try_page.write(file, tmp_path / "try.html")
    monkeypatch.setattr(try_page, "PACKAGES", tmp_path)
    classes = next(folder[0].glob("*classes_int8.tflite"))
    with pytest.raises(ValueError, match=r"LiteRT\.js is not here"):
        try_page.write(classes, tmp_path / "try.html")
    for name in try_page.HASHES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"alert(1)")
    with pytest.raises(ValueError, match=r"is not that of LiteRT\.js"):
        try_page.write(classes, tmp_path / "try.html")
    assert not (tmp_path / "try.html").exists()


@pytest.mark.browser
def test_the_page_segments_offline_as_litert_does(folder):
    out, image = folder
    page = (out / "try.html").read_text()
    if "LiteRT.js is not here" in page:
        pytest.skip("LiteRT.js is not here: `make litert-js` fetches it with npm")
    assert len(page) < 9e6 and "connect-src 'none'" in page
    expected = TFLiteSegmenter(next(out.glob("*classes_int8.tflite"))).classes(image)
    script = """
        const done = arguments[arguments.length - 1];
        const text = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
        (async () => {
          while (!window.segmentPixels) await new Promise((next) => setTimeout(next, 100));
          const rgb = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
          done(btoa(text(await window.segmentPixels(rgb))));
        })();
    """
    with chromium() as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        driver.get((out / "try.html").as_uri())
        answer = driver.execute_async_script(script, base64.b64encode(image.tobytes()).decode())
        requests = driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith("blob:") for name in requests), requests
    found = np.frombuffer(base64.b64decode(answer), np.uint8).reshape(SIZE)
    assert (found == expected).mean() > 0.999


def test_a_report_offers_its_int8_file_to_try_and_a_published_one_does_not(folder, tmp_path, monkeypatch):
    root = tmp_path / "quick"
    file = next(folder[0].glob("*classes_int8.tflite"))
    run = write_run(
        root, "export/a", result={"model": "m", "files": [{"precision": "int8", "file": f"files/{file.name}"}]}
    )
    (run / "files").mkdir()
    shutil.copy(file, run / "files")
    monkeypatch.setattr(try_page, "PACKAGES", tmp_path / "none")
    index = site.build_site(root, "Quick look", plan("export/a"))
    assert 'href="try.html"' in index.read_text()
    assert "LiteRT.js is not here: `make litert-js` gets it with npm." in (root / "try.html").read_text()
    published = site.build_site(root, "Quick look", plan("export/a"), publish=tmp_path / "published")
    assert "try.html" not in published.read_text()
    assert not (tmp_path / "published" / "try.html").exists()
    shutil.rmtree(run / "files")
    assert "try.html" not in site.build_site(root, "Quick look", plan("export/a")).read_text()
    assert not (root / "try.html").exists()


@pytest.mark.browser
@pytest.mark.skipif(accessibility.missing() is not None, reason=f"axe-core did not run: {accessibility.missing()}")
def test_axe_finds_nothing_serious_in_the_pages_of_the_folder(folder):
    with chromium() as driver:
        for name in ("index.html", "try.html"):
            assert not accessibility.violations(driver, folder[0] / name), name
