# doc/examples: complete programs, built as their heads say, and what they print.
#
#   make check-examples    compares with NAME.out

EXAMPLES := $(patsubst doc/examples/%.c,$(BUILD)/examples/%,$(wildcard doc/examples/*.c))

$(EXAMPLES): $(BUILD)/examples/%: doc/examples/%.c $(BUILD)/libmolt.so $(wildcard include/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -std=gnu17 $(WARNINGS) -Wpedantic -Werror -Iinclude $< -o $@ -L$(BUILD) -lmolt \
	    -Wl,-rpath,$(abspath $(BUILD))

check-examples: $(EXAMPLES)
	@tests/examples $(BUILD)/examples

.PHONY: check-examples
