"""Teacher-student training for semantic segmentation on MMEngine and MMSegmentation."""

from dts import compat

compat.apply()  # before anything imports mmseg

from dts.version import __version__  # noqa: E402

__all__ = ['__version__']
