"""Guarded motions and tool actions, and their combinators."""
