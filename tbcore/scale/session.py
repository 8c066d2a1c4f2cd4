"""A Ray session: a small one on this computer that ends with the block, or a cluster that is named by its address."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tbcore.errors import MissingExtraError, TbcoreError

__all__ = ["ray_session"]

_MEMORY_BYTES = 200_000_000
_PATIENCE_S = 240
_TRIES = 3


@contextmanager
def ray_session(workers: int = 2, *, address: str | None = None) -> Iterator[Any]:
    """The module `ray`, connected. A session that is open already is used and left open.

    A session of one's own listens on this computer, asks for a token that nobody else has, sends no statistics,
    opens no dashboard, and writes into a temporary folder that is gone afterwards.

    Args:
        workers: processors that it may use; without meaning for a cluster.
        address: of a running cluster, such as "auto" or "10.0.0.1:6379"; what RAY_ADDRESS says when None, and a
            session of one's own when that is not set either.

    Raises:
        MissingExtraError: Ray is not installed.
        TbcoreError: Ray could not be started, or the cluster does not answer.
    """
    where = address or os.environ.get("RAY_ADDRESS", "")
    _settings(own=not where)
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingExtraError("ray_session needs Ray: pip install 'tbcore[scale]'; or say workers=0.") from error
    if ray.is_initialized():
        yield ray
        return
    folder = tempfile.mkdtemp(prefix="tbray-")
    try:
        if where:
            _connect(ray, where)
        else:
            _start(ray, workers, folder)
        yield ray
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _settings(*, own: bool) -> None:
    """What Ray reads from the environment; whoever has set one of these keeps it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    # A busy computer starts Ray's own programs slowly.
    os.environ.setdefault("RAY_agent_register_timeout_ms", str(_PATIENCE_S * 1000))
    os.environ.setdefault("RAY_worker_register_timeout_seconds", str(_PATIENCE_S))
    if own and "RAY_AUTH_MODE" not in os.environ:
        # Ray would write its token into the home folder; this one lives as long as the program.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(16)


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except ConnectionError as error:
        raise TbcoreError(
            f"ray_session: no cluster answers at {address!r}. Is it running, and is its token set?"
        ) from error


def _start(ray: Any, workers: int, folder: str) -> None:
    """Start Ray here. Its programs have thirty seconds to report; a second try finds their files in memory."""
    failure: Exception | None = None
    for number in range(_TRIES):
        try:
            ray.init(
                num_cpus=max(1, workers),
                include_dashboard=False,
                object_store_memory=_MEMORY_BYTES,
                log_to_driver=False,
                logging_level=logging.WARNING,
                _temp_dir=os.path.join(folder, str(number)),
                _node_ip_address="127.0.0.1",
            )
        except Exception as error:
            # Ray raises a plain Exception when it does not come up in time, and nothing narrower.
            if "timed out during startup" not in str(error):
                raise
            failure = error
            ray.shutdown()
        else:
            return
    raise TbcoreError(
        f"ray_session: Ray did not start in {_TRIES} tries. Is this computer very busy? Try again later, or say "
        "workers=0."
    ) from failure
