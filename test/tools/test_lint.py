"""tools/lint.py on a small project: it is content with a good one and finds each kind of breach, at its line."""
import pathlib
import subprocess
import sys

import pytest

LINT = pathlib.Path(__file__).resolve().parents[2] / 'tools' / 'lint.py'

GOOD = {
    'tools/layers.txt': 'base:\npb: base\nnet: base\ncli: base pb\ncli/all.c: *\nprefix base/ctx.c: fail\n',
    'src/base/ctx.h': '/* Head. */\nstruct ctx {\n    int a;\n};\nint fail(void);\n',
    'src/base/ctx.c': '/* Head. */\n#include "base/ctx.h"\n\nint fail(void)\n{\n    return 0;\n}\n',
    'src/base/README.md': 'x\n',
    'src/pb/pb.h': '/* Head. */\n#include "base/ctx.h"\n\ntypedef enum code fn(int x);\nint pb_x(void);\n',
    'src/pb/pb.c': '/* Head. */\n#include "pb/pb.h"\n\n#include <stdio.h>\n\nint pb_x(void)\n{\n    return 0; /* malloc() */\n}\n',
    'src/pb/README.md': 'x\n',
    'src/net/net_int.h': '/* Head. */\n',
    'src/net/README.md': 'x\n',
    'src/cli/all.c': '/* Head. */\n#include "net/net.h"\n\nvoid cli_all(void)\n{\n    puts("system(x)");\n}\n',
    'src/net/net.h': '/* Head. */\n',
    'src/cli/table.def': '/* ROW(key, x, name)\n * Sorted by name. */\nROW(b, 1, "x")\nROW(a, 1, "y")\n',
    'src/cli/README.md': 'x\n',
}


def lint(root, changes):
    for name, text in {**GOOD, **changes}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
    p = subprocess.run([sys.executable, str(LINT), str(root)], capture_output=True, text=True)
    assert not p.stderr
    return p.returncode, p.stdout


def function(lines, name='pb_long', above=''):
    return f'/* Head. */\n{above}int {name}(void)\n{{\n' + '    x++;\n' * (lines - 3) + '}\n'


def test_a_good_project(tmp_path):
    status, out = lint(tmp_path, {})
    assert status == 0, out
    assert '0 errors' in out


@pytest.mark.parametrize('name, text, says', [
    ('src/pb/bad.c', '/* H */\n#include "net/net.h"\n', 'src/pb/bad.c:2: "net/net.h": not allowed here'),
    ('src/pb/bad.c', '/* H */\n#include "gen/../x.h"\n#include "pb.h"\n', 'src/pb/bad.c:3: "pb.h": include by the full path'),
    ('src/cli/all.c', '/* H */\n#include "net/net_int.h"\n', 'src/cli/all.c:2: "net/net_int.h" is private'),
    ('src/pb/pb.c', '/* H */\n#include <stdio.h>\n#include "pb/pb.h"\n', 'src/pb/pb.c:2: the first include is not "pb/pb.h"'),
    ('src/new/x.h', '/* H */\n', 'src/new:1: the folder is not in tools/layers.txt'),
    ('src/new/x.h', '/* H */\n', 'src/new:1: no README.md'),
    ('src/pb/long.c', function(61), 'src/pb/long.c:2: pb_long() has 61 lines: shorten it or say why'),
    ('src/pb/long.c', function(61, above='/* long: */\n'), 'pb_long() has 61 lines: shorten it or say why'),
    ('src/pb/long.c', function(101, above='/* long: a table */\n'), 'src/pb/long.c:3: pb_long() has 101 lines, 100 at most'),
    ('src/pb/long.c', '/* H */\n' + 'int x;\n' * 1501, '1502 lines, 1500 at most'),
    ('src/pb/other.c', function(5, 'net_x'), 'src/pb/other.c:2: net_x() is not named after its file'),
    ('src/base/other.c', function(5, 'base_x'), 'src/base/other.c:2: base_x() is not named after its file'),
    ('src/pb/x.c', '/* H */\nstatic char *f(void)\n{\n    return strcpy(a, b);\n}\n', 'src/pb/x.c:4: strcpy(): banned'),
    ('src/pb/x.c', '/* H */\nstatic char *f(void)\n{\n    return malloc(1);\n}\n', 'src/pb/x.c:4: malloc(): use base/mem.h'),
    ('src/pb/x.c', 'int x;\n', 'src/pb/x.c:1: a comment at the head'),
    ('src/pb/x.h', '/* H */\ntypedef struct a {\n    int b;\n} a;\n', 'src/pb/x.h:2: typedef of a struct'),
    ('src/cli/table.def', '/* ROW(key, x, name)\n * Sorted by name. */\nROW(b, 1, "y")\nROW(c, 1, "x")\n',
     'src/cli/table.def:4: "x" comes after "y"'),
    ('src/base/ctx.h', '/* H */\nstruct ctx {\n' + ''.join(f'    int a{i};\n' for i in range(11)) + '};\n',
     'struct ctx has 11 fields, 10 at most'),
    ('docs/x.md', 'see ' + '/wo' + 'rk/x\n', 'docs/x.md:1: a path of one machine'),
])
def test_each_breach(tmp_path, name, text, says):
    status, out = lint(tmp_path, {name: text})
    assert says in out
    assert status == 1


def test_waivers_and_long_files(tmp_path):
    status, out = lint(tmp_path, {'src/pb/long.c': function(100, above='/* long: one state after the other */\n'),
                                  'src/pb/many.c': '/* H */\n' + 'int x;\n' * 900})
    assert status == 0, out
    assert 'warning: src/pb/many.c: 901 lines' in out
