"""arq's workers, and a program that gives them jobs."""

import pytest
from jobs import work
from pages import Page

PAGE = Page("workers", tested_elsewhere={"taskiq", "Celery"})


@pytest.mark.parametrize("command", PAGE.commands("arq"))
def test_works_and_ends(command, redis_port, tmp_path):
    PAGE.ports["6379"] = redis_port
    work(PAGE, command, "with_arq.py", "Starting worker", tmp_path)
