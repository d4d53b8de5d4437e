"""taskiq's workers, and a program that gives them jobs."""

import pytest
from jobs import work
from pages import Page

PAGE = Page("workers", tested_elsewhere={"arq", "Celery"})


@pytest.mark.parametrize("command", PAGE.commands("taskiq"))
def test_works_and_ends(command, redis_port, tmp_path):
    PAGE.ports["6379"] = redis_port
    work(PAGE, command, "with_taskiq.py", "Listening started", tmp_path)
