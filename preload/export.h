/* export.h: what the preload layer's definitions carry. */
#ifndef PRELOAD_EXPORT_H
#define PRELOAD_EXPORT_H

#define EXPORT __attribute__((visibility("default")))

/* A second exported name. The assembler's alias: the compiler's would ask for every attribute of
 * the declaration again. */
#define SECOND_NAME(alias, name) __asm__(".globl " #alias "\n.set " #alias ", " #name "\n")

/* own_NAME is this library's definition, whatever the program sees under NAME. */
#define OWN_NAME(name) \
    __asm__(".hidden own_" #name "\n.globl own_" #name "\n.set own_" #name ", " #name "\n")

#endif
