"""
A study whose trials take a second or two, and a worker on it as any machine would start one:

    python -m tests.tuning.small STORAGE N_TRIALS LEASE
"""

import sys
from typing import Any

from sb3_isr.tuning.objective import Settings
from sb3_isr.tuning.study import Place, work

ENTRY: dict[str, Any] = {
    "policy": "MlpPolicy",
    "n_envs": 4,
    "n_steps": 32,
    "batch_size": 64,
    "n_epochs": 2,
    "learning_rate": "lin_1e-3",
    "vec_env_wrapper": "sb3_isr.VecISRReward",
    "callback": [{"sb3_isr.ZooISRCallback": {"presence": "leave_at_0.5", "gradient_steps": 20}}],
}

SETTINGS = Settings("sb3_isr/CoinGame-v0", "ppo", ENTRY, timesteps=2560, seeds=1, parts=("presence",))
#: Long enough to be killed in the midst of a trial.
SLOW = Settings("sb3_isr/CoinGame-v0", "ppo", ENTRY, timesteps=12_800, seeds=1, parts=("presence",))


def place(storage: str, n_trials: int, lease: int = 60) -> Place:
    return Place(storage, "small", n_trials, sampler="random", lease=lease)


if __name__ == "__main__":
    work(SLOW, place(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
