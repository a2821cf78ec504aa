"""The log of intents: which keys are about to be set in the shadows of many Things, written down together."""
