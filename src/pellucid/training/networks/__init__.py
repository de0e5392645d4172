"""The networks: a frozen spec each, which builds the module that it describes. `NETWORKS` lists the specs by name."""

from __future__ import annotations

from pellucid.training.networks.autoencoder import Autoencoder, AutoencoderSpec
from pellucid.training.networks.colorizer import Colorizer, ColorizerSpec
from pellucid.training.networks.cutout import Cutout, CutoutSpec
from pellucid.training.networks.texturer import Texturer, TexturerSpec
from pellucid.training.networks.unet import Unet, UnetSpec
from pellucid.training.networks.upscaler import Upscaler, UpscalerSpec

__all__ = [
    "NETWORKS",
    "Autoencoder",
    "AutoencoderSpec",
    "Colorizer",
    "ColorizerSpec",
    "Cutout",
    "CutoutSpec",
    "Network",
    "Spec",
    "Texturer",
    "TexturerSpec",
    "Unet",
    "UnetSpec",
    "Upscaler",
    "UpscalerSpec",
]

Spec = AutoencoderSpec | ColorizerSpec | CutoutSpec | TexturerSpec | UnetSpec | UpscalerSpec
Network = Autoencoder | Colorizer | Cutout | Texturer | Unet | Upscaler

NETWORKS: dict[str, type[Spec]] = {
    AutoencoderSpec.network: AutoencoderSpec,
    ColorizerSpec.network: ColorizerSpec,
    CutoutSpec.network: CutoutSpec,
    TexturerSpec.network: TexturerSpec,
    UnetSpec.network: UnetSpec,
    UpscalerSpec.network: UpscalerSpec,
}
