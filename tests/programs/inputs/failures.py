"""Reads the JUnit file of `python3 -m test`: how many tests ran, and which failed."""

import sys
import xml.etree.ElementTree

cases = list(xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"))
bad = sorted(case.get("name") for case in cases if case.find("error") is not None
             or case.find("failure") is not None)
print(len(cases), "tests,", len(bad), "failed")
for name in bad:
    print("failed:", name)
