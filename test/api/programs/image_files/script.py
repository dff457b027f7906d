# /// script
# requires-python = ">=3.10"
# dependencies = ["six==1.15.0"]
# ///
import six

print(six.__version__)
