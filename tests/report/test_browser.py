"""The page in a real browser, clicked through and typed through."""

import io
import shutil

import numpy as np
import pandas as pd
import pytest

from hcdv import HCDV
from hcdv.report import write_report
from tests.updated import rows_and_labels

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromedriver are not installed"
)
QUIET = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
    "disable-component-update", "disable-sync", "window-size=1280,1400",
)  # fmt: skip
HOSTILE = '</script><img src=x onerror="document.title=1">'
FORMULAS = ["=1+1", "+cmd", "-cmd", "@sum", "\tx", "\uff1d1+1"]
WORDS = [HOSTILE, *FORMULAS, "-3.5"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The file, and the model that it is of."""
    X, y = rows_and_labels(70, n_classes=3, n_clusters_per_class=1)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(6)])
    model = HCDV(random_state=0, n_permutations=8, n_jobs=1).fit(
        frame[:50], np.array(["ash", "birch", "cedar"])[y[:50]], ids=[f"r{k}" for k in range(50)]
    )
    cells = frame[:50].assign(word=[WORDS[k % 8] for k in range(50)])
    images = np.arange(50 * 16, dtype=np.uint8).reshape(50, 4, 4)
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(model, path, cells, images=images, n_rows=25), model


@pytest.fixture(scope="module")
def started(page, tmp_path_factory):
    downloads, profile = tmp_path_factory.mktemp("downloads"), tmp_path_factory.mktemp("profile")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*QUIET, f"user-data-dir={profile}"):
        options.add_argument(f"--{argument}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser, downloads
    browser.quit()


@pytest.fixture
def browser(page, started):
    browser, _ = started
    media = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page[0].as_uri())
    yield browser
    assert not browser.get_log("browser")
    assert browser.title == "What each training row is worth"


def all_of(browser, selector):
    return browser.find_elements("css selector", selector)


def one(browser, selector):
    return browser.find_element("css selector", selector)


def shown(browser):
    """Numbers of the rows to be seen, from top to bottom."""
    return [int(body.get_attribute("data-k")) for body in all_of(browser, ".record") if body.is_displayed()]


def choose(browser, label):
    """Choose a class; the page hears of it a moment later."""
    before = one(browser, "#count").text
    Select(one(browser, "#class")).select_by_value(label)
    WebDriverWait(browser, 20).until(lambda _: one(browser, "#count").text != before)


def press(browser, key):
    """Press a key wherever the focus is; what has it then."""
    ActionChains(browser).send_keys(key).perform()
    return browser.switch_to.active_element


def test_rows_open_and_close(browser, page):
    _, model = page
    assert len(shown(browser)) == 50
    assert not any(more.is_displayed() for more in all_of(browser, ".more"))
    button = all_of(browser, ".open")[0]
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    more = one(browser, "#more-0")
    assert more.is_displayed()
    about = model.explain(model.result_.ids[model.result_.ranking()[0]])
    for sentence in about.reasons:
        assert sentence[1:] in more.text
    button.click()
    assert not more.is_displayed() and button.get_attribute("aria-expanded") == "false"
    assert all(image.get_property("naturalWidth") == 4 for image in all_of(browser, "td > img"))


def test_filters_find_rows(browser, page):
    result = page[1].result_
    ranking, issues = result.ranking(), result.label_issues()["is_issue"].to_numpy()
    issue_box, find, status = one(browser, "#issues"), one(browser, "#find"), one(browser, "#count")
    issue_box.click()
    assert shown(browser) == np.flatnonzero(issues).tolist()
    issue_box.click()
    choose(browser, "birch")
    assert shown(browser) == np.flatnonzero(result.labels[ranking] == "birch").tolist()
    assert status.text == f"{(result.labels == 'birch').sum()} of 50 rows"
    choose(browser, "")
    find.send_keys("ONERROR")
    assert shown(browser) == np.flatnonzero(ranking % 8 == 0).tolist()
    find.send_keys(" nowhere")
    assert shown(browser) == []
    assert one(browser, "#nothing").is_displayed() and not one(browser, "#download").is_enabled()
    find.clear()
    find.send_keys(" ")
    assert len(shown(browser)) == 50


def test_heads_sort(browser, page):
    result = page[1].result_
    labels = result.labels[result.ranking()]
    assert one(browser, "th[aria-sort='ascending']").text.startswith("Rank")
    one(browser, "[data-sort='value']").click()
    assert shown(browser) == list(range(50))
    one(browser, "[data-sort='value']").click()
    assert shown(browser) == list(range(50))[::-1]
    (head,) = all_of(browser, "th[aria-sort='descending']")
    assert head.text.startswith("Value")
    assert not all_of(browser, "th[aria-sort='ascending']")
    one(browser, "[data-sort='label']").click()
    assert shown(browser) == sorted(range(50), key=lambda k: (labels[k], k))
    one(browser, "[data-sort='id']").click()
    names = result.ids[result.ranking()]
    assert shown(browser) == sorted(range(50), key=lambda k: int(names[k][1:]))


def test_the_filtered_rows_are_downloaded(browser, started, page):
    result = page[1].result_
    one(browser, "[data-sort='id']").click()
    choose(browser, "cedar")
    one(browser, "#download").click()
    path = started[1] / "rows.csv"
    WebDriverWait(browser, 20).until(lambda _: path.exists() and path.stat().st_size)
    text = path.read_text(encoding="utf-8-sig")
    table = pd.read_csv(io.StringIO(text), dtype={"word": str}, keep_default_na=False)
    cedar = np.flatnonzero(result.labels == "cedar")
    assert table["position"].tolist() == cedar.tolist()
    np.testing.assert_array_equal(table["value"], result.values[cedar])
    np.testing.assert_array_equal(table["std_error"], result.std_error[cedar])
    marked = [HOSTILE, *(f"'{text}" for text in FORMULAS), "-3.5"]
    assert table["word"].tolist() == [marked[k % 8] for k in cedar]
    assert table["is_issue"].isin([True, False]).all()


def test_light_and_dark(browser):
    def ground():
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    light = ground()
    toggle = one(browser, "#theme")
    toggle.send_keys(Keys.SPACE)
    assert toggle.get_attribute("aria-pressed") == "true"
    dark = ground()
    assert sum(map(int, dark[4:-1].split(", "))) < 120 < 600 < sum(map(int, light[4:-1].split(", ")))
    toggle.send_keys(Keys.SPACE)
    assert ground() == light
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.refresh()
    assert ground() == dark


def test_everything_is_reached_by_keyboard(browser):
    assert press(browser, Keys.TAB).get_attribute("class") == "skip"
    assert browser.switch_to.active_element.is_displayed()
    met = []
    for _ in range(24):
        focused = press(browser, Keys.TAB)
        met.append(focused.get_attribute("id") or focused.get_attribute("data-sort") or focused.text)
        outline = focused.value_of_css_property("outline-style")
        assert outline not in ("", "none"), met
        if "open" in (focused.get_attribute("class") or ""):
            break
    wanted = ["theme", "find", "class", "issues", "download", "rank", "id", "label", "value"]
    assert [name for name in met if name in wanted] == wanted
    press(browser, Keys.ENTER)
    assert one(browser, "#more-0").is_displayed()
    browser.execute_script("document.querySelector('.skip').focus()")
    assert press(browser, Keys.ENTER).get_attribute("id") == "rows-title"


def test_it_fits_a_narrow_screen(browser):
    metrics = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    all_of(browser, ".open")[0].click()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 375
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
