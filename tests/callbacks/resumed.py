"""A training that is interrupted and resumed, and the same without an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr import ISRCallback, ISRCheckpoint
from tests.callbacks.learners import QUICK


class Interrupt(BaseCallback):
    """Interrupts training at the first rollout that starts at a step or after it."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps >= self.step:
            raise KeyboardInterrupt

    def _on_step(self) -> bool:
        return True


class Laps:
    """
    Trains, possibly in several laps, each with objects of its own as in a process of its own.

    :param folder: For the checkpoints.
    :param make_env: Makes the training environments.
    :param make_model: Makes the learner from them.
    :param make_callback: Makes the callback from its child.
    :param every: Steps between checkpoints.
    """

    def __init__(
        self,
        folder: Path,
        make_env: Callable[[], Any],
        make_model: Callable[[Any], BaseAlgorithm],
        make_callback: Callable[[ISRCheckpoint], ISRCallback] | None = None,
        every: int = 16,
    ) -> None:
        self.folder = folder
        self.make_env = make_env
        self.make_model = make_model
        self.make_callback = make_callback or (lambda child: ISRCallback("always", callback=child, **QUICK))
        self.every = every

    def run(self, total: int, interrupt_at: float = np.inf) -> Laps:
        """Train from the newest checkpoint, if there is one, to the end or to an interruption."""
        checkpoint = ISRCheckpoint(self.folder, self.every)
        self.callback = self.make_callback(checkpoint)
        self.env = self.make_env()
        if checkpoint.can_resume():
            algorithm = type(self.model)
            self.model: BaseAlgorithm = checkpoint.resume(algorithm, self.env, device="cpu")
        else:
            self.model = self.make_model(self.env)
        callbacks: list[BaseCallback] = [self.callback, Interrupt(interrupt_at)]
        steps = total - self.model.num_timesteps
        try:
            self.model.learn(steps, callback=callbacks, reset_num_timesteps=False)
        except KeyboardInterrupt:
            assert self.model.num_timesteps < total
        return self

    @property
    def labels(self) -> list[tuple[Any, float]]:
        """Observations (their first numbers) and labels, in the order in which they were given."""
        labels = self.callback.store.labels()
        observations = np.asarray(labels.transitions.observations).reshape(len(labels.social_rewards), -1)
        return list(zip(observations[:, 0].tolist(), labels.social_rewards.tolist(), strict=True))

    def result(self) -> dict[str, Any]:
        """Whatever was learned and met."""
        policy = self.model.policy
        if isinstance(policy, torch.nn.Module):
            weights: Any = [p.detach().numpy() for p in policy.state_dict().values()]
        else:  # SBX's
            weights = [np.asarray(policy.actor_state.params["params"][k]["kernel"]) for k in ("Dense_0", "Dense_1")]
        labels = self.callback.store.labels()
        assert self.model.ep_info_buffer is not None
        return {
            **labels.transitions._asdict(),
            "labels": labels.social_rewards,
            "episodes": [[info["r"], info["l"]] for info in self.model.ep_info_buffer],
            "weights": weights,
        }


def check_resumed_equals_uninterrupted(
    tmp_path: Path,
    make_env: Callable[[], Any],
    make_model: Callable[[Any], BaseAlgorithm],
    total: int = 96,
    interrupt_at: int = 48,
    **kwargs: Any,
) -> None:
    """Train twice, once with an interruption, and compare all that came of it."""
    whole = Laps(tmp_path / "whole", make_env, make_model, **kwargs).run(total)
    parts = Laps(tmp_path / "parts", make_env, make_model, **kwargs).run(total, interrupt_at)
    at = int(max((tmp_path / "parts").glob("step_*")).name.removeprefix("step_"))
    assert 0 < at < total
    parts.run(total)
    expected, got = whole.result(), parts.result()
    assert len(expected["labels"]) > 10
    for name, value in expected.items():
        assert len(value) == len(got[name]), name
        for one, other in zip(value, got[name], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def small_ppo(env: Any, policy: str = "MlpPolicy", **kwargs: Any) -> PPO:
    """PPO with rollouts of 16 steps."""
    return PPO(policy, env, n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu", **kwargs)
