"""Prints the settings of pip that uv does not read, as uv's variables: NAME=VALUE lines."""
import configparser
import os

HOME = os.path.expanduser("~")
OWN = ["/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", f"{HOME}/.config/uv/uv.toml"]
PIP = ["/etc/xdg/pip/pip.conf", "/etc/pip.conf", f"{HOME}/.pip/pip.conf", f"{HOME}/.config/pip/pip.conf"]
# An option of an image's layer replaces UV_INDEX_URL, and is added to UV_INDEX.
NAMES = {"index-url": ("UV_INDEX_URL", " "), "extra-index-url": ("UV_INDEX", " "), "find-links": ("UV_FIND_LINKS", ","),
         "trusted-host": ("UV_INSECURE_HOST", " "), "proxy": ("ALL_PROXY", " "), "cert": ("SSL_CERT_FILE", " ")}

if not any(map(os.path.exists, OWN)):
    conf = configparser.RawConfigParser()
    conf.read(PIP, encoding="utf-8")
    found = {key.replace("_", "-"): value for section in ("global", "install") if conf.has_section(section)
             for key, value in conf.items(section)}
    for key, (name, between) in NAMES.items():
        if found.get(key, "").split():
            print(f"{name}={between.join(found[key].split())}")
