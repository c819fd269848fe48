"""Headless Chromium for the tests that look at a page, with axe-core for its accessibility.

Chromium and its driver come from the system, axe-core from npm (`AXE_CORE`: the path of its axe.min.js). Where they are missing
the tests skip and say so; with `BROWSER_TESTS=required`, as in continuous integration, they fail instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
_PATIENCE_S = 60.0  # a busy machine decodes slowly


def absent(what):
    """Skip for want of a tool, or fail where it is required."""
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(f"{what}, and BROWSER_TESTS=required")
    pytest.skip(what)


def axe_core():
    """The source of axe-core."""
    path = os.environ.get("AXE_CORE", "")
    if not Path(path).is_file():
        absent("axe-core is not here: npm install axe-core, and name its axe.min.js in AXE_CORE")
    return Path(path).read_text(encoding="utf-8")


@contextlib.contextmanager
def chromium():
    """A browser with a profile of its own."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        absent("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    from selenium import webdriver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield browser
        finally:
            browser.quit()


def show(browser, place, width=1300, mode="light"):
    """Open a file or an address at a width in pixels and in a colour mode of the system."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wish = [{"name": "prefers-color-scheme", "value": mode}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wish})
    browser.get(place if isinstance(place, str) else place.as_uri())


def until(browser, script, *arguments):
    """Wait until a script returns something true, and return that."""
    end = time.monotonic() + _PATIENCE_S
    while not (found := browser.execute_script(script, *arguments)):
        assert time.monotonic() < end, f"never true within {_PATIENCE_S:g} s: {script}"
        time.sleep(0.1)
    return found
