# Benchmarks: what bench/run needs, and its usual uses.

BENCH     := $(BUILD)/bench
BENCH_CC   = $(CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -O2 $(filter -Werror,$(CFLAGS)) -fno-builtin \
             -pthread
WORKLOADS := $(filter-out workload,$(basename $(notdir $(wildcard bench/workloads/*.c))))
ROUNDS    ?= 10

$(BENCH)/%: bench/%.c
	@mkdir -p $(@D)
	$(BENCH_CC) $< -o $@ -lm

$(BENCH)/workloads/%: bench/workloads/%.c bench/workloads/workload.c $(wildcard bench/workloads/*.h)
	@mkdir -p $(@D)
	$(BENCH_CC) $(filter %.c,$^) -o $@ -lm

# record.c with what it alone needs is the recorder, the rest of trace/ the replayer.
RECORDER := $(addprefix bench/trace/,record.c slots.c stream.c)
REPLAYER := $(filter-out $(RECORDER),$(wildcard bench/trace/*.c))

$(BENCH)/libtrace.so: $(RECORDER) $(wildcard bench/trace/*.h)
	@mkdir -p $(@D)
	$(BENCH_CC) -fPIC -shared -fvisibility=hidden $(filter %.c,$^) -o $@

$(BENCH)/replay: $(REPLAYER) $(wildcard bench/trace/*.h)
	@mkdir -p $(@D)
	$(BENCH_CC) $(filter %.c,$^) -o $@

# ---- Objects: a program for each subject and peer, SUBJECT-PEER --------------------------------

OBJECT_PROGRAMS := leaf-molt tree-molt tree-acyclic collect-molt rings-molt pauses-molt \
                   memory-molt threads-molt leaf-hand tree-hand tree-hand24 memory-hand
ifneq ($(wildcard /usr/include/gc.h),)
OBJECT_PROGRAMS += leaf-boehm tree-boehm collect-boehm rings-boehm memory-boehm
endif
ifneq ($(wildcard /usr/include/glib-2.0/glib-object.h),)
OBJECT_PROGRAMS += leaf-grcbox tree-grcbox memory-grcbox \
                   leaf-gobject tree-gobject memory-gobject threads-gobject
endif

OBJECT_HEADERS := $(wildcard bench/objects/*.h) include/molt.h include/molt_object.h
MOLT_LINKED     = -Iinclude $(BUILD)/libmolt.so -Wl,-rpath,'$$ORIGIN/../..'
GLIB_LINKED     = $$(pkg-config --cflags --libs gobject-2.0 | sed 's/-I/-isystem /g')

# What each peer is compiled and linked with.
PEER_molt    = -DPEER='"peer_molt.h"' $(MOLT_LINKED)
PEER_acyclic = -DPEER='"peer_molt.h"' -DPEER_ACYCLIC $(MOLT_LINKED)
PEER_hand    = -DPEER='"peer_hand.h"'
PEER_hand24  = -DPEER='"peer_hand.h"' -DPEER_HEADER
PEER_boehm   = -DPEER='"peer_boehm.h"' -lgc
PEER_grcbox  = -DPEER='"peer_grcbox.h"' $(GLIB_LINKED)
PEER_gobject = -DPEER='"peer_gobject.h"' $(GLIB_LINKED)

# object_program SUBJECT PEER
define object_program
$(BENCH)/objects/$(word 1,$(1))-$(word 2,$(1)): bench/objects/$(word 1,$(1)).c \
        bench/objects/objects.c $(OBJECT_HEADERS) $(BUILD)/libmolt.so
	@mkdir -p $$(@D)
	$$(BENCH_CC) $$(filter %.c,$$^) $$(PEER_$(word 2,$(1))) -o $$@
endef
$(foreach program,$(OBJECT_PROGRAMS),$(eval $(call object_program,$(subst -, ,$(program)))))

$(BENCH)/objects/code-shared: bench/objects/code.c $(OBJECT_HEADERS) $(BUILD)/libmolt.so
	@mkdir -p $(@D)
	$(BENCH_CC) $< $(MOLT_LINKED) -o $@

$(BENCH)/objects/code-static: bench/objects/code.c $(OBJECT_HEADERS) $(BUILD)/libmolt.a
	@mkdir -p $(@D)
	$(BENCH_CC) $< -Iinclude $(BUILD)/libmolt.a -o $@

$(BENCH)/objects/instructions: bench/objects/instructions.c $(OBJECT_HEADERS) $(BUILD)/libmolt.so
	@mkdir -p $(@D)
	$(BENCH_CC) $< $(MOLT_LINKED) -o $@

OBJECT_PROGRAMS += code-shared code-static instructions

# A program whose allocations are known, for `bench/run profile-sites`.
$(BENCH)/profiles/%: bench/profiles/%.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -g -Wall -Wextra -fno-builtin -pthread $< -o $@

bench-build: all $(addprefix $(BENCH)/,measure instructions libtrace.so replay) \
             $(addprefix $(BENCH)/workloads/,$(WORKLOADS)) \
             $(addprefix $(BENCH)/objects/,$(OBJECT_PROGRAMS)) $(BENCH)/profiles/known

bench-deps:
	@tests/install bench/peers.packages bench/programs.packages

# Every item under every allocator; PEERS="name=/path/lib.so ..." adds allocators.
bench: bench-deps
	+@$(MAKE) -s bench-build
	@bench/run --suite full -n $(ROUNDS)

bench-quick: bench-deps
	+@$(MAKE) -s bench-build
	@bench/run --suite quick -n 6

# Objects beside those of CPython, Boehm and GLib.
bench-objects:
	@tests/install bench/objects.packages
	+@$(MAKE) -s bench-build
	@bench/run objects -n $(ROUNDS)

# What heap profiles cost and whether they are right, beside other profilers.
bench-profile: bench-deps
	@tests/install bench/profile.packages
	+@$(MAKE) -s bench-build
	@bench/run profile
	@bench/run profile-sites

# Real programs under the system's malloc and under molt.
demo:
	@tests/install bench/demo.packages
	+@$(MAKE) -s bench-build
	@rm -f $(BENCH)/demo.jsonl
	@bench/run --suite demo --peer glibc -n 3 -o $(BENCH)/demo.jsonl

# Instructions and peak RSS against bench/baseline.json.
gate: bench-build
	@bench/run gate

# The harness itself.
check-bench: bench-build
	@tests/bench/run

.PHONY: bench bench-build bench-deps bench-quick bench-objects bench-profile demo gate check-bench
