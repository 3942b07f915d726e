"""Networks that MMSegmentation lacks."""

from dts.models.efficientnet_lite import EfficientNetLite
from dts.models.efficientnet_lite_weights import EfficientNetLiteWeights

__all__ = ['EfficientNetLite', 'EfficientNetLiteWeights']
