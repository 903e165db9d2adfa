"""The page in a real browser: drop, type, hear, threshold, export, review, search, live."""

import os
import re
from pathlib import Path

import pytest

import flam

pytestmark = pytest.mark.slow

ARTEFACTS = os.environ.get("FLAM_SCREENSHOTS")
PATIENCE_MS = 40_000


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.grant_permissions(["microphone"], origin=address)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(address)
    yield page
    context.close()
    assert not problems


def shot(page, name):
    if ARTEFACTS:
        Path(ARTEFACTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{ARTEFACTS}/{name}.png", full_page=True)


def drop(page, path):
    """Drop a file on the page, as a file manager would."""
    data = list(path.read_bytes())
    transfer = page.evaluate_handle(
        """([bytes, name]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name));
            return transfer;
        }""",
        [data, path.name],
    )
    page.dispatch_event("[aria-label=Recording]", "drop", {"dataTransfer": transfer})
    page.get_by_text("kHz").wait_for()


def keep(page, *prompts):
    for prompt in prompts:
        page.fill("#prompt", prompt)
        page.press("#prompt", "Enter")


def wait_for_rows(page, n_rows):
    page.wait_for_function("n => document.querySelectorAll('tbody tr').length === n", arg=n_rows)


def wait_for_colours(page, prompt):
    """Wait until the prompt's row of the heat map shows many scores."""
    page.wait_for_function(
        """label => {
            const canvas = document.querySelector(`[aria-label^="Heat map of ${label}:"] canvas`);
            const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 5, canvas.width, 1).data.buffer);
            return new Set(pixels).size > 10;
        }""",
        arg=prompt,
    )


def test_drop_type_hear_threshold_export(page, demo):
    drop(page, demo)
    keep(page, "car horn")
    page.fill("#prompt", "siren")  # while it is typed, without Enter
    page.locator('[aria-label="Heat map of siren: 1 events"]').wait_for()
    # the prompt that is being typed does not count yet among those that the default threshold depends on
    detect = flam.load().detect
    wait_for_rows(page, len(detect(demo, ["car horn"])) + len(detect(demo, ["siren"])))
    wait_for_colours(page, "siren")
    keep(page, "siren")
    wait_for_rows(page, len(detect(demo, ["car horn", "siren"])))
    shot(page, "detect")

    # a click on a cell plays the event under it
    heat = page.locator('[aria-label^="Heat map of siren"]')
    width = heat.bounding_box()["width"]
    heat.click(position={"x": width * 10 / 32, "y": 10})
    page.get_by_role("button", name="Pause").wait_for()
    at_s = float(re.match(r"0:(\d+\.\d)", page.locator("output").inner_text())[1])
    assert 7.5 <= at_s <= 10
    page.get_by_role("button", name="Pause").click()

    # events follow the slider, in both directions
    slider = page.get_by_label("Threshold of siren")
    slider.fill("9")
    page.locator('[aria-label="Heat map of siren: 0 events"]').wait_for()
    slider.fill("3")
    page.locator('[aria-label="Heat map of siren: 1 events"]').wait_for()

    with page.expect_download() as saved:
        page.get_by_role("button", name="Save events").click()
    assert saved.value.suggested_filename == "street.csv"
    assert "street.ogg" in Path(saved.value.path()).read_text()

    # nothing is lost by a reload
    page.reload()
    page.locator('[aria-label="Heat map of siren: 1 events"]').wait_for()


def test_keyboard_alone(page, demo):
    page.get_by_label("or a bundled one").select_option("street")
    page.get_by_text("kHz").wait_for()
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("/")
    page.keyboard.type("car horn")
    page.keyboard.press("Enter")
    n_events = len(flam.load().detect(demo, ["car horn"]))
    page.locator(f'[aria-label="Heat map of car horn: {n_events} events"]').wait_for()
    page.locator("#prompt").evaluate("element => element.blur()")
    page.keyboard.press("ArrowDown")
    assert page.locator(".selected").inner_text().startswith("car horn")
    page.keyboard.press("n")
    page.get_by_role("button", name="Pause").wait_for()
    page.keyboard.press(" ")
    page.keyboard.press("+")
    page.keyboard.press("+")
    before = page.locator("output").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("output").inner_text() != before
    page.keyboard.press("0")
    page.keyboard.press("Delete")
    assert page.locator('[aria-label^="Heat map of car horn"]').count() == 0
    page.keyboard.press("?")
    page.locator("dialog[open]").wait_for()
    page.keyboard.press("Escape")


def test_negative_prompts_and_lists(page):
    page.get_by_label("or a bundled one").select_option("home")
    page.get_by_text("kHz").wait_for()
    page.get_by_label("List of prompts").select_option("set:everyday")
    page.wait_for_function("() => document.querySelectorAll('[data-row]').length === 300")
    page.get_by_role("button", name="Clear", exact=True).click()
    keep(page, "glass breaking")
    page.fill("#negative", "dog barking")
    page.press("#negative", "Enter")
    page.get_by_text("not dog barking").wait_for()
    page.get_by_label("Remove not dog barking").click()


def test_names_and_prompts_are_text(page, demo, tmp_path):
    evil = tmp_path / "<img src=x onerror=document.title=1>.ogg"
    evil.write_bytes(demo.read_bytes())
    drop(page, evil)
    keep(page, "<script>document.title=2</script>")
    page.get_by_text("<script>document.title=2</script>").first.wait_for()
    assert page.title() == "FLAM - find sounds by words"


def test_review(page, demo):
    drop(page, demo)
    keep(page, "siren")
    page.get_by_role("tab", name="Review").click()
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("Is this").wait_for()
    page.keyboard.press("y")
    page.get_by_text("1 of at most").wait_for()
    page.keyboard.press("z")
    page.get_by_text("0 of at most").wait_for()
    page.keyboard.press("s")
    page.keyboard.press("ArrowRight")
    shot(page, "review")
    page.keyboard.press("y")
    page.get_by_text("1 of at most").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save prompts file").click()
    assert "threshold" in Path(saved.value.path()).read_text()
    page.get_by_role("button", name="Use it in Detect").click()


def test_search(page):
    page.get_by_label("or a bundled one").select_option("street")
    page.get_by_text("kHz").wait_for()
    # drag from 8 s to 16 s: the siren becomes the example
    box = page.locator(".touch").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 8 / 32, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 16 / 32, box["y"] + 100, steps=4)
    page.mouse.up()
    page.get_by_text("Loop span").wait_for()
    page.get_by_role("tab", name="Search").click()
    page.get_by_text("all archives").wait_for(state="attached")
    page.get_by_label("Sounds, separated by commas").fill("siren")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("row", name="siren").first.wait_for()
    page.get_by_role("row", name="siren").first.get_by_role("button", name="▸").click()
    page.locator("tr.current").wait_for()
    page.get_by_text("like street.ogg").click()
    page.get_by_label("Sounds, separated by commas").fill("")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("cell", name="like street.ogg").first.wait_for()
    shot(page, "search")
    page.get_by_role("button", name="Open", exact=True).first.click()
    page.locator("[aria-label=Timeline]").wait_for()


