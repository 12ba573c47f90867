"""A person reviews episodes in a real browser, with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from sb3_isr.respondents import Mailbox, Question
from tests.console.browsers import Console, chromium, opened
from tests.console.consoles import console, link
from tests.console.rollouts import ACTIONS, questions
from tests.respondents.made_questions import made_question


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Mailbox]:
    with Mailbox(tmp_path / "mailbox.sqlite") as mailbox:
        yield mailbox


@pytest.fixture
def port(training: Mailbox) -> Iterator[int]:
    with console(training.file.path) as port:
        yield port


@pytest.fixture
def person(browser: Browser, port: int, training: Mailbox) -> Iterator[Console]:
    """Three episodes wait, of a budget of two."""
    training.put(questions(3))
    training.set_status(budget=2, action_names=ACTIONS, praise=0.5, reproach=-0.25)
    person = opened(browser, link(port))
    person.sees_question("number 1")
    yield person
    assert person.errors == []
    person.page.context.close()


def answers(mailbox: Mailbox) -> list[list[Any]]:
    """What was said, with None for nothing."""
    return [[None if np.isnan(r) else r for r in answer.rewards.tolist()] for answer in mailbox.answers()]


def only(step: int, reward: float, n_steps: int = 20) -> list[float]:
    return [reward if at == step else 0.0 for at in range(n_steps)]


def goals(question: Question) -> list[int]:
    """The steps at which a goal is reached: the learner faces it, and goes forward."""
    seen, actions = question.transitions.observations, question.transitions.actions
    assert isinstance(seen, np.ndarray)
    center = seen.shape[1] // 2
    return np.flatnonzero((seen[:, center, center - 1, 3] == 1) & (actions == 2)).tolist()


def test_the_first_clip_is_seen(person: Console) -> None:
    image = person.page.locator("#after img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 224
    assert person.page.url.endswith("/"), "the token has left the address"
    person.sees("#step-title", "Step 1 of 20")
    person.sees("#n-budget", "of 2")
    person.sees("#n-left", "2 answers left; 3 questions waiting")
    assert person.page.locator("#action-name").text_content() in ACTIONS


def test_marks_belong_to_the_steps_between_their_pictures(person: Console, training: Mailbox) -> None:
    person.press("ArrowRight", ".", ".", "ArrowLeft", "+", "End", ",", "-", "Home", "-", "=")
    assert person.marks() == [1, 0, 1, *[0] * 15, -1, 0]
    before, after = person.page.locator("#before img"), person.page.locator("#after img")
    assert [str(each.get_attribute("src")).rpartition("/")[2] for each in (before, after)] == ["0", "1"]
    person.press("+")
    assert person.marks()[0] == 0, "the same key takes the mark off"
    person.press("End", "ArrowLeft", "Backspace", "Enter")
    person.sees_question("number 2")
    person.sees("#n-answered", "1")
    assert answers(training) == [only(2, 0.5)]


def test_nothing_is_marked_while_the_clip_plays(browser: Browser, port: int, training: Mailbox) -> None:
    training.put(questions(1))
    person = opened(browser, link(port), moves=True)
    person.sees("#play-label", "Pause")
    person.press("+")
    person.sees("#toast", "Paused.")
    person.sees("#play-label", "Play")
    assert person.marks() == [0] * 20
    person.press(" ")
    person.sees("#step-title", "Step 20 of 20")
    person.sees("#play-label", "Play")
    person.press("+")
    assert person.marks() == [*[0] * 19, 1]


def test_a_skip_says_nothing_and_costs_nothing(person: Console, training: Mailbox) -> None:
    person.press("+", "s")
    person.sees_question("number 2")
    person.sees("#log", "skipped")
    assert answers(training) == [[None] * 20]
    person.sees("#n-answered", "0")


def test_undo_goes_back_answer_by_answer_and_brings_the_marks_back(person: Console, training: Mailbox) -> None:
    person.press("+", "Enter")
    person.sees_question("number 2")
    person.press("s")
    person.sees_question("number 3")
    person.sees("#connection", "all saved")
    person.press("u")
    person.sees_question("number 2")
    person.press("u")
    person.sees_question("number 1")
    person.sees("#n-answered", "0")
    assert person.marks() == [1, *[0] * 19]
    person.press("u")
    person.sees("#toast", "nothing of yours to undo")
    person.press("+", "ArrowRight", "-", "Enter")
    person.sees_question("number 2")
    person.sees("#n-answered", "1")
    said = answers(training)
    assert said == [only(0, 0.5), [None] * 20, [None] * 20, [None] * 20, only(1, -0.25)]


def test_there_are_never_more_answers_than_the_budget(person: Console, training: Mailbox) -> None:
    person.press("Enter")
    person.sees_question("number 2")
    person.press("Enter")
    person.sees("#nothing-title", "That was all, thank you")
    person.sees("#n-left", "0 answers left; 1 question waiting")
    person.press("Enter", "+", "s")
    person.sees("#nothing-text", "All 2 answers of the budget are given")
    assert training.n_answered() == len(training.answers()) == 2
    person.press("u")
    person.sees_question("number 2")


def test_later_lets_a_waiting_training_go_on(person: Console, training: Mailbox) -> None:
    waited: list[bool] = []
    thread = Thread(target=lambda: waited.append(training.wait(timeout=60)))
    thread.start()
    person.press("l")
    person.sees("#toast", "goes on now")
    thread.join()
    assert waited == [False]
    person.sees("#training", "training goes on: later")
    person.sees_question("number 1")


def test_a_question_that_is_withdrawn_leaves_the_screen(person: Console, training: Mailbox) -> None:
    first, second, _ = training.question_ids()
    person.press("+")
    training.withdraw([first])
    person.sees("#toast", "not asked any more")
    person.sees_question("number 2")
    assert person.marks() == [0] * 20
    training.answer(second, [0] * 20, "bob")
    person.sees_question("number 3")
    assert len(training.answers()) == 1


def test_an_answer_that_comes_too_late_is_said_not_to_be_saved(person: Console, training: Mailbox) -> None:
    person.page.route("**/api/state", lambda route: route.abort())  # so that the page does not know yet
    training.withdraw(training.question_ids()[:1])
    person.press("Enter")
    person.sees("#alarm", "Not saved: The question")
    person.sees("#alarm", "was withdrawn")
    assert training.answers() == []


def test_the_keys_never_die(person: Console) -> None:
    person.page.get_by_role("button", name="Praise").click()
    assert person.marks()[0] == 1
    person.press("?")
    expect(person.page.locator("#help")).to_be_visible()
    person.sees("#help-reason", "number 1")
    person.press("+", "Enter")
    expect(person.page.locator("#help")).not_to_be_visible()
    person.page.locator("#timeline li").nth(4).click()
    person.sees("#step-title", "Step 5 of 20")
    person.press("-", "Tab", "Tab", "Tab", " ", " ", "R")
    expect(person.page.locator("#help")).to_be_visible()
    person.press("Escape", "Home", "-")
    assert person.marks() == [-1, 0, 0, 0, -1, *[0] * 15]
    person.press("Enter")
    person.sees_question("number 2")


def test_what_the_training_says_is_shown_as_text(browser: Browser, port: int, training: Mailbox) -> None:
    person = opened(browser, link(port))
    person.sees("#nothing-title", "No training has asked anything yet")
    training.begin_training()
    training.set_status(steps=2048, total_steps=10_000, curve_name="goals <b>each</b>", state="It is <i>learning</i>")
    training.add_progress(1024, 0.25)
    training.add_progress(2048, 0.75)
    person.sees("#curve-name", "goals <b>each</b>")
    person.sees("#curve", "0.75")
    person.sees("#steps", "2,048 of 10,000 steps")
    person.sees("#training", "training runs")
    training.put([made_question(0)])
    training.withdraw(["question-0"])
    person.sees("#nothing-text", "It is <i>learning</i>")
    hostile = "<img src=x onerror=document.title='owned'>"
    training.put([Question('"><b>', made_question(1).transitions, 0, 0, hostile)])
    person.sees_question(hostile)
    person.press("Enter")
    person.sees("#n-answered", "1")
    assert person.page.title() == "sb3-isr console"
    training.close()


def test_without_pictures_numbers_are_shown(browser: Browser, port: int, training: Mailbox) -> None:
    training.put([made_question(7)])
    person = opened(browser, link(port))
    person.sees_question("reason 7")
    person.sees("#before", "7")
    person.sees("#after", "8")
    person.press("End")
    person.sees("#verdict", "The episode ends with it")


@pytest.mark.parametrize(("width", "n_steps"), [(1280, 20), (800, 20), (800, 300), (400, 20)])
def test_all_of_the_page_fits(browser: Browser, port: int, training: Mailbox, width: int, n_steps: int) -> None:
    training.put(questions(1, max_steps=n_steps))
    training.set_status(budget=50, curve_name="goals per episode", state="x" * 200)
    person = opened(browser, link(port), width=width)
    person.sees_question("number 1")
    person.press("End", "+")
    person.sees("#enter-label", "1 mark")
    overflow = person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0


@pytest.mark.slow
def test_fifty_reviews_with_the_keyboard_alone_say_what_was_meant(
    browser: Browser, port: int, training: Mailbox
) -> None:
    asked = questions(50)
    training.put(asked)
    training.set_status(budget=50, praise=0.4)
    person = opened(browser, link(port))
    for number, question in enumerate(asked):
        person.sees_question(f"number {number + 1}.")
        at = 0
        for step in goals(question):
            person.press(*["ArrowRight"] * (step - at), "+")
            at = step
        person.press("Enter")
    person.sees("#nothing-title", "That was all")
    person.sees("#connection", "all saved")
    meant = [[0.4 if step in goals(question) else 0 for step in range(20)] for question in asked]
    assert np.array_equal(np.array(meant, np.float32), [answer.rewards for answer in training.answers()])
    assert sum(map(sum, meant)) > 0, "some were praised"
    assert person.errors == []
