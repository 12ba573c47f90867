"""Network arguments for grids of codes, the same for policy and ISR: cells as one-hot codes, and a small MLP."""

from __future__ import annotations

from typing import Any

from sb3_isr.isr.extractors import GridOneHot

#: For the coin game, whose codes are outside, wall and goal.
ONE_HOT: dict[str, Any] = {
    "features_extractor_class": GridOneHot,
    "features_extractor_kwargs": {"codes": [[0, 2, 8], [], [], []]},
    "normalize_images": False,
    "net_arch": [64, 64],
}
#: For the prosocial game: wall, ball, the other agent and its direction, what it and oneself carry, goal.
PROSOCIAL_ONE_HOT: dict[str, Any] = {
    **ONE_HOT,
    "features_extractor_kwargs": {"codes": [[2, 6], [2], [1, 2, 3], [6], [1]]},
}
