"""The command line of the real binary: help, wrong calls, settings. No server is started."""
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERN = os.environ.get('TERN', str(ROOT / 'build' / 'tern'))


@pytest.fixture
def tern(tmp_path):
    def call(*args, **env):
        return subprocess.run([TERN, *args], capture_output=True, text=True, cwd=tmp_path, timeout=60,
                              env={'HOME': str(tmp_path), 'PATH': os.environ['PATH'], **env})
    return call


def test_help_lists_the_commands_and_each_has_its_own(tern):
    listed = re.findall(r'^  (\w+) ', tern('--help').stdout, re.M)
    assert {'config', 'doctor', 'rpcs', 'stop', 'version'} <= set(listed)
    assert tern().stdout == tern('help').stdout == tern('-h').stdout
    for name in listed:
        one = tern('help', name)
        assert one.returncode == 0
        assert one.stdout.startswith(f'tern {name}: ')
        assert tern(name, '--help').stdout == one.stdout


def test_wrong_calls(tern):
    wrong = tern('verison')
    assert wrong.returncode == 2
    assert 'did you mean "version"?' in wrong.stderr
    assert wrong.stdout == ''
    wrong = tern('stop', '--timeuot', '3')
    assert wrong.returncode == 2
    assert 'did you mean --timeout?' in wrong.stderr
    assert tern('version', 'x').returncode == 2
    assert r'\x1b[31m' in tern('\x1b[31m').stderr


def test_version(tern):
    assert re.fullmatch(r'tern \d+\.\d+\.\d+\n', tern('version').stdout)
    assert tern('--version').stdout == tern('version').stdout


def test_settings_are_yaml_and_come_from_where_they_say(tern, tmp_path):
    (tmp_path / 't.yaml').write_text('exec:\n  local:\n    cpus: 3\n')
    shown = tern('config', 'show', '--config', 't.yaml', '--listen', '127.0.0.1:0', TERN_LOG_LEVEL='debug').stdout
    settings = yaml.safe_load(shown)
    assert settings['exec']['local']['cpus'] == 3
    assert settings['log']['level'] == 'debug'
    assert settings['server'] == {'listen': '127.0.0.1:0', 's3_listen': '127.0.0.1:0', 'tls': {'cert': '', 'key': ''}}
    assert settings['data'] == str(tmp_path / '.local/share/tern')
    assert re.search(r'cpus: 3 +# line 3 of the file', shown)
    assert re.search(r'level: "debug" +# environment', shown)
    assert re.search(r' listen: "127.0.0.1:0" +# flag', shown)


def test_the_reference_names_every_setting(tern):
    def keys(value, path=''):
        if not isinstance(value, dict):
            return [path]
        return [k for name, v in value.items() for k in keys(v, f'{path}.{name}'.lstrip('.'))]
    docs = tern('config', 'docs').stdout
    rows = re.findall(r'^\| `([a-z0-9_.]+)` \|.*\| `(TERN_[A-Z0-9_]+)` \|', docs, re.M)
    assert sorted(k for k, _ in rows) == sorted(keys(yaml.safe_load(tern('config', 'show').stdout)))
    assert all(env == 'TERN_' + key.upper().replace('.', '_') for key, env in rows)


def test_check_refuses_what_the_server_would(tern):
    assert tern('config', 'check').returncode == 0
    open_to_all = tern('config', 'check', '--listen', '0.0.0.0:1')
    assert open_to_all.returncode == 1
    assert '--allow-remote' in open_to_all.stderr


def test_the_clients_file_is_what_the_sdk_writes(tern, tmp_path):
    flyte = pathlib.Path(sys.executable).parent / 'flyte'
    subprocess.run([flyte, 'create', 'config', '--devbox', '--builder', 'remote', '-o', tmp_path / 'theirs.yaml'],
                   check=True, capture_output=True, env={'HOME': str(tmp_path), 'PATH': os.environ['PATH']})
    theirs = yaml.safe_load((tmp_path / 'theirs.yaml').read_text())
    assert yaml.safe_load(tern('config', 'client').stdout) == theirs
    elsewhere = yaml.safe_load(tern('config', 'client', '--listen', 'localhost:1').stdout)
    assert elsewhere['admin'] == {'endpoint': 'dns:///localhost:1', 'insecure': True}


def test_rpcs_counts_what_it_lists(tern):
    out = tern('rpcs').stdout
    yes, no = len(re.findall(r' yes$', out, re.M)), len(re.findall(r' no$', out, re.M))
    assert f'{yes + no} RPCs: {yes} answer, {no} say UNIMPLEMENTED' in out
    assert yes + no >= 120
    assert 'flyteidl2.workflow.RunService\n' in out
    assert len(re.findall(r' no$', tern('rpcs', '--missing').stdout, re.M)) == no


