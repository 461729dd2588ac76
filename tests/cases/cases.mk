# tests/cases: one program per *.c and *.cc, one shared library per lib/*.c.
# For the top Makefile, which defines BUILD, CC and CXX and includes this file.

CASES_DIR := tests/cases
CASES_OUT := $(BUILD)/tests/cases

CASES_C    := $(patsubst $(CASES_DIR)/%.c,$(CASES_OUT)/%,$(wildcard $(CASES_DIR)/*.c))
CASES_CC   := $(patsubst $(CASES_DIR)/%.cc,$(CASES_OUT)/%,$(wildcard $(CASES_DIR)/*.cc))
CASES_LIBS := $(patsubst $(CASES_DIR)/lib/%.c,$(CASES_OUT)/lib%.so,$(wildcard $(CASES_DIR)/lib/*.c))

# Libraries that define one of the functions of forms.h each.
CASES_FORMS := $(foreach form,$(shell seq 0 22),$(CASES_OUT)/libform$(form).so)

CASES_ALL  := $(CASES_C) $(CASES_CC) $(CASES_LIBS) $(CASES_FORMS) $(CASES_OUT)/liboperators.so

# No optimisation may see that a malloc and its free belong together.
CASES_FLAGS    := -O1 -g -fno-builtin -pthread -Wall -Wextra -Wconversion -Wshadow
CASES_CFLAGS    = -std=gnu17 $(CASES_FLAGS)
CASES_CXXFLAGS  = -std=c++17 -fsized-deallocation $(CASES_FLAGS)

# Cases that are linked against a library of their own: it runs before main.
CASES_LINKED := early ifunc
$(foreach case,$(CASES_LINKED),$(eval $(CASES_OUT)/$(case): $(CASES_OUT)/lib$(case).so))
$(CASES_LINKED:%=$(CASES_OUT)/%): \
    CASE_LINK = -L$(CASES_OUT) -l$(@F) -Wl,-rpath,'$$ORIGIN'

# Cases that call molt by its own names.
CASES_MOLT := objects_cxx
$(CASES_MOLT:%=$(CASES_OUT)/%): $(BUILD)/libmolt.so $(wildcard include/*)
$(CASES_MOLT:%=$(CASES_OUT)/%): CASES_FLAGS += -Wpedantic -Iinclude
$(CASES_MOLT:%=$(CASES_OUT)/%): \
    CASE_LINK = -L$(BUILD) -lmolt -Wl,-rpath,$(abspath $(BUILD))

$(CASES_OUT)/replaced_library: $(CASES_OUT)/liboperators.so
$(CASES_OUT)/replaced_library: CASE_LINK = -L$(CASES_OUT) -loperators -Wl,-rpath,'$$ORIGIN'

# Programs that leave out the sized forms on purpose.
$(CASES_OUT)/replaced_exe: CASES_FLAGS += -Wno-sized-deallocation

# What the libraries of forms count in is the program's.
$(CASES_OUT)/replaced: CASE_LINK = -rdynamic

$(CASES_C): $(CASES_OUT)/%: $(CASES_DIR)/%.c $(CASES_DIR)/case.h $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CC) $(CASES_CFLAGS) -o $@ $< $(CASE_LINK) -ldl

$(CASES_CC): $(CASES_OUT)/%: $(CASES_DIR)/%.cc $(wildcard $(CASES_DIR)/*.h) $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -o $@ $< $(CASE_LINK) -ldl

# RUNPATH is the library's own directory: what deepbind.c looks for.
$(CASES_LIBS): $(CASES_OUT)/lib%.so: $(CASES_DIR)/lib/%.c $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CC) $(CASES_CFLAGS) -fPIC -shared -o $@ $< -Wl,--enable-new-dtags,-rpath,'$$ORIGIN' -ldl

$(CASES_FORMS): $(CASES_OUT)/libform%.so: $(CASES_DIR)/lib/form.cc $(wildcard $(CASES_DIR)/*.h) \
    $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -DOWN_NUMBER=$* -Wno-sized-deallocation -fPIC -shared -o $@ $<

$(CASES_OUT)/liboperators.so: $(CASES_DIR)/lib/operators.cc $(wildcard $(CASES_DIR)/*.h) \
    $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -Wno-sized-deallocation -fPIC -shared -o $@ $<

.PHONY: cases check-cases
cases: $(CASES_ALL)

check-cases: $(CASES_ALL) $(BUILD)/libmolt.so
	BUILD=$(BUILD) $(CASES_DIR)/run $(abspath $(BUILD))/libmolt.so
