"""Programs with a web page, and Chromium to look at them.

In: a command that serves HTTP, or a folder for pictures. Out: a running program with its URL and
log; a browser under our control, without network beyond this machine, that keeps a picture of
every step.
"""

import os
import pathlib
import subprocess
import tempfile

import requests

import debian
from process import die_with_parent, wait_until

CHROMIUM_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1400,1000")


class Program:
    """A web server: `with Program(command, url, folder) as program:`; it ends with the block."""

    def __init__(self, command, url, folder, environment):
        self.command = [str(part) for part in command]
        self.url = url
        self.folder = folder
        self.environment = {**os.environ, **environment}
        self.log_path = pathlib.Path(folder) / "program.log"

    def __enter__(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=die_with_parent)
        try:
            wait_until(f"{self.url} to answer", self._answers, 180, pause_s=0.2)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.command[0]} ended: {self.log[-2000:]}")
        try:
            requests.get(self.url, timeout=30)
            return True  # whatever the status
        except requests.RequestException:
            return False


class Browser:
    """Chromium with a new profile. `see(name)` keeps a picture."""

    def __init__(self, pictures):
        self.pictures = pathlib.Path(pictures)
        self.pictures.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        from selenium import webdriver
        chromium = debian.require("/usr/bin/chromium", "chromium")
        driver = debian.require("/usr/bin/chromedriver", "chromium-driver")
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={self.profile.name}"):
            options.add_argument(option)
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(driver))
        return self

    def __exit__(self, *_):
        self.driver.quit()
        self.profile.cleanup()

    def wait(self, what, condition, deadline_s=60):
        """What `condition(driver)` returns once it is true; elements may vanish meanwhile."""
        from selenium.common.exceptions import WebDriverException

        def holds():
            try:
                return condition(self.driver)
            except WebDriverException:
                return False

        try:
            return wait_until(what, holds, deadline_s, pause_s=0.1)
        except TimeoutError:
            self.see("timeout")
            raise

    def find(self, css, text=None, deadline_s=60):
        """The first visible element of a CSS selector (whose text contains `text`)."""

        def visible(driver):
            for element in driver.find_elements("css selector", css):
                if element.is_displayed() and (text is None or text in element.text):
                    return element
            return None

        return self.wait(f"{css} {text or ''}", visible, deadline_s)

    def click(self, css, text=None, deadline_s=60):
        """Clicks what `find` finds, again when it was replaced or covered meanwhile."""

        def clicked(driver):
            for element in driver.find_elements("css selector", css):
                if element.is_displayed() and (text is None or text in element.text):
                    element.click()
                    return True
            return False

        self.wait(f"to click {css} {text or ''}", clicked, deadline_s)

    def see(self, name):
        """A picture of the page, for people; returns its file."""
        file = self.pictures / f"{name}.png"
        self.driver.save_screenshot(str(file))
        return file


def pictures_folder(tmp_path_factory, name):
    """Where pictures go: kept in MOBULA_TESTS_OUTPUT when that is set."""
    kept = os.environ.get("MOBULA_TESTS_OUTPUT")
    return pathlib.Path(kept) / name if kept else tmp_path_factory.mktemp(name)
