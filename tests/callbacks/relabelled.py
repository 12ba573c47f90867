"""A small replay buffer of utilities that are a label or internal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback

from sb3_isr import ISRCallback, VecISRReward
from tests.scripted_env import Script, ScriptedEnv, scripted_vec_env

#: The environments' own rewards are 0, so that each reward in the buffer is a label or internal.
SCRIPTS: list[Script] = [[(0.0, 1.0), (0.0, 0.0), (0.0, 1.0)], [(0.0, 0.0), (0.0, 1.0)]]
N_ROWS = 12


class Act(BaseCallback):
    """Does something at each step."""

    def __init__(self, act: Callable[[BaseCallback], bool | None]) -> None:
        super().__init__()
        self.act = act

    def _on_step(self) -> bool:
        return self.act(self) is not False


class Rewards(VecISRReward):
    """Keeps the last utilities."""

    last: Any = None

    def _compose(self, *results: Any) -> Any:
        results = super()._compose(*results)
        self.last = results[1].copy()
        return results

    def venv_rewards(self) -> Any:
        return self.last


class Ends(ScriptedEnv):
    """The first environment's episodes are truncated, those of the second one terminate."""

    def __init__(self, script: Script, number: int = 0, **kwargs: Any) -> None:
        super().__init__(script, number, **{"truncates": number == 0, **kwargs})


def dqn(env: Any = None, **kwargs: Any) -> Any:
    env = Rewards(scripted_vec_env(SCRIPTS, env_cls=Ends)) if env is None else env
    kwargs = {"buffer_size": 2 * N_ROWS, "learning_starts": 10**6, "policy_kwargs": {"net_arch": [4]}, **kwargs}
    return DQN("MlpPolicy", env, seed=0, device="cpu", **kwargs)


def relabelling(presence: Any = "leave_at_0.3", **kwargs: Any) -> ISRCallback:
    isr = {"net_arch": (4,), "limit_to_labels": "no"}
    trainer = {"gradient_steps": 3, "learning_rate": 0.05}
    return ISRCallback(presence, relabel=True, isr_kwargs=isr, trainer_kwargs=trainer, seed=0, **kwargs)
