"""Pictures of the coin game from above."""

from __future__ import annotations

import numpy as np
from minigrid.core.constants import IDX_TO_COLOR
from minigrid.core.world_object import Goal, Wall, WorldObj

from sb3_isr.common.batches import Array
from sb3_isr.envs.coin_game.rules import AGENT, GOAL, TURNS, WALL, CoinGameRules
from sb3_isr.envs.fixed_maps import FixedMap, fixed_maps
from sb3_isr.envs.map_pictures import DrawnAgent, draw_map, with_caption
from sb3_isr.labels.transitions import Transitions

_OBJECTS: dict[int, WorldObj] = {int(WALL[0]): Wall(), int(GOAL[0]): Goal()}


def pictures(rules: CoinGameRules, transitions: Transitions) -> list[Array]:
    """
    Draw what a learner did from above, from what it saw.

    :param rules: The game.
    :param transitions: ``k`` transitions of one episode.
    :return: ``k + 1`` pictures, uint8 ``[height, width, 3]``; none of maps of less than 5 cells, of which a view may
        not say where their walls are.
    """
    if rules.size < 5:
        return []
    assert not isinstance(transitions.observations, dict)
    assert not isinstance(transitions.next_observations, dict)
    views = np.concatenate([transitions.observations[:1], transitions.next_observations])
    return [_picture(rules.size, drawn) for drawn in fixed_maps(rules, views, TURNS[transitions.actions])]


def _picture(size: int, drawn: FixedMap) -> Array:
    kinds = drawn.codes[..., 0]
    objects = {(x, y): _OBJECTS[kinds[x, y]] for x, y in np.argwhere(np.isin(kinds, list(_OBJECTS))).tolist()}
    objects[drawn.agent] = DrawnAgent(IDX_TO_COLOR[int(AGENT[1])], drawn.direction)
    return with_caption(draw_map(size, objects), "goal reached, new map" if drawn.is_new else "")
