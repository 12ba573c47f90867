"""The world of the prosocial game, for any number of games: the rules that all its environments share."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from gymnasium import spaces
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX

from sb3_isr.envs.grid_view import N_DIRECTIONS, GridView
from sb3_isr.envs.prosocial.layouts import SIZE, Cell, Layout, layouts, ways

#: The caregiver's social reward for reaching its goal.
PRAISE = 0.4

# The agents, in the order in which arrays hold them.
LEARNER, CAREGIVER = 0, 1


class Actions(IntEnum):
    """The actions of an agent."""

    STILL = 0
    LEFT = 1
    RIGHT = 2
    FORWARD = 3
    PICK_UP = 4
    DROP = 5


#: The colour of each agent, and of the ball.
AGENT_COLORS = ("red", "blue")
BALL_COLOR = "yellow"

# A cell's five channels: MiniGrid's object, colour and state codes, the object that an agent carries, the goal flag.
AGENT_CODE, _BALL_CODE = OBJECT_TO_IDX["agent"], OBJECT_TO_IDX["ball"]
EMPTY = np.array([OBJECT_TO_IDX["empty"], 0, 0, 0, 0], dtype=np.uint8)
WALL = np.array([OBJECT_TO_IDX["wall"], COLOR_TO_IDX["grey"], 0, 0, 0], dtype=np.uint8)
BALL = np.array([_BALL_CODE, COLOR_TO_IDX[BALL_COLOR], 0, 0, 0], dtype=np.uint8)
GOAL = np.array([OBJECT_TO_IDX["goal"], COLOR_TO_IDX["green"], 0, 0, 1], dtype=np.uint8)

# The change of direction for each action.
TURNS = np.array([0, -1, 1, 0, 0, 0])
# The caregiver's action when its way leads ahead, to the right, back or to the left.
_TOWARDS = np.array([Actions.FORWARD, Actions.RIGHT, Actions.RIGHT, Actions.LEFT])


class ProsocialWorld(GridView):
    """
    Mazes with two agents, a ball and the caregiver's goal: the rules, the scripted caregiver, and the agents' views.

    Both agents act in each step, one after the other in random order. They block each other, and the ball blocks both.
    An agent faces one cell; it can pick up the ball there, and drop it there if the cell is empty. Each forward action
    costs ``0.9 / max_steps``, blocked or not. When the caregiver reaches its goal, a new layout starts. (What happens
    in the published game when two agents meet is not documented; here the learner also has to step aside.)

    :param n_games: Number of games
    :param max_steps: Length of an episode in steps
    :raises ValueError: If ``max_steps`` is less than 1
    """

    def __init__(self, n_games: int, max_steps: int) -> None:
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {max_steps}; the published game has 100.")
        super().__init__(SIZE, WALL, EMPTY)
        self.max_steps = max_steps
        self.move_cost = 0.9 / max_steps
        self.action_names = tuple(action.name.lower().replace("_", " ") for action in Actions)
        self.action_space = spaces.Discrete(len(Actions))
        #: The action space of the ISR: the actions of both agents, the learner's first.
        self.isr_action_space = spaces.MultiDiscrete([len(Actions)] * 2)
        self._all = np.arange(n_games)
        # The grids are concatenated, so that a cell's index also identifies its game.
        self.origins = self._all * len(self.blank)
        self.codes = np.tile(self.blank, (n_games, 1))
        self.positions = np.zeros((n_games, 2), dtype=np.intp)
        self.directions = np.zeros((n_games, 2), dtype=np.intp)
        self.carrying = np.zeros((n_games, 2), dtype=bool)
        self.layouts = [layouts()[0]] * n_games
        self._goals = np.zeros(n_games, dtype=np.intp)
        self._ways = np.zeros(len(self.codes), dtype=np.intp)

    def generate_layouts(self, games: Sequence[int] | np.ndarray, generators: Sequence[np.random.Generator]) -> None:
        """
        Start a random layout in some games, with a random direction of each agent.

        :param games: Indices of the games, int ``[n]``
        :param generators: One generator per game, for all games
        """
        for game in games:
            layout = layouts()[generators[game].integers(len(layouts()))]
            self.place(game, layout, generators[game].integers(N_DIRECTIONS, size=2))

    def place(self, game: int, layout: Layout, directions: Sequence[int] | np.ndarray) -> None:
        """
        Place walls, ball, goal and agents of one game.

        :param game: Index of the game
        :param layout: Their cells
        :param directions: The learner's and the caregiver's direction
        """
        self.layouts[game] = layout
        origin, inner = self.origins[game], np.arange(1, SIZE - 1)
        cells = np.stack(np.meshgrid(inner, inner, indexing="ij"), axis=-1)
        codes = self.codes[origin : origin + len(self.blank)]
        codes[self.index(cells)] = WALL
        codes[self.index(np.array(list(layout.maze)))] = EMPTY
        codes[self.index(np.array(layout.ball))] = BALL
        codes[self.index(np.array(layout.goal))] = GOAL
        self._goals[game] = origin + self.index(np.array(layout.goal))
        self._ways[origin + self.index(cells)] = ways(layout.maze, layout.goal)[1:-1, 1:-1]
        self.positions[game] = origin + self.index(np.array([layout.learner, layout.caregiver]))
        self.directions[game] = directions
        self.carrying[game] = False

    def cell(self, agent: int, game: int = 0) -> Cell:
        """
        Return the cell (x, y) of an agent.

        :param agent: ``LEARNER`` or ``CAREGIVER``
        :param game: Index of the game
        """
        x, y = divmod(int(self.positions[game, agent] - self.origins[game]), self.width)
        return x - self.margin, y - self.margin

    def check_actions(self, actions: np.ndarray) -> None:
        """
        Check that actions exist.

        :param actions: Actions of agents, int ``[n]``
        :raises ValueError: If one of them does not
        """
        if actions.min() < 0 or actions.max() >= len(Actions):
            names = ", ".join(f"{number} ({name})" for number, name in enumerate(self.action_names))
            raise ValueError(f"Actions must be {len(actions)} of {names}, got {actions}.")

    def scripted_actions(self) -> np.ndarray:
        """
        Return the scripted caregiver's actions, which follow the shortest way to its goal whether or not it is blocked.

        :return: int ``[n_games]``
        """
        way = self._ways[self.positions[:, CAREGIVER]]
        actions: np.ndarray = _TOWARDS[(way - self.directions[:, CAREGIVER]) % N_DIRECTIONS]
        return actions

    def step(self, actions: np.ndarray, generators: Sequence[np.random.Generator]) -> tuple[np.ndarray, np.ndarray]:
        """
        Step all games.

        :param actions: The learners' and the caregivers' actions, int ``[n_games, 2]``
        :param generators: One generator per game
        :return: The agents' environment rewards, float64 ``[n_games, 2]``, and where the caregiver reached its goal,
            bool ``[n_games]``
        """
        first = (np.array([generator.random() for generator in generators]) < 0.5).astype(np.intp)
        for agents in (first, 1 - first):
            self._act(agents, actions[self._all, agents])
        reached = self.positions[:, CAREGIVER] == self._goals
        if reached.any():
            self.generate_layouts(np.flatnonzero(reached), generators)
        return np.where(actions == Actions.FORWARD, -self.move_cost, 0.0), reached

    def view(self, agent: int) -> np.ndarray:
        """
        Return the view of an agent: the whole maze rotated to its direction, with directions relative to its own.

        :param agent: ``LEARNER`` or ``CAREGIVER``
        :return: New observations, uint8 ``[n_games, view_size, view_size, 5]``, indexed [x, y]
        """
        other = 1 - agent
        direction = self.directions[:, agent]
        cells = self.cells_around(self.positions[:, agent], direction)
        obs: np.ndarray = self.codes.take(cells, axis=0)
        where = (cells == self.positions[:, other, None]).argmax(axis=1)
        # All channels but the goal flag, which shows the goal under an agent.
        obs[:, obs.shape[1] // 2, :4] = self._agent_codes(agent, np.zeros_like(direction))
        obs[self._all, where, :4] = self._agent_codes(other, (self.directions[:, other] - direction) % N_DIRECTIONS)
        return obs.reshape(-1, *self.view_shape)

    def _agent_codes(self, agent: int, direction: np.ndarray) -> np.ndarray:
        codes = np.empty((len(direction), 4), dtype=np.uint8)
        codes[:, :2] = AGENT_CODE, COLOR_TO_IDX[AGENT_COLORS[agent]]
        codes[:, 2] = direction
        codes[:, 3] = self.carrying[:, agent] * _BALL_CODE
        return codes

    def _act(self, agents: np.ndarray, actions: np.ndarray) -> None:
        """Perform the action of one agent of each game, int ``[n_games]`` both."""
        mine = self._all, agents
        self.directions[mine] = (self.directions[mine] + TURNS[actions]) % N_DIRECTIONS
        ahead = self.positions[mine] + self.strides[self.directions[mine]]
        objects = self.codes[ahead, 0]
        is_free = ahead != self.positions[self._all, 1 - agents]
        can_enter = is_free & (objects != WALL[0]) & (objects != BALL[0])
        self.positions[mine] = np.where((actions == Actions.FORWARD) & can_enter, ahead, self.positions[mine])
        picks_up = (actions == Actions.PICK_UP) & (objects == BALL[0])
        drops = (actions == Actions.DROP) & self.carrying[mine] & is_free & (objects == EMPTY[0])
        self.codes[ahead[picks_up]] = EMPTY
        self.codes[ahead[drops]] = BALL
        self.carrying[mine] = (self.carrying[mine] | picks_up) & ~drops
