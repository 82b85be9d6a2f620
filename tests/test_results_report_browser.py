"""The report in a real browser: nothing fails, nothing is fetched, tables sort, structures turn."""

import base64
import io
import json
import shutil
from importlib import resources

import numpy as np
import pytest
from PIL import Image

webdriver = pytest.importorskip("selenium.webdriver")

from selenium.webdriver.common.by import By  # noqa: E402 -- of an optional package
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WAIT_S = 60  # WebGL is drawn by the processor here, which others may be using

pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no Chromium here: apt-get install chromium chromium-driver",
    ),
    pytest.mark.xdist_group("browser"),
]


def _browser(*switches: str):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (
        *(
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--force-color-profile=srgb",
        ),
        *("--window-size=1280,1000", "--use-angle=swiftshader-webgl"),
        *("--enable-unsafe-swiftshader", "--disable-gpu", "--disable-gpu-compositing"),
        *("--disable-background-networking", "--disable-component-update", *switches),
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


@pytest.fixture(scope="module")
def path(tmp_path_factory, pages, make_run, make_band, make_dos):
    return pages.page(tmp_path_factory.mktemp("report"), make_run, make_band, make_dos)


@pytest.fixture(scope="module")
def browser(path):
    driver = _browser()
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, path):
    browser.get(path.as_uri())
    return browser


def _pixels(stage) -> np.ndarray | None:
    """Return what WebGL has drawn; None before it has begun."""
    script = "return arguments[0].querySelector('canvas')?.toDataURL('image/png')"
    drawn = stage.parent.execute_script(script, stage)
    if not drawn:
        return None
    picture = Image.open(io.BytesIO(base64.b64decode(drawn.split(",")[1]))).convert("RGB")
    return np.asarray(picture, dtype=int)


def _viewer(page, name="models"):
    """Return a viewer's stage, scrolled to and drawn."""
    stage = page.find_element(By.CSS_SELECTOR, f"[data-viewer={name}] .stage")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)

    def is_drawn(_) -> bool:
        pixels = _pixels(stage)
        return pixels is not None and pixels.std() > 1

    WebDriverWait(page, WAIT_S).until(is_drawn)
    return stage


def _open_dos(page):
    """Return the first panel of a density of states, which is drawn once its fold has opened."""
    page.find_element(By.CSS_SELECTOR, "details.dos summary").click()
    panels = (By.CSS_SELECTOR, "details.dos .panel")
    return WebDriverWait(page, WAIT_S).until(lambda _: page.find_elements(*panels))[0]


def _changed(stage, before) -> bool:
    return bool((np.abs(_pixels(stage) - before).sum(axis=2) > 30).mean() > 0.0002)


def _column(page, table, number) -> list[str]:
    cells = page.find_elements(By.CSS_SELECTOR, f"{table} tbody tr > :nth-child({number})")
    return [cell.get_attribute("data-value") or cell.text for cell in cells]


def test_the_console_is_silent_and_nothing_is_fetched(page):
    _viewer(page)
    _viewer(page, "hops")
    _open_dos(page)
    # "rendering" tells how fast WebGL reads pixels, which only this test does.
    log = [entry for entry in page.get_log("browser") if entry["source"] != "rendering"]
    assert log == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert addresses  # the page itself
    assert [a for a in addresses if not a.startswith(("file:", "data:", "blob:"))] == []
    assert page.title != "broken"


def test_a_table_sorts_by_click_and_says_so(page):
    heading = page.find_element(By.XPATH, "//table[contains(@class,'plan')]//th[button='atoms']")
    heading.find_element(By.TAG_NAME, "button").click()
    values = [int(value) for value in _column(page, "table.plan", 4)]
    assert values == sorted(values)
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.find_element(By.TAG_NAME, "button").click()
    assert [int(value) for value in _column(page, "table.plan", 4)] == sorted(values, reverse=True)


def test_a_table_sorts_by_keyboard(page):
    button = page.find_element(By.XPATH, "//table[contains(@class,'plan')]//button[.='E0 (eV)']")
    page.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    values = [float(value) for value in _column(page, "table.plan", 6) if value not in ("", "–")]
    assert len(values) == 4  # two bands have none
    assert values == sorted(values)


