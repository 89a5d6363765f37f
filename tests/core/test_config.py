"""Settings: what cannot work is refused where it is written."""

from oracles import ORACLES, Core


def test_config():
    ORACLES["config_refuses_what_cannot_work"](Core())
