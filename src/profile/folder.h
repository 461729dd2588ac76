/* folder.h: the folders that statistics pages lie in, and their names there (molt_page.h). */
#ifndef PROFILE_FOLDER_H
#define PROFILE_FOLDER_H

enum { FOLDERS = 4, FOLDER_PATH_SIZE = 512 };

/* Opens the folder of that number, below FOLDERS, the preferred one first; makes it if it is not
 * there. Returns a descriptor, and the folder's path, NUL-terminated, or -errno: EPERM: it is
 * another user's, or others may enter it; ENOENT: there is nowhere to put it. */
int folder_open(unsigned number, char path[FOLDER_PATH_SIZE]);

/* Writes the name of a process's page, NUL-terminated; it is in the caller's PID namespace. */
enum { FOLDER_NAME_SIZE = 40 };
void folder_page_name(unsigned process, char name[FOLDER_NAME_SIZE]);

/* What stands behind the name while the page is made. */
#define FOLDER_UNFINISHED "~"

/* Removes the pages of processes of the caller's PID namespace that have ended, or that run another
 * program by now. */
void folder_sweep(int folder);

#endif
