"""Affordances, stow plans and collision-checked motion."""
