"""A second network that learns to tell outputs from photographs, while the first learns to make outputs that it cannot tell.

A mean error leads to the mean of all textures that a picture may have had, which is smooth. This asks for one of them instead
(Goodfellow et al. 2014, "Generative Adversarial Nets"). The judge is relativistic: is the photograph more like one than the output,
place by place (Jolicoeur-Martineau 2018, "The relativistic discriminator")? Its layers have spectral norm 1 (Miyato et al. 2018,
"Spectral Normalization for Generative Adversarial Networks"). Its inner answers are compared as well: the features of the output
are to be those of the photograph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["Adversary", "Judge"]

DETAIL = 4.0
"""How much stronger the judge sees what lies beyond the bicubic enlargement: its values are a quarter of the picture's."""

FEATURES = 2.0
"""How much the difference of what the judge sees inside counts beside its verdict."""

MARGIN = 1.0
"""How far apart the verdicts on a photograph and an output are to be."""

RATE = 3.0
"""The judge's learning rate as a share of the network's."""


class Judge(nn.Module):
    """(n, 2, h, w), the light of a picture and its detail, to verdicts (n, 1, about h / 4, about w / 4), each of some 30 pixels
    around its place: the higher, the more like a photograph."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers = ((2, width, 3, 1), (width, 2 * width, 4, 2), (2 * width, 2 * width, 3, 1), (2 * width, 3 * width, 4, 2))
        self.layers = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, side, step, padding=1)) for a, b, side, step in layers)
        self.verdict = spectral_norm(nn.Conv2d(3 * width, 1, 3, padding=1))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The answers of each layer, and the verdicts."""
        seen = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2)
            seen.append(x)
        return [*seen, self.verdict(x)]


class Adversary:
    """The judge of a run, its optimizer, and the two losses that belong together; ``fabric`` is the run's."""

    def __init__(self, fabric: Any) -> None:
        self.judge = Judge()
        self.judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub forgets it
        optimizer = torch.optim.Adam(self.judge.parameters(), betas=(0.5, 0.99))
        self.fabric = fabric
        self.wrapped, self.optimizer = fabric.setup(self.judge, optimizer)

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {"judge": self.judge.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from `state`."""
        self.judge.load_state_dict(state["judge"])
        self.optimizer.load_state_dict(state["optimizer"])

    def loss(self, restored: torch.Tensor, clean: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """How easily outputs are told from photographs, all (n, channels, h, w); ``base`` is the bicubic enlargement."""
        # As it is: neither its weights nor the estimates of their norms move.
        self.judge.requires_grad_(False).eval()
        with self.fabric.autocast():
            with torch.no_grad():
                wanted = self.judge(_given(clean, base))
            seen = self.judge(_given(restored, base))
        self.judge.requires_grad_(True).train()
        verdict = functional.softplus(wanted[-1].float() - seen[-1].float()).mean()
        inside = [functional.l1_loss(one.float(), other.float()) for one, other in zip(seen[:-1], wanted[:-1], strict=True)]
        return verdict + FEATURES * torch.stack(inside).mean()

    def learn(self, restored: torch.Tensor, clean: torch.Tensor, base: torch.Tensor, rate: float) -> torch.Tensor:
        """A step of the judge on the same batch, by the network's learning rate; its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * rate
        both = torch.cat((_given(clean, base), _given(restored.detach(), base)))
        with self.fabric.autocast():
            true, made = self.wrapped(both)[-1].float().chunk(2)
        # Sure enough is enough: a judge that grows ever surer leaves the other network nothing to learn from.
        loss = functional.relu(MARGIN - (true - made)).mean()
        self.fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()


def _given(picture: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """The light of a picture, and `DETAIL` times what it has beyond the bicubic enlargement. Colours are left out: texture is of
    the light, and what cannot be learnt would give it away."""
    light, smooth = (planes.mean(dim=1, keepdim=True) for planes in (picture, base))
    return torch.cat((light, DETAIL * (light - smooth)), dim=1)
