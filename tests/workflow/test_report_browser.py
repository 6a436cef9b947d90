"""The report in a real browser: no console errors, tabs, sorting and filtering work, at desk and
phone widths, and in print.
"""

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image
from report_tables import GENERATORS, TOO_SMALL, write_results

from genoloom.stages.report import report

pytestmark = pytest.mark.browser

KEYS = {
    "right": "\ue014",
    "left": "\ue012",
    "home": "\ue011",
    "end": "\ue010",
    "tab": "\ue004",
    "enter": "\ue007",
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip(
            "no chromium and chromedriver: install them (tests/install_test_tools.sh) to run this "
            "test"
        )
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as browser:
        yield browser


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of tables that the test made."""
    results = write_results(tmp_path_factory.mktemp("report") / "results", TOO_SMALL)
    out = results / "report" / "index.html"
    report(
        results=results, panels=["demo"], generators=list(GENERATORS), sequence_sets=["slice"],
        sequence_generators=["markov", "transformer"], out=out,
    )  # fmt: skip
    return out


def open_page(driver, path, width=1280, height=900, dark=False):
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(path.as_uri())
    return driver


@pytest.fixture
def page(driver, made):
    return open_page(driver, made)


def find(page, css):
    return page.find_elements("css selector", css)


def draw_all(page):
    page.execute_script("for (const i of document.images) i.loading = 'eager'")
    page.execute_async_script(
        "Promise.all([...document.images].map(i => i.decode())).then(() => arguments[0]())"
    )


def check_page(page):
    """Figures are drawn, nothing was fetched, nothing was complained of."""
    draw_all(page)
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert len(find(page, "figure img")) > 10
    assert page.execute_script(
        "return [...document.images].every(i => i.naturalWidth > 100 && i.alt)"
    )
    fetched = (
        "return performance.getEntriesByType('resource').filter(r => "
        "!r.name.startsWith('data:')).length"
    )
    assert page.execute_script(fetched) == 0


def test_no_console_errors_and_all_figures_are_drawn(page):
    check_page(page)


def test_the_report_of_a_run(driver, finished):
    page = open_page(driver, finished / "results/report/index.html")
    check_page(page)
    assert (finished / "results/report/index.html").stat().st_size < 15e6
    assert "transformer" in find(page, "#verdict .generator h3")[0].text
    assert find(page, "#verdict .headline")[0].text
    assert page.execute_script("return document.documentElement.scrollWidth <= 1280")


def test_tabs_by_mouse_and_keyboard(page):
    for tablist in find(page, "[role=tablist]"):
        tabs = tablist.find_elements("css selector", "[role=tab]")
        panels = [page.find_element("id", tab.get_attribute("aria-controls")) for tab in tabs]

        def shown(panels=panels):
            return [panel.is_displayed() for panel in panels]

        first, last = (
            [i == 0 for i in range(len(tabs))],
            [i == len(tabs) - 1 for i in range(len(tabs))],
        )
        assert shown() == first
        tabs[-1].click()
        assert shown() == last
        tabs[-1].send_keys(KEYS["right"])  # round to the first
        assert shown() == first
        assert page.switch_to.active_element == tabs[0]
        tabs[0].send_keys(KEYS["end"])
        assert shown() == last
        tabs[-1].send_keys(KEYS["home"])
        assert shown() == first
        assert [tab.get_attribute("aria-selected") for tab in tabs] == [
            "true" if chosen else "false" for chosen in first
        ]
        assert all(
            panel.get_attribute("aria-labelledby") == tab.get_attribute("id")
            for tab, panel in zip(tabs, panels, strict=True)
        )


def test_focus_is_visible_and_reaches_everything(page):
    reached = []
    for _ in range(200):
        page.switch_to.active_element.send_keys(KEYS["tab"])
        now = page.switch_to.active_element
        if now.tag_name == "body":
            break
        assert (
            page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", now) != "none"
        )
        reached.append((now.tag_name, now.get_attribute("class"), now.get_attribute("role")))
    assert reached[0][:2] == ("a", "skip")
    # one stop for each list of tabs
    assert sum(role == "tab" for *_, role in reached) == len(find(page, "[role=tablist]"))
    assert any(tag == "summary" for tag, *_ in reached)
    assert any(role == "region" for *_, role in reached)  # wide tables scroll by keyboard


def test_tables_sort_and_filter(page):
    find(page, "details:has(table.sortable) > summary")[0].click()
    table = find(page, "table.sortable")[0]

    def column(i):
        script = (
            "return [...arguments[0].tBodies[0].rows].filter(r => !r.hidden).map(r => "
            "r.cells[arguments[1]].textContent.trim())"
        )
        return page.execute_script(script, table, i)

    heads = table.find_elements("css selector", "th")
    value = next(i for i, head in enumerate(heads) if head.text.startswith("value"))
    button = table.find_elements("css selector", "th button")[value]
    button.click()
    numbers = [float(text) for text in column(value) if text != "–"]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 3
    button.send_keys(KEYS["enter"])  # by keyboard, the other way
    assert [float(text) for text in column(value) if text != "–"] == sorted(numbers, reverse=True)
    assert heads[value].get_attribute("aria-sort") == "descending"
    search = find(page, "input[type=search]")[0]
    search.send_keys("transformer ld_r2")
    assert ["ld_r2_correlation" in text for text in column(1)] == [True]
    assert find(page, ".count")[0].text == "1 rows"
    search.clear()
    search.send_keys("gan")
    whole = len(column(1))
    find(page, "input[type=checkbox]")[0].click()
    verdicts = column(len(heads) - 1)
    assert 0 < len(verdicts) < whole
    assert "pass" not in verdicts


def test_the_first_screen_holds_sentence_bars_badges_and_plot(driver, made):
    page = open_page(driver, made, height=800)
    draw_all(page)
    first = "#first-panel-demo"
    assert [len(find(page, f"{first} {css}")) for css in (".generator", ".track", ".badges")] == [
        2,
        2,
        2,
    ]
    for part in (".headline", ".callout", ".track", ".badges li", "figure img"):
        css = f"{first} {part}"
        boxes = page.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(e => "
            "e.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom, b.width, "
            "b.height])",
            css,
        )
        assert boxes, css
        for left, top, right, bottom, width, height in boxes:
            assert left >= 0, css
            assert top >= 0, css
            assert right <= 1280, css
            assert bottom <= 800, css
            assert min(width, height) > 5, css
    assert "too small for any faithful release" in find(page, ".callout")[0].text
    reason = find(page, ".badges li")[0].get_attribute("title")
    assert reason.startswith("pipeline and software testing, all individuals: fit")


@pytest.mark.parametrize("width", [390, 1280])
def test_bars_are_in_their_tracks_and_names_in_their_badges(driver, made, width):
    page = open_page(driver, made, width=width)
    outside = page.execute_script(
        """const bad = [];
        const inside = (e, box) => {
          const a = e.getBoundingClientRect(), b = box.getBoundingClientRect();
          return a.left >= b.left - 2 && a.right <= b.right + 2; };
        for (const part of document.querySelectorAll(".track > i"))
          if (!inside(part, part.parentElement)) bad.push(part.className);
        for (const e of document.querySelectorAll(".badges li > *, .badges .grades > *"))
          if (!inside(e, e.closest("li"))) bad.push(e.textContent);
        return bad;"""
    )
    assert outside == []


@pytest.mark.parametrize("width", [390, 400, 1280])
def test_no_sideways_scrolling_and_a_picture(driver, made, width, tmp_path):
    page = open_page(driver, made, width=width)
    draw_all(page)
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    height = page.execute_script("return document.documentElement.scrollHeight")
    shot = page.execute_cdp_cmd(
        "Page.captureScreenshot",
        {
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        },
    )
    picture = tmp_path / f"report_{width}.png"
    picture.write_bytes(base64.b64decode(shot["data"]))
    red, green, blue = np.moveaxis(
        np.asarray(Image.open(picture).convert("RGB")).astype(np.int32), 2, 0
    )
    pixels = red << 16 | green << 8 | blue
    assert pixels.shape == (height, width)
    # no blank stretch: in every screenful something is written or drawn, in ink and in the colours
    # of the figures
    for top in range(0, height - 400, 400):
        assert len(np.unique(pixels[top : top + 400])) > 20
    for colour in (0xD55E00, 0x0072B2):
        assert (pixels == colour).sum() > 50


def contrast(first, second):
    """Contrast ratio of two colours, WCAG 2.1: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""

    def luminance(colour):
        channels = np.array(colour) / 255
        linear = np.where(
            channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(driver, made, dark):
    page = open_page(driver, made, dark=dark)
    script = """
    const found = {};
    const solid = (e) => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!c.startsWith("rgba(0, 0, 0, 0")) return c; } return "rgb(255, 255, 255)"; };
    for (const e of document.querySelectorAll("body *")) {
      if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
      if (["SCRIPT", "STYLE"].includes(e.tagName)) continue;
      if (e.closest("[hidden], details:not([open]) > :not(summary)")) continue;
      found[getComputedStyle(e).color + "|" + solid(e)] = e.tagName + "." + e.className;
    }
    return found;"""
    pairs = page.execute_script(script)
    assert len(pairs) > 5
    for pair, where in pairs.items():
        colours = [
            [int(n) for n in part[part.index("(") + 1 : -1].split(",")[:3]]
            for part in pair.split("|")
        ]
        assert contrast(*colours) >= 4.5, (where, pair)


def test_print_shows_every_tab(page):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert all(panel.is_displayed() for panel in find(page, "[role=tabpanel]"))
    assert not any(tablist.is_displayed() for tablist in find(page, "[role=tablist]"))
    pdf = base64.b64decode(
        page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    )
    assert io.BytesIO(pdf).read(5) == b"%PDF-"
    assert len(pdf) > 50_000
