"""Would the tests notice a broken statistic? Every comparison in `genoloom.popgen` is changed in
turn, and the tests run on it.

    python benchmarks/mutations.py

`<` becomes `<=` and the like, and is reversed. A mutant that no test of tests/unit/popgen notices
is printed; some mutants are the same function (a bound that no input meets), the others are gaps.
The verdicts' own mutants are a test of their own, tests/unit/validation/test_mutations.py.
"""

import ast
import importlib
import inspect
import os
import sys
import types

os.environ.setdefault("OMP_NUM_THREADS", "1")

from haplotype_sets import ROOT

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "unit" / "popgen")]
TESTS = ("test_more_statistics", "test_statistics")
MODULES = (
    "distances",
    "diversity",
    "frequencies",
    "haplotypes",
    "linkage",
    "relatedness",
    "structure",
)
NEIGHBOURS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
REVERSED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


def main() -> int:
    tests = [importlib.import_module(name) for name in TESTS]
    tried, survivors = 0, []
    for name in MODULES:
        module = importlib.import_module(f"genoloom.popgen.{name}")
        for line, before, after, mutant in mutants(module):
            tried += 1
            if not noticed(tests, module, mutant):
                survivors.append(f"popgen/{name}.py:{line}: {before}  ->  {after}")
    print(f"{tried} mutants, {len(survivors)} not noticed")
    print("\n".join(survivors))
    return 0


def mutants(module):
    """(line, before, after, module) of every mutated comparison."""
    source = inspect.getsource(module)
    for change in (NEIGHBOURS, REVERSED):
        for i in range(len(_comparisons(source, change)[1])):
            tree, found = _comparisons(source, change)
            node = found[i]
            before = ast.unparse(node)
            node.ops[0] = change[type(node.ops[0])]()
            mutant = types.ModuleType(module.__name__)
            exec(compile(ast.fix_missing_locations(tree), module.__name__, "exec"), mutant.__dict__)
            yield node.lineno, before, ast.unparse(node), mutant


def _comparisons(source: str, change: dict):
    tree = ast.parse(source)
    return tree, [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and type(node.ops[0]) in change
    ]


def noticed(tests: list, module, mutant) -> bool:
    """Does a test fail when the names that it took from the module are the mutant's?"""
    for test in tests:
        names = [
            n
            for n, value in vars(test).items()
            if getattr(value, "__module__", "") == module.__name__
        ]
        original = {name: getattr(test, name) for name in names}
        vars(test).update({name: getattr(mutant, name) for name in names})
        try:
            for case in _cases(test, names):
                case()
        except Exception:
            return True
        finally:
            vars(test).update(original)
    return False


def _cases(test, names: list[str]):
    """The test functions that mention one of the names, with the fixture `alleles` where they ask
    for it.
    """
    for name, function in vars(test).copy().items():
        if name.startswith("test_") and set(names) & _names(function.__code__):
            arguments = inspect.signature(function).parameters
            yield lambda f=function, a=arguments: f(
                *([test.alleles.__wrapped__()] if "alleles" in a else [])
            )


def _names(code: types.CodeType) -> set[str]:
    """Global names of a function and of the functions in it."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))


if __name__ == "__main__":
    sys.exit(main())
