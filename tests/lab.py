"""A real JupyterLab on a port of its own, and Chromium without a window to drive it."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

from mosaicbook.runs.provenance import ROOT

NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
CHROMIUM = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")  # fmt: skip


def missing():
    """What is not installed here of what the browser needs, or None."""
    found = [shutil.which(name) for name in ("chromium", "chromedriver")]
    return None if all(found) else "Chromium and its chromedriver are not installed (apt-get install chromium-driver)"


@contextmanager
def jupyterlab(folder, environment):
    """JupyterLab with the explorer's notebook in `folder`, settings and kernels of its own; yields its address."""
    notebooks = folder / "notebooks"
    notebooks.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "00_explore.ipynb", notebooks)
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}", "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    own = {
        "JUPYTER_TOKEN": token,
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    address = f"http://127.0.0.1:{port}"
    with open(folder / "jupyterlab.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **own, **environment})
        try:
            _wait_for(f"{address}/api?token={token}", server, folder / "jupyterlab.log")
            yield f"{address}/lab/tree/00_explore.ipynb?token={token}&reset"
        finally:
            server.terminate()  # it ends its kernels
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(address, server, log, patience_s=90):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def chromium(folder, size=(1280, 1000)):
    """A selenium driver of a Chromium with a profile of its own, whose console is kept."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (*CHROMIUM, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={folder / 'browser'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        yield driver
    finally:
        driver.quit()


def wait(driver, condition, patience_s=60, what=""):
    """What `condition` (a function of the driver) gives, as soon as it is not empty."""
    from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    patient = WebDriverWait(driver, patience_s, 0.1, ignored_exceptions=[StaleElementReferenceException])
    try:
        return patient.until(condition)
    except TimeoutException:
        raise AssertionError(f"Waited {patience_s} s in vain for {what or condition}.") from None


_NOTEBOOK = """
const NOTEBOOK = () => [...window.jupyterapp.shell.widgets("main")].find(widget => widget.sessionContext);
"""
_READY = (
    _NOTEBOOK
    + """
const lab = window.jupyterapp, panel = lab && NOTEBOOK();
if (panel && lab.shell.currentWidget !== panel) lab.shell.activateById(panel.id);  // a window without a focus has none
return Boolean(panel && panel.sessionContext && panel.sessionContext.session && panel.sessionContext.session.kernel);
"""
)
_FAILED = (
    _NOTEBOOK
    + """
const cells = [...NOTEBOOK().content.model.cells].filter(cell => cell.type == "code");
const outputs = cells.flatMap(cell => cell.sharedModel.outputs);
return outputs.filter(output => output.output_type == "error").map(output => output.evalue);
"""
)
_IDLE = (
    _NOTEBOOK
    + """
const panel = NOTEBOOK();
const code = [...panel.content.model.cells].filter(cell => cell.type == "code");
return code.every(cell => cell.executionCount > 0) && panel.sessionContext.session.kernel.status == "idle";
"""
)


def run_all_cells(driver, patience_s=240):
    """Runs the open notebook and waits for its end."""
    wait(driver, lambda d: d.execute_script(_READY), 90, "a kernel")
    driver.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    wait(driver, lambda d: d.execute_script(_FAILED) or d.execute_script(_IDLE), patience_s, "the end of the last cell")
    assert not driver.execute_script(_FAILED), driver.execute_script(_FAILED)


class Explorer:
    """The notebook as a reader sees it: panels are found by the heading above them."""

    def __init__(self, driver):
        self.driver = driver

    def panel(self, heading):
        """The panel below a heading."""
        path = f"//h2[starts-with(., '{heading}')]/following::*[contains(@class, 'mosaic-panel')][1]"
        return wait(self.driver, lambda d: d.find_element("xpath", path), 30, f"the panel '{heading}'")

    def all(self, selector, heading):
        """The elements of a panel that a CSS selector names."""
        return self.panel(heading).find_elements("css selector", selector)

    def code(self, heading):
        """The call that the panel says makes it."""
        line = next(e.text for e in self.all("code", heading) if e.text.startswith("from mosaicbook"))
        return line.partition("; ")[2]

    def labels(self, heading):
        """What the images of a panel are said to show."""
        return " ".join(e.get_attribute("aria-label") for e in self.all("figure[aria-label]", heading))

    def until(self, condition, what, patience_s=90):
        """Waits until `condition` holds; a page that changes under it is looked at again."""
        wait(self.driver, lambda _: condition(), patience_s, what)

    def click(self, element):
        """Clicks an element, wherever on the page it is."""
        from selenium.webdriver import ActionChains

        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        ActionChains(self.driver).move_to_element(element).click().perform()

    def press(self, key):
        """Presses a key of `selenium.webdriver.Keys` in whatever has the focus."""
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.driver).send_keys(getattr(Keys, key)).perform()

    def enter(self, element, text):
        """Replaces the text of an editable element and confirms with Enter."""
        from selenium.webdriver import ActionChains, Keys

        self.click(element)
        keys = ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
        keys.send_keys(str(text), Keys.ENTER).perform()

    def turn(self, description, value):
        """Types a value into the read-out of a slider."""
        path = f"//label[text()='{description}']/..//*[@contenteditable]"
        self.enter(self.driver.find_element("xpath", path), value)

    def field(self, description, tag="input"):
        """The field or dropdown with this label."""
        return self.driver.find_element("xpath", f"//label[text()='{description}']/..//{tag}")

    def choose(self, description, option):
        """Chooses an option of the dropdown with this label."""
        from selenium.webdriver.support.ui import Select

        Select(self.field(description, "select")).select_by_visible_text(option)

    def point_at(self, element):
        """Puts the pointer on the middle of an element."""
        from selenium.webdriver import ActionChains

        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        ActionChains(self.driver).move_to_element(element).perform()

    def pixels(self, canvas, opacity):
        """What a canvas of the viewer shows at an opacity of 0 to 1, uint8 [H, W, 3]."""
        import base64
        import io

        import numpy as np
        from PIL import Image

        script = """
        const range = arguments[0].closest('.mosaic-viewer').querySelector('input[type=range]');
        range.value = arguments[1];
        range.dispatchEvent(new Event('input'));
        return arguments[0].toDataURL('image/png');
        """
        uri = self.driver.execute_script(script, canvas, opacity)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))

    def watch_frames(self):
        """From now on remembers the longest time between two frames, and the size of decoded images."""
        self.driver.execute_script("""
        const decode = window.createImageBitmap;
        window.createImageBitmap = async (blob) => {
          const image = await decode(blob);
          window.shownSize = [image.width, image.height];
          return image;
        };
        let last = performance.now();
        window.longestPause = 0;
        const frame = (now) => {
          window.longestPause = Math.max(window.longestPause, now - last);
          last = now;
          requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
        """)

    def longest_pause_ms(self):
        """The longest time between two frames since `watch_frames`."""
        return self.driver.execute_script("return window.longestPause")

    def run_cell(self, source):
        """Runs a line of code in the notebook's kernel and returns what it printed."""
        script = """
        const done = arguments[arguments.length - 1];
        const kernel = NOTEBOOK().sessionContext.session.kernel;
        const future = kernel.requestExecute({code: arguments[0], store_history: false});
        let text = '';
        future.onIOPub = (message) => { if (message.header.msg_type == 'stream') text += message.content.text; };
        future.done.then(() => done(text));
        """
        self.driver.set_script_timeout(60)
        return self.driver.execute_async_script(_NOTEBOOK + script, source)

    def elements(self):
        """How many elements the page has."""
        return self.driver.execute_script("return document.getElementsByTagName('*').length")

    def errors(self):
        """What the browser's console holds of errors."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
