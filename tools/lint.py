"""The rules of the C sources that the compiler does not check. What is not here is not a rule.

usage: lint.py [FOLDER OF THE PROJECT]    prints file:line: what, and a summary; exit 1 when a rule is broken

Checked: layers and prefixes (tools/layers.txt), includes, lengths of functions and files, banned functions, sorted .def
rows, a README.md in each folder, no typedef of structs, fields of struct ctx, no paths of one machine.
"""
import os
import re
import subprocess
import sys

FILE_WARN, FILE_MAX = 800, 1500
FUNCTION_WAIVER, FUNCTION_MAX = 60, 100
CTX_FIELDS = 10
BANNED = 'strcpy strcat sprintf vsprintf strtok atoi atol atof localtime gmtime ctime asctime system popen alloca gets tmpnam mktemp'
HEAP = 'malloc calloc realloc free strdup strndup'
HEAP_OWNERS = {'base/mem.c'}
TYPEDEFS = {'base/str.h', 'base/buf.h'}
# Not written in one piece, so that this file does not find itself.
MACHINE = re.compile(r'(^|[^A-Za-z0-9_.$}/-])/(' + 'wo' + 'rk|fa' + 'rm|tmp/r' + 'ef)/')

errors, warnings, lengths = [], [], []


def error(path, line, text):
    errors.append(f'{path}:{line}: {text}')


