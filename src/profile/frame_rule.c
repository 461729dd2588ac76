/* frame_rule.c: executes an entry of the unwind tables as far as to an address. */
#include "frame_rule.h"

#include "table_entry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The numbers that DWARF gives the registers. */
#if defined(__x86_64__)
enum { REGISTER_FP = 6, REGISTER_SP = 7, REGISTER_RETURN = 16 };
#elif defined(__aarch64__)
enum { REGISTER_FP = 29, REGISTER_RETURN = 30, REGISTER_SP = 31 };
#endif

/* ---- Executing ---- */

enum place { PLACE_SAME, PLACE_AT_CFA, PLACE_AT_FP, PLACE_NONE, PLACE_UNKNOWN };

struct saved {
    enum place place;
    int64_t offset;
};

struct row {
    enum frame_rule_kind kind;
    int64_t cfa;
    struct saved fp, return_address;
};

enum { REMEMBERED_MAX = 8 };

struct machine {
    const struct table_entry *entry;
    struct row row;
    struct row initial; /* after the CIE's instructions */
    struct row remembered[REMEMBERED_MAX];
    unsigned depth;
    uintptr_t location; /* from where on the row holds */
    uintptr_t address;  /* whose rule is asked for */
    bool is_understood;
};

static void set_cfa(struct machine *machine, uint64_t number, int64_t offset)
{
    machine->row.kind = number == REGISTER_SP   ? FRAME_BY_SP
                        : number == REGISTER_FP ? FRAME_BY_FP
                                                : FRAME_UNKNOWN;
    machine->row.cfa = offset;
}

/* Returns what is known of the register; NULL: nothing has to be. */
static struct saved *saved_of(struct row *row, const struct table_entry *entry, uint64_t number)
{
    return number == REGISTER_FP              ? &row->fp
           : number == entry->return_register ? &row->return_address
                                              : NULL;
}

static void set_saved(struct machine *machine, uint64_t number, enum place place, int64_t offset)
{
    struct saved *saved = saved_of(&machine->row, machine->entry, number);
    if (saved != NULL)
        *saved = (struct saved){place, offset};
}

static void restore_saved(struct machine *machine, uint64_t number)
{
    struct saved *saved = saved_of(&machine->row, machine->entry, number);
    if (saved != NULL)
        *saved = *saved_of(&machine->initial, machine->entry, number);
}

enum { OP_DEREF = 0x06, OP_REGISTER = 0x70 }; /* the latter with the register's number added */

static struct table_reader read_block(struct table_reader *reader)
{
    return read_part(reader, read_unsigned(reader));
}

/* Of the expressions that compilers make for aligned stacks: the frame pointer plus a number. */
static bool read_fp_offset(struct table_reader *block, int64_t *offset)
{
    bool is_fp = read_8(block) == OP_REGISTER + REGISTER_FP;
    *offset = read_signed(block);
    return is_fp;
}

/* The linker's, for its jumps to other libraries (x86-64): the stack pointer plus 8, or 16 from a
 * certain byte of the 16 of a jump on. Returns that byte's number; 0: it is another expression. */
static unsigned pushed_from(struct table_reader block)
{
    /* breg7 8, breg16 0, lit15, and, litN, ge, lit3, shl, plus */
    static const uint8_t head[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a}, tail[] = {0x2a, 0x33, 0x24, 0x22};
    const uint8_t *number = block.at + sizeof head;
    bool is_it = REGISTER_SP == 7 && block.end - block.at == sizeof head + 1 + sizeof tail &&
                 memcmp(block.at, head, sizeof head) == 0 &&
                 memcmp(number + 1, tail, sizeof tail) == 0;
    return is_it && *number > 0x30 && *number < 0x40 ? *number - 0x30u : 0;
}

static void execute_cfa_expression(struct machine *machine, struct table_reader block)
{
    unsigned from = pushed_from(block);
    if (from != 0) {
        set_cfa(machine, REGISTER_SP, machine->address % 16 >= from ? 16 : 8);
        return;
    }
    bool is_known = read_fp_offset(&block, &machine->row.cfa) && read_8(&block) == OP_DEREF &&
                    block.at == block.end;
    machine->row.kind = is_known ? FRAME_ALIGNED : FRAME_UNKNOWN;
}

static void execute_expression(struct machine *machine, uint64_t number, struct table_reader block)
{
    int64_t offset;
    bool is_known = read_fp_offset(&block, &offset) && block.at == block.end;
    set_saved(machine, number, is_known ? PLACE_AT_FP : PLACE_UNKNOWN, offset);
}

