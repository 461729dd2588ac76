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

bench-build: all $(addprefix $(BENCH)/,measure instructions libtrace.so replay) \
             $(addprefix $(BENCH)/workloads/,$(WORKLOADS))

bench-deps:
	@tests/install bench/peers.packages bench/programs.packages

# Every item under every allocator; PEERS="name=/path/lib.so ..." adds allocators.
bench: bench-deps
	+@$(MAKE) -s bench-build
	@bench/run --suite full -n $(ROUNDS)

bench-quick: bench-deps
	+@$(MAKE) -s bench-build
	@bench/run --suite quick -n 6

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

.PHONY: bench bench-build bench-deps bench-quick demo gate check-bench
