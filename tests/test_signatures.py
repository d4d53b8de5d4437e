"""`help()` and `inspect.signature` tell the truth of each public name: what it does, and what it takes."""

import asyncio
import inspect
import pydoc
import re
import sys
import warnings

import ironloop
import pytest
from conftest import needs_ironloop
from programs import ROOT

pytestmark = needs_ironloop

# Where asyncio's has another name, or has none.
COUNTERPARTS = {"Loop": "SelectorEventLoop", "EventLoopPolicy": "DefaultEventLoopPolicy"}
OWN = {
    "VirtualClock",
    "Blocked",
    "__version__",
    "add_blocked_callback",
    "install",
    "remove_blocked_callback",
    "tls_path",
    "uninstall",
}
# What ours take besides.
BESIDES = {
    "EventLoopPolicy": {"native"},
    "Loop": {"native", "clock"},
    "Runner": {"native"},
    "new_event_loop": {"native", "nested", "clock"},
    "run": {"native", "loop_factory"},
}
# A loop of ours has a selector of its own.
LESS = {"Loop": {"selector"}}
SPECIAL = ("__aenter__", "__aexit__", "__anext__", "__await__", "__aiter__", "__iter__")

NAMES = [name for name in ironloop.__all__ if not name.startswith("__")]


def counterpart(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(asyncio, COUNTERPARTS.get(name, name))


def ours(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(ironloop, name)


def parameters(function):
    """What a function takes; None where its signature cannot be told."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]


def without(taken, names):
    return [parameter for parameter in taken if parameter[0] not in names]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OWN])
def test_it_takes_what_asyncios_takes(name):
    stock = parameters(counterpart(name))
    if stock is not None:
        own = without(parameters(ours(name)), BESIDES.get(name, ()))
        assert own == without(stock, [*BESIDES.get(name, ()), *LESS.get(name, ())])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OWN and inspect.isclass(ours(name))])
def test_its_methods_take_what_asyncios_take(name):
    own, stock = ours(name), counterpart(name)
    public = [method for method in dir(stock) if not method.startswith("_") or method in SPECIAL]
    for method in public:
        taken = parameters(getattr(stock, method)) if callable(getattr(stock, method)) else None
        if taken is not None:
            assert parameters(getattr(own, method)) == taken, method


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_it_does(name):
    told = inspect.getdoc(ours(name))
    assert told and told[0].isupper() and len(told) > 30, told
    assert "(asyncio:" not in told
    assert pydoc.render_doc(ours(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OWN])
def test_help_of_ours_names_the_counterpart(name):
    """Functions that stand for asyncio's, and its own errors, say what asyncio's say."""
    told = inspect.getdoc(ours(name))
    if told != inspect.getdoc(counterpart(name)):
        stock = counterpart(name)
        assert f"asyncio.{COUNTERPARTS.get(name, stock.__name__)}" in told


@pytest.mark.parametrize("method", [method for method in vars(ironloop.Loop) if not method.startswith("_")])
def test_help_of_a_loops_methods(method):
    found = getattr(ironloop.Loop, method)
    if callable(found):
        told = inspect.getdoc(found)
        assert told and f"loop.{method}" in told


@pytest.mark.parametrize("name", ironloop.__all__)
def test_type_checkers_are_asked_of_it(name):
    assert f"ironloop.{name}" in (ROOT / "tests" / "typed" / "program.py").read_text()


def signatures():
    """Those that pages of the API have by hand."""
    for page in sorted((ROOT / "docs" / "api").glob("*.md")):
        yield from re.findall(r"^## \w+\n\n```python\n(\w+)(\(.*\))\n```$", page.read_text(), re.MULTILINE)


@pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the pages have the signatures of Python 3.13")
@pytest.mark.parametrize(("name", "written"), list(signatures()))
def test_the_page_has_the_signature(name, written):
    assert str(without_annotations(ours(name))) == written


def without_annotations(function):
    signature = inspect.signature(function)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=signature.empty)
