"""The pictures of one episode, in the order in which the report shows them."""

import numpy as np

from podhand.app.episode import Episode, Look
from podhand.app.plots import BinPicture, bin_pictures, depth_picture, force_plot, image_png
from podhand.app.report import Picture
from podhand.planning.stow import StowPlan


def pictures_of(episode: Episode) -> list[Picture]:
    """Draw everything that the episode kept."""
    pictures = []
    if episode.trace is not None:
        pictures.append(
            Picture(
                name="force",
                caption="Force on the tool against its limit; shaded: the primitives, violet: the band arm.",
                png=force_plot(episode.trace, episode.result.steps),
                wide=True,
            )
        )
    pictures += [
        Picture(name=f"scene-{name}", caption=caption, png=image_png(pixels))
        for name, caption, pixels in episode.scenes
    ]
    for look in episode.looks:
        pictures.append(
            Picture(
                name=f"cameras-{look.when}",
                caption=f"What the depth cameras saw {look.when} the stow.",
                png=depth_picture([(frame.name, frame.depth_m) for frame in look.frames]),
                wide=True,
            )
        )
    models = [_bin_picture(look, episode.plan if look.when == "before" else None) for look in episode.looks]
    if models:
        pictures.append(
            Picture(
                name="bin-model",
                caption="The bin as perception models it: height from above, depth from the front, grey where nothing "
                "is known. Dashed: where the product should stand. Dark line: the blade.",
                png=bin_pictures(models),
                wide=len(models) > 1,
            )
        )
    return pictures


def _bin_picture(look: Look, plan: StowPlan | None) -> BinPicture:
    model = look.model
    place = plan.item_place_m if plan else None
    return BinPicture(
        voxels=np.asarray(model.occupancy),
        voxel_m=model.voxel_m,
        size_m=model.size_m,
        title=look.when,
        placement_min_m=place[0] if place else None,
        placement_max_m=place[1] if place else None,
        blade_y_m=plan.blade_y_m if plan and plan.sweep_needed else None,
        blade_depth_m=plan.blade_reach_m if plan else 0.0,
        sweep_m=plan.sweep_direction * plan.sweep_distance_m if plan else 0.0,
    )
