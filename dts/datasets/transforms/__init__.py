"""Transforms of samples: loading with checks, photometric views."""

from dts.datasets.transforms.albumentations import Albumentations
from dts.datasets.transforms.loading import LoadImage, LoadLabels, check_labels

__all__ = ['Albumentations', 'LoadImage', 'LoadLabels', 'check_labels']
