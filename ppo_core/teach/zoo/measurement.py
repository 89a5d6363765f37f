"""Specimens in what is measured and kept."""

from ppo_core.teach.zoo.specimen import Specimen

SPECIMENS: tuple[Specimen, ...] = ()
