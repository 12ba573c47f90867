"""The hand-made maps of the coin game, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

Cell = tuple[int, int]

#: The hand-made maps, as inner wall cells (x, y) of a 7x7 grid; figure 5 of arXiv 2407.14681.
MAPS: dict[str, tuple[Cell, ...]] = {
    "plus": ((3, 2), (2, 3), (3, 3), (4, 3), (3, 4)),
    "x": ((2, 2), (2, 4), (3, 3), (4, 2), (4, 4)),
    "U": ((2, 2), (2, 3), (3, 4), (4, 3), (4, 2)),
    "T": ((2, 2), (3, 2), (4, 2), (3, 3), (3, 4)),
    "four_rooms": ((3, 1), (1, 3), (3, 3), (5, 3), (3, 5)),
}


def wall_cells(layout: str | Sequence[Sequence[int]], size: int) -> tuple[Cell, ...]:
    """
    Return the inner wall cells of a layout.

    :param layout: A name in ``MAPS``, or the inner wall cells (x, y)
    :param size: Width and height of the grid in cells, with the outer wall
    :return: The wall cells (x, y)
    :raises ValueError: If there is no map of that name, or a cell lies outside the grid or is listed twice
    """
    if isinstance(layout, str):
        if layout not in MAPS:
            raise ValueError(f"layout must be one of {', '.join(MAPS)} or a sequence of cells (x, y), got {layout!r}.")
        layout = MAPS[layout]
    cells = tuple((int(x), int(y)) for x, y in layout)
    outside = [cell for cell in cells if not (min(cell) >= 1 and max(cell) <= size - 2)]
    if outside:
        raise ValueError(
            f"The cells (x, y) of a layout must lie inside the outer wall, both from 1 to {size - 2} for size {size}, "
            f"got {outside}. Remove them, or choose a larger size."
        )
    if len(set(cells)) < len(cells):
        raise ValueError(f"A layout must list each cell once, got {cells}. Remove the duplicates.")
    return cells
