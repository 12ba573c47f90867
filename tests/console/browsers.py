"""The Chromium that tests drive: whichever is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_MISSING = "There is no Chromium to try the console in; get one with: python -m playwright install chromium"

expect.set_options(timeout=30_000)


def executable(playwright: Playwright) -> str:
    """The path of a Chromium; without one the test is skipped."""
    own = playwright.chromium.executable_path
    found = next(filter(None, map(shutil.which, _NAMES)), own if Path(own).is_file() else None)
    if found is None:
        pytest.skip(_MISSING)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(playwright), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def another(browser: Browser) -> Iterator[Browser]:
    """Run one more Chromium beside one, with a profile of its own; it may be killed."""
    name = next(filter(None, map(shutil.which, _NAMES)), None)
    other = browser.browser_type.launch(executable_path=name, args=["--no-sandbox"])
    yield other
    other.close()


class Console:
    """A page of the console, as somebody sees it who has a keyboard only."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def sees(self, selector: str, text: str) -> None:
        """Wait until a part of the page holds a text."""
        expect(self.page.locator(selector)).to_contain_text(text)

    def sees_question(self, reason: str) -> None:
        """Wait until the question that is asked for a reason can be answered."""
        self.sees("#reason", reason)
        expect(self.page.locator("#clip")).not_to_have_class("loading")

    def marks(self) -> list[int]:
        """The marks on the timeline."""
        cells = self.page.locator("#timeline li").all()
        kinds = [cell.get_attribute("class") or "" for cell in cells]
        return [1 if "praise" in kind else -1 if "reproach" in kind else 0 for kind in kinds]


def opened(browser: Browser, url: str, width: int = 1280, height: int = 860, moves: bool = False) -> Console:
    """Open a console's link in a window of its own; clips do not play by themselves unless it moves."""
    motion = "no-preference" if moves else "reduce"
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion=motion)  # type: ignore[arg-type]
    return Console(context, url)
