"""A screen reader and a keyboard can use every kind of page: axe-core finds nothing serious, in light and dark."""

import json

import accessibility
import pytest
from test_reporting import full, plan, write_run  # noqa: F401  (full is a fixture)

from mosaicbook import site
from mosaicbook.runs.provenance import ROOT
from mosaicbook.runs.results import Table
from mosaicbook.show.paper_table import paper_table
from mosaicbook.show.timings import timings

pytestmark = pytest.mark.skipif(
    accessibility.missing() is not None, reason=f"The pages were not checked by axe-core: {accessibility.missing()}"
)


@pytest.mark.slow
def test_axe_finds_nothing_serious(full, tmp_path):  # noqa: F811
    root, planned = full
    write_run(root, "tables/table_3", status="failed", reason="OSError: No space left on device.")
    site.build_site(root, "Quick look", planned + plan("tables/table_3"))
    with accessibility.chromium() as driver:
        for name in ("index", "train-a", "tables-table_3"):
            assert not accessibility.violations(driver, root / f"{name}.html"), name


def test_axe_finds_what_is_wrong(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<!DOCTYPE html><html lang="en"><title>t</title><p style="color:#bbb">pale</p><img src="data:,">')
    with accessibility.chromium() as driver:
        rules = {rule for _, _, rule, *_ in accessibility.violations(driver, page)}
    assert {"color-contrast", "image-alt"} <= rules


def test_tables_fit_a_page_of_900_pixels(tmp_path):
    """The paper's, and timings with all their columns, as the published runs have them."""
    runs = ROOT / "reports/published/camvid-study/runs"
    results = [json.loads((runs / f"tables/table_{n}/result.json").read_text()) for n in range(2, 9)]
    shown = [paper_table(**Table.model_validate(result).model_dump(), caption="t") for result in results]
    rows = json.loads((runs / "latency/networks/result.json").read_text())["measurements"]
    further = {name: name for name in ("init_ms", "memory_mb", "agreement_percent", "note")}
    shown.append(timings([row | {"kernels": f"{row['kernels']}{i}"} for i, row in enumerate(rows)], "t", further))
    body = "".join(f'<section class="cell"><div class="outputs">{table.data}</div></section>' for table in shown)
    style = (ROOT / "mosaicbook/site/template/style.css").read_text()
    (tmp_path / "t.html").write_text(f"<!DOCTYPE html><style>{style}</style><main><article>{body}</article></main>")
    with accessibility.chromium() as driver:
        metrics = {"width": 900, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get((tmp_path / "t.html").as_uri())
        find = "return [...document.querySelectorAll('.scroll')].map(e => [e.clientWidth, e.scrollWidth])"
        widths = driver.execute_script(find)
    assert len(widths) == 8 and all(scrolled <= room for room, scrolled in widths), widths