def test_the_filter_leaves_the_rows_that_hold_its_words(page):
    page.find_element(By.ID, "filter").send_keys("binding mosse")
    assert page.find_element(By.ID, "filter-words").text == "1 of 9 numbers"
    rows = page.find_elements(By.CSS_SELECTOR, "table.filtered tbody tr:not([hidden])")
    assert [row.find_element(By.TAG_NAME, "td").text for row in rows] == ["MoSSe@NC"]


@pytest.mark.parametrize("key", [Keys.ARROW_LEFT, Keys.ARROW_UP, "+"])
def test_the_viewer_turns_by_keyboard(page, key):
    stage = _viewer(page)
    before = _pixels(stage)
    page.execute_script("arguments[0].focus({preventScroll: true})", stage)
    page.switch_to.active_element.send_keys(key * 3)
    WebDriverWait(page, WAIT_S).until(lambda _: _changed(stage, before))


def test_the_viewer_turns_by_dragging(page):
    stage = _viewer(page)
    before = _pixels(stage)
    actions = webdriver.ActionChains(page, duration=50)
    actions.move_to_element(stage).click_and_hold().move_by_offset(90, 40).release().perform()
    WebDriverWait(page, WAIT_S).until(lambda _: _changed(stage, before))


def test_another_structure_is_shown_and_said(page):
    stage = _viewer(page)
    before = _pixels(stage)
    Select(page.find_element(By.ID, "model-choice")).select_by_visible_text("MoSSe@NC/relax")
    WebDriverWait(page, WAIT_S).until(lambda _: _changed(stage, before))
    assert "MoSSe@NC/relax: 9 atoms" in page.find_element(By.ID, "models-words").text


def test_a_row_of_the_plan_leads_to_its_structure(page):
    button = page.find_element(By.CSS_SELECTOR, "#run-band0 button.show")
    page.execute_script("arguments[0].click()", button)
    words = page.find_element(By.ID, "models-words").text
    assert words.startswith("MoS2@NC/K-hop/neb, image 0 of 2: 10 atoms")
    assert page.find_element(By.ID, "model-image").is_displayed()


def test_choosing_an_image_of_a_hop_shows_its_geometry(page):
    stage = _viewer(page, "hops")
    images = page.find_elements(By.CSS_SELECTOR, ".band-images button")
    assert [image.get_attribute("aria-pressed") for image in images] == ["false", "true", "false"]
    before = _pixels(stage)
    images[2].send_keys(Keys.ENTER)
    WebDriverWait(page, WAIT_S).until(lambda _: _changed(stage, before))
    assert "image 2 of 2: 0.100 eV at 2.50 Å" in page.find_element(By.CLASS_NAME, "band-words").text


def test_a_dos_is_read_off_by_keyboard(page):
    _open_dos(page).send_keys(Keys.ARROW_RIGHT)
    words = page.find_element(By.CSS_SELECTOR, ".panels [aria-live]").text
    assert words.startswith("energy (eV) ")
    assert "total " in words


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out_of_the_window(browser, path, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        browser.get(path.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_paper_gets_the_tables_without_the_controls(page):
    pypdf = pytest.importorskip("pypdf")
    _viewer(page)
    document = pypdf.PdfReader(io.BytesIO(base64.b64decode(page.print_page())))
    text = "\n".join(sheet.extract_text() for sheet in document.pages)
    assert 2 <= len(document.pages) <= 20
    for words in ("K in a stack", "Warnings", "Binding energies", "−1 host", "Methods"):
        assert words in text
    for words in ("Drag, or use", "Show rows with", "reset"):
        assert words not in text
    assert any(sheet.images for sheet in document.pages)  # the viewer's still


def test_without_webgl_the_stills_are_there_and_it_is_said(path):
    driver = _browser("--disable-3d-apis")
    try:
        driver.get(path.as_uri())
        assert "no WebGL" in driver.find_element(By.ID, "models-keys").text
        assert driver.find_element(By.CSS_SELECTOR, ".cards svg.still").is_displayed()
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        driver.quit()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(page, path, scheme):
    pytest.importorskip("axe_core_python")
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    page.get(path.as_uri())
    _viewer(page)
    _open_dos(page)
    text = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    page.execute_script(text)
    found = page.execute_async_script(
        "axe.run().then(arguments[arguments.length - 1], (e) => arguments[0](String(e)))"
    )
    assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]] == []
