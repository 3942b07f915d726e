"""Names of the types that cross module borders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmseg.structures import SegDataSample
from torch import Tensor

BranchInputs = dict[str, Tensor]
BranchSamples = dict[str, list[SegDataSample]]
ConfigType = Mapping[str, Any]
Losses = dict[str, Tensor]
