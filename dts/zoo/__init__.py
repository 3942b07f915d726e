"""Weights by name: an index, verified downloads, and networks ready for use.

``dts.zoo.load(name)`` returns a segmentor in eval mode, ``dts.zoo.path(name)`` the verified file of
a segmentor or a backbone.
"""

from dts.zoo.models import load
from dts.zoo.store import path

__all__ = ['load', 'path']
