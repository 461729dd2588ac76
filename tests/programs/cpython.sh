# Tests of CPython itself, with every object in malloc.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/lib.sh"

need $python
$python -c 'import test.test_dict' 2>/dev/null || { echo "no libpython3.11-testsuite"; exit 77; }
modules=(dict list set re struct array)
if ((!QUICK)); then
    modules+=(gc bytes buffer collections copy coroutines ctypes deque fork1 functools generators
        heapq itertools json marshal memoryio memoryview mmap ordered_dict os queue
        subprocess thread threading tuple unicode xml_etree zlib)
fi
status=0
PYTHONMALLOC=malloc under $python -m test -j2 --timeout $((60 * PATIENCE)) --junit-xml "$PWD/results.xml" \
    "${modules[@]/#/test_}" >&2 || status=$?
$python "$inputs/failures.py" results.xml
exit "$status"
