"""The simulated workcell (MuJoCo) behind the plant and device ports."""
