"""Arguments of other types than Python's own, and those that would train and fail later."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from sb3_isr.common.arguments import flag, number, plain, whole_number, whole_numbers


@pytest.mark.parametrize("value", [2, 2.0, np.int64(2), np.float32(2), np.array(2), np.array([2.0]), torch.tensor(2)])
def test_a_whole_number_may_have_any_type(value: Any) -> None:
    assert whole_number("n", value) == 2
    assert type(whole_number("n", value)) is int


def test_a_large_whole_number_keeps_its_last_digit() -> None:
    assert whole_number("seed", np.uint64(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize("value", [2.5, 0, -1, math.nan, math.inf, True, np.bool_(True), "2", "1e4", None, [2, 3], 6])
def test_what_is_no_whole_number_in_its_range_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="n must be a whole number, 1 to 5, got"):
        whole_number("n", value, high=5)


def test_a_number_that_yaml_reads_as_text_is_refused_with_how_to_write_it() -> None:
    for convert, rule in ((whole_number, "a whole number, 1 or more"), (number, r"a finite number in \(-inf, inf\)")):
        with pytest.raises(ValueError, match=f"^n must be {rule}, got '1e4'; write it without quotes.*1.0e\\+4.$"):
            convert("n", "1e4")


@pytest.mark.parametrize("value", [0.5, np.float64(0.5), np.array([0.5]), torch.tensor(0.5)])
def test_a_number_may_have_any_type(value: Any) -> None:
    converted = number("held_out", value, "[0, 1)")
    assert type(converted) is float
    assert converted == 0.5
    assert number("held_out", 0, "[0, 1)") == 0.0


@pytest.mark.parametrize("value", [1, 1.0, -1e-9, math.nan, math.inf, True, False, None, [0.1, 0.2], 1e39])
def test_a_number_outside_of_its_interval_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^x must be a finite number in \[0, 1\), got .*leave it out for its default"):
        number("x", value, "[0, 1)")


def test_a_round_bracket_leaves_the_end_out() -> None:
    assert number("x", 1, "(0, 1]") == 1.0
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        number("x", 0, "(0, 1]")


@pytest.mark.parametrize("value", ["False", 1, 0.0, None, [True, False]])
def test_only_a_bool_is_a_flag(value: Any) -> None:
    assert flag("relabel", np.bool_(False)) is False
    with pytest.raises(ValueError, match="relabel must be True or False, got"):
        flag("relabel", value)


@pytest.mark.parametrize("values", [[64, 32], (64.0, 32), np.array([64, 32]), [np.int64(64), torch.tensor(32)]])
def test_a_list_of_whole_numbers(values: Any) -> None:
    converted = whole_numbers("net_arch", values)
    assert converted == [64, 32]
    assert all(type(width) is int for width in converted)


@pytest.mark.parametrize("values", [64, "64", {"pi": [64], "vf": [64]}, None, np.array(64), [64, 0], [64.5], [[64, 2]]])
def test_what_is_no_list_of_whole_numbers_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"net_arch.* must be a .*whole number.*got"):
        whole_numbers("net_arch", values)


def test_a_plain_copy_shares_nothing_with_what_was_given() -> None:
    given = {"a": {"betas": (np.float64(0.9), 0.99)}, "b": [np.array([1, 2])], "c": torch.nn.ReLU}
    copied = plain(given)
    given["a"]["betas"] = ()  # type: ignore[index]
    assert copied == {"a": {"betas": (0.9, 0.99)}, "b": [[1, 2]], "c": torch.nn.ReLU}
    assert type(copied["a"]["betas"][0]) is float
