"""The demo: control plane, local cloud and operator on this machine, doing the main job for real."""

from thing_operator.local.demo.story import Step, tell_story
from thing_operator.local.demo.world import World

__all__ = ["Step", "World", "tell_story"]
