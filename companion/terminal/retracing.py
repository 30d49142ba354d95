"""TensorFlow's warning that the same lines are compiled again, held back where each network is a new one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def expect_retracing() -> Iterator[None]:
    """Hold back the warning inside the ``with`` block."""

    def is_another(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_another)
    try:
        yield
    finally:
        logger.removeFilter(is_another)
