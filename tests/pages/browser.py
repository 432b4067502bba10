"""Headless Chromium, from Debian, without a network."""
import contextlib
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tally  # noqa: E402

LIGHT, DARK = "light", "dark"
WIDE, NARROW = 1200, 360


def missing():
    """Why there is no browser here, or None."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "python3-selenium is not installed"
    return None


def skipped(what):
    """Whether there is no browser here; then this was counted."""
    why = missing()
    if why:
        tally.skip(what, why)
    return why is not None


class Browser:
    def __init__(self, driver):
        self.driver = driver
        self.command("Network.enable")
        # Beside the resolver that finds nothing: what has an address needs none.
        self.command("Network.setBlockedURLs", urls=["http:*", "https:*", "ws:*", "wss:*", "ftp:*"])

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def look(self, width, scheme=LIGHT):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, file):
        """Forgets what earlier pages logged."""
        self.messages(), self.requests()
        self.driver.get(pathlib.Path(file).resolve().as_uri())

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition, seconds=20):
        """Until the expression is true in the page."""
        from selenium.webdriver.support.ui import WebDriverWait
        WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(
            lambda _: self.run(f"return {condition}"), f"it never came that {condition}")

    def press(self, key, shift=False):
        """A key, to whatever has the focus; names as in KeyboardEvent.key."""
        codes = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35, " ": 32}
        common = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": codes[key], "modifiers": 8 * shift}
        self.command("Input.dispatchKeyEvent", type="keyDown", text=" ", **common) if key == " " else \
            self.command("Input.dispatchKeyEvent", type="rawKeyDown", **common)
        self.command("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def messages(self):
        """Errors on the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self):
        """What was asked for outside of the machine's files since the last call."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("file:", "data:", "blob:", "about:"))]

    def screenshot(self, file):
        import base64
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        pathlib.Path(file).write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def started():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync",
                         "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        try:
            yield Browser(driver)
        finally:
            driver.quit()
