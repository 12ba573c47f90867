"""
A person teaches a learner that knows nothing the coin game, by praising steps of some fifty episodes in the browser.

Run ``python examples/teach.py`` (or ``make teach``), open the link, and press ``?`` there. The learner waits for its
first answers, and then shows more of what it does as it learns. Interrupted, it starts again with all answers that were
given; delete its folder to begin anew. ``python examples/teach.py --caregiver simulated`` shows the same without a
person: a program answers through the same mailbox.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO

from sb3_isr import ISRCallback, Mailbox, MailboxReport, VecISRReward
from sb3_isr.console.serve import serve
from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.evaluation.networks import ONE_HOT
from sb3_isr.respondents import Question

#: The reward of a praised step, as in the paper.
PRAISE = 0.4


def teach(mailbox: Mailbox, n_steps: int, budget: int, seed: int = 0) -> ISRCallback:
    """
    Train a learner of the coin game from nothing but answers.

    :param mailbox: Where questions are put and answered.
    :param n_steps: Environment steps of the training.
    :param budget: The largest number of answers.
    :param seed: Seeds everything.
    :return: The callback, with the ISR that was learned.
    """
    venv = VecISRReward(CoinGameVecEnv(num_envs=32))
    caregiver = ISRCallback(
        presence="never",
        queries=f"episodes_{budget}",
        respondent=mailbox,
        wait_for_answers=True,
        isr_kwargs={**ONE_HOT, "use_next_observation": False},  # after a goal it is another map
        # What keeps an ISR careful that has seen a handful of praises.
        trainer_kwargs={"gradient_steps": 500, "batch_size": 64, "l1_coef": 0.006, "action_contrast": True},
        callback=MailboxReport(mailbox, curve="goals_reached", curve_name="goals per episode", praise=PRAISE),
    )
    learner = PPO(
        "MlpPolicy",
        venv,
        n_steps=64,
        batch_size=256,
        learning_rate=1e-3,
        policy_kwargs=ONE_HOT,
        seed=seed,
        device="cpu",
    )
    learner.learn(n_steps, callback=caregiver)
    return caregiver


def answer_all(path: Path, has_ended: threading.Event) -> None:
    """
    Answer as a person would who sees everything, until training has ended.

    :param path: The mailbox's file.
    :param has_ended: Whether it has.
    """
    with Mailbox(path) as mailbox:
        while not has_ended.is_set():
            for waiting in mailbox.open_questions():
                if mailbox.n_answered() < mailbox.status().get("budget", 0):
                    mailbox.answer(waiting.id, praise(mailbox.question(waiting.id)), by="simulated")
            time.sleep(0.1)


def praise(question: Question) -> np.ndarray:
    """
    Praise each step that reaches a goal.

    :param question: A question about the coin game.
    :return: The rewards of its steps, float32 ``[k]``.
    """
    seen, actions = question.transitions.observations, question.transitions.actions
    assert isinstance(seen, np.ndarray)
    center = seen.shape[1] // 2
    faces_goal = seen[:, center, center - 1, 3] == 1
    return np.where(faces_goal & (actions == 2), PRAISE, 0.0).astype(np.float32)


def main() -> int:
    """Start the console, train, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caregiver", choices=["person", "simulated"], default="person")
    parser.add_argument("--out", type=Path, default=Path("runs/teach"), help="folder of the run (default: runs/teach)")
    parser.add_argument("--steps", type=int, default=81_920, help="environment steps (default: 81,920)")
    parser.add_argument("--budget", type=int, default=50, help="the largest number of answers (default: 50)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # networks this small only wait for a second thread
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "mailbox.sqlite"
    has_ended = threading.Event()
    # A process of its own, so that the page does not wait for the training, nor the training for the page.
    # A copy of this one is there at once; other systems start a fresh one.
    context = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
    console = context.Process(target=serve, args=(path,), daemon=True)
    console.start()
    simulated = threading.Thread(target=answer_all, args=(path, has_ended), daemon=True)
    if arguments.caregiver == "simulated":
        simulated.start()
    try:
        with Mailbox(path) as mailbox:
            caregiver = teach(mailbox, arguments.steps, arguments.budget)
            goals = [value for _, value in mailbox.progress()]
        caregiver.isr.save(arguments.out / "isr.safetensors")
        print(f"Goals per episode: {goals[0]:.2f} at first, {np.mean(goals[-5:]):.2f} at the end.")
        print(f"What you taught is in {arguments.out / 'isr.safetensors'}, your answers are in {path}.")
        if arguments.caregiver == "person":
            print("The console stays; Ctrl-C ends it.")
            console.join()
    except KeyboardInterrupt:
        print("\nInterrupted; every answer is kept. Start it again to go on.")
    finally:
        has_ended.set()
        console.terminate()
        console.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
