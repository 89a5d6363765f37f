"""Specimens in the rollout and its minibatches."""

from ppo_core.teach.zoo.specimen import Specimen

SPECIMENS: tuple[Specimen, ...] = ()
