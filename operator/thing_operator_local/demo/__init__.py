"""The demo: control plane, local cloud and operator on this machine, doing the main job for real."""

from thing_operator_local.demo.fleet import FLEET_STEPS
from thing_operator_local.demo.story import STEPS, DemoStep, DoneStep, tell_story
from thing_operator_local.demo.world import DemoWorld

__all__ = ["FLEET_STEPS", "STEPS", "DemoStep", "DemoWorld", "DoneStep", "tell_story"]
