"""The page in a real browser: tabs, comparison, heat map, refusals, phone, dark, accessibility.

Screenshots go to the folder named by SPACE_SHOTS, else to the test's own.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from space_page.conftest import Server

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if not CHROMIUM:
    pytest.skip("needs Debian's chromium", allow_module_level=True)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update "
    "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
)
PATIENCE = 120_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("SPACE_SHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def tab(browser: Any, server: Server) -> Iterator[Any]:
    """A page of its own; any dialog fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    opened(page, server.address)
    yield page
    page.close()
    assert not dialogs


def opened(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("text=Imagine the audience")


def add(page: Any, path: Path, what: str = ".media") -> None:
    page.set_input_files("#media input[type=file]", str(path))
    page.wait_for_selector(what)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def done(page: Any) -> None:
    page.wait_for_selector(".result:visible >> text=Link to this result")


def test_every_tab_answers(tab: Any, media: dict[str, Path], shots: Path):
    tab.screenshot(path=shots / "01-first.png")
    add(tab, media["clip.mp4"], ".strip")
    button = tab.get_by_role("button", name="Imagine the audience").bounding_box()
    assert button["y"] + button["height"] < 800  # still on the screen
    tab.screenshot(path=shots / "02-added.png")
    for label, name in (
        ("Audience", "Imagine the audience"),
        ("Scenes", "Describe the scenes"),
        ("Understand", "Weigh what it is about"),
        ("Caption", "Write a caption"),
    ):
        tab.get_by_role("tab", name=label).click()
        press(tab, name)
        done(tab)
        tab.screenshot(path=shots / f"03-{label.lower()}.png", full_page=True)
    tab.get_by_role("tab", name="Chat").click()
    tab.get_by_label("Your question").fill("What is <b>red</b>?")
    press(tab, "Ask")
    tab.wait_for_selector(".result:visible .them")
    tab.wait_for_selector(".result:visible .status", state="detached")
    tab.screenshot(path=shots / "04-chat.png", full_page=True)
    assert tab.locator(".you").inner_text() == "You What is <b>red</b>?"


def test_two_models_and_the_heat_map(tab: Any, media: dict[str, Path], shots: Path):
    add(tab, media["clip.mp4"], ".strip")
    tab.get_by_label("Compare with").click()
    tab.get_by_role("option", name="behavior").click()
    press(tab, "Imagine the audience")
    done(tab)
    assert tab.locator(".result:visible .column").count() == 2
    tab.screenshot(path=shots / "05-compare.png", full_page=True)
    tab.get_by_role("button", name="Where it looks").click()
    press(tab, "Show where it looks")
    tab.wait_for_selector(".heat img, .toast-body")
    tab.screenshot(path=shots / "06-heat.png", full_page=True)


def test_a_result_goes_with_its_input(tab: Any, media: dict[str, Path]):
    add(tab, media["red.png"])
    press(tab, "Imagine the audience")
    done(tab)
    tab.get_by_label("Title (optional)").fill("Another")
    tab.wait_for_selector(".result.stale")
    tab.get_by_role("button", name="Tower at dusk").click()
    tab.wait_for_selector(".result.empty:visible")
    tab.wait_for_selector('.media .shown[alt="Your picture"]')
    assert tab.locator(".result:visible >> text=Link to this result").count() == 0


def test_stop_ends_a_running_answer(tab: Any, media: dict[str, Path]):
    add(tab, media["clip.mp4"], ".strip")
    tab.get_by_role("tab", name="Caption").click()
    tab.get_by_label("Title (optional)").fill("never asked before")
    press(tab, "Write a caption")
    tab.wait_for_selector(".result:visible .status")
    tab.get_by_role("button", name="Stop").locator("visible=true").click()
    tab.wait_for_selector(".result:visible >> text=Stopped.")
    tab.wait_for_timeout(3000)
    assert tab.locator(".result:visible >> text=Link to this result").count() == 0


def test_refusals_are_read_on_the_page(tab: Any, media: dict[str, Path], shots: Path):
    add(tab, media["cut.mp4"], '[role="alert"].refused')
    tab.screenshot(path=shots / "07-refused.png")
    words = tab.locator(".refused").inner_text()
    assert "This video is" in words


def test_hevc_and_heic_are_shown_as_frames(tab: Any, media: dict[str, Path], shots: Path):
    add(tab, media["hevc.mp4"], ".strip")
    assert "Some browsers cannot play" in tab.locator(".media").inner_text()
    if "photo.heic" in media:
        tab.reload()
        tab.wait_for_selector("text=Imagine the audience")
        add(tab, media["photo.heic"], '.media .shown[alt="Your picture"]')
        assert tab.evaluate("document.querySelector('.shown').naturalWidth") == 60
        tab.screenshot(path=shots / "08-heic.png")


def test_a_link_brings_the_words_back(tab: Any, server: Server):
    link = "?tab=caption&example=tower&title=Old+tower&seed=7&model=behavior"
    tab.goto(f"{server.address}/{link}")
    tab.wait_for_selector('.media .shown[alt="Your picture"]')
    assert tab.get_by_label("Title (optional)").input_value() == "Old tower"
    assert tab.get_by_role("tab", name="Caption").get_attribute("aria-selected") == "true"


def test_pasting_adds_a_file(tab: Any, media: dict[str, Path]):
    content = list(media["red.png"].read_bytes())
    tab.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], 'p.png', {type: 'image/png'}));
          document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}));
        }""",
        content,
    )
    tab.wait_for_selector('.media .shown[alt="Your picture"]')


def test_a_phone_in_the_dark(browser: Any, server: Server, media: dict[str, Path], shots: Path):
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.set_default_timeout(PATIENCE)
    opened(page, server.address + "/?__theme=dark")
    page.screenshot(path=shots / "09-phone-dark.png")
    label = page.locator("#media label").first.bounding_box()
    icon = page.locator("#media svg").last.bounding_box()
    assert label["y"] + label["height"] <= icon["y"] + 1 or label["width"] < 1
    add(page, media["clip.mp4"], ".strip")
    press(page, "Imagine the audience")
    done(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=shots / "10-phone-dark-audience.png", full_page=True)
    page.close()


def test_the_keyboard_reaches_the_answer(tab: Any, media: dict[str, Path]):
    add(tab, media["red.png"])
    tab.get_by_role("tab", name="Audience").focus()
    for _ in range(4):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.textContent").strip() == "Imagine the audience":
            break
    tab.keyboard.press("Enter")
    done(tab)
    region = tab.locator('[aria-live="polite"]:visible').last
    assert region.count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    browser: Any, server: Server, media: dict[str, Path], theme: str
):
    axe = axe_source()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    opened(page, f"{server.address}/?__theme={theme}")
    found = serious(page, axe)
    add(page, media["clip.mp4"], ".strip")
    press(page, "Imagine the audience")
    done(page)
    found += serious(page, axe)
    page.close()
    assert not found, "\n".join(found)


def axe_source() -> str:
    """axe-core's script: the file named by AXE_JS, else the copy in axe-playwright-python."""
    if named := os.environ.get("AXE_JS"):
        return Path(named).read_text(encoding="utf-8")
    package = pytest.importorskip("axe_playwright_python", reason="no axe-core is installed")
    return next(Path(package.__file__).parent.rglob("axe*.js")).read_text(encoding="utf-8")


def serious(page: Any, axe: str) -> list[str]:
    page.wait_for_timeout(1000)
    page.evaluate(axe)
    result = page.evaluate("axe.run()")
    return [
        f"{fault['id']}: {node['target']} {node.get('failureSummary', '')[:200]} "
        + json.dumps([check.get("data") for check in node["any"]])[:200]
        for fault in result["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
