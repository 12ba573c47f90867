"""What callers, caregivers and sweeps give as one number."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sb3_isr.common.numbers import as_number

ONE = [
    (2, 2.0),
    (True, 1.0),
    (0.5, 0.5),
    (Fraction(1, 4), 0.25),
    (Decimal("0.5"), 0.5),
    (np.float16(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.uint8(3), 3.0),
    (np.bool_(True), 1.0),
    (np.array(0.5), 0.5),
    (np.array([[0.5]]), 0.5),
    (np.array([Decimal(2)]), 2.0),
    (torch.tensor(0.5), 0.5),
    (torch.tensor([[2]]), 2.0),
    (torch.tensor(True), 1.0),
    (torch.tensor([0.5], dtype=torch.bfloat16), 0.5),
    (torch.tensor(0.5, requires_grad=True), 0.5),
    ([0.5], 0.5),
    ((torch.tensor([0.5]),), 0.5),
]


@pytest.mark.parametrize(("value", "expected"), ONE, ids=repr)
def test_whatever_is_one_number_is_that_number(value: Any, expected: float) -> None:
    converted = as_number(value)
    assert type(converted) is float
    assert converted == expected


OTHERS = [
    [1.0, 2.0],
    np.zeros(2),
    torch.zeros(2),
    torch.zeros(1, device="meta"),
    [],
    np.zeros((1, 0)),
    [[1.0], [1.0, 2.0]],
    {"reward": 1.0},
    "1.0",
    np.str_("1.0"),
    ["1.0"],
    b"1",
    None,
    1j,
    np.complex64(1),
    np.datetime64(0, "s"),
    math.nan,
    -math.inf,
    np.array([np.nan]),
    torch.tensor(math.inf),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    1e39,
    10**400,
    object(),
]


@pytest.mark.parametrize("value", OTHERS, ids=repr)
def test_what_is_not_one_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"must be one finite number, got .* of type"):
        as_number(value)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_every_label_that_can_be_stored_is_kept_to_the_last_bit(label: float) -> None:
    for value in (label, np.float32(label), np.array([label], np.float32), torch.tensor(label)):
        assert as_number(value) == label
