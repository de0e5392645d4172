"""The networks: a frozen spec each, which builds the module that it describes. `NETWORKS` lists the specs by name."""

from __future__ import annotations

from pellucid.training.networks.autoencoder import Autoencoder, AutoencoderSpec
from pellucid.training.networks.unet import Unet, UnetSpec
from pellucid.training.networks.upscaler import Upscaler, UpscalerSpec

__all__ = ["NETWORKS", "Autoencoder", "AutoencoderSpec", "Network", "Spec", "Unet", "UnetSpec", "Upscaler", "UpscalerSpec"]

Spec = AutoencoderSpec | UnetSpec | UpscalerSpec
Network = Autoencoder | Unet | Upscaler

NETWORKS: dict[str, type[AutoencoderSpec] | type[UnetSpec] | type[UpscalerSpec]] = {
    AutoencoderSpec.network: AutoencoderSpec,
    UnetSpec.network: UnetSpec,
    UpscalerSpec.network: UpscalerSpec,
}
