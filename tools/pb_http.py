"""Reads the google.api.http rules of RPCs, for pbgen.py, swagger.py and openapi.py."""
import re
import sys

import pb_descriptor as pd

RULE = 72295728  # google.api.http
VERBS = {2: 'GET', 3: 'PUT', 4: 'POST', 5: 'DELETE', 6: 'PATCH'}


def read_rule(method, rule):
    if rule.has(12):
        sys.exit(f'{method}: response_body is not supported')
    found = [(verb, rule.text(number)) for number, verb in VERBS.items() if rule.has(number)]
    found += [(custom.text(1), custom.text(2)) for custom in rule.messages(8)]
    if len(found) != 1:
        sys.exit(f'{method}: a google.api.http rule has one pattern')
    out = [(*found[0], rule.text(7) if rule.has(7) else None)]
    for more in rule.messages(11):
        out += read_rule(method, more)
    return out


def bindings(method):
    """[(verb, path, body or None)] of the method's rule and its additional bindings."""
    data = pd.Wire(method.options).bytes(RULE)
    return read_rule(method.name, pd.Wire(data)) if data else []


def variables(path):
    """The field paths of a template's variables, in their order."""
    return re.findall(r'{([^}=]+)(?:=[^}]*)?}', path)
