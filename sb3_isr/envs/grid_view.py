"""A square grid as an array of codes, and what an agent in it sees, rotated to its own direction."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from minigrid.core.constants import DIR_TO_VEC

#: Number of directions in which an agent can face.
N_DIRECTIONS = len(DIR_TO_VEC)


class GridView:
    """
    A square grid of cells with an outer wall, and the view of an agent in it.

    The grid is stored as *codes*, uint8 ``[width * width, n_channels]``: the cells in the order of x, then y, with a
    margin of zeros that is wide enough to keep every view inside the array. A cell is identified by its index there,
    and a step in direction ``d`` adds ``strides[d]`` to it. Directions are MiniGrid's: 0 right, 1 down, 2 left, 3 up.

    :param size: Width and height of the grid in cells, with the outer wall
    :param wall: A wall's codes, uint8 ``[n_channels]``
    :param empty: An empty cell's codes, uint8 ``[n_channels]``
    """

    def __init__(self, size: int, wall: np.ndarray, empty: np.ndarray) -> None:
        self.size = size
        self.view_size = 2 * size - 5
        self.view_shape = (self.view_size, self.view_size, len(empty))
        self.observation_space = spaces.Box(0, 255, self.view_shape, np.uint8)
        self.margin = size - 4
        self.width = size + 2 * self.margin
        self.strides = np.array(DIR_TO_VEC) @ (self.width, 1)
        codes = np.zeros((self.width, self.width, len(empty)), dtype=np.uint8)
        codes[self.margin : self.margin + size, self.margin : self.margin + size] = wall
        codes[self.margin + 1 : self.margin + size - 1, self.margin + 1 : self.margin + size - 1] = empty
        #: The codes of a grid with nothing but its outer wall.
        self.blank = codes.reshape(-1, len(empty))
        # MiniGrid rotates a view left `direction + 1` times; `rot90` by -1 is its `rotate_left`.
        around = np.arange(self.width**2).reshape(self.width, self.width)[: self.view_size, : self.view_size]
        around = around - around[self.view_size // 2, self.view_size // 2]
        self._offsets = np.stack([np.rot90(around, -(direction + 1)).ravel() for direction in range(N_DIRECTIONS)])

    def index(self, cells: np.ndarray) -> np.ndarray:
        """
        Return the indices of cells in the codes.

        :param cells: Cells (x, y), int ``[..., 2]``
        :return: int ``[...]``
        """
        indices: np.ndarray = (np.asarray(cells) + self.margin) @ (self.width, 1)
        return indices

    def cells_around(self, agent: np.ndarray | int, direction: np.ndarray | int) -> np.ndarray:
        """
        Return the cells of a view: the agent's own in the center, the one it faces above it (y is one less).

        :param agent: Index of the agent's cell in the codes, int ``[...]``
        :param direction: Its direction, int ``[...]``
        :return: Indices in the codes, int ``[..., view_size * view_size]``, in the order of x, then y
        """
        cells: np.ndarray = np.asarray(agent)[..., None] + self._offsets[direction]
        return cells
