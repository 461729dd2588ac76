# molt: `make` builds the libraries, `make help` lists the rest.

BUILD   := build
VERSION := 1.0.0
SONAME  := libmolt.so.1
PREFIX  ?= /usr/local
DESTDIR ?=

CC  ?= gcc
CXX ?= g++
AR  ?= ar

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CPPFLAGS += -D_GNU_SOURCE -Isrc -Iinclude -MMD -MP
CFLAGS   ?= -O2
# -foptimize-sibling-calls: slow paths and dlopen are entered by a jump.
# -fno-builtin: malloc must not be compiled into a call of itself.
MOLT_CFLAGS := -std=gnu17 $(WARNINGS) -fPIC -fvisibility=hidden -fno-builtin-malloc \
               -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -fno-builtin-memset \
               -foptimize-sibling-calls -fno-plt -fexceptions -fno-semantic-interposition
# -z nodelete: threads' destructors may run after dlclose.
LDFLAGS_SO := -shared -Wl,-soname,$(SONAME) -Wl,--version-script,preload/molt.map \
              -Wl,-z,nodelete,-z,now,-z,relro,-z,defs -Wl,--hash-style=gnu -Wl,--as-needed

SOURCES := $(sort $(wildcard src/*/*.c))
PRELOAD := $(sort $(wildcard preload/*.c))

all: $(BUILD)/libmolt.so $(BUILD)/libmolt.a

# ---- Variants: the same rules in a directory of their own ----------------------------------
# variant NAME, extra compiler flags, directory of the result

define variant
$(1)_OBJECTS := $$(SOURCES:%.c=$(BUILD)/obj/$(1)/%.o)
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
$(eval $(call variant,debug,-O0 -DMOLT_DEBUG,$(BUILD)/debug))
$(eval $(call variant,asan,-O1 -fsanitize=address -DMOLT_DEBUG,$(BUILD)/asan))
$(eval $(call variant,tsan,-O1 -fsanitize=thread -DMOLT_DEBUG,$(BUILD)/tsan))
$(eval $(call variant,ubsan,-O1 -fsanitize=undefined -fno-sanitize-recover=all -DMOLT_DEBUG,$(BUILD)/ubsan))

# ---- Libraries ---------------------------------------------------------------------------------

$(BUILD)/$(SONAME): $(release_OBJECTS) $(release_PRELOAD) preload/molt.map
	$(CC) $(LDFLAGS) $(LDFLAGS_SO) $(release_OBJECTS) $(release_PRELOAD) -o $@

$(BUILD)/libmolt.so: $(BUILD)/$(SONAME)
	ln -sf $(SONAME) $@

$(BUILD)/libmolt.a: $(release_OBJECTS) $(release_PRELOAD)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/debug/libmolt.so: $(debug_OBJECTS) $(debug_PRELOAD) preload/molt.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(LDFLAGS_SO) $(debug_OBJECTS) $(debug_PRELOAD) -o $@

debug: $(BUILD)/debug/libmolt.so

FORCE:
.PHONY: all debug FORCE
