import numpy as np

from sb3_isr import LabelBatch
from sb3_isr.labels import QueryPool
from tests.labels.made_labels import labelled, make_labels, numbers_in

NAN = float("nan")


def test_labels_are_selected_in_the_order_of_the_index() -> None:
    labels = make_labels([0.0, 0.5, -1.0]).select(np.array([2, 0, 2]))
    assert numbers_in(labels) == [2, 0, 2]
    assert labels.transitions.actions.tolist() == [2, 0, 2]
    np.testing.assert_array_equal(labels.transitions.next_observations, [[3, 3], [1, 1], [3, 3]])
    assert make_labels([0.0] * 4).select([3, 2]).transitions.terminated.tolist() == [True, False]
    assert labels.social_rewards.tolist() == [-1.0, 0.0, -1.0]


def test_labels_are_concatenated_in_order() -> None:
    labels = LabelBatch.concatenate([make_labels([0.0, 0.5]), make_labels([1.0], first=7)])
    assert numbers_in(labels) == [0, 1, 7]
    assert labels.social_rewards.tolist() == [0.0, 0.5, 1.0]


def test_dict_observations_are_selected_and_concatenated() -> None:
    labels = labelled(
        {"a": np.arange(3)}, np.zeros(3, int), np.arange(3.0), next_observations={"a": np.array([5, 6, 7])}
    )
    both = LabelBatch.concatenate([labels.select(np.array([2])), labels])
    observations, _, next_observations, _ = both.transitions
    assert isinstance(observations, dict)
    assert isinstance(next_observations, dict)
    assert observations["a"].tolist() == both.social_rewards.tolist() == [2, 0, 1, 2]
    assert next_observations["a"].tolist() == [7, 5, 6, 7]


def test_a_pool_reveals_only_the_labels_of_queried_transitions() -> None:
    pool = QueryPool(make_labels([0.0, 0.5, NAN, 1.0]))
    public = {name: getattr(pool, name) for name in dir(pool) if not name.startswith("_")}
    methods = ["concatenate", "extend", "in_environment", "newest", "query", "select", "without_labels"]
    assert sorted(public) == sorted([*methods, "ended", "envs", "transitions"])
    assert len(pool) == len(pool.transitions.actions) == len(pool.transitions.observations) == 4
    assert pool.query(np.array([3, 1])).social_rewards.tolist() == [1.0, 0.5]


def test_an_extended_pool_holds_the_newest_transitions() -> None:
    older, newer = QueryPool(make_labels([0.0] * 3)), QueryPool(make_labels([0.0] * 2, first=3))
    for max_size, expected in ((10, [0, 1, 2, 3, 4]), (4, [1, 2, 3, 4]), (1, [4])):
        pool = older.extend(newer).newest(max_size)
        assert numbers_in(pool.query(np.arange(len(pool)))) == expected
    assert len(older) == 3


def test_a_pool_knows_environments_and_endings_of_what_is_left_in_it() -> None:
    ended = np.array([False, True, False])
    pool = QueryPool(make_labels([0.0] * 3), np.array([0, 1, 0]), ended)
    both = pool.extend(pool.in_environment(7)).newest(5)
    assert both.envs.tolist() == [1, 0, 7, 7, 7]
    assert both.ended.tolist() == [True, False, False, True, False]
    assert pool.select(ended).without_labels().envs.tolist() == [1]
    assert QueryPool(make_labels([0.0])).ended.tolist() == [False]


def test_what_listens_cannot_reveal_labels() -> None:
    pool = QueryPool(make_labels([1.0, 0.0, 0.5])).without_labels()
    assert np.isnan(pool.query(np.arange(3)).social_rewards).all()
    assert len(pool) == 3
