"""Knowledge distillation: taps record maps of two networks, adapters align them, losses compare."""
