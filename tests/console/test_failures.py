"""Consoles, browsers and networks that fail, and pages that have no business with the console."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from playwright.sync_api import Browser, expect

from sb3_isr.respondents import Mailbox
from tests.console.browsers import another, chromium, opened
from tests.console.consoles import command, console, link, printed_link
from tests.console.networks import site, tunnel
from tests.console.rollouts import questions
from tests.full_disk import files_limited


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Mailbox]:
    with Mailbox(tmp_path / "mailbox.sqlite") as mailbox:
        mailbox.put(questions(4))
        mailbox.set_status(budget=10)
        yield mailbox


def processes() -> set[psutil.Process]:
    """The processes of this one."""
    return set(psutil.Process().children(recursive=True))


def praised(mailbox: Mailbox) -> list[list[int]]:
    """The steps that were praised, of each answer."""
    return [np.flatnonzero(answer.rewards == 1).tolist() for answer in mailbox.answers()]


@pytest.mark.slow
def test_a_killed_console_loses_nothing_and_the_page_goes_on_when_it_is_started_again(
    browser: Browser, training: Mailbox
) -> None:
    run = str(training.file.path.parent)
    with command("console", run) as first:
        url = printed_link(first)
        person = opened(browser, url)
        person.sees_question("number 1")
        person.press("+", "Enter")
        person.sees_question("number 2")
        person.sees("#connection", "all saved")
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert praised(training) == [[0]]
    person.sees("#alarm", "The console does not answer")
    person.press("ArrowRight", "+", "Enter")
    person.sees("#alarm", "NOT SAVED: 1 answer did not reach the disk")
    person.sees("#connection", "does not answer")
    person.press("u")
    person.sees("#toast", "Wait until your last answer is saved")
    assert praised(training) == [[0]]
    with command("console", run) as second:
        assert printed_link(second) == url
        person.sees("#connection", "all saved")
        person.sees_question("number 3")
        assert not person.page.locator("#alarm").is_visible()
        assert praised(training) == [[0], [1]]


@pytest.mark.slow
def test_answers_that_were_not_saved_outlive_the_page(browser: Browser, training: Mailbox) -> None:
    with console(training.file.path) as port:
        person = opened(browser, link(port))
        person.sees_question("number 1")
        person.page.context.set_offline(True)
        person.press("+", "Enter")
        person.sees("#alarm", "NOT SAVED: 1 answer")
        assert praised(training) == []
        context = person.page.context
        person.page.close()  # without a question whether it may
        context.set_offline(False)
        again = context.new_page()
        again.goto(link(port))
        again.locator("#n-answered", has_text="1").wait_for()
    assert praised(training) == [[0]]


def test_a_full_disk_is_loud_and_the_answer_is_kept(browser: Browser, training: Mailbox) -> None:
    with console(training.file.path) as port:
        person = opened(browser, link(port))
        person.sees_question("number 1")
        with files_limited(training.file.path.with_name("mailbox.sqlite-wal").stat().st_size):
            person.press("Enter")
            person.sees("#alarm", "NOT SAVED: 1 answer did not reach the disk (The mailbox")
            person.sees("#alarm", "Free some space")
            assert praised(training) == []
        person.sees("#connection", "all saved")
    assert praised(training) == [[]]


@pytest.mark.slow
def test_a_killed_browser_loses_nothing_that_was_confirmed(browser: Browser, training: Mailbox) -> None:
    with console(training.file.path) as port:
        before = processes()
        with another(browser) as doomed:
            person = opened(doomed, link(port))
            for number in (1, 2):
                person.sees_question(f"number {number}")
                person.press("+", "Enter")
                person.sees("#n-answered", str(number))
            for process in processes() - before:
                process.send_signal(signal.SIGKILL)
        assert praised(training) == [[0], [0]]
        with another(browser) as fresh:
            person = opened(fresh, link(port))
            person.sees_question("number 3")
            person.sees("#n-answered", "2")
            person.press("u")
            person.sees_question("number 2")


@pytest.mark.slow
def test_two_consoles_share_the_work(browser: Browser, training: Mailbox) -> None:
    path = training.file.path
    with console(path, "ada") as one, console(path, "bob") as other:
        ada, bob = opened(browser, link(one)), opened(browser, link(other))
        ada.sees_question("number 1")
        bob.sees_question("number 1")
        ada.press("+", "Enter")
        ada.sees("#n-answered", "1")
        bob.sees_question("number 2")
        bob.press("u")
        bob.sees("#toast", "nothing of yours to undo")
        bob.press("Enter")
        ada.sees("#n-answered", "2")
    assert [answer.by for answer in training.answers()] == ["ada", "bob"]


@pytest.mark.slow
def test_it_works_through_a_tunnel_on_another_port(browser: Browser, training: Mailbox) -> None:
    with console(training.file.path) as port, tunnel(port) as other:
        for host in ("127.0.0.1", "localhost"):
            person = opened(browser, link(other).replace("127.0.0.1", host))
            person.sees("#step-title", "Step 1 of 20")
            assert person.page.locator("#after img").evaluate("image => image.decode().then(() => true)")
            person.press("+", "Enter")
            person.sees("#connection", "all saved")
            person.page.context.close()
    assert praised(training) == [[0], [0]]


#: What a page may try: to read with and without credentials, to answer, to embed.
_ATTACK = """<!doctype html><script>
const console_ = "http://%s:%d", got = [];
const tell = async (name, work) => {
  try { got.push([name, await work()]); } catch (error) { got.push([name, "failed"]); }
};
const body = JSON.stringify({ question: "%s", rewards: new Array(20).fill(1) });
const loads = (tag, url) => () => new Promise((resolve) => {
  const made = document.createElement(tag);
  made.onload = () => resolve("loaded"); made.onerror = () => resolve("failed");
  made.src = url; document.documentElement.append(made);
});
const frame = () => new Promise((resolve) => {
  const made = document.createElement("iframe");
  made.onload = () => { try { resolve(made.contentDocument ? "readable" : "failed"); } catch { resolve("failed"); } };
  made.src = console_ + "/"; document.documentElement.append(made);
});
(async () => {
  await tell("read", async () => (await fetch(console_ + "/api/state", { credentials: "include" })).text());
  await tell("answer", async () => (await fetch(console_ + "/api/answers",
    { method: "POST", credentials: "include", body, headers: { "Content-Type": "application/json" } })).text());
  await tell("blind", async () => (await fetch(console_ + "/api/answers",
    { method: "POST", credentials: "include", mode: "no-cors", body })).text().then((text) => text || "failed"));
  await tell("undo", async () => (await fetch(console_ + "/api/undo",
    { method: "POST", credentials: "include", mode: "no-cors", body })).text().then((text) => text || "failed"));
  await tell("image", loads("img", console_ + "/api/questions/%s/pictures/0"));
  await tell("script", loads("script", console_ + "/console.js"));
  await tell("frame", frame);
  document.title = JSON.stringify(got);
})();
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_site_can_neither_read_nor_answer(browser: Browser, training: Mailbox, host: str) -> None:
    """Even a page of this machine, on another port, to whose requests the browser adds the console's cookie."""
    first = training.question_ids()[0]
    with console(training.file.path) as port:
        attack = _ATTACK % ("127.0.0.1", port, first, first)
        with site(attack) as other:
            person = opened(browser, link(port))
            person.sees_question("number 1")
            page = person.page.context.new_page()
            page.goto(f"http://{host}:{other}/")
            expect(page).to_have_title(re.compile(r"^\["))
            names = ["read", "answer", "blind", "undo", "image", "script", "frame"]
            assert page.title() == "[" + ",".join(f'["{name}","failed"]' for name in names) + "]"
            person.press("Enter")
            person.sees_question("number 2")
    assert praised(training) == [[]]
