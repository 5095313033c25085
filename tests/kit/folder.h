/* SPDX-License-Identifier: MIT */
/* A folder for a test's files. */
#ifndef KIT_FOLDER_H
#define KIT_FOLDER_H

enum { FOLDER_PATH = 32 };

/* A new one in /tmp; what: what its name begins with, at most 16 letters. */
void folder_make(char path[FOLDER_PATH], const char *what);
/* It must be empty: 0, or -1 and a line that says what is wrong.  For teardowns. */
int folder_remove(const char *path);
/* A teardown of cmocka's, for a state that begins with its folder: both are gone. */
int folder_teardown(void **state);

#endif
