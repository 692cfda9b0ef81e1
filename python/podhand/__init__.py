"""podhand gives a robot hands that feel: force-limited stowing into, and picking from, fabric pods."""

__version__ = "0.1.0"