static void remember_row(struct machine *machine)
{
    machine->is_understood = machine->depth < REMEMBERED_MAX;
    if (machine->is_understood)
        machine->remembered[machine->depth++] = machine->row;
}

static void restore_row(struct machine *machine)
{
    machine->is_understood = machine->depth > 0;
    if (machine->is_understood)
        machine->row = machine->remembered[--machine->depth];
}

/* DWARF's DW_CFA_…; the first three have an operand in their low six bits. */
enum {
    ADVANCE_LOC = 0x40,
    OFFSET = 0x80,
    RESTORE = 0xc0,
    NOP = 0x00,
    ADVANCE_LOC1 = 0x02,
    ADVANCE_LOC2 = 0x03,
    ADVANCE_LOC4 = 0x04,
    OFFSET_EXTENDED = 0x05,
    RESTORE_EXTENDED = 0x06,
    UNDEFINED = 0x07,
    SAME_VALUE = 0x08,
    IN_REGISTER = 0x09,
    REMEMBER_STATE = 0x0a,
    RESTORE_STATE = 0x0b,
    DEF_CFA = 0x0c,
    DEF_CFA_REGISTER = 0x0d,
    DEF_CFA_OFFSET = 0x0e,
    DEF_CFA_EXPRESSION = 0x0f,
    EXPRESSION = 0x10,
    OFFSET_EXTENDED_SF = 0x11,
    DEF_CFA_SF = 0x12,
    DEF_CFA_OFFSET_SF = 0x13,
    VAL_OFFSET = 0x14,
    VAL_OFFSET_SF = 0x15,
    VAL_EXPRESSION = 0x16,
    AARCH64_NEGATE_RA_STATE = 0x2d, /* the return address is signed: walks strip it anyway */
    GNU_ARGS_SIZE = 0x2e,
};

static void advance(struct machine *machine, uint64_t units)
{
    machine->location += units * machine->entry->code_unit;
}

/* Instructions about the CFA, and those without operands. */
static void execute_cfa(struct machine *machine, struct table_reader *reader, uint8_t opcode)
{
    int64_t unit = machine->entry->data_unit;
    uint64_t number;
    switch (opcode) {
    case NOP:
    case AARCH64_NEGATE_RA_STATE:
        break;
    case REMEMBER_STATE:
        remember_row(machine);
        break;
    case RESTORE_STATE:
        restore_row(machine);
        break;
    case DEF_CFA:
        number = read_unsigned(reader);
        set_cfa(machine, number, (int64_t)read_unsigned(reader));
        break;
    case DEF_CFA_SF:
        number = read_unsigned(reader);
        set_cfa(machine, number, read_signed(reader) * unit);
        break;
    case DEF_CFA_REGISTER:
        set_cfa(machine, read_unsigned(reader), machine->row.cfa);
        break;
    case DEF_CFA_OFFSET:
        machine->row.cfa = (int64_t)read_unsigned(reader);
        break;
    case DEF_CFA_OFFSET_SF:
        machine->row.cfa = read_signed(reader) * unit;
        break;
    case DEF_CFA_EXPRESSION:
        execute_cfa_expression(machine, read_block(reader));
        break;
    case GNU_ARGS_SIZE:
        read_unsigned(reader);
        break;
    default:
        machine->is_understood = false;
    }
}

/* Instructions about a register, whose number comes first. */
static bool execute_saved(struct machine *machine, struct table_reader *reader, uint8_t opcode)
{
    struct table_reader start = *reader;
    int64_t unit = machine->entry->data_unit;
    uint64_t number = read_unsigned(reader);
    switch (opcode) {
    case OFFSET_EXTENDED:
        set_saved(machine, number, PLACE_AT_CFA, (int64_t)read_unsigned(reader) * unit);
        return true;
    case OFFSET_EXTENDED_SF:
        set_saved(machine, number, PLACE_AT_CFA, read_signed(reader) * unit);
        return true;
    case RESTORE_EXTENDED:
        restore_saved(machine, number);
        return true;
    case UNDEFINED:
        set_saved(machine, number, PLACE_NONE, 0);
        return true;
    case SAME_VALUE:
        set_saved(machine, number, PLACE_SAME, 0);
        return true;
    case EXPRESSION:
        execute_expression(machine, number, read_block(reader));
        return true;
    case VAL_EXPRESSION:
        read_block(reader);
        set_saved(machine, number, PLACE_UNKNOWN, 0);
        return true;
    case IN_REGISTER:
    case VAL_OFFSET:
    case VAL_OFFSET_SF:
        read_unsigned(reader);
        set_saved(machine, number, PLACE_UNKNOWN, 0);
        return true;
    default:
        *reader = start;
        return false;
    }
}

