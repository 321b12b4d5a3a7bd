"""Who may import whom: the table of docs/architecture.md holds for the source files."""

import ast
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "dmls_tf"
FILES = sorted(PACKAGE.rglob("*.py"))
MAY_IMPORT_ABSL = {"command_line"}


def read_table():
    """{part: what it may import of the package}, and the parts that may import TensorFlow."""
    text = (ROOT / "docs" / "architecture.md").read_text().split("## Who imports whom")[1]
    everyone = set(re.findall(r"`(\w+)`", text.split("are for everyone")[0]))
    allowed, tensorflow = {"": set()}, set()
    for part, imports, uses in re.findall(r"^\| `(\w+)` \|(.*)\| (yes|no) \|$", text, re.MULTILINE):
        allowed[part] = everyone | set(re.findall(r"`(\w+)`", imports))
        tensorflow |= {part} if uses == "yes" else set()
    return allowed, tensorflow


ALLOWED, MAY_IMPORT_TENSORFLOW = read_table()


def _part(path):
    name = path.relative_to(PACKAGE).with_suffix("").parts[0]
    return "" if name == "__init__" else name


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "dmls_tf":
                yield from (f"dmls_tf.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_table(path):
    part = _part(path)
    for name in _imports(path):
        top, *rest = name.split(".")
        assert top not in ("scripts", "data_prep", "tests", "benchmarks")
        if top == "tensorflow":
            assert part in MAY_IMPORT_TENSORFLOW, f"{part} imports {name}"
        if top == "absl":
            assert part in MAY_IMPORT_ABSL, f"{part} imports {name}"
        if top == "dmls_tf" and rest and rest[0] in ALLOWED and rest[0] != part:
            assert rest[0] in ALLOWED[part], f"{part} imports {name}"


def test_every_part_of_the_package_is_in_the_table():
    assert {_part(path) for path in FILES} == set(ALLOWED)
    assert len(MAY_IMPORT_TENSORFLOW) > 5


def test_at_most_six_modules_are_loose():
    assert len([path for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]) <= 6


def test_importing_the_package_imports_neither_tensorflow_nor_keras():
    code = "import sys, dmls_tf; print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
