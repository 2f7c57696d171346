"""A screen reader and a keyboard can use every kind of page: axe-core finds nothing serious, in light and dark."""

import accessibility
import pytest
from test_reporting import full, plan, write_run  # noqa: F401  (full is a fixture)

from mosaicbook import site

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
