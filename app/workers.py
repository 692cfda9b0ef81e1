"""Many jobs on all cores, one thread each. Ctrl-C ends the workers, and so does the death of their parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing.synchronize import Event
from typing import TypeVar

from podhand.core.errors import StoppedByOperator

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_all(work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int = 0) -> Generator[Result, None, None]:
    """Work on all jobs and yield results as they come; jobs under way end when the generator is closed.

    Args:
        work: a function of a module; with one worker it runs in this process.
        jobs: plain data.
        workers: processes; 0 takes one per core.

    Raises:
        StoppedByOperator, KeyboardInterrupt: Ctrl-C.
    """
    # One thread per worker: the workers are the parallelism.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers <= 1:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(stop,))
    try:
        pending: list[Future[Result]] = [pool.submit(_work, work, job) for job in jobs]
        for future in as_completed(pending):
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """This process, when it is a worker."""

    stop: Event | None = None


def _start_worker(stop: Event) -> None:
    """Let Ctrl-C reach a worker only while it works, from the terminal or by ``stop``."""
    _Worker.stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_interrupt_at, args=(stop,), daemon=True).start()
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _interrupt_at(stop: Event) -> None:
    stop.wait()
    os.kill(os.getpid(), signal.SIGINT)


def _leave_with_parent() -> None:
    """A killed parent cannot say goodbye: without this, workers would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(work: Callable[[Job], Result], job: Job) -> Result:
    """Do one job in a worker. Raises StoppedByOperator or KeyboardInterrupt when everything was stopped."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _Worker.stop is not None and _Worker.stop.is_set():  # the pool hands out one job more than it has workers
            raise StoppedByOperator("stopped before it began")
        return work(job)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
