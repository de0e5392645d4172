"""The networks: a frozen spec each, which builds the module that it describes. `NETWORKS` lists the specs by name."""

from __future__ import annotations

from pellucid.training.networks.autoencoder import Autoencoder, AutoencoderSpec
from pellucid.training.networks.unet import Unet, UnetSpec

__all__ = ["NETWORKS", "Autoencoder", "AutoencoderSpec", "Network", "Spec", "Unet", "UnetSpec"]

Spec = AutoencoderSpec | UnetSpec
Network = Autoencoder | Unet

NETWORKS: dict[str, type[AutoencoderSpec] | type[UnetSpec]] = {
    AutoencoderSpec.network: AutoencoderSpec,
    UnetSpec.network: UnetSpec,
}