static void execute(struct machine *machine, struct table_reader *reader)
{
    uint8_t opcode = read_8(reader), operand = opcode & 0x3f;
    switch (opcode & 0xc0) {
    case ADVANCE_LOC:
        advance(machine, operand);
        return;
    case OFFSET:
        set_saved(machine, operand, PLACE_AT_CFA,
                  (int64_t)read_unsigned(reader) * machine->entry->data_unit);
        return;
    case RESTORE:
        restore_saved(machine, operand);
        return;
    default:
        break;
    }
    if (opcode == ADVANCE_LOC1)
        advance(machine, read_8(reader));
    else if (opcode == ADVANCE_LOC2)
        advance(machine, read_16(reader));
    else if (opcode == ADVANCE_LOC4)
        advance(machine, read_32(reader));
    else if (!execute_saved(machine, reader, opcode))
        execute_cfa(machine, reader, opcode);
}

/* Executes instructions until the row no longer holds for the address, which leaves the row that
 * does. */
static struct row execute_to(struct machine *machine, struct table_reader reader, uintptr_t address)
{
    struct row row = machine->row;
    while (machine->is_understood && reader.at < reader.end) {
        execute(machine, &reader);
        if (machine->location > address)
            return row;
        row = machine->row;
    }
    return row;
}

/* ---- Rules ---- */

static const struct frame_rule unknown = {.kind = FRAME_UNKNOWN};

/* Sets *words; false if the offset is no number of words from least to most. */
static bool to_words(int64_t offset, int least, int most, int *words)
{
    int64_t bytes = (int64_t)sizeof(uintptr_t);
    *words = (int)(offset / bytes);
    return offset % bytes == 0 && offset / bytes >= least && offset / bytes <= most;
}

/* Sets where the frame pointer is saved; false if its rule has no such place. */
static bool set_fp(struct frame_rule *rule, const struct saved *fp)
{
    int words = FP_SAME;
    if (rule->kind == FRAME_ALIGNED) {
        if (fp->place != PLACE_AT_FP || !to_words(fp->offset, INT16_MIN, INT16_MAX, &words))
            return false;
    } else if (fp->place != PLACE_SAME) {
        bool is_found = fp->place == PLACE_AT_CFA &&
                        to_words(fp->offset, FP_LOST + 1, INT16_MAX, &words) && words != FP_SAME;
        words = is_found ? words : FP_LOST;
    }
    rule->fp = (int16_t)words;
    return true;
}

static bool set_return_address(struct frame_rule *rule, const struct saved *saved)
{
    int words = 0;
    bool is_found = saved->place == PLACE_SAME ||
                    (saved->place == PLACE_AT_CFA &&
                     to_words(saved->offset, INT8_MIN, INT8_MAX, &words) && words != 0);
    rule->return_address = (int8_t)words;
    return is_found;
}

static struct frame_rule rule_of(const struct row *row)
{
    struct frame_rule rule = {.kind = (uint8_t)row->kind, .cfa = (int32_t)row->cfa};
    if (row->return_address.place == PLACE_NONE)
        return (struct frame_rule){.kind = FRAME_LAST};
    bool is_known = rule.kind != FRAME_UNKNOWN && row->cfa == rule.cfa && set_fp(&rule, &row->fp) &&
                    set_return_address(&rule, &row->return_address);
    return is_known ? rule : unknown;
}

struct frame_rule frame_rule_read(const uint8_t *record, uintptr_t address)
{
    struct table_entry entry;
    struct machine machine;
    if (!table_entry_open(&entry, record, address))
        return unknown;
    if (entry.is_signal)
        return (struct frame_rule){.kind = FRAME_SIGNAL};
    machine.entry = &entry;
    machine.row = (struct row){.kind = FRAME_UNKNOWN};
    machine.initial = machine.row;
    machine.depth = 0;
    machine.location = entry.start;
    machine.is_understood = true;
    machine.address = address;
    execute_to(&machine, entry.common, UINTPTR_MAX);
    machine.initial = machine.row;
    struct row row = execute_to(&machine, entry.function, address);
    return machine.is_understood ? rule_of(&row) : unknown;
}
