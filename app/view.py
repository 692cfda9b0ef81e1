"""Live 3-D view of the simulated workcell in the browser, on this machine only."""

import contextlib
import sys
import time
from typing import Any

import numpy as np

from podhand.core.errors import ConfigError
from podhand.core.poses import FloatArray
from podhand.sim.workcell import Geometry, SimWorkcell

HOST = "127.0.0.1"
FRAME_S = 1.0 / 30.0


class LiveView:
    """Shows one workcell after the other; the caller's loop feeds it.

    The simulation is held back to real time, so that what one sees is what the robot would do.
    """

    def __init__(self, port: int = 8080) -> None:
        """Start the server on this machine's loopback address.

        Raises:
            ConfigError: the extra ``view`` is not installed.
        """
        try:
            import viser
        except ImportError as error:
            raise ConfigError("--view needs the extra 'view': pip install 'podhand[view]'") from error
        # viser greets on standard output, which belongs to --json.
        with contextlib.redirect_stdout(sys.stderr):
            self._server = viser.ViserServer(host=HOST, port=port, label="podhand", verbose=False)
        # The share button would open a public tunnel into a robot cell.
        self._server.gui.configure_theme(show_share_button=False, show_logo=False, brand_color=(11, 105, 163))
        self._text = self._server.gui.add_markdown("Starting …")
        self._shapes: dict[str, tuple[Any, Geometry]] = {}
        self._next_s = 0.0
        self._ahead_s = 0.0

    @property
    def url(self) -> str:
        """Where to look."""
        return f"http://{HOST}:{self._server.get_port()}"

    def wait_for_viewer(self, timeout_s: float = 60.0) -> bool:
        """Wait until a browser is connected; False when none came in time."""
        end = time.monotonic() + timeout_s
        while not self._server.get_clients():
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def show(self, workcell: SimWorkcell, title: str) -> None:
        """Replace the scene by another workcell and turn the camera to its bin."""
        self._server.scene.reset()
        self._shapes = {}
        for index, geometry in enumerate(workcell.geometry()):
            self._shapes[geometry.name or f"shape_{index}"] = (self._add(index, geometry), geometry)
        bin_m = workcell.X_world_bin_nominal[:3, 3]
        self._server.scene.add_grid("/floor", width=6.0, height=6.0, position=(0.0, 0.0, 0.0), cell_size=0.25)
        for client in self._server.get_clients().values():
            client.camera.position = tuple(bin_m + np.array([-1.9, -1.5, 0.9]))
            client.camera.look_at = tuple(bin_m + np.array([-0.2, 0.0, 0.1]))
        self._text.content = f"### {title}"
        self._next_s = workcell.plant.time_s
        self._ahead_s = time.monotonic() - workcell.plant.time_s

    def update(self, workcell: SimWorkcell) -> None:
        """Move the shapes when a frame is due; call it in every tick. Waits where the simulation is ahead of time."""
        now_s = workcell.plant.time_s
        if now_s < self._next_s:
            return
        self._next_s = now_s + FRAME_S
        with self._server.atomic():
            for index, geometry in enumerate(workcell.geometry()):
                self._move(geometry.name or f"shape_{index}", geometry)
        time.sleep(max(0.0, now_s + self._ahead_s - time.monotonic()))

    def stop(self) -> None:
        """End the server."""
        with contextlib.redirect_stdout(sys.stderr):
            self._server.stop()

    def _add(self, index: int, geometry: Geometry) -> Any:
        import trimesh

        path = f"/cell/{index}"
        place = {"position": geometry.X_world_geom[:3, 3], "wxyz": _quaternion(geometry.X_world_geom[:3, :3])}
        colour = tuple(int(255 * value) for value in geometry.rgba[:3])
        scene, size = self._server.scene, geometry.size_m
        if geometry.kind == "box":
            return scene.add_box(path, color=colour, dimensions=tuple(2 * side for side in size), **place)
        if geometry.kind == "sphere":
            return scene.add_icosphere(path, radius=size[0], color=colour, position=place["position"])
        make = trimesh.creation.capsule if geometry.kind == "capsule" else trimesh.creation.cylinder
        mesh = make(radius=size[0], height=2 * size[1])
        return scene.add_mesh_simple(path, mesh.vertices, mesh.faces, color=colour, **place)

    def _move(self, name: str, geometry: Geometry) -> None:
        if name not in self._shapes:
            return
        handle, first = self._shapes[name]
        handle.position = geometry.X_world_geom[:3, 3]
        handle.wxyz = _quaternion(geometry.X_world_geom[:3, :3])
        if geometry.kind == "capsule" and geometry.size_m[1] != first.size_m[1]:
            handle.scale = (1.0, 1.0, geometry.size_m[1] / first.size_m[1])


def _quaternion(R: FloatArray) -> tuple[float, float, float, float]:
    """Return (w, x, y, z)."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(R).as_quat()
    return (float(w), float(x), float(y), float(z))
