# tests/cases: one program per *.c and *.cc, one shared library per lib/*.c.
# For the top Makefile, which defines BUILD, CC and CXX and includes this file.

CASES_DIR := tests/cases
CASES_OUT := $(BUILD)/tests/cases

CASES_C    := $(patsubst $(CASES_DIR)/%.c,$(CASES_OUT)/%,$(wildcard $(CASES_DIR)/*.c))
CASES_CC   := $(patsubst $(CASES_DIR)/%.cc,$(CASES_OUT)/%,$(wildcard $(CASES_DIR)/*.cc))
CASES_LIBS := $(patsubst $(CASES_DIR)/lib/%.c,$(CASES_OUT)/lib%.so,$(wildcard $(CASES_DIR)/lib/*.c))

# Libraries that define one of the functions of forms.h each.
CASES_FORMS := $(foreach form,$(shell seq 0 22),$(CASES_OUT)/libform$(form).so)

# Programs of linked/, by the way that they are linked; forms-MASK defines the forms in the mask.
LINKED_C   := $(foreach way,plain static whole,clash.$(way) family.$(way) own.$(way)) \
              $(foreach way,shared fixed,family.$(way) own.$(way))
LINKED_CXX := $(foreach way,plain static,$(addsuffix .$(way),$(addprefix forms-,0x0 0x2 0x101 0x330f \
                  0x4010 0x800 0xfffff))) \
              $(foreach way,runtime whole so,forms-0x0.$(way) forms-0x330f.$(way)) \
              $(foreach way,plain static runtime so,unnamed.$(way))
CASES_LINKED_ALL := $(addprefix $(CASES_OUT)/linked/,$(LINKED_C) $(LINKED_CXX))

CASES_ALL  := $(CASES_C) $(CASES_CC) $(CASES_LIBS) $(CASES_FORMS) $(CASES_OUT)/liboperators.so \
    $(CASES_LINKED_ALL)

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
CASES_MOLT := objects_cxx early_objects early_exit fork_objects fork_rings
$(CASES_MOLT:%=$(CASES_OUT)/%): $(BUILD)/libmolt.so $(wildcard include/*)
$(CASES_MOLT:%=$(CASES_OUT)/%): CASES_FLAGS += -Wpedantic -Iinclude
$(CASES_MOLT:%=$(CASES_OUT)/%): \
    CASE_LINK = -L$(BUILD) -lmolt -Wl,-rpath,$(abspath $(BUILD))

# Its constructor runs before those of the library, which is in the archive.
$(CASES_OUT)/early_exit: $(BUILD)/libmolt.a
$(CASES_OUT)/early_exit: CASE_LINK = $(BUILD)/libmolt.a

# A plugin that is linked with it, of a program that is not.
$(CASES_OUT)/libmolt_plugin.so: $(BUILD)/libmolt.so $(wildcard include/*)
$(CASES_OUT)/libmolt_plugin.so: CASES_FLAGS += -Iinclude
$(CASES_OUT)/libmolt_plugin.so: LIB_LINK = -L$(BUILD) -lmolt -Wl,-rpath,$(abspath $(BUILD))
$(CASES_OUT)/is_malloc: $(CASES_OUT)/libmolt_plugin.so

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
	$(CC) $(CASES_CFLAGS) -fPIC -shared -o $@ $< -Wl,--enable-new-dtags,-rpath,'$$ORIGIN' \
	    $(LIB_LINK) -ldl

$(CASES_FORMS): $(CASES_OUT)/libform%.so: $(CASES_DIR)/lib/form.cc $(wildcard $(CASES_DIR)/*.h) \
    $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -DOWN_NUMBER=$* -Wno-sized-deallocation -fPIC -shared -o $@ $<

$(CASES_OUT)/liboperators.so: $(CASES_DIR)/lib/operators.cc $(wildcard $(CASES_DIR)/*.h) \
    $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -Wno-sized-deallocation -fPIC -shared -o $@ $<

# How they are linked; the compiler adds its libraries behind.
LINK.plain   := $(BUILD)/libmolt.a
LINK.static  := -static $(BUILD)/libmolt.a
LINK.runtime := -static-libstdc++ $(BUILD)/libmolt.a
LINK.whole   := -static -Wl,--gc-sections -Wl,--whole-archive $(BUILD)/libmolt.a \
                -Wl,--no-whole-archive
LINK.shared  := -L$(BUILD) -lmolt -Wl,-rpath,$(abspath $(BUILD))
LINK.fixed   := -no-pie $(LINK.shared)
LINK.so      := -static-libstdc++ -L$(BUILD) -lmolt -Wl,-rpath,$(abspath $(BUILD))

$(CASES_OUT)/obj/%.o: $(CASES_DIR)/linked/%.c $(wildcard $(CASES_DIR)/*.h) $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CC) $(CASES_CFLAGS) -flto -Iinclude -c -o $@ $<

$(CASES_OUT)/obj/unnamed.o: $(CASES_DIR)/linked/unnamed.cc $(CASES_DIR)/case.h $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -c -o $@ $<

$(CASES_OUT)/obj/forms-%.o: $(CASES_DIR)/linked/forms.cc $(wildcard $(CASES_DIR)/*.h) \
    $(CASES_DIR)/cases.mk
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -Wno-sized-deallocation -Iinclude -DOWN_FORMS=$* -c -o $@ $<

$(CASES_LINKED_ALL): $(BUILD)/libmolt.a $(BUILD)/libmolt.so

.SECONDEXPANSION:
$(LINKED_C:%=$(CASES_OUT)/linked/%): $(CASES_OUT)/linked/%: $(CASES_OUT)/obj/$$(basename $$*).o
	@mkdir -p $(@D)
	$(CC) $(CASES_CFLAGS) -flto -o $@ $< $(LINK$(suffix $@))

$(LINKED_CXX:%=$(CASES_OUT)/linked/%): $(CASES_OUT)/linked/%: $(CASES_OUT)/obj/$$(basename $$*).o
	@mkdir -p $(@D)
	$(CXX) $(CASES_CXXFLAGS) -o $@ $< $(LINK$(suffix $@))

.PHONY: cases check-cases
cases: $(CASES_ALL)

check-cases: $(CASES_ALL) $(BUILD)/libmolt.so
	BUILD=$(BUILD) $(CASES_DIR)/run $(abspath $(BUILD))/libmolt.so
