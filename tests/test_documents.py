"""Each program of the documentation prints what stands below it, on both loops; each link leads somewhere."""

import re
import sys
import unicodedata

import pytest
from conftest import loop_parameters
from documents import agrees, blocks, pages, programs, without_code
from programs import ROOT, command_for, run_programs

pytestmark = pytest.mark.timeout(240)  # the first test runs all the programs

GUIDE = [page for page in pages() if page.parent.name == "guide"]
# In these every program is run; elsewhere those that have their output below them are.
COMPLETE = [*GUIDE, ROOT / "docs" / "index.md", ROOT / "docs" / "test.md"]
# What needs a service of its own says so above it.
NEEDS = re.compile(r"with .*, and ")
FROM = re.compile(r"from Python 3\.(\d+) on")

PROGRAMS = {block.name: (block, output) for page in pages() for block, output in programs(page)}


def is_for_this_python(block):
    since = FROM.search(block.title)
    return since is None or sys.version_info >= (3, int(since[1]))


def is_about_ironloop(block):
    return re.search(r"ironloop\.(?!files)", block.text) is not None


def chosen(loop_name):
    """Names of those that run on this loop here; what names ironloop takes it by itself."""
    return [
        name
        for name, (block, _) in PROGRAMS.items()
        if is_for_this_python(block) and not (loop_name == "asyncio" and is_about_ironloop(block))
    ]


@pytest.fixture(scope="module", params=loop_parameters())
def outcomes(request, tmp_path_factory):
    """What became of each program on the loop of this name."""
    folder = tmp_path_factory.mktemp(request.param)
    commands = {}
    for number, name in enumerate(chosen(request.param)):
        block, _ = PROGRAMS[name]
        file = folder / f"program_{number}.py"
        file.write_text(block.text, encoding="utf-8")
        loop = "asyncio" if is_about_ironloop(block) else request.param
        commands[name] = [*command_for(loop), file]
    return run_programs(commands, 3)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_prints_what_stands_below_it(outcomes, name):
    if name not in outcomes:
        pytest.skip("not for this Python, or not for this loop")
    outcome = outcomes[name]
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr == ""
    _, expected = PROGRAMS[name]
    assert agrees(expected, outcome.stdout), outcome.stdout


@pytest.mark.parametrize("page", COMPLETE, ids=lambda page: page.name)
def test_no_program_is_left_out(page):
    of_page = [block for block in blocks(page) if block.language == "python"]
    left_out = [
        block.name
        for block in of_page
        if block.name not in PROGRAMS and not NEEDS.match(block.title) and not block.title.endswith(".py")
    ]
    assert left_out == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page):
    text = without_code(page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^()\s]+)\)", text)
    inside = [link for link in links if not link.startswith(("https://", "mailto:"))]
    assert [link for link in inside if not leads(page, link)] == []


def leads(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page):
    """The names of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+?)$", without_fences(page), re.MULTILINE)
    return {slug(heading) for heading in headings}


def without_fences(page):
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def slug(heading):
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading)
    plain = unicodedata.normalize("NFKD", plain).lower()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip())