def read(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def strip(text):
    """Comments and the contents of strings blanked out, line numbers kept."""
    def blank(m):
        s = m.group(0)
        if s[0] == '/':
            return re.sub(r'[^\n]', ' ', s)
        return s[0] + re.sub(r'[^\n]', ' ', s[1:-1]) + s[-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


class Layers:
    def __init__(self, path):
        self.allowed, self.prefixes = {}, {}
        for line in read(path).splitlines():
            line = line.split('#')[0].strip()
            if not line:
                continue
            name, _, rest = line.partition(':')
            if name.startswith('prefix '):
                self.prefixes[name[7:].strip()] = rest.split()
            else:
                self.allowed[name.strip()] = rest.split()

    def may(self, path, header):
        folder = os.path.dirname(path)
        allowed = self.allowed.get(path, self.allowed.get(folder, []))
        target = os.path.dirname(header)
        if target in ('gen', ''):
            target = 'pb' if target == 'gen' else header
        return target == folder or '*' in allowed or target in allowed or header in allowed


def check_includes(path, text, layers, sources):
    """path is relative to src/."""
    own = [h for h in (path[:-2] + '.h', path[:-2] + '_int.h') if path.endswith('.c') and h in sources]
    first = True
    for m in re.finditer(r'^#include\s+(["<])([^">]+)[">]', text, re.M):
        line = text.count('\n', 0, m.start()) + 1
        header = m.group(2)
        if first and own and header not in own:
            error(f'src/{path}', line, f'the first include is not "{own[0]}"')
        first = False
        if m.group(1) == '<':
            continue
        if header not in sources and not header.startswith('gen/'):
            error(f'src/{path}', line, f'"{header}": include by the full path below src/, <> for what is not ours')
        elif '/' in path and not layers.may(path, header):
            error(f'src/{path}', line, f'"{header}": not allowed here by tools/layers.txt')
        if header.endswith('_int.h') and os.path.dirname(header) != os.path.dirname(path):
            error(f'src/{path}', line, f'"{header}" is private to its folder')


def functions(code):
    """(line of the signature, name, is static, lines) of every function definition; relies on the brace at column 0."""
    lines = code.split('\n')
    for i, line in enumerate(lines):
        if line.rstrip() != '{':
            continue
        start = i
        while start and lines[start - 1].strip() and not re.match(r'[}#]|.*;\s*$', lines[start - 1]):
            start -= 1
        end = next((k for k in range(i, len(lines)) if lines[k].startswith('}')), None)
        signature = ' '.join(lines[start:i])
        m = re.search(r'(\w+)\s*\(', re.sub(r'__attribute__\s*\(\(.*?\)\)|cleanup_\(\w+\)', '', signature))
        if end is None or not m:
            continue
        yield start + 1, m.group(1), 'static' in signature.split(), end - start + 1


def check_functions(name, code, raw_lines, prefixes):
    for line, function, static, length in functions(code):
        lengths.append(length)
        above = raw_lines[line - 2] if line >= 2 else ''
        if length > FUNCTION_MAX:
            error(name, line, f'{function}() has {length} lines, {FUNCTION_MAX} at most')
        elif length > FUNCTION_WAIVER and not re.search(r'/\* long: [^*\s]', above):
            error(name, line, f'{function}() has {length} lines: shorten it or say why on the line before: /* long: ... */')
        if prefixes is not None and not static and not any(re.match(p + r's?(_|$)', function) for p in prefixes):
            error(name, line, f'{function}() is not named after its file: {", ".join(sorted(prefixes))}')


def check_calls(name, path, code):
    words = BANNED if path in HEAP_OWNERS else BANNED + ' ' + HEAP
    for m in re.finditer(r'(?<![\w.>])(' + '|'.join(words.split()) + r')\s*\(', code):
        line = code.count('\n', 0, m.start()) + 1
        hint = 'use base/mem.h or an arena' if m.group(1) in HEAP.split() else 'banned'
        error(name, line, f'{m.group(1)}(): {hint}')


def check_size(name, text):
    n = text.count('\n')
    if n > FILE_MAX:
        error(name, n, f'{n} lines, {FILE_MAX} at most')
    elif n > FILE_WARN:
        warnings.append(f'{name}: {n} lines; {FILE_WARN} is much')


def check_source(root, path, layers, sources):
    name = f'src/{path}'
    text = read(os.path.join(root, name))
    code = strip(text)
    folder, file = os.path.split(path)
    stem = os.path.splitext(file)[0]
    prefixes = set(layers.prefixes.get(path, []))
    prefixes |= {os.path.splitext(os.path.basename(s))[0].removesuffix('_int') for s in sources
                 if os.path.dirname(s) == folder and s.endswith('.h')} | {stem}
    if folder != 'base':
        prefixes.add(folder)
    if folder == 'service' or path.endswith('_service.c'):
        prefixes.add('[A-Z][A-Za-z0-9]*')  # RPC handlers carry the proto's name
    check_includes(path, text, layers, sources)
    check_functions(name, code, text.split('\n'), prefixes)
    check_calls(name, path, code)
    check_size(name, text)
    if not text.startswith('/*'):
        error(name, 1, 'a comment at the head says what the file is')
    if path not in TYPEDEFS:
        for m in re.finditer(r'^typedef (struct|enum|union)\b\s*\w*\s*(?:\{|\w+\s*;)', code, re.M):
            error(name, code.count('\n', 0, m.start()) + 1, f'typedef of a {m.group(1)}')


def check_def(root, name):
    """A table that says "Sorted by X" is; X is a parameter in the macro's form at the head of the file."""
    text = read(os.path.join(root, name))
    by = re.search(r'[Ss]orted by (\w+)', text)
    rows = [(text.count('\n', 0, m.start()) + 1, m.group(1), m.group(2)) for m in re.finditer(r'^(\w+)\((.*)', text, re.M)]
    if not by or not rows:
        return
    form = re.search(rows[0][1] + r'\(([^)]*)\)', text)
    names = [n.strip() for n in form.group(1).split(',')]
    column = names.index(by.group(1)) if by.group(1) in names else 0
    last = ''
    for line, macro, args in rows:
        key = [a.strip().strip('"') for a in args.rstrip(')').split(',')][column]
        if key < last:
            error(name, line, f'"{key}" comes after "{last}": the table is sorted by {by.group(1)}')
        last = key


def check_ctx(root):
    text = strip(read(os.path.join(root, 'src/base/ctx.h')))
    body = re.search(r'struct ctx \{(.*?)\n\};', text, re.S).group(1)
    if body.count(';') > CTX_FIELDS:
        error('src/base/ctx.h', 1, f'struct ctx has {body.count(";")} fields, {CTX_FIELDS} at most')


def check_machine(root, files):
    for name in files:
        path = os.path.join(root, name)
        if not os.path.isfile(path) or os.path.getsize(path) > 1 << 20:
            continue
        for i, line in enumerate(read(path).split('\n'), 1):
            if MACHINE.search(line):
                error(name, i, 'a path of one machine')


def tracked(root):
    out = subprocess.run(['git', '-C', root, 'ls-files', '-co', '--exclude-standard'], capture_output=True, text=True)
    if out.returncode == 0:
        return out.stdout.split('\n')[:-1]
    return [os.path.relpath(os.path.join(d, f), root) for d, dirs, fs in os.walk(root) for f in fs
            if not {'build', '.venv', '.git'} & set(os.path.relpath(d, root).split(os.sep))]


def main(root):
    files = [f for f in tracked(root) if os.path.exists(os.path.join(root, f))]
    sources = {f[4:] for f in files if f.startswith('src/') and f.endswith(('.c', '.h', '.def'))}
    layers = Layers(os.path.join(root, 'tools/layers.txt'))
    for path in sorted(sources):
        if not path.endswith('.def'):
            check_source(root, path, layers, sources)
    for name in sorted(f for f in files if f.startswith('src/') and f.endswith('.def')):
        check_def(root, name)
    for name in sorted(f for f in files if f.startswith('test/') and f.endswith(('.c', '.h'))):
        text = read(os.path.join(root, name))
        check_functions(name, strip(text), text.split('\n'), None)
        check_size(name, text)
    for folder in sorted({os.path.dirname(s) for s in sources if '/' in s}):
        if folder not in layers.allowed:
            error(f'src/{folder}', 1, 'the folder is not in tools/layers.txt')
        if f'src/{folder}/README.md' not in files:
            error(f'src/{folder}', 1, 'no README.md')
    check_ctx(root)
    check_machine(root, files)
    for w in warnings:
        print('warning:', w)
    for e in errors:
        print(e)
    lengths.sort()
    if lengths:
        print(f'lint: {len(sources)} files, {len(lengths)} functions, median {lengths[len(lengths) // 2]} lines, '
              f'p90 {lengths[len(lengths) * 9 // 10]}, longest {lengths[-1]}; {len(errors)} errors')
    return 1 if errors else 0


sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else '.'))
