"""Looking again while a stow runs."""

from collections.abc import Callable, Sequence

from podhand.core.errors import PerceptionError
from podhand.core.ports import DepthCamera
from podhand.perception.bin_model import BinModel
from podhand.perception.frames import check_frame
from podhand.perception.registration import check_still_there
from podhand.primitives.cell import Inspection


def confirms(cameras: Sequence[DepthCamera], model: BinModel) -> Callable[[], Inspection]:
    """Return the look that tells whether a bin is still where it was found."""

    def confirm() -> Inspection:
        frames = [camera.capture() for camera in cameras]
        try:
            for frame in frames:
                # The arm may cover a camera; what is hidden does not count.
                check_frame(frame, min_known_share=0.0)
            views = check_still_there(frames, model.registration, model.size_m)
        except PerceptionError as error:
            return Inspection(ok=False, words=str(error))
        seen = sum(view.samples for view in views.values())
        return Inspection(ok=True, words=f"the bin is where it was found ({seen} places seen)", data={"seen": seen})

    return confirm
