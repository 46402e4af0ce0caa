"""What the rules share: the tree under the current folder, and how findings are said."""
import os
import sys

FOLDERS = ("bpf", "cql", "user", "tools", "tests", "docs", ".ci")
HERE = os.path.dirname(os.path.abspath(__file__))


def files(*folders):
    """Every file below the folders (default: all of the project's), and those at the top; never what was built."""
    for folder in folders or FOLDERS:
        for where, below, names in os.walk(folder):
            below[:] = sorted(d for d in below if d not in ("build", "__pycache__", "golden"))
            for name in sorted(names):
                yield os.path.join(where, name)
    if not folders:
        yield from sorted(n for n in os.listdir(".") if os.path.isfile(n))


def text(path):
    """The file's text, or None for one that is no text."""
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except UnicodeDecodeError:
        return None


def end(findings):
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
