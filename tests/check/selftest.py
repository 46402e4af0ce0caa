#!/usr/bin/env python3
"""Each rule is seen to fail: in a tree of its own it gets one bad input a case, and the same tree without it passes. So are the two runners."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD_C = '#include "cql/x.h"\n\nint cql_x(int a)\n{\n\treturn a;\n}\n'
GOOD_H = "#pragma once\nint cql_x(int a);\n"
FORMAT = os.path.join(HERE, "../../.clang-format")
LONG = "int cql_y(void);\nint cql_y(void)\n{\n" + "\tcql_x(1);\n" * 80 + "\treturn 1;\n}\n"

# rule, what is wrong, file, content, words that the finding must have
CASES = [
    ("layers", "cql/ does I/O", "cql/bad.c", "#include <unistd.h>\n", "cql/bad.c:1: cql may not include unistd.h"),
    ("layers", "base uses libuv", "user/base/bad.h", "#include <uv.h>\n", "user/base may not include uv.h"),
    ("layers", "net sees cql", "user/net/bad.c", '#include "cql/x.h"\n', "user/net may not include cql/x.h"),
    ("layers", "ctl sees kern", "user/ctl/bad.c", '#include "kern/capture.h"\n', "user/ctl may not include kern/capture.h"),
    ("layers", "ctl sees the mirror's inside", "user/ctl/bad.c", '#include "mirror/leg.h"\n', "may not include mirror/leg.h"),
    ("layers", "mirror sees kern", "user/mirror/bad.c", '#  include "kern/capture.h"\n', "user/mirror may not include"),
    ("layers", "kern sees bpf's inside", "user/kern/bad.c", '#include "bpf/maps.bpf.h"\n', "user/kern may not include"),
    ("layers", "bpf sees user", "bpf/bad.bpf.c", '#include "base/attr.h"\n', "bpf may not include base/attr.h"),
    ("layers", "another libc header in cql", "cql/bad.h", "#include <stdlib.h>\n", "cql may not include stdlib.h"),
    ("layers", "a folder without layer", "user/new/bad.c", "int x;\n", "belongs to no layer"),
    ("sizes", "a long file", "cql/bad.c", "int x;\n" * 601, "cql/bad.c: 601 lines, at most 600"),
    ("sizes", "a long script", "tools/bad", "#!/bin/sh\n" * 601, "tools/bad: 601 lines"),
    ("sizes", "a long function", "cql/bad.c", LONG, "cql_y() has 84 lines, at most 80"),
    ("sizes", "a long function in a header", "bpf/bad.h", LONG.replace("int cql_y(void)\n", "static inline int cql_y(void)\n"),
     "bpf/bad.h:2: cql_y() has 84 lines"),
    ("symbols", "cql/ allocates", "cql/bad.c", "void *malloc(unsigned long);\nvoid *f(void);\nvoid *f(void)\n{\n\treturn malloc(1);\n}\n",
     "cql/bad.o: calls malloc"),
    ("symbols", "a pure stage does I/O", "user/mirror/route.c", "int close(int);\nint f(void);\nint f(void)\n{\n\treturn close(1);\n}\n",
     "route.o: calls close"),
    ("cost", "a slow classifier", "cql/classify.c",
     '#include "cql/classify.h"\nvoid cql_classify(struct cql_view v, struct cql_class *c)\n{\n'
     "\tfor (volatile int i = 0; i < 3000; i++)\n\t\t;\n\tc->kind = v.n;\n}\n", "at most 3000"),
    ("headers", "a header that needs another", "cql/bad.h", "#pragma once\nuint8_t cql_bad(void);\n", "cql/bad.h: doesn't compile alone"),
    ("headers", "a BPF header that needs another", "bpf/bad.bpf.h", "static __always_inline int f(void) { return 1; }\n",
     "bpf/bad.bpf.h: doesn't compile alone"),
    ("format", "blanks for a tab", "cql/bad.c", "int f(void)\n{\n    return 1;\n}\n", "cql/bad.c: clang-format"),
    ("shell", "an unquoted variable", "tools/bad", "#!/usr/bin/env bash\nrm $1\n", "SC2086"),
    ("shell", "likewise in .sh", "tests/bad.sh", "#!/bin/sh\ncat $1\n", "SC2086"),
    ("paths", "a folder of one machine", "tools/bad", "cd /" + "work/x\n", "is a folder of one machine"),
    ("paths", "a home", "docs/bad.md", "see /" + "home/me/x\n", "docs/bad.md:1: /home/me"),
    ("paths", "a registry", "tests/bad.py", "URL = 'https://" + "registry.npmjs.org/x'\n", "registry.npmjs.org is not in hosts.txt"),
    ("paths", "a registry with a password", ".ci/bad", "https://" + "u:p@nexus.corp.net/x\n", "nexus.corp.net is not in hosts.txt"),
    ("docs", "a file that isn't", "docs/bad.md", "see `cql/nothing.c`\n", "docs/bad.md:1: cql/nothing.c doesn't exist"),
    ("docs", "a broken link", "README.md", "[x](docs/nothing.md)\n", "README.md:1: docs/nothing.md doesn't exist"),
]


def write(path, content):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(content)


def compiled(root):
    """The objects that two of the rules read."""
    for folder in ("cql", "user/mirror"):
        for name in os.listdir(os.path.join(root, folder)) if os.path.isdir(os.path.join(root, folder)) else ():
            if name.endswith(".c"):
                out = os.path.join("build/release", folder, name[:-2] + ".o")
                os.makedirs(os.path.join(root, os.path.dirname(out)), exist_ok=True)
                subprocess.run(["gcc", "-I.", "-O2", "-c", os.path.join(folder, name), "-o", out], cwd=root, check=True)
    subprocess.run("ar rcs build/release/libcql.a build/release/cql/*.o", shell=True, cwd=root, check=True)


def run(rule, root):
    if rule in ("symbols", "cost"):
        compiled(root)
    done = subprocess.run([os.path.join(HERE, rule)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def good_tree(root):
    with open(FORMAT, encoding="utf-8") as f:
        write(os.path.join(root, ".clang-format"), f.read())
    write(os.path.join(root, "cql/x.c"), GOOD_C)
    write(os.path.join(root, "cql/x.h"), GOOD_H)
    for name in ("base/attr.h", "mirror/leg.h", "kern/capture.h", "../bpf/maps.bpf.h"):
        write(os.path.join(root, "user", name), "#pragma once\n")
    write(os.path.join(root, "README.md"), "`cql/x.c` [all](docs/x.md) `cql/*.h` `tests/unit/AREA/test_NAME.c`, https://example.com/\n")
    write(os.path.join(root, "docs/x.md"), "[up](../README.md)\n")
    write(os.path.join(root, "tools/x"), '#!/usr/bin/env bash\nrm "$1"\n')
    # what tests/check/cost.c includes, at no cost
    write(os.path.join(root, "cql/classify.h"),
          "#pragma once\n#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\nstruct cql_view {\n\tconst uint8_t *p;\n\tsize_t n;\n};\n"
          "struct cql_class {\n\tint kind;\n};\nvoid cql_classify(struct cql_view v, struct cql_class *c);\nconst char *cql_kind_name(int kind);\n")
    write(os.path.join(root, "cql/name.c"), '#include "cql/classify.h"\nconst char *cql_kind_name(int kind)\n{\n\treturn kind ? "x" : "y";\n}\n')
    write(os.path.join(root, "cql/classify.c"),
          '#include "cql/classify.h"\nvoid cql_classify(struct cql_view v, struct cql_class *c)\n{\n\tc->kind = (int)v.n;\n}\n')


# What a unit test program does, what it counts as (passed, failed, skipped)
PROGRAMS = [
    ("exit 0", (0, 1, 0)),  # no test ran
    ("exit 1", (0, 1, 0)),
    ("kill -SEGV $$", (0, 1, 0)),
    ("echo '[==========] Running 2 test(s).'; echo '[       OK ] a'; echo '[       OK ] b'; echo '[==========] 2 test(s) run.'", (2, 0, 0)),
    ("echo '[==========] Running 2 test(s).'; echo '[       OK ] a'; echo '[  FAILED  ] b'; echo '[==========] 2 test(s) run.'; "
     "echo '[  FAILED  ] b'; exit 1", (1, 1, 0)),
    ("echo '[==========] Running 2 test(s).'; echo '[       OK ] a'; echo '[  SKIPPED ] b'; echo '[==========] 2 test(s) run.'", (1, 0, 1)),
    ("echo '[==========] Running 2 test(s).'; echo '[       OK ] a'; kill -ABRT $$", (1, 1, 0)),
    ("echo '[==========] Running 1 test(s).'; echo '[       OK ] a'; echo '[==========] 1 test(s) run.'; exit 23", (1, 1, 0)),  # a leak
]
# What a part of make test says and how it ends
PARTS = [
    ("echo 3 passed, 0 failed, 1 skipped", [3, 0, 1]),
    ("echo 3 passed, 2 failed, 0 skipped; exit 1", [3, 2, 0]),
    ("echo 3 passed, 0 failed, 0 skipped; exit 1", [3, 1, 0]),
    ("echo 3 passed, 0 failed, 0 skipped; echo boom", [0, 1, 0]),
    ("kill -KILL $$", [0, 1, 0]),
    ("exit 0", [0, 1, 0]),
    ("echo '{\"targets\":7,\"executions\":9,\"crashes\":0}'", [7, 0, 0]),
    ("echo '{\"targets\":7,\"executions\":9,\"crashes\":2}'; exit 1", [5, 2, 0]),
]


def load(path):
    loader = importlib.machinery.SourceFileLoader(os.path.basename(path) + "_", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def runners(seen):
    check, test = load(os.path.join(HERE, "run")), load(os.path.join(HERE, "../run"))
    with tempfile.TemporaryDirectory() as root:
        program = os.path.join(root, "tests/x")
        for script, want in PROGRAMS:
            write(program, "#!/bin/bash\n" + script + "\n")
            os.chmod(program, 0o755)
            counts = check.unit(program)[1]
            seen((counts["OK"], counts["FAILED"], counts["SKIPPED"]) == want, f"check/run: {script}", f"counts as {counts}")
    for script, want in PARTS:
        counts = test.part(["bash", "-c", script], quiet=True)
        seen(counts == want, f"tests/run: {script}", f"counts as {counts}")


def main():
    passed = failed = 0

    def seen(ok, what, output):
        nonlocal passed, failed
        passed, failed = passed + ok, failed + (not ok)
        if not ok:
            print(f"{what}:\n{output}")

    for rule in sorted({case[0] for case in CASES}):
        with tempfile.TemporaryDirectory() as root:
            good_tree(root)
            code, output = run(rule, root)
            seen(code == 0, f"{rule}: refuses a good tree", output)
    for rule, what, path, content, words in CASES:
        with tempfile.TemporaryDirectory() as root:
            good_tree(root)
            write(os.path.join(root, path), content)
            code, output = run(rule, root)
            seen(code == 1 and words in output, f"{rule}: doesn't refuse {what}", output)
    runners(seen)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


main()
