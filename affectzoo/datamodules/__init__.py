"""Data modules, one per data set; recipes name them as ``affectzoo.datamodules.NAME``."""

from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datamodules.fer2013 import FER2013
from affectzoo.datamodules.ferplus import FERPlus
from affectzoo.datamodules.rafdb import RAFDB

__all__ = ["FER2013", "RAFDB", "FERPlus", "FaceDataModule"]
