# tests/unit and tests/model, linked with molt's core: in a process whose malloc is the libc's.
# For the top Makefile, whose rules for a variant's objects and core library this uses.
#
#   make check-unit    all suites          $(BUILD)/release/unit [--list] [SUITE]…
#   make check-model   random operations   $(BUILD)/release/model [--seed S] [--ops N] …
#                      and on objects      $(BUILD)/release/objects [--nodes N] [--seed S] …
#                      of several threads  $(BUILD)/release/collections [--threads N] [--seed S] …
#   make check-profiles  heap profiles as others read them: tests/profiles/readers
#   make check-objects objects in lock step with Python's own: tests/objects/mirror
#   make check-debug   all of them, shorter, and cases and real programs, with assertions
#   make check-asan    check-tsan check-ubsan: all, shorter, in the sanitized variants
#   make check-sanitizers  these three

UNIT_SOURCES  := $(sort $(wildcard tests/unit/*.c))
MODELS        := model objects collections
UNIT_LIBS      = $(shell pkg-config --libs check) -lm

# Calls that requests.c lets fail, and those that test_registry.c and test_probe.c watch.
UNIT_WRAPPED := os_yield molt_new molt_new_extra molt_malloc molt_calloc molt_realloc molt_weak_new \
                malloc_aligned object_block_refill scratch_take os_map profile_memory_take \
                probe_alloc probe_free
UNIT_LDFLAGS := $(UNIT_WRAPPED:%=-Wl,--wrap=%)

# All of an archive: hooks lie in sections, whose files no symbol names.
whole = -Wl,--whole-archive $(1) -Wl,--no-whole-archive

# unit_variant NAME, the variant's compiler flags, directory of the result
define unit_variant
$(1)_UNIT  := $$(UNIT_SOURCES:%.c=$(BUILD)/obj/$(1)/%.o)

$(3)/unit: $$($(1)_UNIT) $(3)/libmolt-core.a
	$$(CC) $$(LDFLAGS) $$(UNIT_LDFLAGS) $(2) $$($(1)_UNIT) $$(call whole,$(3)/libmolt-core.a) \
	    -o $$@ -pthread $$(UNIT_LIBS)

$(MODELS:%=$(3)/%): $(3)/%: $(BUILD)/obj/$(1)/tests/model/%.o $(3)/libmolt-core.a
	$$(CC) $$(LDFLAGS) $(2) $$< $$(call whole,$(3)/libmolt-core.a) -o $$@ -pthread

-include $$($(1)_UNIT:.o=.d) $(MODELS:%=$(BUILD)/obj/$(1)/tests/model/%.d)
endef

$(eval $(call unit_variant,release,,$(BUILD)/release))
$(eval $(call unit_variant,debug,,$(BUILD)/debug))
$(eval $(call unit_variant,asan,-fsanitize=address,$(BUILD)/asan))
$(eval $(call unit_variant,tsan,-fsanitize=thread,$(BUILD)/tsan))
$(eval $(call unit_variant,ubsan,-fsanitize=undefined,$(BUILD)/ubsan))

# So that reports name lines and inlined functions.
$(foreach variant,asan tsan ubsan,$(eval $(BUILD)/obj/$(variant)/%: CFLAGS += -g))

# The model under the plain names, for LD_PRELOAD.
$(BUILD)/tests/model-preload: tests/model/model.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 $(WARNINGS) -fno-builtin -DMODEL_STANDARD_NAMES $< -o $@ \
	    -pthread -ldl

# A step for each suite; those that take longest come first.
UNIT_TESTS  := $(filter tests/unit/test_%,$(UNIT_SOURCES))
UNIT_LONG   := fork object_memory os_failures incremental object straggler malloc value
UNIT_SUITES := $(UNIT_LONG) $(filter-out $(UNIT_LONG),$(UNIT_TESTS:tests/unit/test_%.c=%))
units = $(patsubst %,"$(BUILD)/$(1)/unit %",$(filter-out $(2),$(UNIT_SUITES))) # VARIANT, but not these

check-unit: $(BUILD)/release/unit
	@tests/steps $(call units,release)

# By one thread, by some and by many; all at once, and in slices.
collections = \
    "$(BUILD)/$(1)/collections --rounds $(2) --seed 1" \
    "MOLT=gc=incremental $(BUILD)/$(1)/collections --rounds $(2) --seed 2" \
    "$(BUILD)/$(1)/collections --threads 4 --rounds $(2) --seed 3" \
    "$(BUILD)/$(1)/collections --threads 16 --rounds $(2) --seed 4" \
    "MOLT=gc=incremental $(BUILD)/$(1)/collections --threads 4 --rounds $(2) --seed 5" \
    "MOLT=gc=incremental $(BUILD)/$(1)/collections --threads 16 --rounds $(2) --seed 6"

check-model: $(MODELS:%=$(BUILD)/release/%) $(BUILD)/tests/model-preload $(BUILD)/libmolt.so
	@tests/steps \
	    "$< --seed 1" \
	    "$< --seed 1000 --seconds 6" \
	    "$< --threads 4 --seed 2 --seconds 4" \
	    "$< --threads 16 --seed 3 --seconds 4" \
	    "LD_PRELOAD=$(abspath $(BUILD)/libmolt.so) $(BUILD)/tests/model-preload --seed 4" \
	    "LD_PRELOAD=$(abspath $(BUILD)/libmolt.so) $(BUILD)/tests/model-preload --threads 4 --seconds 3" \
	    "$(BUILD)/release/objects --seed 1 --streams 1000" \
	    $(call collections,release,15)

$(BUILD)/tests/nodes.so: tests/objects/nodes.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 $(WARNINGS) -fPIC -fvisibility=hidden -shared $< -o $@

check-objects: $(BUILD)/libmolt.so $(BUILD)/tests/nodes.so
	LD_PRELOAD=$(abspath $(BUILD)/libmolt.so) tests/objects/mirror $(BUILD)/tests/nodes.so 1 15 500

$(BUILD)/tests/known: tests/profiles/known.c $(BUILD)/release/libmolt-core.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -g -std=gnu17 $(WARNINGS) $< $(call whole,$(BUILD)/release/libmolt-core.a) \
	    -o $@ -pthread

$(BUILD)/tests/keeper: tests/profiles/keeper.c
	@mkdir -p $(@D)
	$(CC) -O1 -g -fno-builtin -std=gnu17 $(WARNINGS) $< -o $@

# A program with a probe of its own, alone and in the two orders in which it can be linked with molt.
PROBED := $(BUILD)/tests/probed $(BUILD)/tests/probed-first $(BUILD)/tests/probed-last

$(BUILD)/tests/probed.o: tests/profiles/probed.c src/base/sdt.h
	@mkdir -p $(@D)
	$(CC) -O1 -g -fno-builtin -std=gnu17 $(WARNINGS) -Isrc -c $< -o $@

$(BUILD)/tests/probed: $(BUILD)/tests/probed.o
	$(CC) $^ -o $@

$(BUILD)/tests/probed-first: $(BUILD)/tests/probed.o $(BUILD)/libmolt.a
	$(CC) -static -Wl,--gc-sections $^ -o $@ -pthread

$(BUILD)/tests/probed-last: $(BUILD)/libmolt.a $(BUILD)/tests/probed.o
	$(CC) -static -Wl,--gc-sections -Wl,-u,malloc $^ -o $@ -pthread

check-profiles: $(BUILD)/tests/known $(BUILD)/tests/keeper $(BUILD)/libmolt.so $(PROBED)
	@tests/steps \
	    "tests/profiles/readers $(BUILD)/tests/known $(BUILD)/tests/keeper $(BUILD)/libmolt.so" \
	    "tests/profiles/probes $(BUILD)/libmolt.so $(PROBED)"

DEBUG_PROGRAMS := bash g++ git lua perl python redis sqlite

check-debug: $(addprefix $(BUILD)/debug/,unit $(MODELS) libmolt.so) $(BUILD)/tests/model-preload \
             $(CASES_ALL)
	@tests/steps \
	    "$(BUILD)/debug/objects --seed 10 --streams 12" \
	    "BUILD=$(BUILD) tests/cases/run $(BUILD)/debug/libmolt.so" \
	    "tests/programs/run --quick $(DEBUG_PROGRAMS:%=--only %) $(BUILD)/debug/libmolt.so" \
	    $(call units,debug) \
	    "$(BUILD)/debug/model --seed 8 --ops 300000" \
	    "$(BUILD)/debug/model --threads 4 --seed 9 --ops 300000" \
	    "LD_PRELOAD=$(abspath $(BUILD)/debug/libmolt.so) $(BUILD)/tests/model-preload --threads 4 --seconds 3" \
	    $(call collections,debug,3)

SANITIZED := tsan asan ubsan
CHECK_SANITIZED := $(SANITIZED:%=check-%) check-sanitizers

# The time of assertions, and a sanitizer's memory and time, are no fault of the tests.
check-debug $(CHECK_SANITIZED): export PATIENCE = $(shell tests/patience 4)
check-debug: export FORKS = 60
$(CHECK_SANITIZED): export TSAN_OPTIONS = suppressions=tests/tsan.supp history_size=7
$(CHECK_SANITIZED): export ASAN_OPTIONS = detect_leaks=0 allocator_may_return_null=1

# `fork` is for the other builds: it skips ASan's and TSan's, and takes as long as all of UBSan's others. What
# UBSan makes of single steps and of large heaps takes another minute: two sanitizers see them.
left_out = fork $(if $(filter ubsan,$(1)),profile_record holder)
sanitized = \
    $(call units,$(1),$(call left_out,$(1))) \
    "$(BUILD)/$(1)/model --seed 5 --ops 100000" \
    "$(BUILD)/$(1)/model --threads 4 --seed 6 --ops 200000" \
    "$(BUILD)/$(1)/objects --nodes 3 --seed 7 --streams 20" \
    $(call collections,$(1),2)

check-asan check-tsan check-ubsan: check-%: $(addprefix $(BUILD)/%/,unit $(MODELS))
	@tests/steps $(call sanitized,$*)

check-sanitizers: $(foreach variant,$(SANITIZED),$(addprefix $(BUILD)/$(variant)/,unit $(MODELS)))
	@tests/steps $(foreach variant,$(SANITIZED),$(call sanitized,$(variant)))

.PHONY: check-unit check-model check-objects check-profiles check-debug check-asan check-tsan check-ubsan check-sanitizers