def doctor_line(out, name):
    return re.search(rf'^(ok|warn|fail) +{name} +(.*)$', out, re.M).groups()


def test_doctor_finds_what_is_wrong(tern, tmp_path):
    out = tern('doctor', '--listen', 'localhost:0').stdout
    assert doctor_line(out, 'client')[0] == 'warn'
    (tmp_path / '.flyte').mkdir()
    config = tmp_path / '.flyte' / 'config.yaml'
    good = 'admin:\n  endpoint: dns:///localhost:30080\n  insecure: true\nimage:\n  builder: remote\n'
    config.write_text(good)
    assert doctor_line(tern('doctor').stdout, 'client') == ('ok', '.flyte/config.yaml points here')
    config.write_text(good.replace('remote', 'local'))
    out = tern('doctor').stdout
    assert doctor_line(out, 'client')[0] == 'warn'
    assert 'fix: flyte create config --devbox --builder remote' in out
    config.write_text(good.replace('30080', '30081'))
    assert 'admin.endpoint is localhost:30081' in doctor_line(tern('doctor').stdout, 'client')[1]


def test_doctor_knows_a_python_with_and_without_the_sdk(tern, tmp_path):
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').write_text('#!/bin/sh\nprintf "3.12.1\\nyes\\n2.12.1\\n"\n')
    (tmp_path / 'bin' / 'python').chmod(0o755)
    out = tern('doctor', VIRTUAL_ENV=str(tmp_path)).stdout
    assert doctor_line(out, 'task python') == ('ok', f'{tmp_path}/bin/python (VIRTUAL_ENV): Python 3.12.1, flyte 2.12.1')
    assert 'a reuse policy keeps no modules' in doctor_line(out, 'task start')[1]
    cold = tern('doctor', '--exec.local.warm_pool=false', VIRTUAL_ENV=str(tmp_path)).stdout
    assert 'exec.local.warm_pool is off' in doctor_line(cold, 'task start')[1]
    (tmp_path / 'bin' / 'uv').write_text('#!/bin/sh\necho uv 0\n')
    (tmp_path / 'bin' / 'uv').chmod(0o755)
    out = tern('doctor', VIRTUAL_ENV=str(tmp_path)).stdout
    assert doctor_line(out, 'images') == ('ok', f'packages of images are installed by {tmp_path}/bin/uv')
    out = tern('doctor', '--exec.local.uv', '/nowhere/uv', VIRTUAL_ENV=str(tmp_path)).stdout
    assert doctor_line(out, 'images') == ('fail', '/nowhere/uv (exec.local.uv) does not run')
    (tmp_path / 'bin' / 'python').write_text('#!/bin/sh\nprintf "3.12.1\\nyes\\n"\nexit 1\n')
    failed = tern('doctor', VIRTUAL_ENV=str(tmp_path))
    assert failed.returncode == 1
    assert doctor_line(failed.stdout, 'task python')[0] == 'fail'


def test_doctor_sees_a_taken_port(tern):
    import socket
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        port = s.getsockname()[1]
        out = tern('doctor', '--listen', f'localhost:{port}', '--s3-listen', 'localhost:0').stdout
    assert doctor_line(out, 'ports') == ('fail', f'localhost:{port}: Address already in use')


def test_stop_without_a_server(tern, tmp_path):
    out = tern('stop', '--data', str(tmp_path / 'none'))
    assert out.returncode == 0
    assert out.stdout == f'No server runs on {tmp_path}/none.\n'


def test_stop_ends_an_idle_supervisor(tern, tmp_path):
    data = tmp_path / 'data'
    data.mkdir(mode=0o700)
    reading, writing = os.pipe()
    p = subprocess.Popen([TERN, 'supervise', '--data', str(data), '--ready-fd', str(writing), '--no-cgroup'],
                         pass_fds=[writing], stderr=subprocess.DEVNULL)
    try:
        os.close(writing)
        with os.fdopen(reading) as f:
            assert f.readline() == 'ok\n'
        stopped = tern('stop', '--data', str(data))
        assert (stopped.returncode, stopped.stderr) == (0, '')
        assert p.wait(timeout=30) == 0
    finally:
        p.kill()
        p.wait()


def test_env_needs_a_server(tern, tmp_path):
    out = tern('env', '--data', str(tmp_path / 'none'))
    assert out.returncode == 1
    assert out.stdout == ''
    assert 'no server runs on' in out.stderr
    assert not (tmp_path / 'none').exists()
