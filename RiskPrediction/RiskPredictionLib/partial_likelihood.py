"""The Cox partial likelihood of right-censored outcomes, as a loss (Krebs eq. 6.4), with ties."""

from __future__ import annotations

import torch
from torch import Tensor

TIES = ("efron", "breslow")


def negative_log_partial_likelihood(log_hazard: Tensor, time: Tensor, event: Tensor, ties: str = "efron") -> Tensor:
    """How unlikely the order of the events is, given the risks: minus the sum over events of eq. 6.4's bracket.

    Stable for log hazards of any size, independent of the order of the cases, and zero, with zero gradient, where there
    is no event.

    Args:
        log_hazard: r, logarithm of the hazard ratio, ``(..., n)``; leading axes are independent cohorts.
        time: of event or censoring, ``(..., n)``.
        event: True where observed, ``(..., n)``.
        ties: how events at the same time are treated: ``"efron"`` averages over their possible orders, ``"breslow"``
            keeps all of them in every risk set.

    Returns:
        ``(...)``; divide by the number of events to compare cohorts of different size.
    """
    if ties not in TIES:
        raise ValueError(f"Ties are treated by one of {TIES}, not '{ties}'.")
    if not log_hazard.shape[-1]:
        return log_hazard.sum(-1)
    # From the last time to the first: then each risk set is all that came before, and the others of the same time.
    time, order = torch.sort(time, dim=-1, descending=True, stable=True)
    risk, event = log_hazard.gather(-1, order), event.bool().gather(-1, order)
    group = _groups(time)
    log_risk_set = _risk_sets(risk, group)
    if ties == "efron":
        log_risk_set = log_risk_set + _efron_correction(risk, event, group, log_risk_set)
    return torch.where(event, log_risk_set - risk, 0.0).sum(-1)


def _groups(time: Tensor) -> Tensor:
    """Number of the group of equal times that each case of a sorted cohort belongs to."""
    new = torch.zeros_like(time, dtype=torch.long)
    new[..., 1:] = time[..., 1:] != time[..., :-1]
    return new.cumsum(-1)


def _risk_sets(risk: Tensor, group: Tensor) -> Tensor:
    """Logarithm of the sum of hazards of all cases that are still observed at each case's time."""
    position = torch.arange(risk.shape[-1], device=risk.device).expand_as(group)
    last = torch.zeros_like(group).scatter_reduce(-1, group, position, "amax")
    return torch.logcumsumexp(risk, -1).gather(-1, last.gather(-1, group))


def _efron_correction(risk: Tensor, event: Tensor, group: Tensor, log_risk_set: Tensor) -> Tensor:
    """``log(1 - l/d * E/R)``: the l-th of d tied events leaves the share l/d of the tied hazards E out of its risk set R."""
    deaths = torch.zeros_like(group).scatter_add(-1, group, event.long())
    before = event.long().cumsum(-1) - event.long()
    first = torch.full_like(group, before.shape[-1]).scatter_reduce(-1, group, before, "amin")
    share = (before - first.gather(-1, group)).to(risk.dtype) / deaths.gather(-1, group).clamp(min=1)

    # The largest risk of each group is taken out: groups of low risk would vanish beside one of high risk otherwise.
    largest = torch.full_like(risk, -torch.inf).scatter_reduce(
        -1, group, risk.detach().masked_fill(~event, -torch.inf), "amax"
    )
    largest = torch.where(deaths > 0, largest, 0.0)
    relative = torch.where(event, risk - largest.gather(-1, group), -torch.inf).exp()
    tied = torch.zeros_like(risk).scatter_add(-1, group, relative)
    log_tied = torch.where(deaths > 0, tied, 1.0).log() + largest
    inside = event & (share > 0)
    log_ratio = torch.where(inside, log_tied.gather(-1, group) - log_risk_set, 0.0)
    return torch.where(inside, torch.log1p(-share * log_ratio.exp().clamp(max=1.0)), 0.0)
