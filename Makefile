# molt: `make` builds the libraries, `make help` lists the rest.

BUILD   := build
VERSION := 1.0.0
SONAME  := libmolt.so.1
PREFIX  ?= /usr/local
DESTDIR ?=
NM      ?= nm
OBJCOPY ?= objcopy

# Make has its own ideas of CC and CXX; those of the command line and the environment win.
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CPPFLAGS += -D_GNU_SOURCE -Isrc -Iinclude -MMD -MP
CFLAGS   ?= -O2
# -foptimize-sibling-calls: slow paths and dlopen are entered by a jump.
# -fno-builtin: malloc must not be compiled into a call of itself.
# -U_FORTIFY_SOURCE: memcpy is the library's own (src/base/bytes.c), not libc's __memcpy_chk.
MOLT_CFLAGS := -std=gnu17 $(WARNINGS) -fPIC -fvisibility=hidden -fno-builtin-malloc \
               -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -fno-builtin-memset \
               -foptimize-sibling-calls -fno-plt -fexceptions -fno-semantic-interposition \
               -U_FORTIFY_SOURCE
# -z nodelete: threads' destructors may run after dlclose.
LDFLAGS_SO = -shared -Wl,-soname,$(SONAME) -Wl,--version-script,preload/molt.map \
              -Wl,-z,nodelete,-z,now,-z,relro,-z,defs -Wl,--hash-style=gnu -Wl,--as-needed \
              $(LDFLAGS_TEXT)
# Where molt's code is, for profile/unwind.c, which leaves it out of stacks.
LDFLAGS_TEXT := '-Wl,--defsym,molt_text_start=ADDR(.text)' \
                '-Wl,--defsym,molt_text_end=ADDR(.text)+SIZEOF(.text)'

