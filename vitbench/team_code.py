"""Code of a team: imported by `package.module:function`, and called in one place.

Whatever such code raises becomes one sentence, with the kind and the words of the error and the
line of the team's own file.
"""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from vitbench import team_sources
from vitbench.errors import UserError, near, with_kind

_roots: list[Path] = []


def use(roots: Iterable[Path | str]) -> None:
    """From now on this process imports from these folders before all others."""
    _roots[:] = map(Path, roots)
    names = list(map(str, _roots))
    sys.path[:] = names + [each for each in sys.path if each not in names]
    importlib.invalidate_caches()


def digest(reference: str) -> str:
    """SHA-256 of the source files that `package.module:function` stands on: below the import roots,
    or in the folder that its package is installed in, of that package alone."""
    module = reference.partition(":")[0]
    package = module.partition(".")[0]
    return team_sources.digest(module, _roots, _installed(package))


def imported(reference: str, where: str) -> Callable[..., Any]:
    """What `package.module:function` names. Raises UserError, which begins with `where`."""
    module, _, names = reference.partition(":")
    found = _module(module, where)
    for name in names.split("."):
        if not hasattr(found, name):
            owner = getattr(found, "__name__", names)
            known = [each for each in dir(found) if not each.startswith("_")]
            raise UserError(f"{where}: {owner} has no {name}; {near(name, known)}")
        found = getattr(found, name)
    if not callable(found):
        raise UserError(f"{where}: {names} is of type {type(found).__name__} and no function")
    return found  # type: ignore[no-any-return]


def folder(reference: str) -> Path:
    """The folder of an imported module's file."""
    file = getattr(sys.modules.get(reference.partition(":")[0]), "__file__", None)
    return Path(file).parent if file else Path()


def called(
    function: Callable[..., Any],
    where: str,
    given: tuple[Any, ...] = (),
    named: Mapping[str, Any] | None = None,
) -> Any:
    """What a function returns; what it prints goes to stderr. Raises UserError, which begins with
    `where`, for arguments that it does not take and for what it raises."""
    named = named or {}
    _require_arguments(function, where, given, named)
    try:
        with redirect_stdout(sys.stderr):
            return function(*given, **named)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UserError(f"{where} raises {with_kind(error)}{_place(error)}") from error


def _module(name: str, where: str) -> Any:
    try:
        with redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise UserError(f"{where}: {_not_found(error.name)}") from error
        raise UserError(_fails(name, where, error)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a module does when it is imported
        raise UserError(_fails(name, where, error)) from error


def _fails(name: str, where: str, error: BaseException) -> str:
    return f"{where}: the import of {name} raises {with_kind(error)}{_place(error)}"


def _not_found(name: str) -> str:
    parent = name.rpartition(".")[0]
    if parent and not hasattr(sys.modules.get(parent), "__path__"):
        return f"there is no module {name}: {parent} is a module and no package"
    places = list(sys.modules[parent].__path__) if parent else list(map(str, _roots))
    known = [f"{parent}.{each.name}" if parent else each.name for each in iter_modules(places)]
    where = f"the package {parent}" if parent else "the import roots"
    told = [
        "/".join(Path(each).parts[-2:]) for each in places
    ]  # reports name no folder of a machine
    folders = f" ({', '.join(told)})" if told else ", of which there are none"
    return f"there is no module {name} in {where}{folders}; {near(name, known)}"


def _installed(package: str) -> list[Path]:
    """The folders that hold a package which lies below no import root. It is not imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    places = [Path(each).parent for each in spec.submodule_search_locations or ()] if spec else []
    places += [Path(spec.origin).parent] if spec and spec.origin and not places else []
    return [each for each in places if each not in _roots]


def _require_arguments(
    function: Callable[..., Any], where: str, given: tuple[Any, ...], named: Mapping[str, Any]
) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a builtin: the call says it
        return
    taken = signature.parameters.values()
    if not any(each.kind is each.VAR_KEYWORD for each in taken):
        known = [each.name for each in taken if each.kind is not each.POSITIONAL_ONLY]
        for name in named:
            if name not in known:
                hint = near(name, known) if known else "it takes no arguments by name"
                raise UserError(f"{where} has no argument {name}; {hint}")
    try:
        signature.bind(*given, **named)
    except TypeError as error:
        wanted = f"{getattr(function, '__name__', 'function')}{signature}"
        raise UserError(f"{where} cannot be called ({error}): it is {wanted}") from error


def line(error: BaseException) -> str:
    """The line of the team's own file that an error came from, as the end of a sentence; "" where
    no file of an import root took part."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_short(error.filename) or error.filename}, line {error.lineno})"
    frames = [
        f" ({name}, line {frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if (name := _short(frame.filename))
    ]
    return frames[-1] if frames else ""


def _place(error: BaseException) -> str:
    """As `line`; of code outside the import roots, the first line that is not this module's."""
    frames = [
        f" ({'/'.join(Path(frame.filename).parts[-2:])}, line {frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename[0] != "<" and frame.filename not in (__file__, importlib.__file__)
    ]
    return line(error) or next(iter(frames), "")


def _short(file: str) -> str | None:
    """A file relative to the import root above it; None where there is none."""
    for root in _roots:
        if Path(file).is_relative_to(root):
            return Path(file).relative_to(root).as_posix()
    return None
