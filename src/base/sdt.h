/* sdt.h: statically defined probes (USDT), which bpftrace, perf, gdb and others find by notes in
 * the section .note.stapsdt of a program or library. Nothing of a note is loaded.
 *
 * This is the third version of SystemTap's format. SystemTap's own header, sys/sdt.h, puts a probe
 * in the middle of a function, with its arguments wherever the compiler has them, and would be one
 * more thing to install. Here a probe is the entry of a function, whose arguments are in the
 * registers that the ABI says: readers that do not decode the descriptors of arguments find them,
 * too. */
#ifndef BASE_SDT_H
#define BASE_SDT_H

#include <stdint.h>

/* How many tracers want a probe to fire. They change it in the program's memory, which is mapped
 * from the file: so it must not be in .bss. */
typedef uint16_t sdt_semaphore;
#define SDT_SEMAPHORES __attribute__((section(".probes")))

/* The descriptors of the arguments of a function that takes one word, or three. */
#if defined(__x86_64__)
#define SDT_ONE_WORD "8@%rdi"
#define SDT_THREE_WORDS "8@%rdi 8@%rsi 8@%rdx"
#elif defined(__aarch64__)
#define SDT_ONE_WORD "8@x0"
#define SDT_THREE_WORDS "8@x0 8@x1 8@x2"
#endif

/* The note of a probe that fires when `function` is entered. Stands outside of functions;
 * `semaphore` is an address that the assembler understands.
 *
 * Where .stapsdt.base has come to lie tells readers by how much a program was moved after it was
 * linked (prelink). There is one in a program: so it is in a group of sections of that name, of
 * which the linker keeps one, as it does with those of libc and of the C++ library. */
#define SDT_PROBE(provider, name, function, semaphore, arguments)                     \
    __asm__(".pushsection .note.stapsdt, \"\", %note\n"                               \
            ".balign 4\n"                                                             \
            ".4byte 2f - 1f, 4f - 3f, 3\n" /* lengths; the type: version 3 */         \
            "1: .asciz \"stapsdt\"\n"                                                 \
            "2: .balign 4\n"                                                          \
            "3: .8byte " function ", _.stapsdt.base, " semaphore "\n"                 \
            ".asciz \"" provider "\", \"" name "\", \"" arguments "\"\n"              \
            "4: .balign 4\n"                                                          \
            ".popsection\n"                                                           \
            ".ifndef _.stapsdt.base\n"                                                \
            ".pushsection .stapsdt.base, \"aGR\", %progbits, .stapsdt.base, comdat\n" \
            ".weak _.stapsdt.base\n"                                                  \
            ".hidden _.stapsdt.base\n"                                                \
            "_.stapsdt.base: .space 1\n"                                              \
            ".size _.stapsdt.base, 1\n"                                               \
            ".popsection\n"                                                           \
            ".endif\n")

#endif
