"""A mutant is of the source as it is: whoever changes that code changes the mutant with it."""

import ast

from tests.simulation.mutants import ROOT, read_mutants


def test_each_mutant_changes_the_source_as_it_is_and_is_python() -> None:
    for mutant in read_mutants():
        for path, text in mutant.applied(ROOT).items():
            ast.parse(text, filename=str(path))
