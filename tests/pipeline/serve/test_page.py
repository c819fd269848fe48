"""The page in a real browser: scores, curves and players of two videos, its address, and whether everybody can use it."""

import json
import shutil
import time

import pytest
from browser import axe_core, chromium, show, until
from page_server import Scripted, page_server, student_without_network

from pipeline.serve.limits import Limits

AXE = """
const done = arguments[0];
axe.run(document, { resultTypes: ["violations"] }).then((result) => done(result.violations.map((one) =>
  one.id + ": " + one.nodes.map((node) => node.target.join(" ") + " " + (node.any[0] || {}).message).join("; "))));
"""
NAME = "<mark>5 < 6.mp4"
ANSWERED = "return document.querySelectorAll('.answer:not([hidden])').length === arguments[0]"
READY = "return [...document.querySelectorAll('video')].filter((one) => one.readyState > 1).length === arguments[0]"
TIMES = "return [...document.querySelectorAll('video')].map((one) => one.currentTime)"


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def videos(make, tmp_path_factory):
    """Two clips of six seconds, one of another size and rate, under names of strangers."""
    folder = tmp_path_factory.mktemp("videos")
    plain = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
    one = make("page-a.mp4", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=6", *plain)
    other = make("page-b.mp4", "-f", "lavfi", "-i", "testsrc2=size=240x180:rate=30:duration=6", *plain)
    return [shutil.copy(one, folder / NAME), shutil.copy(other, folder / "other.mp4")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return student_without_network(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def service(model, videos):
    with page_server(model, Limits(bytes=4 << 20), engine=Scripted(), at_once=2) as one:
        for name in ("clean", "coarse", "dip"):
            shutil.copy(videos[0], one.folder / f"example-{name}.mp4")
        yield one


def choose(browser, slot, path):
    browser.find_element("css selector", f".slot.{slot} input[type=file]").send_keys(str(path))


def both(browser, service, videos, **view):
    """The page with two videos that can be played."""
    browser.get("about:blank")  # the same address with another fragment would load nothing
    show(browser, service.url, **view)
    until(browser, "return document.querySelector('.slot.a')")
    for count, (slot, path) in enumerate(zip("ab", videos, strict=True), 1):
        choose(browser, slot, path)
        until(browser, ANSWERED, count)
    until(browser, READY, 2)


@pytest.fixture(scope="module")
def compared(browser, service, videos):
    both(browser, service, videos)
    return browser


def texts(browser, selector):
    return [one.text for one in browser.find_elements("css selector", selector)]


def test_a_video_has_one_large_score_with_its_interval_direction_and_range(compared, service):
    digest = service.desk.answers._kept
    answer = next(iter(digest.values()))
    row = answer.score
    assert texts(compared, ".slot.a .value") == [f"{row.score:.1f}"]
    assert texts(compared, ".slot.a .interval") == [f"{row.low:.1f} to {row.high:.1f} with 68 %"]
    assert "higher is better" in texts(compared, ".slot.a .range")[0]
    assert row.student in texts(compared, ".slot.a dl")[0]
    size = compared.execute_script("return parseFloat(getComputedStyle(document.querySelector('.value')).fontSize)")
    assert size > 50


def test_a_name_from_outside_is_text(compared):
    assert texts(compared, ".slot.a .name") == [NAME]
    assert compared.find_elements("css selector", "mark") == []


def test_the_curve_has_its_worst_stretch_and_pictures_that_lead_to_it(compared):
    until(compared, "return document.querySelectorAll('#chart .score').length === 2")
    assert len(compared.find_elements("css selector", "#chart .low")) == 2
    pictures = compared.find_elements("css selector", "#moments button")
    assert "worst stretch 1" in pictures[0].text
    assert compared.execute_script(
        "return [...document.querySelectorAll('#moments img')].every((one) => one.naturalWidth > 0)"
    )
    pictures[0].click()
    until(
        compared, "return [...document.querySelectorAll('video')].every((one) => Math.abs(one.currentTime - 2) < 0.01)"
    )
    assert texts(compared, "#said")[0].startswith("A, 2 to 3 s: ")


def test_the_chart_is_a_slider_for_the_keyboard(compared):
    from selenium.webdriver import Keys

    chart = compared.find_element("id", "chart")
    chart.send_keys(Keys.HOME)
    chart.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert chart.get_attribute("aria-valuenow") == "3.0"
    assert chart.get_attribute("aria-valuetext").startswith("A, 3 to 4 s")
    until(compared, f"return ({TIMES.removeprefix('return ')}).every((one) => Math.abs(one - 3) < 0.01)")


def test_two_videos_play_together_stop_together_and_step_together(compared):
    play = compared.find_element("id", "play")
    compared.execute_script("document.getElementById('chart').focus()")
    compared.find_element("id", "chart").send_keys("\ue011")  # Home
    play.click()
    until(compared, f"return ({TIMES.removeprefix('return ')}).every((one) => one > 1)")
    gaps = []
    for _ in range(5):
        one, other = compared.execute_script(TIMES)
        gaps.append(abs(one - other))
        time.sleep(0.1)
    assert min(gaps) < 0.1, gaps
    if play.text == "Pause":
        play.click()
    until(compared, "return [...document.querySelectorAll('video')].every((one) => one.paused && !one.seeking)")
    one, other = compared.execute_script(TIMES)
    assert one == pytest.approx(other, abs=0.01)
    compared.find_element("id", "back").click()
    until(compared, "return [...document.querySelectorAll('video')].every((one) => !one.seeking)")
    now = compared.execute_script(TIMES)
    assert now[0] == pytest.approx(now[1], abs=0.01)
    assert 0.01 < one - now[0] < 0.1, "by a picture"


def test_a_step_is_one_picture_though_a_busy_computer_leaves_pictures_out(compared):
    seen = """
    const [times, done] = [arguments[0], arguments[1]];
    import("/compare.js").then(({ Pace }) => {
      const pace = new Pace(), said = [pace.seconds];
      for (const time of times) { if (time === null) pace.jump(); else pace.see(time); said.push(pace.seconds); }
      done(said);
    });"""
    times = [1.0, 1.125, 1.1875, 1.3125, None, 1.34375, 1.375]
    said = compared.execute_async_script(seen, times)
    assert said == [1 / 25, 1 / 25, 0.125, 0.0625, 0.0625, 0.0625, 0.0625, 0.03125]


def test_a_wipe_shows_one_video_to_its_left_and_the_other_to_its_right(compared):
    compared.find_element("css selector", "[name='view'][value='wipe']").click()
    compared.execute_script(
        "const one = document.getElementById('wipe'); one.value = 30; one.dispatchEvent(new Event('input'))"
    )
    clips = compared.execute_script("return [...document.querySelectorAll('.frame')].map((one) => one.style.clipPath)")
    assert clips == ["inset(0px 70% 0px 0px)", "inset(0px 0px 0px 30%)"]
    boxes = compared.execute_script(
        "return [...document.querySelectorAll('.frame')].map((one) => JSON.stringify(one.getBoundingClientRect()))"
    )
    assert boxes[0] == boxes[1]
    compared.find_element("css selector", "[name='view'][value='side']").click()
    assert compared.execute_script("return document.querySelector('.frame').style.clipPath") == ""


def test_the_answer_can_be_taken_home_as_json(compared, service, tmp_path):
    compared.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    compared.find_element("css selector", ".slot.b .download").click()
    end = time.monotonic() + 60
    while not list(tmp_path.glob("*.json")) and time.monotonic() < end:
        time.sleep(0.05)
    (path,) = tmp_path.glob("*.json")
    assert path.name == "other.mp4.json"
    answer = json.loads(path.read_text(encoding="utf-8"))
    assert answer["score"] == service.ask("GET", f"/api/scores/{answer['id']}")[2]["score"]


def test_the_console_is_silent_and_nothing_comes_from_elsewhere(compared, service):
    assert [entry["message"] for entry in compared.get_log("browser")] == []
    loaded = compared.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [name for name in loaded if not name.startswith((service.url, "data:", f"blob:{service.url}"))] == []


def test_no_upload_is_left_while_its_answer_is_on_the_page(compared, service):
    assert compared.execute_script(ANSWERED, 2)
    assert [path.name for path in service.folder.iterdir() if not path.name.startswith("example-")] == []


def test_the_address_brings_back_answers_view_and_time(browser, service, videos):
    both(browser, service, videos)
    browser.find_element("css selector", "[name='view'][value='wipe']").click()
    browser.execute_script(
        "for (const kind of ['input', 'change']) {"
        "const one = document.getElementById('wipe'); one.value = 25; one.dispatchEvent(new Event(kind)); }"
    )
    browser.find_elements("css selector", "#moments button")[0].click()
    until(browser, "return location.hash.includes('t=2.00') && location.hash.includes('wipe=25')")
    scores = texts(browser, ".value")
    browser.refresh()
    until(browser, ANSWERED, 2)
    assert texts(browser, ".value") == scores
    assert browser.find_element("id", "stage").get_attribute("data-view") == "wipe"
    assert browser.find_element("id", "wipe").get_attribute("value") == "25"
    assert "Drop the file again" in texts(browser, ".pane.a .frame")[0]


def test_an_example_is_scored_and_comes_back_with_its_video(browser, service):
    browser.get("about:blank")
    show(browser, f"{service.url}#a=example%3Adip&t=1.5")
    until(browser, ANSWERED, 1)
    until(
        browser, "return [...document.querySelectorAll('video')].some((one) => Math.abs(one.currentTime - 1.5) < 0.05)"
    )
    assert "a=example%3Adip" in browser.execute_script("return location.hash")


def test_a_file_above_a_limit_is_not_sent_at_all(browser, service, tmp_path):
    (tmp_path / "large.mp4").write_bytes(bytes(5 << 20))
    browser.get("about:blank")
    show(browser, service.url)
    until(browser, "return document.querySelector('.slot.a')")
    rows = len(service.desk._engine.rows)
    choose(browser, "a", tmp_path / "large.mp4")
    until(browser, "return document.querySelector('.problem[role=alert]:not([hidden])')")
    assert "the limit is 4 MiB" in texts(browser, ".slot.a .problem")[0]
    assert len(service.desk._engine.rows) == rows


def test_a_job_can_be_cancelled_and_its_upload_goes(browser, model, videos):
    engine = Scripted()
    engine.gate.clear()
    with page_server(model, engine=engine) as service:
        show(browser, service.url)
        until(browser, "return document.querySelector('.slot.a')")
        choose(browser, "a", videos[0])
        until(browser, "return document.querySelector('.state').textContent.startsWith('Reading the file')")
        assert len(list(service.folder.iterdir())) == 1
        browser.find_element("css selector", ".slot.a .cancel").click()
        end = time.monotonic() + 60
        while list(service.folder.iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        assert list(service.folder.iterdir()) == []
        until(browser, "return !document.querySelector('.slot.a .drop').hidden")
        engine.gate.set()


def test_a_page_without_its_token_asks_for_it_and_one_in_the_address_does_not_stay_there(browser, model):
    with page_server(model, token="right", engine=Scripted()) as service:
        browser.get("about:blank")
        show(browser, service.url)
        until(browser, "return !document.getElementById('token').hidden")
        browser.find_element("name", "token").send_keys("right\n")
        until(browser, "return document.querySelector('.slot.a')")
        browser.execute_script("sessionStorage.clear()")
        browser.get("about:blank")
        show(browser, f"{service.url}#token=right&view=wipe")
        until(browser, "return document.querySelector('.slot.a')")
        assert "right" not in browser.execute_script("return location.href")
        browser.get_log("browser")  # a status of 401 is told there


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 360])
def test_axe_finds_no_violation_and_a_phone_scrolls_down_only(browser, service, videos, width, mode):
    both(browser, service, videos, width=width, mode=mode)
    browser.execute_script("document.querySelector('details').open = true")
    browser.find_element("css selector", "[name='view'][value='wipe']").click()
    browser.execute_script(axe_core())
    assert browser.execute_async_script(AXE) == []
    assert browser.execute_script("return document.scrollingElement.scrollWidth") == width
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(16, 21, 29)") == (mode == "dark")


def test_every_control_is_reached_by_the_keyboard_and_shows_it(browser, service, videos):
    from selenium.webdriver import ActionChains, Keys

    both(browser, service, videos)
    wanted = browser.execute_script(
        "const shown = (one) => one.checkVisibility({ visibilityProperty: true }) && one.tabIndex >= 0;"
        "const all = 'a[href], button, input:not([type=radio]), input:checked, summary, [tabindex=\"0\"]';"
        "return [...document.querySelectorAll(all)].filter(shown).length"
    )
    reached, bare = set(), []
    browser.execute_script("document.activeElement.blur()")
    for _ in range(wanted + 3):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        name, outlined = browser.execute_script(
            "const one = document.activeElement; const ring = one.closest('.pick') || one;"
            "const all = [...document.querySelectorAll('*')];"
            "return [all.indexOf(one) + ' ' + one.outerHTML.slice(0, 80), getComputedStyle(ring).outlineStyle !== 'none']"
        )
        if "<body" not in name:
            reached.add(name)
            if not outlined:
                bare.append(name)
    assert len(reached) >= wanted
    assert bare == []
