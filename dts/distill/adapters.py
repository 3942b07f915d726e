"""Adapters: they bring the maps of student and teacher to one shape, and train with the student."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from mmseg.models.utils import resize
from torch import Tensor, nn

from dts.distill.losses.maps import check_maps, full_precision
from dts.registry import MODELS

Resize = Literal['student', 'teacher', 'refuse']


@MODELS.register_module()
class ResizeAdapter(nn.Module):
    """Bring two maps to one size, by bilinear interpolation; it has no weights.

    Args:
        resize: whose map is resized: the ``student``'s to the size of the teacher's, the
            ``teacher``'s to that of the student's, or none: different sizes are an error.
        align_corners: as in the heads of the two networks.

    Raises:
        ValueError: if ``resize`` is unknown.
    """

    def __init__(self, resize: Resize = 'student', align_corners: bool = False) -> None:
        super().__init__()
        if resize not in get_args(Resize):
            raise ValueError(f'resize must be one of {get_args(Resize)}, got {resize!r}')
        self.resize = resize
        self.align_corners = align_corners

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """Return both maps at one size.

        Args:
            student: (B, C_S, h_S, w_S).
            teacher: (B, C_T, h_T, w_T).

        Returns:
            (B, C_S or what ``project`` gives, h, w) and (B, C_T, h, w).

        Raises:
            ValueError: if one is no map, the channels are not those of the adapter, or the sizes
                differ and must not.
        """
        check_maps(student, teacher)
        self.check_channels(student.shape[1], teacher.shape[1])
        student = self.project(student)
        sizes = student.shape[-2:], teacher.shape[-2:]
        if sizes[0] == sizes[1]:
            return student, teacher
        if self.resize == 'refuse':
            raise ValueError(
                f'the map of the student is {tuple(sizes[0])}, that of the teacher '
                f"{tuple(sizes[1])}, and the adapter has resize='refuse': set 'student' or "
                "'teacher', or tap levels of one stride"
            )
        if self.resize == 'student':
            return self._resized(student, sizes[1]), teacher
        return student, self._resized(teacher, sizes[0])

    def check_channels(self, student: int, teacher: int) -> None:
        """Refuse channels that the adapter was not made for; here none.

        Args:
            student: C_S.
            teacher: C_T.
        """

    def project(self, student: Tensor) -> Tensor:
        """Return the student's map in other channels; here as it is.

        Args:
            student: (B, C_S, h, w).
        """
        return student

    def _resized(self, maps: Tensor, size: torch.Size) -> Tensor:
        """Interpolate as MMSeg's heads do."""
        return resize(maps, size=size, mode='bilinear', align_corners=self.align_corners)


@MODELS.register_module()
class ConvAdapter(ResizeAdapter):
    """1x1 convolution from the student's channels to the teacher's, then one size for both.

    Source: regressor of FitNet, Romero et al., ICLR 2015 (arXiv 1412.6550).

    Args:
        in_channels: of the student's map.
        out_channels: of the teacher's map.
        resize: see ``ResizeAdapter``.
        align_corners: see ``ResizeAdapter``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resize: Resize = 'student',
        align_corners: bool = False,
    ) -> None:
        super().__init__(resize, align_corners)
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def check_channels(self, student: int, teacher: int) -> None:
        """Refuse channels that the convolution does not have.

        Args:
            student: C_S.
            teacher: C_T.

        Raises:
            ValueError: if one differs.
        """
        for role, name, own, found in (
            ('student', 'in_channels', self.conv.in_channels, student),
            ('teacher', 'out_channels', self.conv.out_channels, teacher),
        ):
            if own != found:
                raise ValueError(
                    f'the map of the {role} has {found} channels, the adapter {name}={own}: set '
                    f'adapter.{name}={found}, or tap another module'
                )

    def project(self, student: Tensor) -> Tensor:
        """Return the student's map in the teacher's channels.

        Args:
            student: (B, in_channels, h, w).
        """
        return self.conv(student)


@MODELS.register_module()
class KANAdapter(ConvAdapter):
    """Splines in place of the numbers of a 1x1 convolution: one for every pair of channels.

        y_o = b_o + sum_i [w_oi x_i + sum_g c_oig B_g(x_i)]

    B_g are the ``num_intervals + degree`` B-splines on an even grid over ``value_range``; values
    outside have the splines of the nearer end. c starts at 0, so that the adapter starts as
    ``ConvAdapter``. It holds ``num_intervals + degree`` times the student's map in memory.

    Source: Liu et al. (KAN), 2024 (arXiv 2404.19756), Eq. (2.10)-(2.12).
    Deviation: the basis function beside the splines is the identity (there SiLU), which makes the
    linear projection a special case; the grid does not follow the data.

    Args:
        in_channels: of the student's map.
        out_channels: of the teacher's map.
        resize: see ``ResizeAdapter``.
        align_corners: see ``ResizeAdapter``.
        value_range: (low, high) of the student's features that the grid covers.
        num_intervals: of the grid, >= 1.
        degree: of the splines, >= 1; 3 is cubic.

    Raises:
        ValueError: if the range is empty, or a number is too small.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resize: Resize = 'student',
        align_corners: bool = False,
        *,
        value_range: tuple[float, float] = (-4.0, 4.0),
        num_intervals: int = 8,
        degree: int = 3,
    ) -> None:
        super().__init__(in_channels, out_channels, resize, align_corners)
        low, high = value_range
        if not low < high or num_intervals < 1 or degree < 1:
            raise ValueError(
                'value_range must be (low, high), num_intervals and degree at least 1, got '
                f'{tuple(value_range)}, {num_intervals}, {degree}'
            )
        self.value_range = (float(low), float(high))
        self.num_intervals = num_intervals
        self.degree = degree
        num_splines = num_intervals + degree
        self.spline = nn.Conv2d(in_channels * num_splines, out_channels, 1, bias=False)
        nn.init.zeros_(self.spline.weight)

    def project(self, student: Tensor) -> Tensor:
        """Return the student's map in the teacher's channels.

        Args:
            student: (B, in_channels, h, w).
        """
        values = full_precision(student)
        basis = bspline_basis(values, self.value_range, self.num_intervals, self.degree)
        return self.conv(student) + self.spline(basis.movedim(-1, 2).flatten(1, 2))


def bspline_basis(
    values: Tensor, value_range: tuple[float, float], num_intervals: int, degree: int
) -> Tensor:
    """Return the values of all B-splines on an even grid.

    Source: recursion of Cox and de Boor.

    Args:
        values: any shape; clamped to the range, where the gradient is then 0.
        value_range: (low, high).
        num_intervals: of the grid, >= 1.
        degree: of the splines, >= 1.

    Returns:
        (..., num_intervals + degree) in [0, 1], summing to 1 over the last axis.
    """
    low, high = value_range
    # In units of the grid the knots are integers: -degree, ..., num_intervals + degree.
    position = (values.clamp(low, high) - low) * (num_intervals / (high - low))
    position = position.clamp(0, num_intervals)[..., None]
    knots = torch.arange(-degree, num_intervals + degree + 1, device=values.device).to(values)
    basis = ((position >= knots[:-1]) & (position < knots[1:])).to(values)
    for order in range(1, degree + 1):
        rising = (position - knots[: -order - 1]) / order
        falling = (knots[order + 1 :] - position) / order
        basis = rising * basis[..., :-1] + falling * basis[..., 1:]
    return basis
