"""Questions about what a random learner did in real coin games."""

from __future__ import annotations

import hashlib

import numpy as np

from sb3_isr.envs import CoinGameVecEnv
from sb3_isr.labels.transitions import Transitions
from sb3_isr.respondents import Question
from sb3_isr.respondents.transition_bytes import transitions_to_bytes
from sb3_isr.wrappers.illustrator import VenvIllustrator

#: Names of the coin game's actions.
ACTIONS = ["left", "right", "forward"]


def episode(venv: CoinGameVecEnv, rng: np.random.Generator) -> Transitions:
    """Play one episode of each game at random; that of the first game."""
    observations, rows = venv.reset(), []
    for _ in range(venv.rules.max_steps):
        actions = rng.integers(3, size=venv.num_envs)
        before = observations
        venv.step_async(actions)
        observations, _, dones, infos = venv.step_wait()
        seen = infos[0]["terminal_observation"] if dones[0] else observations[0]
        rows.append((before[0], actions[0], seen, False))
    return Transitions(*map(np.stack, zip(*rows, strict=True)))


def questions(n: int, seed: int = 0, with_pictures: bool = True, max_steps: int = 20) -> list[Question]:
    """Ask about some episodes, each of another learner's start."""
    venv = CoinGameVecEnv(1, n_walls=3, max_steps=max_steps)
    venv.seed(seed)
    rng = np.random.default_rng(seed)
    illustrate = VenvIllustrator(venv)
    asked = []
    for number in range(n):
        transitions = episode(venv, rng)
        question_id = hashlib.sha256(transitions_to_bytes(transitions)).hexdigest()[:16]
        reason = f"An episode at random, number {number + 1}."
        question = Question(question_id, transitions, 0, number * max_steps, reason)
        asked.append(illustrate(question) if with_pictures else question)
    return asked
