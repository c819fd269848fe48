"""The report in a real browser: it draws, plays, filters, sorts, and can be read by everybody."""

import pytest
from browser import axe_core, chromium, show, until
from small_run import HOSTILE

FOCUSABLE = "a[href], button, input, summary, [tabindex='0']:not(details:not([open]) *)"
DRAWN = """
const marks = ".scatterlayer .trace, .barlayer .point, .heatmaplayer image";
return [...document.querySelectorAll("[data-figure]")].map((one) => [one.dataset.figure, one.querySelectorAll(marks).length]);
"""
AXE = """
const done = arguments[0];
axe.run(document, { resultTypes: ["violations"] }).then((result) => done(result.violations.map((one) =>
  one.id + ": " + one.nodes.map((node) => node.target.join(" ") + " " + (node.any[0] || {}).message).join("; "))));
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture
def opened(browser, layout):
    """The report at the width of a desk, in light mode."""
    show(browser, layout.report_html)
    return browser


def rows(browser, key):
    return browser.execute_script(
        "return [...document.querySelectorAll(`[data-table='${arguments[0]}'] tbody tr`)].filter((row) => !row.hidden)"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))",
        key,
    )


def test_every_chart_is_drawn(opened):
    counts = dict(opened.execute_script(DRAWN))
    assert len(counts) == 4 + 2 + 2 + 1 + 2 + 1 + 9 + 1
    assert all(counts.values()), counts
    assert counts["seen-within"] == 3, "teachers, their ensemble, and the students"
    assert counts["steps"] == 6 + 5


def test_a_name_from_outside_is_text_in_a_chart_too(opened):
    names = opened.execute_script(
        "return [...document.querySelectorAll(`[data-figure='labels'] .ytick text`)].map((one) => one.textContent)"
    )
    assert f"stage 1, {HOSTILE}" in names


def test_nothing_is_said_on_the_console_and_nothing_is_loaded(opened, layout):
    until(opened, "return document.readyState === 'complete'")
    assert [entry["message"] for entry in opened.get_log("browser")] == []
    loaded = opened.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_clips_play_while_they_are_seen_and_stop_on_request(opened):
    opened.execute_script("document.getElementById('pairs').scrollIntoView()")
    shown = "[...document.querySelectorAll('.pair video')].slice(0, 2)"
    until(opened, f"return {shown}.every((video) => video.videoWidth > 0 && video.currentTime > 0)")
    before = opened.execute_script(f"return {shown}.map((video) => video.currentTime)")
    until(opened, f"return {shown}.every((video, k) => video.currentTime !== arguments[0][k])", before)
    button = opened.find_element("id", "play")
    button.click()
    until(opened, "return [...document.querySelectorAll('.pair video')].every((video) => video.paused)")
    assert button.text == "Play all clips"
    button.click()
    until(opened, f"return {shown}.every((video) => !video.paused)")


def test_a_reader_who_wants_no_motion_gets_none(browser, layout):
    show(browser, layout.report_html)
    still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": still})
    browser.get(layout.report_html.as_uri())
    browser.execute_script("document.getElementById('pairs').scrollIntoView()")
    assert browser.find_element("id", "play").text == "Play all clips"
    assert browser.execute_script("return [...document.querySelectorAll('.pair video')].every((video) => video.paused)")


def test_a_table_is_filtered_by_all_words_that_are_typed(opened):
    every = rows(opened, "quarantine")
    field = opened.find_element("css selector", "[data-filter='quarantine']")
    field.send_keys("INGEST dec")
    assert [row[1] for row in rows(opened, "quarantine")] == ["decode"]
    assert opened.find_element("css selector", "[data-count='quarantine']").text == f"1 of {len(every)} rows"
    field.send_keys(" nothing")
    assert rows(opened, "quarantine") == []
    field.clear()
    field.send_keys(" ")
    assert rows(opened, "quarantine") == every


@pytest.fixture
def press(browser):
    """`press(element)` presses Enter on it."""
    from selenium.webdriver import Keys

    return lambda element: element.send_keys(Keys.ENTER)


def test_a_table_is_sorted_by_numbers_and_by_words_in_both_directions(opened, press):
    heads = opened.find_elements("css selector", "[data-table='errors'] th button")
    press(heads[5])
    errors = [float(row[5]) for row in rows(opened, "errors")]
    assert errors == sorted(errors)
    press(heads[5])
    assert [float(row[5]) for row in rows(opened, "errors")] == errors[::-1]
    press(heads[0])
    names = [row[0] for row in rows(opened, "errors")]
    assert names == sorted(names)
    said = opened.execute_script(
        "return [...document.querySelectorAll(\"[data-table='errors'] th\")].map((head) => head.ariaSort)"
    )
    assert said == ["ascending", *["none"] * 6]


def test_empty_cells_come_last_in_both_directions(opened, press):
    heads = opened.find_elements("css selector", "[data-table='steps'] th button")
    for _ in range(2):
        press(heads[2])
        assert [row[2] for row in rows(opened, "steps")][-1] == ""


def test_dark_mode_follows_the_system_and_the_switch(browser, layout):
    paper = "return getComputedStyle(document.body).backgroundColor"
    ink = "return getComputedStyle(document.querySelector('.xtick text')).fill"
    show(browser, layout.report_html, mode="dark")
    dark = browser.execute_script(paper), browser.execute_script(ink)
    switch = browser.find_element("id", "mode")
    assert switch.get_attribute("aria-pressed") == "true"
    switch.click()
    light = browser.execute_script(paper), browser.execute_script(ink)
    assert switch.get_attribute("aria-pressed") == "false"
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    show(browser, layout.report_html, mode="light")
    assert (browser.execute_script(paper), browser.execute_script(ink)) == light


def test_a_phone_scrolls_down_only(browser, layout):
    show(browser, layout.report_html, width=360)
    assert browser.execute_script("return innerWidth") == 360
    assert browser.execute_script("return document.scrollingElement.scrollWidth") == 360


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 360])
def test_axe_finds_no_violation(browser, layout, width, mode):
    source = axe_core()
    show(browser, layout.report_html, width, mode)
    browser.execute_script(source)
    browser.set_script_timeout(120)
    assert browser.execute_async_script(AXE) == []


def test_every_control_is_reached_by_the_keyboard_and_shows_it(opened):
    from selenium.webdriver import ActionChains, Keys

    wanted = opened.execute_script(f'return document.querySelectorAll("{FOCUSABLE}").length')
    reached, first = [], None
    for _ in range(wanted + 2):
        ActionChains(opened).send_keys(Keys.TAB).perform()
        at = opened.switch_to.active_element
        outline = at.value_of_css_property("outline-style"), at.value_of_css_property("outline-width")
        if at.tag_name == "body" or at == first:
            break
        first = first or at
        reached.append((at, outline))
    assert reached[0][0].get_attribute("class") == "skip", reached[0][0].get_attribute("outerHTML")[:300]
    assert len(reached) == wanted
    assert all(style == "solid" and width == "3px" for _, (style, width) in reached)
