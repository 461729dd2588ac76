/* name.h: names that the profiler keeps: of tags, of the types of objects and of threads. Each is
 * stored once, as a copy: what it was copied from may go, with the plugin that it lay in. */
#ifndef PROFILE_NAME_H
#define PROFILE_NAME_H

/* Longer names are cut to this many bytes. */
enum { NAME_BYTES_MAX = 127 };

/* Returns the one copy of the text, which stays for good; NULL if there is none and no memory for
 * one. Any thread, signal handlers too; no lock. */
const char *name_intern(const char *text);

#endif
