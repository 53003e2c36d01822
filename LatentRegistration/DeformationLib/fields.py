"""Displacement and velocity fields on a regular grid: warping, composing, integrating, differentiating.

Every field is a tensor ``(batch, D, *spatial)`` with ``D = 2`` or ``3`` channels, one per spatial axis and in the order
of the axes (k, j, i), measured in voxels of its own grid.  Fields are pull-back: ``phi(x) = x + u(x)`` says where in the
moving image the value of voxel ``x`` is found.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .progress import Progress

_INTERPOLATION_OF_DIMENSION = {2: "bilinear", 3: "trilinear"}


def identity_grid(size: tuple[int, ...], *, dtype: torch.dtype = torch.float32, device=None) -> Tensor:
    """Voxel coordinates of a grid, shape ``(1, D, *size)``."""
    axes = [torch.arange(length, dtype=dtype, device=device) for length in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).unsqueeze(0)


def warp(image: Tensor, displacement: Tensor, mode: str = "bilinear", padding: str = "border") -> Tensor:
    """Pull an image back through a displacement, ``(M o phi)(x) = M(x + u(x))``.

    Args:
        image: ``(batch, channel, *spatial)``.
        displacement: ``(batch, D, *grid)`` in voxels of the *image's* index space; its grid is the output's grid.
        mode: ``"bilinear"`` (linear in any dimension) or ``"nearest"``.
        padding: what lies outside the image, ``"border"`` (edge value) or ``"zeros"``.
    """
    grid = identity_grid(displacement.shape[2:], dtype=displacement.dtype, device=displacement.device)
    return sample(image, grid + displacement, mode, padding)


def sample(image: Tensor, positions: Tensor, mode: str = "bilinear", padding: str = "border") -> Tensor:
    """Values of an image at voxel positions ``(batch, D, *grid)``; see `warp` for the other arguments."""
    extents = positions.new_tensor([max(length - 1, 1) for length in image.shape[2:]])
    extents = extents.view(1, -1, *[1] * (positions.ndim - 2))
    normalised = (2.0 * positions / extents - 1.0).flip(1).movedim(1, -1)
    return F.grid_sample(image, normalised.to(image.dtype), mode=mode, padding_mode=padding, align_corners=True)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Displacement of ``phi_outer o phi_inner``, ``u(x) = u_inner(x) + u_outer(x + u_inner(x))``.

    An image warped by the result equals the image warped by ``outer`` and then by ``inner``.
    """
    return inner + warp(outer, inner)


def exponential(velocity: Tensor, squarings: int = 6) -> Tensor:
    """Displacement of ``exp(v)`` by scaling and squaring of a stationary velocity field (Arsigny 2006; Krebs 4.3.2)."""
    displacement = velocity / 2**squarings
    for _ in range(squarings):
        displacement = compose(displacement, displacement)
    return displacement


def spatial_gradient(field: Tensor, spacing: tuple[float, ...] | None = None) -> Tensor:
    """Derivatives of each channel along each axis, ``(batch, channel, D, *spatial)``.

    Central differences inside, one-sided ones at the border, per voxel or, with ``spacing`` (axis order), per
    millimetre.  An axis of one voxel has derivative zero.
    """
    dimension = field.ndim - 2
    spacing = spacing or (1.0,) * dimension
    derivatives = []
    for axis in range(dimension):
        if field.shape[2 + axis] == 1:
            derivatives.append(torch.zeros_like(field))
        else:
            derivatives.append(torch.gradient(field, spacing=float(spacing[axis]), dim=2 + axis)[0])
    return torch.stack(derivatives, dim=2)


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """Determinant of the derivative of ``phi``, shape ``(batch, *spatial)``, 1 for the identity.

    The unit of length cancels in the determinant, so voxels and millimetres give the same number on any grid.
    """
    gradient = spatial_gradient(displacement)
    # Written out: cheaper than torch.linalg.det over a million small matrices.
    a, b, *c = (gradient[:, :, axis] for axis in range(gradient.shape[2]))
    a, b = _plus_one(a, 0), _plus_one(b, 1)
    if not c:
        return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    c = _plus_one(c[0], 2)
    return (
        a[:, 0] * (b[:, 1] * c[:, 2] - b[:, 2] * c[:, 1])
        + a[:, 1] * (b[:, 2] * c[:, 0] - b[:, 0] * c[:, 2])
        + a[:, 2] * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    )


def _plus_one(derivatives: Tensor, axis: int) -> Tensor:
    """Derivatives of ``phi`` along one axis from those of ``u``: 1 more in the channel of the axis itself."""
    one = torch.zeros(derivatives.shape[1], dtype=derivatives.dtype, device=derivatives.device)
    one[axis] = 1.0
    return derivatives + one.view(1, -1, *[1] * (derivatives.ndim - 2))


def invert(
    displacement: Tensor,
    initial: Tensor | None = None,
    iterations: int = 30,
    tolerance: float = 0.05,
    progress: Progress | None = None,
) -> Tensor:
    """Displacement of ``phi^-1`` by the damped fixed point ``w(y) = -u(y + w(y))``.

    Converges where the derivative of ``u`` is below one in norm, and in practice beyond it when ``initial`` is near (a
    network's own backward field, for instance); `inverse_error` measures what is left.  The first iterations run on half
    the grid, at an eighth of the cost in 3-D.

    Args:
        displacement: ``(batch, D, *spatial)``.
        initial: where to start; by default ``-u``.
        iterations: at most so many, on each grid.
        tolerance: stop when the last correction's root mean square is below it, in voxels.
        progress: can cancel between iterations.
    """
    progress = progress or Progress()
    inverse = -displacement if initial is None else initial
    size = tuple(displacement.shape[2:])
    if min(size) >= 16:
        half = tuple(length // 2 for length in size)
        start = resize_field(inverse, half)
        coarse = _iterate_inverse(resize_field(displacement, half), start, iterations, tolerance, progress)
        inverse = inverse + resize_field(coarse - start, size)
    return _iterate_inverse(displacement, inverse, iterations, tolerance, progress)


def _iterate_inverse(
    displacement: Tensor, inverse: Tensor, iterations: int, tolerance: float, progress: Progress
) -> Tensor:
    for _ in range(iterations):
        progress.raise_if_cancelled()
        correction = warp(displacement, inverse).add_(inverse)
        # Away from the solution the full step may overshoot; near it, it is what converges fastest.
        largest = float(correction.abs().amax())
        inverse = inverse - (0.5 if largest > 0.5 else 1.0) * correction
        if float(correction.square().mean().sqrt()) < tolerance:
            break
    return inverse


def inverse_error(displacement: Tensor, inverse: Tensor) -> Tensor:
    """Distance in voxels of ``phi(phi^-1(y))`` from ``y``, shape ``(batch, *spatial)``."""
    return compose(displacement, inverse).norm(dim=1)


def resize(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """Linear interpolation of an image to another grid over the same extent (voxel centres keep their meaning)."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    return F.interpolate(image, size=tuple(size), mode=_INTERPOLATION_OF_DIMENSION[image.ndim - 2], align_corners=False)


def resize_field(field: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resample a displacement or velocity to another grid over the same extent; vectors are rescaled to its voxels."""
    ratios = [new / old for new, old in zip(size, field.shape[2:], strict=True)]
    return resize(field, size) * field.new_tensor(ratios).view(1, -1, *[1] * len(ratios))
