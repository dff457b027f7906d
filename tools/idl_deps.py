"""Writes the descriptors of the IDL's third-party imports (buf/validate, google/api, google/rpc) as one descriptor set.

They come from the packages that their publishers put on PyPI, found in this order: the folders given with --from (a
site-packages folder), the wheels in --cache, PyPI itself (pip downloads the wheels into --cache once). Only the
serialized descriptors inside the packages' *_pb2.py files are read; nothing of them is run or installed.

usage: idl_deps.py --out FILE --cache DIR [--from DIR]...
"""
import argparse
import ast
import glob
import os
import subprocess
import sys
import zipfile

# package on PyPI -> the proto files we take from it
PACKAGES = {
    'flyteidl2==2.0.53': ['buf/validate/validate.proto'],
    'googleapis-common-protos==1.76.0': ['google/api/annotations.proto', 'google/api/http.proto',
                                         'google/rpc/error_details.proto', 'google/rpc/status.proto'],
}


def module_of(proto):
    return proto.removesuffix('.proto') + '_pb2.py'


def find_in_folders(proto, folders):
    for folder in folders:
        path = os.path.join(folder, module_of(proto))
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                return f.read()
    return None


def find_in_wheels(proto, cache):
    for path in sorted(glob.glob(os.path.join(cache, '*.whl'))):
        with zipfile.ZipFile(path) as wheel:
            if module_of(proto) in wheel.namelist():
                return wheel.read(module_of(proto)).decode()
    return None


def download(package, cache):
    python = '.venv/bin/python' if os.path.exists('.venv/bin/python') else sys.executable
    print(f'downloading {package} (descriptors for the build)', flush=True)
    os.makedirs(cache, exist_ok=True)
    cmd = [python, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', cache, package]
    if subprocess.run(cmd).returncode != 0:
        sys.exit(f'idl_deps: cannot download {package}; offline, name a folder that has it: make IDL_DEPS=<site-packages>')


def serialized_descriptor(source, proto):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'AddSerializedFile':
            return node.args[0].value
    sys.exit(f'idl_deps: no descriptor inside {module_of(proto)}')


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--out', required=True)
    args.add_argument('--cache', required=True)
    args.add_argument('--from', dest='folders', action='append', default=[])
    args = args.parse_args()
    folders = [f for f in args.folders if f] + glob.glob('.venv/lib/python3*/site-packages')
    out = b''
    for package, protos in PACKAGES.items():
        for proto in protos:
            source = find_in_folders(proto, folders) or find_in_wheels(proto, args.cache)
            if not source:
                download(package, args.cache)
                source = find_in_wheels(proto, args.cache)
            data = serialized_descriptor(source, proto)
            out += b'\x0a' + varint(len(data)) + data  # FileDescriptorSet.file
    os.makedirs(os.path.dirname(args.out), exist_ok=True)
    with open(args.out, 'wb') as f:
        f.write(out)


if __name__ == '__main__':
    main()
