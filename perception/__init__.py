"""Depth images to a bin model: walls, occupancy, free space."""
