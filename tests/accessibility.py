"""axe-core over pages in headless Chromium: `python tests/accessibility.py reports/quick` prints what it finds.

axe-core is not part of the repository: `make axe` fetches it with npm into .ci/node_modules.
"""

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

AXE = Path(__file__).parents[1] / ".ci/node_modules/axe-core/axe.min.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
    "disable-background-networking", "disable-component-update",
)  # fmt: skip
SERIOUS = ("serious", "critical")
SCHEMES, WIDTHS = ("light", "dark"), (400, 1600)


def missing() -> str | None:
    """What is not installed of what this needs, or None."""
    if not AXE.is_file():
        return "axe-core is not here: `make axe` fetches it with npm."
    for names in (BROWSERS, ("chromedriver",)):
        if not any(map(shutil.which, names)):
            return f"{names[0]} is not installed."
    return None


@contextmanager
def chromium():
    """A headless browser with an empty profile."""
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as folder:
        options = webdriver.ChromeOptions()
        options.binary_location = next(filter(None, map(shutil.which, BROWSERS)))
        for flag in FLAGS:
            options.add_argument(f"--{flag}")
        options.add_argument(f"--user-data-dir={folder}")
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        driver.set_script_timeout(180)  # axe takes a second for a page, and half a minute on a busy machine
        try:
            yield driver
        finally:
            driver.quit()


def violations(driver, page, impacts=SERIOUS):
    """[(scheme, width, rule, help, HTML of the first element)] of a page, in light and dark, narrow and wide."""
    found = []
    for scheme in SCHEMES:
        for width in WIDTHS:
            feature = {"name": "prefers-color-scheme", "value": scheme}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            driver.get(Path(page).resolve().as_uri())
            driver.execute_script(AXE.read_text(encoding="utf-8"))
            result = driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
            assert result["passes"], "axe ran"
            found += [
                (scheme, width, v["id"], v["help"], v["nodes"][0]["html"][:160])
                for v in result["violations"]
                if v["impact"] in impacts
            ]
    return found


def main(folder):
    """Prints the violations in every page of a folder; returns how many there are."""
    count = 0
    with chromium() as driver:
        for page in sorted(Path(folder).glob("*.html")):
            found = violations(driver, page, ("minor", "moderate", *SERIOUS))
            count += len(found)
            print(f"{page.name}: {len(found) or 'nothing'} found", flush=True)
            for line in found:
                print("   ", *line)
    return count


if __name__ == "__main__":
    if missing():
        sys.exit(missing())
    sys.exit(1 if main(sys.argv[1]) else 0)
