"""Explorables: things to drag beside the formula. One ES module each, two hosts: a Jupyter front end, and a page alone.

In JupyterLab, VS Code and Colab an explorable is an anywidget, whose traits Python can read and set. Its output also
carries `text/html`, which holds the same module, its state and a small host: the built page runs it with no kernel,
no network and from a file; a reader without JavaScript gets the description in words and a still picture.
"""

from ppo_core.viz.explorables.autoreset import AutoresetTimeline
from ppo_core.viz.explorables.bandit import BanditLab
from ppo_core.viz.explorables.base import Explorable, read_module
from ppo_core.viz.explorables.baseline import BaselineLab
from ppo_core.viz.explorables.budget import IterationBudget
from ppo_core.viz.explorables.bughunt import BugHunt
from ppo_core.viz.explorables.clip import ClipLab
from ppo_core.viz.explorables.critic import CriticLab
from ppo_core.viz.explorables.endings import EndingLab
from ppo_core.viz.explorables.gae import GAEExplorable, corridor_rollout
from ppo_core.viz.explorables.gaussian import GaussianLab
from ppo_core.viz.explorables.policy_film import PolicyFilm
from ppo_core.viz.explorables.shuffler import RolloutShuffler
from ppo_core.viz.explorables.softmax import SoftmaxLab
from ppo_core.viz.explorables.workers import WorkerGantt

__all__ = [
    "AutoresetTimeline",
    "BanditLab",
    "BaselineLab",
    "BugHunt",
    "ClipLab",
    "CriticLab",
    "EndingLab",
    "Explorable",
    "GAEExplorable",
    "GaussianLab",
    "IterationBudget",
    "PolicyFilm",
    "RolloutShuffler",
    "SoftmaxLab",
    "WorkerGantt",
    "corridor_rollout",
    "read_module",
]
