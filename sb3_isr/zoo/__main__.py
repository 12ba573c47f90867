"""
RL Zoo's command line with what it lacks for internalization: ``python -m sb3_isr.zoo train|enjoy|record_video ...``.

The options are RL Zoo's. ``env_kwargs`` of a configuration reach evaluation and ``record_video``; ``ppo_mask``
(MaskablePPO of sb3-contrib) and, where SBX is installed, ``sbx_ppo``, ``sbx_dqn`` and ``sbx_sac`` are algorithms;
``enjoy`` tells environment, social and internal reward apart; ``--gym-packages sb3_isr`` is not needed.

RL Zoo has no hooks, but looks its parts up by name; here those names are given to subclasses of them.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import rl_zoo3
import rl_zoo3.enjoy
import rl_zoo3.train
import rl_zoo3.utils

from sb3_isr.zoo.enjoy import ShownLearner
from sb3_isr.zoo.manager import ZooManager, ZooMaskablePPO


def main() -> None:
    """Run a script of RL Zoo with its options."""
    scripts: dict[str, Callable[[], object]] = {
        "train": rl_zoo3.train.train,
        "enjoy": rl_zoo3.enjoy.enjoy,
        "record_video": partial(runpy.run_module, "rl_zoo3.record_video", run_name="__main__"),
    }
    script = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if script not in scripts:
        sys.exit(f"The first argument must be one of {', '.join(scripts)}, got {script!r}; RL Zoo's options follow it.")
    _replace_parts()
    scripts[script]()


def _replace_parts() -> None:
    algorithms: dict[str, Any] = {"ppo_mask": ZooMaskablePPO}
    if find_spec("sbx"):
        import sbx

        algorithms |= {"sbx_ppo": sbx.PPO, "sbx_dqn": sbx.DQN, "sbx_sac": sbx.SAC}
    rl_zoo3.ALGOS.update(algorithms)
    vars(rl_zoo3.train)["ExperimentManager"] = ZooManager
    shown = ShownLearner()
    for module in (rl_zoo3.utils, rl_zoo3.enjoy):
        vars(module).update(get_model_path=shown.get_model_path, create_test_env=shown.create_test_env)


if __name__ == "__main__":
    main()
