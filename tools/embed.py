"""Writes an assembly file that carries files inside the binary, and the table that src/base/embed.h reads.

usage: embed.py OUT.S FILE...   (a file's name in the table is its path below src/)
"""
import sys


def main(out, files):
    lines = ['.section .rodata']
    for i, path in enumerate(files):
        name = path.split('src/', 1)[-1]
        lines += [f'.Lname{i}: .asciz "{name}"', '.balign 16', f'.Ldata{i}: .incbin "{path}"', f'.Lend{i}: .byte 0']
    lines += ['.section .data.rel.ro,"aw"', '.balign 8', '.global embed_files', 'embed_files:']
    for i in range(len(files)):
        lines.append(f'.quad .Lname{i}, .Ldata{i}, .Lend{i} - .Ldata{i}')
    lines += ['.quad 0, 0, 0', '.section .note.GNU-stack,"",@progbits', '']
    with open(out, 'w') as f:
        f.write('\n'.join(lines))


main(sys.argv[1], sys.argv[2:])
