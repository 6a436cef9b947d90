"""The report in a real browser: no console errors, tabs, sorting and filtering work, at desk and phone widths."""

import shutil

import pytest

pytestmark = [pytest.mark.xdist_group("workflow"), pytest.mark.browser]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no chromium and chromedriver: install them (tests/install_test_tools.sh) to run this test")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as browser:
        yield browser


@pytest.fixture
def page(driver, finished):
    driver.set_window_size(1300, 900)
    driver.get((finished / "results/report/index.html").as_uri())
    return driver


def find(page, css):
    return page.find_elements("css selector", css)


def test_no_console_errors_and_all_figures_are_drawn(page):
    page.execute_script("for (const i of document.images) i.loading = 'eager'")
    page.execute_async_script("Promise.all([...document.images].map(i => i.decode())).then(() => arguments[0]())")
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert len(find(page, "figure img")) > 10
    assert page.execute_script("return [...document.images].every(i => i.naturalWidth > 100 && i.alt)")
    assert (
        page.execute_script("return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length")
        == 0
    )


def test_tabs_by_mouse_and_keyboard(page):
    first, second = find(page, "[role=tab]")[:2]
    panels = [page.find_element("id", tab.get_attribute("aria-controls")) for tab in (first, second)]
    assert [panel.is_displayed() for panel in panels] == [True, False]
    second.click()
    assert [panel.is_displayed() for panel in panels] == [False, True]
    second.send_keys("\ue012")  # arrow left
    assert [panel.is_displayed() for panel in panels] == [True, False]
    assert page.switch_to.active_element == first


def test_tables_sort_and_filter(page):
    find(page, "details > summary")[0].click()
    table = find(page, "table.sortable")[0]

    def column(i):
        script = (
            "return [...arguments[0].tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[arguments[1]].textContent.trim())"
        )
        return page.execute_script(script, table, i)

    value = next(i for i, head in enumerate(table.find_elements("css selector", "th")) if head.text.startswith("value"))
    table.find_elements("css selector", "th button")[value].click()
    numbers = [float(text) for text in column(value) if text != "–"]
    assert numbers == sorted(numbers)
    find(page, "input[type=search]")[0].send_keys("transformer ld_r2")
    assert set(column(1)) == {"ld_r2_correlation"}
    assert "rows" in find(page, ".count")[0].text


def test_phone_width_needs_no_sideways_scrolling(page):
    page.set_window_size(500, 900)
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
