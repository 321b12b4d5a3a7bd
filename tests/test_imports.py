"""Who may import whom: the table of docs/architecture.md, read off the source files."""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "dmls_tf"

# Module or subpackage -> what it may import of the package besides itself.
EVERYONE = {"__version__", "config", "datasets", "dataset_info", "errors", "files", "label_maps"}
ALLOWED = {
    "": set(),
    "config": set(),
    "datasets": set(),
    "dataset_info": set(),
    "errors": set(),
    "files": set(),
    "label_maps": set(),
    "command_line": set(),
    "drawing": set(),
    "animation": {"ops", "drawing"},
    "ops": set(),
    "layers": {"ops"},
    "models": {"ops", "layers"},
    "losses": {"ops"},
    "metrics": {"ops"},
    "data": set(),
    "training": {"models", "losses", "metrics", "data", "drawing"},
    "inference": set(),
    "photos": {"data"},
    "videos": set(),
    "predict": {"drawing", "inference", "photos", "videos"},
    "client": {"serving", "inference"},
    "evaluation": {"models", "metrics", "ops", "data", "drawing", "inference"},
    "serving": {"data", "drawing", "inference", "ops"},
}
MAY_IMPORT_TENSORFLOW = {"data", "training", "inference", "evaluation", "photos", "client"}
MAY_IMPORT_TENSORFLOW |= {"serving", "command_line"}
MAY_IMPORT_ABSL = {"command_line"}
FILES = sorted(PACKAGE.rglob("*.py"))


def _unit(path):
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
    unit = _unit(path)
    for name in _imports(path):
        top, *rest = name.split(".")
        assert top not in ("scripts", "data_prep", "tests")
        if top == "tensorflow":
            assert unit in MAY_IMPORT_TENSORFLOW, f"{unit} imports {name}"
        if top == "absl":
            assert unit in MAY_IMPORT_ABSL, f"{unit} imports {name}"
        if top == "dmls_tf" and rest and rest[0] != unit:
            assert rest[0] in ALLOWED[unit] | EVERYONE, f"{unit} imports {name}"


def test_every_part_of_the_package_is_in_the_table():
    assert {_unit(path) for path in FILES} == set(ALLOWED)


def test_importing_the_package_imports_neither_tensorflow_nor_keras():
    import subprocess
    import sys

    code = "import sys, dmls_tf; print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