SOURCES := $(sort $(wildcard src/*/*.c))
PRELOAD := $(sort $(wildcard preload/*.c))

all: $(BUILD)/libmolt.so $(BUILD)/libmolt.a

# ---- Variants: the same rules in a directory of their own ----------------------------------
# variant NAME, extra compiler flags, directory of the result, sources left out

define variant
$(1)_OBJECTS := $$(patsubst %.c,$(BUILD)/obj/$(1)/%.o,$$(filter-out $(4),$$(SOURCES)))
$(1)_PRELOAD := $$(PRELOAD:%.c=$(BUILD)/obj/$(1)/%.o)

$(BUILD)/obj/$(1)/%.o: %.c $(BUILD)/obj/$(1)/flags
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(MOLT_CFLAGS) $(2) -c $$< -o $$@

# Rebuilds when compiler or flags change.
$(BUILD)/obj/$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(MOLT_CFLAGS) $(2)' | cmp -s - $$@ || \
	    echo '$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(MOLT_CFLAGS) $(2)' > $$@

$(3)/libmolt-core.a: $$($(1)_OBJECTS)
	@mkdir -p $$(@D)
	rm -f $$@ && $$(AR) rcs $$@ $$^

-include $$($(1)_OBJECTS:.o=.d) $$($(1)_PRELOAD:.o=.d)
endef

$(eval $(call variant,release,,$(BUILD)/release))
# MOLT_VALIDATE doubles the time of collections: the sanitized variants do without it.
$(eval $(call variant,debug,-O1 -g -DMOLT_DEBUG -DMOLT_VALIDATE,$(BUILD)/debug))
# These sanitizers watch memory through a memcpy of theirs.
$(eval $(call variant,asan,-O1 -fsanitize=address -DMOLT_DEBUG,$(BUILD)/asan,src/base/bytes.c))
$(eval $(call variant,tsan,-O1 -fsanitize=thread -DMOLT_DEBUG,$(BUILD)/tsan,src/base/bytes.c))
$(eval $(call variant,ubsan,-O1 -fsanitize=undefined -fno-sanitize-recover=all -DMOLT_DEBUG,$(BUILD)/ubsan))

# What runs only when something is written or looked for is compiled for size.
WRITERS := census code_map dump error_stacks folder frame holder leak leak_groups lines listing mapped mirror_file module output \
           page pattern place pressure roots search share signals suppress trigger
$(WRITERS:%=$(BUILD)/obj/release/src/profile/%.o): MOLT_CFLAGS += -Os

# ---- Libraries ---------------------------------------------------------------------------------

$(BUILD)/$(SONAME): $(release_OBJECTS) $(release_PRELOAD) preload/molt.map
	$(CC) $(LDFLAGS) $(LDFLAGS_SO) $(release_OBJECTS) $(release_PRELOAD) -o $@

$(BUILD)/libmolt.so: $(BUILD)/$(SONAME)
	ln -sf $(SONAME) $@

# The archive has one member: a program that takes malloc from it must not take malloc_usable_size
# from libc. Only the names that libmolt.so exports leave it, and all but molt's own are weak: a
# program may have its own. The nothrow forms of operator new stay with the C++ library: there they
# catch what the throwing forms throw, whoever defines those. What notes on probes refer to (base/sdt.h)
# is one with those of other objects. The script joins all code, and names its start and end as for
# libmolt.so.
$(BUILD)/obj/release/molt.o: $(release_OBJECTS) $(release_PRELOAD) preload/archive.ld
	$(LD) -r -T preload/archive.ld $(filter %.o,$^) -o $@
	$(NM) --defined-only --extern-only --format=just-symbols $@ | grep -v '^molt_' > $@.weak
	$(OBJCOPY) --localize-hidden --weaken-symbols=$@.weak \
	    --wildcard --localize-symbol='_Zn*nothrow_t' $@
	$(OBJCOPY) --globalize-symbol=_.stapsdt.base --weaken-symbol=_.stapsdt.base $@

$(BUILD)/libmolt.a: $(BUILD)/obj/release/molt.o
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/debug/libmolt.so: $(debug_OBJECTS) $(debug_PRELOAD) preload/molt.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(LDFLAGS_SO) $(debug_OBJECTS) $(debug_PRELOAD) -o $@

debug: $(BUILD)/debug/libmolt.so

# ---- Tests -------------------------------------------------------------------------------------

include tests/cases/cases.mk
include tests/unit.mk
include doc/examples/examples.mk

# How busy the machine is when a part begins; the other runners ask for themselves.
check-unit check-model check-objects check-bench: export PATIENCE = $(shell tests/patience)

# All tests; installs what they need. ALSO= names further targets to run and count.
check:
	+@tests/all $(ALSO)

# That files use only what lies below them, as doc/design.md draws it.
layers: all
	@tests/checkers layers
	@tests/layers $(BUILD)/obj/release

# That functions and files are short.
sizes:
	@tests/checkers sizes
	@tests/sizes

# What the library promises of itself: size, dependencies, exported names.
check-library: all
	@tests/library $(BUILD)/libmolt.so

# The ways to use it that README.md lists.
check-uses: all
	@tests/uses/run $(BUILD)

# Planted leaks of many kinds, found by molt and by LeakSanitizer.
check-leaks: all
	@tests/leaks/compare $(BUILD)

# What the public headers let through and what they refuse, by both compilers.
check-headers:
	@tests/headers

check-programs: all
	@tests/programs/run $(BUILD)/libmolt.so

# Large programs, with their time and memory; installs gigabytes, so that check does without it.
check-world: all
	@tests/install tests/world/packages
	@tests/programs/run --figures --from tests/world $(BUILD)/libmolt.so

deps:
	@tests/install tests/packages tests/programs/packages

# ---- Benchmarks --------------------------------------------------------------------------------

include bench/bench.mk

# ---- Source ------------------------------------------------------------------------------------

FORMATTED = $(sort $(shell git ls-files '*.c' '*.h' '*.hpp' '*.cc'))

format:
	clang-format -i $(FORMATTED)

format-check:
	clang-format --dry-run --Werror $(FORMATTED)

check-shell:
	shellcheck -x .ci/run tests/all tests/install tests/library tests/headers tests/examples tests/patience \
	    tests/parallel.sh tests/steps tests/cases/run tests/uses/run \
	    tests/programs/run tests/programs/*.sh tests/world/*.sh findings/*.sh

tidy:
	clang-tidy --quiet $(SOURCES) $(PRELOAD) -- -std=gnu17 -D_GNU_SOURCE -Isrc -Iinclude

# Both compilers, all warnings, none allowed.
warnings:
	+@$(MAKE) -s CC=gcc CXX=g++ BUILD=$(BUILD)/gcc CFLAGS='-O2 -Werror' all debug bench-build
	+@$(MAKE) -s CC=clang CXX=clang++ BUILD=$(BUILD)/clang CFLAGS='-O2 -Werror' all debug bench-build

# ---- Installing --------------------------------------------------------------------------------

LIBDIR = $(DESTDIR)$(PREFIX)/lib
INCDIR = $(DESTDIR)$(PREFIX)/include

# The loader finds a library in its cache alone. What goes into DESTDIR is not installed yet.
tell_loader = \
    if [ -n '$(DESTDIR)' ]; then exit; fi; \
    if [ "$$(id -u)" != 0 ]; then echo 'what is left to do, as root: ldconfig'; exit; fi; \
    ldconfig; \
    if ! ldconfig -p | grep -q ' $(PREFIX)/lib/$(SONAME)$$'; then \
        echo 'the loader does not look in $(PREFIX)/lib: link with -Wl,-rpath,$(PREFIX)/lib'; \
    fi

install: all
	install -d $(LIBDIR)/pkgconfig $(INCDIR)
	install -m 755 $(BUILD)/$(SONAME) $(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(LIBDIR)/libmolt.so
	install -m 644 $(BUILD)/libmolt.a $(LIBDIR)/libmolt.a
	install -m 644 $(wildcard include/*.h include/*.hpp) $(INCDIR)
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' '' \
	    'Name: molt' 'Description: a malloc that sheds' 'Version: $(VERSION)' \
	    '# README.md has a table of the ways to use molt. These flags take it, shared or static, wherever they' \
	    '# stand and whether or not the program itself refers to malloc.' \
	    'Libs: -L$${libdir} -Wl,-u,malloc -Wl,--push-state,--no-as-needed -lmolt -Wl,--pop-state' \
	    'Cflags: -I$${includedir}' > $(LIBDIR)/pkgconfig/molt.pc
	@$(tell_loader)

uninstall:
	rm -f $(LIBDIR)/$(SONAME) $(LIBDIR)/libmolt.so $(LIBDIR)/libmolt.a \
	    $(LIBDIR)/pkgconfig/molt.pc $(patsubst include/%,$(INCDIR)/%,$(wildcard include/*))

clean:
	rm -rf $(BUILD)

help:
	@printf '%s\n' \
	    'make               build/libmolt.so and build/libmolt.a' \
	    'make demo          real programs under the system malloc and under molt' \
    'make bench-quick   the comparison with other allocators, in three minutes' \
    'make bench         all of it (bench/run --help: one item, two builds, reports)' \
	    'make check         all tests (installs what they need)' \
	    'make check-world   large programs: firefox, mariadb, libreoffice, ghc … (installs gigabytes)' \
	    'make debug         build/debug/libmolt.so, with assertions' \
	    'make check-unit    the modules          make check-model     random operations' \
	    'make check-objects objects as Python'\''s' \
	    'make check-profiles heap profiles, as others read them' \
	    'make check-cases   pitfalls, semantics  make check-programs  real programs' \
	    'make check-library size, names          make check-uses      preloaded, linked, archive …' \
	    'make check-debug   most of these with assertions' \
	    'make check-asan    make check-tsan      make check-ubsan     the modules, sanitized' \
	    'make check-bench   the benchmarks'\'' harness    make check-examples  doc/examples' \
    'make bench-objects  objects beside those of CPython, Boehm and GLib' \
    'make bench-profile  what heap profiles cost, beside heaptrack and others' \
    'make gate          instructions and memory against what is recorded' \
	    'make layers        no file uses what lies above it      make sizes       short functions and files' \
	    'make check-leaks   planted leaks, beside LeakSanitizer' \
	    'make check-headers what the public headers let through' \
	    'make warnings      gcc and clang, all warnings as errors' \
	    'make format        clang-format (format-check only looks)   make tidy  clang-tidy' \
	    'make install       PREFIX=/usr/local, DESTDIR=    make uninstall' \
	    'make deps          the Debian packages that the tests need' \
	    'make clean'

FORCE:
.PHONY: all debug check layers sizes check-library check-headers check-leaks check-uses check-programs check-world deps \
        format format-check check-shell tidy warnings install uninstall clean help FORCE
