"""The error tree of podhand.

::

    PodhandError
    ├── ConfigError (ValueError)      a file or parameter set is wrong; nothing was started
    ├── LimitError (ValueError)       a command is outside its limits or refused by a gate; nothing has moved
    ├── StateError (RuntimeError)     the call does not fit the present state; nothing has moved
    ├── PerceptionError (ValueError)  a camera frame or scene cannot be used; nothing has moved
    ├── PlanningError (ValueError)    no plan exists, with the reason; nothing has moved
    ├── DeviceError (RuntimeError)    a device failed; motion is stopped, set-points held
    ├── MotionFault (RuntimeError)    a motion ended by reflex, limit or fault; the arm stands, the outcome is attached
    ├── StoppedByOperator (RuntimeError)  a person asked for a stop (Ctrl-C); the arm was brought to rest first
    └── RecordingError (ValueError)   a run folder is incomplete or was changed

Every message says what is wrong, where, the value, the allowed range and the next action.
"""


class PodhandError(Exception):
    """Base of all errors raised by podhand."""


class ConfigError(PodhandError, ValueError):
    """A station, catalogue or parameter is wrong. Nothing was started."""


class LimitError(PodhandError, ValueError):
    """A command was refused before motion. Nothing has moved."""


class StateError(PodhandError, RuntimeError):
    """The call does not fit the present state. Nothing has moved."""


class PerceptionError(PodhandError, ValueError):
    """A camera frame or scene cannot be used. Nothing has moved."""


class PlanningError(PodhandError, ValueError):
    """No plan exists; the message is the reason in words. Nothing has moved."""


class DeviceError(PodhandError, RuntimeError):
    """A device failed. Motion is stopped and set-points are held."""


class MotionFault(PodhandError, RuntimeError):
    """A motion did not end as planned. The arm stands still; ``outcome`` has cause, value and peak forces.

    Args:
        message: what happened in words, with value, limit and next action.
        outcome: the kernel's outcome record (``podhand.controllers.Outcome``).
    """

    def __init__(self, message: str, outcome: object | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome


class StoppedByOperator(PodhandError, RuntimeError):
    """A person asked for a stop. All channels were cancelled and brought to rest before this was raised."""


class RecordingError(PodhandError, ValueError):
    """A run folder is incomplete, unreadable or was changed after it was written."""
