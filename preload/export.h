/* export.h: how the preload layer exports its definitions. */
#ifndef PRELOAD_EXPORT_H
#define PRELOAD_EXPORT_H

#define EXPORT __attribute__((visibility("default")))

/* Exports a definition under a second name: by the assembler's alias, since the compiler's would
 * ask for every attribute of the declaration again. */
#define SECOND_NAME(alias, name) __asm__(".globl " #alias "\n.set " #alias ", " #name "\n")

/* Gives a definition the name own_NAME too, by which this library reaches it whatever the program
 * sees under NAME. */
#define OWN_NAME(name) \
    __asm__(".hidden own_" #name "\n.globl own_" #name "\n.set own_" #name ", " #name "\n")

#endif