def test_live(page):
    keep(page, "siren", "beep")
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Listen to the microphone").click()
    page.get_by_text("On; a sound shows up").wait_for()
    page.wait_for_function(
        "() => (document.querySelector('canvas[aria-label^=\"Heat map of the last\"]')?.width ?? 0) > 10"
    )
    page.get_by_role("cell", name="siren").first.wait_for()
    shot(page, "live")
    page.get_by_role("button", name="Stop").click()


def show_detect(page):
    page.get_by_label("or a bundled one").select_option("street")
    page.get_by_text("kHz").wait_for()
    keep(page, "siren", "car horn", "rain")
    page.locator('[aria-label^="Heat map of rain: "]').wait_for()
    wait_for_colours(page, "siren")


def show_search(page):
    page.get_by_role("tab", name="Search").click()
    page.get_by_label("Sounds, separated by commas").fill("siren, dog barking")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("row", name="siren").first.wait_for()


def show_review(page):
    page.get_by_role("tab", name="Review").click()
    page.locator("[aria-label='What to review'] select").nth(1).select_option("archive demos")
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("Is this").wait_for()
    page.keyboard.press("y")
    page.get_by_text("1 of at most").wait_for()


def show_live(page):
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Listen to the microphone").click()
    page.get_by_role("cell", name="siren").first.wait_for()


TABS = {"detect": show_detect, "search": show_search, "review": show_review, "live": show_live}
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """async () => (await axe.run()).violations.filter(rule => ["serious", "critical"].includes(rule.impact))
    .map(rule => `${rule.id}: ${rule.nodes.map(node => node.html).slice(0, 3)}`)"""


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab_at_every_width_and_colour(browser, address, width, height, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True, permissions=["microphone"]
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    for name, show in TABS.items():
        show(page)
        page.wait_for_timeout(300)
        shot(page, f"{name}-{width}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        if AXE.exists():  # make page fetches it
            page.add_script_tag(path=AXE)
            assert page.evaluate(SERIOUS) == [], name
    context.close()
