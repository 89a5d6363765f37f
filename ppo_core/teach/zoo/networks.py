"""Specimens in networks and optimiser."""

from ppo_core.teach.zoo.specimen import Specimen

SPECIMENS: tuple[Specimen, ...] = ()
